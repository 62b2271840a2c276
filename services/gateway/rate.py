"""A rate limit holds each source to the readings a second that its document allows, as a bucket that fills with time.

A bucket holds BURST_S seconds' worth. A batch is let in whenever the bucket is not in debt, and may take it into debt:
so a batch of any size can be sent, and what comes after it waits until the mean is right again.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST_S = 2.0
# A bucket that is full again says nothing; they are thrown away when there are so many.
_KEPT = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float


class RateLimit:
    """The buckets of all sources; `clock_s` tells a monotonic time [s]."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._buckets: dict[str, _Bucket] = {}

    def take(self, source: str, readings: int, per_s: float) -> int:
        """Take `readings` out of a source's bucket, filled with `per_s` [1/s]; return 0.

        When the bucket is in debt nothing is taken; return the whole seconds until it will not be [s].
        """
        now = self._clock_s()
        full = BURST_S * per_s
        bucket = self._buckets.get(source)
        level = full if bucket is None else min(full, bucket.level + (now - bucket.at_s) * per_s)
        if level <= 0:
            return max(1, math.ceil(-level / per_s))
        if len(self._buckets) >= _KEPT:
            self._forget(now)
        self._buckets[source] = _Bucket(level - readings, now)
        return 0

    def give_back(self, source: str, readings: int) -> None:
        """Put back what was taken for a batch that was not kept after all."""
        bucket = self._buckets.get(source)
        if bucket is not None:
            bucket.level += readings

    def _forget(self, now: float) -> None:
        self._buckets = {
            source: one for source, one in self._buckets.items() if one.level < 0 or now - one.at_s < BURST_S
        }
