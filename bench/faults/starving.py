"""Starving is what a store or a disk does to a process: it is slow, or it has no room.

A disk without room is a limit on the size of files, set on the running process: every write beyond it is refused, as on
a full disk, and nobody else is harmed.
"""

import contextlib
import random
import resource
import sqlite3
import time
from collections.abc import Iterator

from bench.faults.town import Town
from bench.kills.city import WORKERS
from tests.influx_between import Said

# Beyond a process's log: that must still be written.
_ROOM = 48 << 10
_NO_SPACE = Said(500, '{"code":"internal error","message":"write /wal/_00001.wal: no space left on device"}')


def slow_file(town: Town, chance: random.Random) -> None:
    """Keep the embedded file locked by somebody else."""
    with contextlib.closing(sqlite3.connect(town.settings.store_path, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(chance.uniform(2, 8))
        other.execute("ROLLBACK")


def slow_influx(town: Town, chance: random.Random) -> None:
    """Let every write take long."""
    assert town.between is not None
    town.between.slow_s = chance.uniform(0.5, 2)
    time.sleep(chance.uniform(3, 6))
    town.between.slow_s = 0


def full_file(town: Town, chance: random.Random) -> None:
    """Leave no room to the sink."""
    with _without_room(town, "sink"):
        time.sleep(chance.uniform(2, 5))


def full_influx(town: Town, chance: random.Random) -> None:
    """Have InfluxDB say that its disk is full."""
    assert town.between is not None
    town.between.spoil = lambda _: _NO_SPACE
    time.sleep(chance.uniform(2, 5))
    town.between.spoil = lambda _: None


def full_disk(town: Town, chance: random.Random) -> None:
    """Leave no room to a worker, which says so and ends; with room again it is started by hand."""
    name = chance.choice(WORKERS)
    with _without_room(town, name):
        end = time.monotonic() + chance.uniform(3, 8)
        while town.processes.alive(name) and time.monotonic() < end:
            time.sleep(0.1)
    if not town.processes.alive(name):
        town.processes.restart(name)


@contextlib.contextmanager
def _without_room(town: Town, name: str) -> Iterator[None]:
    pid = town.processes.pid(name)
    room = town.processes.log(name).stat().st_size + _ROOM
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
