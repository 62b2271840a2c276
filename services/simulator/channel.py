"""A channel is what one meter has to say over time: its readings in order, and from when each can be sent."""

from bisect import bisect_right
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from schemas.decimals import at_scale, decimal_text, parse_decimal
from schemas.windows import local_ms

DATA: Traversable = files("services.simulator") / "data"
# The year that the data are of, half-open [epoch ms].
FIRST_MS, LAST_MS = local_ms(2018), local_ms(2019)


@dataclass(frozen=True, slots=True)
class Channel:
    """The readings of one meter, by column and ascending in time.

    `stamps_ms` are the instants that readings carry [epoch ms], `counts` their values at `scale` decimal places of the
    meter's unit. A reading can be sent `delay_ms` [ms] after its stamp: once its slot is over, where the stamp is the
    slot's start.
    """

    source: str
    meter: str
    stamps_ms: tuple[int, ...]
    counts: tuple[int, ...]
    scale: int
    delay_ms: int = 0

    @property
    def values(self) -> list[str]:
        """The values as decimal text."""
        return [decimal_text(count, self.scale) for count in self.counts]

    def between(self, after_ms: int, until_ms: int) -> list[tuple[int, str]]:
        """Return (stamp, value) of the readings that can be sent from after `after_ms` until `until_ms` [epoch ms]."""
        first = bisect_right(self.stamps_ms, after_ms - self.delay_ms)
        last = bisect_right(self.stamps_ms, until_ms - self.delay_ms)
        texts = (decimal_text(count, self.scale) for count in self.counts[first:last])
        return list(zip(self.stamps_ms[first:last], texts, strict=True))


def channel_of(source: str, meter: str, readings: list[tuple[int, str]], scale: int, delay_ms: int = 0) -> Channel:
    """Return the channel of (stamp [epoch ms], decimal text) pairs; raise DecimalError where a text is finer."""
    ordered = sorted(readings)
    counts = tuple(at_scale(parse_decimal(text), scale) for _, text in ordered)
    return Channel(source, meter, tuple(stamp_ms for stamp_ms, _ in ordered), counts, scale, delay_ms)
