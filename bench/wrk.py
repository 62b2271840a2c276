"""wrk is the HTTP load generator: so many connections, each of which sends the next request once it has its answer.

So the load is what the server bears, and the times are those of a server under so many senders. One thread of it costs
a small part of what it asks of the gateway.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.cache import LocalServerError

SCRIPT = Path(__file__).with_name("load.lua")
_HELP = "Debian: apt-get install wrk; macOS: brew install wrk"
# Beyond the time that it is told to send.
_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What one wrk did: requests that were answered in so long, waits for an answer [s].

    `failed` were not answered, `refused` answered with a status from 400 on.
    """

    requests: int
    seconds: float
    p50_s: float
    p99_s: float
    max_s: float
    failed: int
    refused: int


def program() -> str:
    """Return the path of wrk; raise LocalServerError `wrk_missing` where there is none."""
    path = shutil.which("wrk")
    if path is None:
        raise LocalServerError("wrk_missing", f"wrk is not on PATH; {_HELP}")
    return path


def write_bodies(folder: Path, bodies: Iterable[bytes]) -> int:
    """Write the bodies that are to be sent in turn into a folder, which is made; return how many there are."""
    folder.mkdir(parents=True)
    count = 0
    for count, body in enumerate(bodies, 1):
        (folder / str(count - 1)).write_bytes(body)
    return count


def send(
    addresses: Sequence[str], folder: Path, *, token: str, encoding: str, connections: int, seconds: float
) -> tuple[list[Sent], float]:
    """Send the bodies of a folder to each address at the same time, over as many connections to all of them together.

    Returns what each of them had, and the CPU that the sending took [s]. Raises LocalServerError where wrk is missing
    or fails.
    """
    count = sum(1 for _ in folder.iterdir())
    each = max(connections // len(addresses), 1)
    before = _children_s()
    running = [
        subprocess.Popen(
            [program(), "-t1", f"-c{each}", f"-d{max(round(seconds), 1)}s", "--timeout", "30s", "-s", str(SCRIPT),
             address, "--", str(folder), str(count), encoding],
            env={**os.environ, "WRK_TOKEN": token}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for address in addresses
    ]  # fmt: skip
    try:
        found = [_said(one, seconds + _GRACE_S) for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
    return found, _children_s() - before


def _said(running: subprocess.Popen[str], limit_s: float) -> Sent:
    out, complaint = running.communicate(timeout=limit_s)
    if running.returncode:
        raise LocalServerError("wrk_failed", f"wrk ended with status {running.returncode}: {complaint or out}")
    return Sent(**json.loads(out.splitlines()[-1]))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    try:
        program()
    except LocalServerError as error:
        sys.exit(f"error: {error}")
