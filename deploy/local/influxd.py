"""influxd: the server program of InfluxDB 2.9, taken from this machine or built once from its Go module.

Standard library only, so that a bare ``python3`` can say what is missing and build it::

    python3 -m deploy.local.influxd check    # Go, Rust, gcc, pkg-config, as long as no influxd is there
    python3 -m deploy.local.influxd fetch    # builds it where it is not there; prints the path of the program

A program that ``QINGYU_INFLUX`` names by its path, or an ``influxd`` of version 2 on PATH, is used instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.cache import LocalServerError, cache_directory, check_or_fetch, locked, output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = "2.9.1"
MODULE = Path(__file__).parent / "influx"

_PROGRAM = "github.com/influxdata/influxdb/v2/cmd/influxd"
# Its pkg-config stands before the machine's own and builds the Rust library of Flux when that is asked for.
_WRAPPER = "github.com/influxdata/pkg-config"
_TAGS = "sqlite_foreign_keys,sqlite_json"
# What the modules ask for: go.mod of InfluxDB 2.9.1, rust-toolchain.toml of its Flux.
_GO, _RUST = (1, 25, 10), (1, 83)
_PROGRAMS = (("gcc", "gcc"), ("pkg_config", "pkg-config"))
# Ten minutes on two busy cores; three times that on a slow machine.
_BUILD_LIMIT_S = 2400.0
_TELL_S = 15.0


def named_program() -> Path | None:
    """The program that ``QINGYU_INFLUX`` names, or an influxd 2 on PATH; None where there is neither.

    ``QINGYU_INFLUX`` may also be the address of a server: that is no program.

    Raises:
        LocalServerError: ``fetch_failed`` when ``QINGYU_INFLUX`` names a path and there is no program.
    """
    named = os.environ.get("QINGYU_INFLUX", "")
    if named and "://" not in named:
        found = shutil.which(named)
        if found is None:
            message = f"QINGYU_INFLUX is {named}: neither a program nor an address that begins with http://"
            raise LocalServerError("fetch_failed", message)
        return Path(found)
    on_path = shutil.which("influxd")
    if on_path is not None and re.search(r"InfluxDB v?2\.", output([on_path, "version"])):
        return Path(on_path)
    return None


def built_program() -> Path:
    """Where the program that is built here is kept, whether it is there yet or not."""
    # The digest of the modules is part of the name, so that another version of any of them is built anew.
    digest = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:8]
    return cache_directory() / f"influxd-{VERSION}-{digest}" / "influxd"


def is_here() -> bool:
    """Whether the program is there, so that nothing needs to be built."""
    return named_program() is not None or built_program().is_file()


def check() -> None:
    """See that the program is there, or everything that building it needs.

    Raises:
        LocalServerError: ``go_missing``, ``rust_missing``, ``gcc_missing`` or ``pkg_config_missing``; one message
            names all that is missing.
    """
    if is_here():
        return
    go = _found_version(["go", "version"], r"go(\d+)\.(\d+)(?:\.(\d+))?")
    rust = _found_version(["rustc", "--version"], r"rustc (\d+)\.(\d+)")
    missing = [
        *_lacks_version("go", go, _GO, "https://go.dev/dl"),
        *_lacks_version("rust", rust, _RUST, "https://rustup.rs"),
        *((code, f"{name} (apt-get install {name})") for code, name in _PROGRAMS if shutil.which(name) is None),
    ]
    if missing:
        said = ", ".join(text for _, text in missing)
        message = f"building InfluxDB {VERSION} needs {said}; or name a server or an influxd 2 by QINGYU_INFLUX"
        raise LocalServerError(f"{missing[0][0]}_missing", message)


def fetch(tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the path of the program, built first when it is not there; several processes may ask at once.

    Args:
        tell: hears every few seconds how far the building is.

    Raises:
        LocalServerError: as ``check``, or ``fetch_failed`` with what the failing step said last.
    """
    named = named_program()
    if named is not None:
        return named
    program = built_program()
    if program.is_file():
        return program
    check()
    program.parent.parent.mkdir(parents=True, exist_ok=True)
    with locked(program.parent.with_suffix(".lock"), limit_s=_BUILD_LIMIT_S):
        if not program.is_file():
            with tempfile.TemporaryDirectory(prefix="influxd-", dir=program.parent.parent) as work:
                built = _build(Path(work), tell)
                program.parent.mkdir(exist_ok=True)
                built.rename(program)
    return program


def _build(work: Path, tell: Callable[[str], None]) -> Path:
    for name in ("go.mod", "go.sum"):
        shutil.copy(MODULE / name, work / name)
    wrapper, program = work / "bin" / "pkg-config", work / "bin" / "influxd"
    toolchain = output(["rustup", "show", "active-toolchain"]).split()[:1]
    env = {
        **os.environ,
        "PKG_CONFIG": str(wrapper),
        # Flux pins a toolchain of its own, which would have to be fetched; any newer one compiles it.
        **({"RUSTUP_TOOLCHAIN": toolchain[0]} if toolchain else {}),
    }
    flags = ["-tags", _TAGS, "-ldflags", f"-s -w -X main.version=v{VERSION}"]
    steps = (
        ("modules", ["go", "mod", "download"]),
        ("its pkg-config", ["go", "build", "-o", str(wrapper), _WRAPPER]),
        ("Flux in Rust, then the server in Go", ["go", "build", "-v", *flags, "-o", str(program), _PROGRAM]),
    )
    deadline_s = time.monotonic() + _BUILD_LIMIT_S
    for number, (name, command) in enumerate(steps, 1):
        step = f"InfluxDB {VERSION}, step {number} of {len(steps)}: {name}"
        tell(step)
        _run(command, work, env, deadline_s, lambda lines, step=step: tell(f"{step}, {lines} packages"))
    return program


def _run(
    command: list[str], work: Path, env: Mapping[str, str], deadline_s: float, tell: Callable[[int], None]
) -> None:
    log = work / "build.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=work, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        while True:
            try:
                status = process.wait(_TELL_S)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline_s:
                    message = f"building InfluxDB was not done after {_BUILD_LIMIT_S:.0f} s; repeat: it goes on"
                    raise LocalServerError("fetch_failed", message) from None
                tell(len(log.read_bytes().splitlines()))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait(30.0)
    if status != 0:
        said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]) or "(it said nothing)"
        raise LocalServerError("fetch_failed", f"{' '.join(command[:3])} failed, so InfluxDB cannot be built:\n{said}")


def _found_version(command: list[str], pattern: str) -> tuple[int, ...] | None:
    found = re.search(pattern, output(command))
    return tuple(int(part or 0) for part in found.groups()) if found else None


def _lacks_version(
    code: str, found: tuple[int, ...] | None, needed: tuple[int, ...], where: str
) -> list[tuple[str, str]]:
    if found is not None and found >= needed:
        return []
    have = f"; {'.'.join(map(str, found))} is here" if found else ""
    return [(code, f"{code} {'.'.join(map(str, needed))} or newer ({where}{have})")]


if __name__ == "__main__":
    sys.exit(check_or_fetch("deploy.local.influxd", check, fetch))
