"""A channel is what one meter has to say over time: its readings in order, and from when each can be sent."""

from bisect import bisect_right
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from schemas.windows import local_ms

DATA: Traversable = files("services.simulator") / "data"
# The year that the data are of, half-open [epoch ms].
FIRST_MS, LAST_MS = local_ms(2018), local_ms(2019)


@dataclass(frozen=True, slots=True)
class Channel:
    """The readings of one meter, by column and ascending in time.

    `stamps_ms` are the instants that readings carry [epoch ms], `values` their decimal text in the meter's unit. A
    reading can be sent `delay_ms` [ms] after its stamp: once its slot is over, where the stamp is the slot's start.
    """

    source: str
    meter: str
    stamps_ms: tuple[int, ...]
    values: tuple[str, ...]
    delay_ms: int = 0

    def between(self, after_ms: int, until_ms: int) -> list[tuple[int, str]]:
        """Return (stamp, value) of the readings that can be sent from after `after_ms` until `until_ms` [epoch ms]."""
        first = bisect_right(self.stamps_ms, after_ms - self.delay_ms)
        last = bisect_right(self.stamps_ms, until_ms - self.delay_ms)
        return list(zip(self.stamps_ms[first:last], self.values[first:last], strict=True))
