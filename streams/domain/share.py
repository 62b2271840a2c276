"""A share is the part of an amount that falls into a piece of the span over which the amount was measured.

An amount E over a span of T ms is shared by `F(t) = floor(E * t / T)`: the piece from a to b gets `F(b) - F(a)`, so
the shares of neighbouring pieces add up to E exactly, wherever the cuts are. Where the hours of the span are known to
weigh differently, `W(t) / W(T)` stands in the place of `t / T`, with `W` their weight up to there.
"""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.hour import Ints

# Up to this length (34 days) r * t below stays inside 64 bits, since both are below T.
LONGEST_EXACT_MS = 3_000_000_000


def share(amount: Ints, span_ms: Ints, from_ms: Ints, to_ms: Ints) -> Ints:
    """Return what of each amount falls between `from_ms` and `to_ms` after its span's begin; all of shape (spans,)."""
    if len(span_ms) and int(span_ms.max()) > LONGEST_EXACT_MS:
        return np.array(
            [
                share_one(*each)
                for each in zip(amount.tolist(), span_ms.tolist(), from_ms.tolist(), to_ms.tolist(), strict=True)
            ],
            np.int64,
        )
    quotient, rest = np.divmod(amount, span_ms)
    return quotient * (to_ms - from_ms) + rest * to_ms // span_ms - rest * from_ms // span_ms


def share_one(amount: int, span_ms: int, from_ms: int, to_ms: int) -> int:
    """Return what of one amount falls between two instants counted from its span's begin [ms], for any length."""
    return amount * to_ms // span_ms - amount * from_ms // span_ms


class Shape:
    """How the hours of a span weigh; an hour's weight is spread evenly over it.

    `known_ms` is the latest arrival [epoch ms] of what that is taken from.
    """

    def __init__(self, from_ms: int, to_ms: int, weights: Sequence[int], known_ms: int) -> None:
        """Take the weights of the hours from that of `from_ms` to that before `to_ms` [epoch ms], none negative."""
        self.known_ms = known_ms
        self._first_ms = from_ms // HOUR_MS * HOUR_MS
        self._weights = (*weights, 0)
        self._before = (0, *accumulate(weights))
        self._start = self._up_to(from_ms)
        self._whole = self._up_to(to_ms) - self._start

    @property
    def weighs(self) -> bool:
        """Whether any time of the span has a weight."""
        return self._whole > 0

    def share(self, amount: int, from_ms: int, to_ms: int) -> int:
        """Return what of the span's amount falls between two instants [epoch ms] within it."""
        low, high = (self._up_to(at_ms) - self._start for at_ms in (from_ms, to_ms))
        return amount * high // self._whole - amount * low // self._whole

    def _up_to(self, at_ms: int) -> int:
        hour, rest_ms = divmod(at_ms - self._first_ms, HOUR_MS)
        return self._before[hour] * HOUR_MS + self._weights[hour] * rest_ms
