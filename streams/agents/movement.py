"""Movement is how far a process has come with each partition it reads, and what that means: idle, moving or stalled.

A partition stands still for two reasons that look alike from outside: nothing is left to read, or what is left is not
getting through. Its end tells them apart.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# Who has something to do and has not moved for so long is stalled; a rebalance or a broker's restart is shorter.
STALLED_S = 45.0

State = Literal["opening", "idle", "moving", "stalled"]


@dataclass(frozen=True, slots=True)
class Movement:
    """One partition: the next offset to take in (None: it is being opened), its end (None: not known yet) [offset].

    `still_s` is for how long nothing moved while there was something left [s].
    """

    reached: int | None
    end: int | None
    still_s: float

    @property
    def lag(self) -> int:
        """How many offsets are left, as far as the end is known."""
        return max(0, (self.end or 0) - (self.reached or 0)) if self.reached is not None else self.end or 0

    @property
    def state(self) -> State:
        """What the partition is doing."""
        if self.lag and self.still_s > STALLED_S:
            return "stalled"
        if self.reached is None:
            return "opening"
        return "moving" if self.lag else "idle"

    def figures(self) -> dict[str, Any]:
        """Return figures for /readyz."""
        return {
            "state": self.state, "committed": self.reached, "end": self.end, "lag": self.lag,
            "still_s": round(self.still_s, 1),
        }  # fmt: skip


class Movements:
    """Follows all partitions of a process; `clock` is a monotonic time [s]."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[int, tuple[int | None, float]] = {}

    def see(self, reached: Mapping[int, int | None], ends: Mapping[int, int]) -> dict[int, Movement]:
        """Return how each partition of `reached` moves, given how far all have come and where they end."""
        now = self._clock()
        before, self._since = self._since, {}
        found: dict[int, Movement] = {}
        for number, at in sorted(reached.items()):
            end = ends.get(number)
            last, since = before.get(number, (at, now))
            # What comes after an idle time waits since now, not since the last record before it.
            if at != last or (at is not None and at >= (end or 0)):
                since = now
            self._since[number] = at, since
            found[number] = Movement(at, end, now - since)
        return found


def why_stalled(found: Mapping[int, Movement], topic: str) -> str:
    """Return which partitions of a topic are stalled, and where; empty when none is."""
    return "; ".join(
        f"partition {number} of {topic} is stalled: at {each.reached or 0} of {each.end} for {each.still_s:.0f} s"
        for number, each in found.items()
        if each.state == "stalled"
    )
