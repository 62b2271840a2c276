"""Jars: the files of the broker, fetched once by Maven and kept outside the repository, and the programs this needs.

Standard library only, so that a bare ``python3`` can say what is missing before anything else is installed::

    python3 -m deploy.local.jars check    # Java, and Maven as long as nothing is cached
    python3 -m deploy.local.jars fetch    # prints the directory of the jars
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local.cache import LocalServerError, cache_directory, check_or_fetch, locked, output

KAFKA_VERSION = "4.3.1"
POM = Path(__file__).parent / "kafka" / "pom.xml"

# Kafka 4's broker is compiled for 17.
_JAVA_RELEASE = 17
_JAVA_HELP = "Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17 and put its bin on PATH"
_MAVEN_HELP = "Debian: apt-get install maven; macOS: brew install maven"
# A slow line needs a minute for the 60 MB that Maven fetches, plugins included.
_FETCH_LIMIT_S = 900.0


@dataclass(frozen=True)
class Jars:
    """The jars that a pom names: `name` is that of their directory, and one of them begins with `witness`."""

    pom: Path
    name: str
    witness: str

    def directory(self) -> Path:
        """The directory they are kept in, whether it is there yet or not."""
        # The pom's digest is part of the name, so that another version of any jar is fetched and never mixed in.
        digest = hashlib.sha256(self.pom.read_bytes()).hexdigest()[:8]
        return cache_directory() / f"{self.name}-{digest}"


BROKER = Jars(POM, f"kafka-{KAFKA_VERSION}", "kafka_2.13-")


def jar_directory() -> Path:
    """The directory the jars of the broker are kept in, whether it is there yet or not."""
    return BROKER.directory()


def java() -> str:
    """The path of a Java that can run the broker.

    Raises:
        LocalServerError: ``java_missing`` when there is none, or only one older than 17.
    """
    path = shutil.which("java")
    # macOS has a /usr/bin/java that only says that there is no Java, so the version is asked for.
    said = output([path, "-version"]) if path else ""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if path is None or found is None:
        raise LocalServerError("java_missing", f"java {_JAVA_RELEASE} or newer is not on PATH; {_JAVA_HELP}")
    if int(found.group(1)) < _JAVA_RELEASE:
        message = f"java on PATH is version {found.group(1)}, {_JAVA_RELEASE} or newer is needed; {_JAVA_HELP}"
        raise LocalServerError("java_missing", message)
    return path


def maven() -> str:
    """The path of Maven.

    Raises:
        LocalServerError: ``maven_missing`` when it is not on PATH.
    """
    path = shutil.which("mvn")
    if path is None:
        raise LocalServerError("maven_missing", f"mvn (Maven) is not on PATH; {_MAVEN_HELP}")
    return path


def check(jars: Jars = BROKER) -> None:
    """See that everything is there which running jars needs; Maven is needed only while they are not cached.

    Raises:
        LocalServerError: ``java_missing`` or ``maven_missing``; when both are, one message names both.
    """
    missing: list[LocalServerError] = []
    for program in (java,) if jars.directory().is_dir() else (java, maven):
        try:
            program()
        except LocalServerError as error:
            missing.append(error)
    if missing:
        raise LocalServerError(missing[0].code, " -- ".join(str(error) for error in missing))


def fetch(jars: Jars = BROKER) -> Path:
    """Return the directory of jars, fetched first when it is not there; several processes may ask at once.

    Raises:
        LocalServerError: ``java_missing``, ``maven_missing``, or ``fetch_failed`` with what Maven said first.
    """
    directory = jars.directory()
    if directory.is_dir():
        return directory
    check(jars)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with locked(directory.with_name(f"{directory.name}.lock"), limit_s=_FETCH_LIMIT_S):
        if directory.is_dir():
            return directory
        # Whoever holds the lock is the only one fetching: what lies here was left by a fetch that was killed.
        for left in directory.parent.glob(f"{directory.name}.*.part"):
            shutil.rmtree(left, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", suffix=".part", dir=directory.parent))
        try:
            _copy_dependencies(jars, part)
            part.chmod(0o755)
            part.rename(directory)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return directory


def _copy_dependencies(jars: Jars, target: Path) -> None:
    # What Maven fetches must have the digest that its repository states: a difference is an error, no warning.
    command = [maven(), "-B", "-ntp", "-q", "-C", "-f", str(jars.pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_FETCH_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"Maven did not finish within {_FETCH_LIMIT_S:.0f} s; see that it reaches its repository, then repeat"
        raise LocalServerError("fetch_failed", message) from error
    if done.returncode != 0 or not any(target.glob(f"{jars.witness}*.jar")):
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        said = "\n".join(lines[:8]) or "(it said nothing)"
        raise LocalServerError("fetch_failed", f"Maven could not fetch the jars of {jars.name}:\n{said}")


if __name__ == "__main__":
    sys.exit(check_or_fetch("deploy.local.jars", check, lambda _: fetch()))
