"""Kafka Streams runs in a JVM of its own: one reading a message through its windowed aggregation, batches packed.

The program is bench/contenders/streams/KafkaStreamsContender.java; its jars are fetched by Maven as Kafka's own are.
"""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from bench.contenders.contender import PARTITIONS, Contender, Task
from deploy.local import jars
from deploy.local.cache import LocalServerError, check_or_fetch, output

FOLDER = Path(__file__).parent / "streams"
SOURCE = FOLDER / "KafkaStreamsContender.java"
JARS = jars.Jars(FOLDER / "pom.xml", f"kafka-streams-{jars.KAFKA_VERSION}", "kafka-streams-")
_HELP = "Debian: apt-get install openjdk-17-jdk-headless; macOS: brew install openjdk@17 and put its bin on PATH"


def compiler() -> str:
    """The path of a Java compiler.

    Raises:
        LocalServerError: ``java_missing`` when there is none, or only one older than 17.
    """
    path = shutil.which("javac")
    found = re.search(r"javac (\d+)", output([path, "-version"])) if path else None
    if path is None or found is None or int(found.group(1)) < 17:
        message = f"javac 17 or newer is not on PATH, and Kafka Streams is compared by a program in Java; {_HELP}"
        raise LocalServerError("java_missing", message)
    return path


def check() -> None:
    """See that Java, its compiler, and Maven as long as the jars are not cached, are there.

    Raises:
        LocalServerError: ``java_missing`` or ``maven_missing``.
    """
    jars.check(JARS)
    compiler()


@cache
def _classes() -> Path:
    """Return the folder of the compiled program."""
    folder = jars.fetch(JARS).parent / f"{JARS.directory().name}.classes"
    command = [compiler(), "--release", "17", "-d", str(folder), "-cp", f"{JARS.directory()}/*", str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{SOURCE} does not compile:\n{done.stderr}")
    return folder


def _command(task: Task) -> list[str]:
    path = f"{_classes()}:{JARS.directory()}/*"
    logging = f"-Dlog4j2.configurationFile={jars.POM.parent / 'log4j2.properties'}"
    java = [jars.java(), "-XX:+UseSerialGC", "-Xmx1g", "-cp", path, logging]
    return [*java, SOURCE.stem, *task.arguments(), str(PARTITIONS)]


CONTENDER = Contender(
    "kafka-streams",
    "Java; one reading a message: windowed aggregation; batches: packed state; at least once",
    {1: 2_000_000, 20: 2_000_000, 200: 2_000_000},
    _command,
)

if __name__ == "__main__":
    sys.exit(check_or_fetch("bench.contenders.kafka_streams", check, lambda _: jars.fetch(JARS)))
