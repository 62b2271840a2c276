"""Using is what processes take of the machine's CPU during a measurement, and what they come up against."""

import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

# A process, or a machine, that computes for so much of the time has no more to give.
USED_UP = 0.9
_TICKS = os.sysconf("SC_CLK_TCK")


class Using:
    """Counts the CPU of processes, by name, while its block runs: `cpu_s` [s], over `wall_s` [s]."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self.cpu_s: dict[str, float] = {}
        self.wall_s = 0.0
        self._machine_s: float | None = None

    def __enter__(self) -> Self:
        """Begin to count."""
        self._began_s = time.monotonic()
        self._before = self._look(), machine_cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        """Count."""
        self.wall_s = time.monotonic() - self._began_s
        before, machine_before_s = self._before
        self.cpu_s = {name: total - before[name] for name, total in self._look().items()}
        machine_s = machine_cpu_s()
        if machine_s is not None and machine_before_s is not None:
            self._machine_s = machine_s - machine_before_s

    def _look(self) -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in self._pids.items()}

    def cores(self, used_s: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return how many cores each process used, or each of `used_s` [s]; and `others`, all else on the machine."""
        found = dict(used_s or self.cpu_s)
        if self._machine_s is not None:
            found["others"] = max(self._machine_s - sum(found.values()), 0.0)
        return {name: used / self.wall_s for name, used in found.items()}


def limit(cores: Mapping[str, float], most: Mapping[str, int], machine: int) -> str:
    """Return what a load came up against, from the CPU of the processes [cores] and how many cores there are.

    `most` tells of the processes that compute in one thread how many of them there are.
    """
    for role, count in most.items():
        if cores[role] >= USED_UP * count:
            return f"CPU of the {role}"
    if sum(cores.values()) >= USED_UP * machine:
        return f"CPU of the machine, most of it the {max(cores, key=lambda role: cores[role])}'s"
    return "waiting: no CPU is used up"


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, with all its threads, those that ended too [s]."""
    if sys.platform == "linux":
        # The number of the clock of another process, as clock_getcpuclockid makes it: to the nanosecond, no ticks.
        return time.clock_gettime((~pid << 3) | 2)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_cpu_s() -> float | None:
    """Return the CPU time that all processes of this machine have used [s]; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def memory_mib(pid: int, name: str) -> float:
    """Return the memory of a process as /proc names it: VmRSS now, RssAnon its own of it, VmHWM at most [MiB]."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, f"/proc says no {name} of process {pid}"
    return int(found[1]) / 1024


def cores_here() -> int:
    """Return how many cores this machine has."""
    return os.cpu_count() or 1
