"""The cache is where servers that were fetched or built are kept, outside the repository, once a machine.

Standard library only, so that a bare ``python3`` can fill it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROBE_LIMIT_S = 30.0


class LocalServerError(Exception):
    """A local server cannot be had; the message says what was wrong and what to do.

    ``code`` is one of ``java_missing maven_missing go_missing rust_missing gcc_missing pkg_config_missing fetch_failed
    already_running port_taken broker_ended not_ready command_missing bad_name stopped``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def cache_directory() -> Path:
    """Where fetched servers are kept: ``$XDG_CACHE_HOME/qingyu``, else ``~/.cache/qingyu``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qingyu"


@contextlib.contextmanager
def locked(path: Path, *, limit_s: float) -> Iterator[None]:
    """Hold a lock file against other processes for as long as the block; raise LocalServerError ``fetch_failed``."""
    deadline_s = time.monotonic() + limit_s
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    message = f"another process has held {path} for {limit_s:.0f} s; end it, then repeat"
                    raise LocalServerError("fetch_failed", message) from None
                time.sleep(0.2)
        yield


def output(command: list[str]) -> str:
    """What a program says of itself on both channels; empty when it cannot be run."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PROBE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def check_or_fetch(module: str, check: Callable[[], None], fetch: Callable[[Callable[[str], None]], Path]) -> int:
    """Run ``check`` or ``fetch`` as this process was told, and return its status: 0 done, 1 missing, 2 wrong use.

    What is fetched is printed; how far it is goes to standard error, with the seconds since the start.
    """
    arguments, started_s = sys.argv[1:], time.monotonic()
    if arguments not in (["check"], ["fetch"]):
        print(f"usage: python3 -m {module} check|fetch", file=sys.stderr)
        return 2

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started_s:5.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        if arguments == ["check"]:
            check()
        else:
            print(fetch(tell))
    except LocalServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
