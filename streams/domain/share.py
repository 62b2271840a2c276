"""A share is the part of an amount that falls into a piece of the span over which the amount was measured.

An amount E over a span of T ms is shared by `F(t) = floor(E * t / T)`: the piece from a to b gets `F(b) - F(a)`, so
the shares of neighbouring pieces add up to E exactly, wherever the cuts are.
"""

import numpy as np

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
