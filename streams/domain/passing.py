"""The passing of time closes and settles windows: which calendar documents that concerns between two ticks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from schemas.windows import DAY_MS, HOUR_MS, WindowKind, window_at

# A longer silence of the ticker is not made up for hour by hour: what has documents is brought up to date as it is.
LONGEST_MADE_UP_MS = 40 * DAY_MS


class Time(NamedTuple):
    """Where the partition stands in time: `now_ms` the highest tick, `known_ms` the latest arrival or tick seen.

    `from_ms` is the highest tick before what is put in now, `first_ms` the first there ever was.
    """

    from_ms: int
    now_ms: int
    known_ms: int
    first_ms: int = 0


class Passed(NamedTuple):
    """A stretch `(from_ms, to_ms]` that ticks went through; `leapt`: the time before it was not gone through."""

    from_ms: int
    to_ms: int
    leapt: bool


def passed(before_ms: int, ticks_ms: Sequence[int]) -> list[Passed]:
    """Return the stretches from the last tick before (0: there was none) through rising ticks.

    The same ticks give the same stretches, however many of them come at once.
    """
    found: list[Passed] = []
    at = before_ms
    for tick_ms in ticks_ms:
        if tick_ms <= at:
            continue
        from_ms = max(at, tick_ms - LONGEST_MADE_UP_MS) if at else tick_ms
        if found and from_ms == at:
            found[-1] = found[-1]._replace(to_ms=tick_ms)
        else:
            found.append(Passed(from_ms, tick_ms, from_ms > at))
        at = tick_ms
    return found


def documents_of(before_ms: int, now_ms: int, graces: Mapping[WindowKind, int]) -> tuple[set[str], set[str]]:
    """Return the documents that hold windows which ended, and those which settled, in `(before_ms, now_ms]`.

    Both are names of days, months and years. The first have to exist, the second matter where they exist.
    """
    ended, settled = set[str](), set[str]()
    for at in _hour_edges(before_ms, now_ms):
        day = window_at(at - 1, "day").name
        ended.update((day, day[:7], day[:4]))
    for kind, holders in HOLDERS.items():
        for at in _hour_edges(before_ms - graces[kind], now_ms - graces[kind]):
            each = window_at(at - 1, kind)
            if each.end_ms == at:
                settled.update(window_at(each.start_ms, holder).name for holder in holders)
    return ended, settled


# Whose documents speak for a window: the one of which it is a child, and its own.
HOLDERS: dict[WindowKind, tuple[WindowKind, ...]] = {
    "hour": ("day",),
    "day": ("day", "month"),
    "month": ("month", "year"),
    "quarter": ("year",),
    "year": ("year",),
}


def _hour_edges(before_ms: int, now_ms: int) -> Iterator[int]:
    """Yield the whole hours in `(before_ms, now_ms]`."""
    yield from range((before_ms // HOUR_MS + 1) * HOUR_MS, now_ms + 1, HOUR_MS)
