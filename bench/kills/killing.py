"""A killer has one process killed at failpoints, one life after the other, and starts it again each time.

A kill counts only when the process was seen to end by SIGKILL that it sent itself: one that was not reached in time
is repeated, nearer by.
"""

import random
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.kills.failpoints import passings
from deploy.local.processes import TRY_AGAIN
from tests.running import KILLED, Installation

REACH_LIMIT_S = 60.0
_MISSES = 6
_POLL_S = 0.05
# In one of three lives the local copy is lost with the process, as with its disk.
_LOST_COPIES = 1 / 3


class KillError(Exception):
    """A failpoint was not reached, or a process ended in a way that it must not."""


@dataclass(slots=True)
class Counts:
    """What was done to processes, by failpoint, and how often they asked to be started again."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, to: "Counter[str]", name: str, more: int = 1) -> None:
        """Count under a lock: several killers share this."""
        with self.lock:
            to[name] += more


class Plan:
    """Which failpoints are still to be killed at, shared by the killers of a role."""

    def __init__(self, names: list[str], kills: int, chance: random.Random) -> None:
        every = [name for name in names for _ in range(kills)]
        chance.shuffle(every)
        self._waiting = deque(every)

    def take(self) -> str | None:
        """Return the next one, None at the end."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def __len__(self) -> int:
        return len(self._waiting)


class Killer(threading.Thread):
    """Kills one process at the failpoints of a plan, then leaves it running."""

    def __init__(
        self, installation: Installation, role: str, name: str, plan: Plan, counts: Counts, seed: int,
        provoke: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Take what it kills; `provoke` is called while waiting, to have the failpoint passed at all."""
        super().__init__(name=f"killer of {name}", daemon=True)
        self._installation = installation
        self._role = role
        self._process = name
        self._plan = plan
        self._counts = counts
        self._chance = random.Random(f"{seed} {name}")
        self._provoke = provoke
        self.trouble: str = ""

    def run(self) -> None:
        """Kill as planned."""
        try:
            while (name := self._plan.take()) is not None:
                self._kill_at(name)
            self._end()
            self._installation.start(self._role, self._process)
        except Exception as error:  # noqa: BLE001 -- told to whoever asks; a thread has nobody to raise to
            self.trouble = f"{self._process}: {type(error).__name__}: {error}"

    def _kill_at(self, name: str) -> None:
        most = passings(name, self._role)
        for attempt in range(_MISSES):
            passing = self._chance.randint(1, max(1, most >> attempt))
            self._end()
            if self._role == "worker" and (name == "open.catching-up" or self._chance.random() < _LOST_COPIES):
                _forget(self._installation.data(self._process) / "state")
            self._installation.start(self._role, self._process, QINGYU_FAILPOINT=f"{name}@{passing}")
            if self._is_killed():
                self._counts.add(self._counts.kills, name)
                return
            self._counts.add(self._counts.missed, name)
        raise KillError(f"failpoint {name} was not reached within {REACH_LIMIT_S} s in {_MISSES} lives")

    def _is_killed(self) -> bool:
        processes, end = self._installation.processes, time.monotonic() + REACH_LIMIT_S
        while time.monotonic() < end:
            endings = processes.endings(self._process)
            if KILLED in endings:
                self._counts.add(self._counts.restarts, self._process, endings.count(TRY_AGAIN))
                return True
            strange = [each for each in endings if each != TRY_AGAIN]
            if strange:
                raise KillError(
                    f"{self._process} ended with {strange}:\n{self._installation.log(self._process)[-3000:]}"
                )
            if self._provoke is not None:
                self._provoke()
            time.sleep(_POLL_S)
        return False

    def _end(self) -> None:
        """Leave nothing of that name running; what was not reached is killed, too, without being counted."""
        processes = self._installation.processes
        if self._process in processes.names():
            if processes.alive(self._process):
                processes.kill(self._process)
            processes.stop(self._process)


def _forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
