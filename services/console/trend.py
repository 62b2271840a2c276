"""A trend holds the hours of a day against those of the day before."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.windows import DAY_MS, HOUR_MS
from streams.stores.series import WindowPoint

HOURS = 24


@dataclass(frozen=True, slots=True)
class Trend:
    """The hours of today and yesterday by their place in the day, None where nothing is known.

    `ratio` is how much today lies above yesterday (-0.1: a tenth below) over the `compared` hours that are over and
    known on both days; None where there is none, or where yesterday's are 0.
    """

    day_ms: int
    today: tuple[WindowPoint | None, ...]
    yesterday: tuple[WindowPoint | None, ...]
    compared: int
    ratio: float | None


def trend(points: Iterable[WindowPoint], day_ms: int, now_ms: int) -> Trend:
    """Return the trend of the day that begins at `day_ms`, from hours of it and of the day before [epoch ms]."""
    at = {point.start_ms: point for point in points}
    today = tuple(at.get(day_ms + hour * HOUR_MS) for hour in range(HOURS))
    yesterday = tuple(at.get(day_ms - DAY_MS + hour * HOUR_MS) for hour in range(HOURS))
    both = [
        (new.value, old.value)
        for new, old in zip(today, yesterday, strict=True)
        if new is not None
        and old is not None
        and new.value is not None
        and old.value is not None
        # An hour that is not over, or not all there, would pass for a fall.
        and new.start_ms + HOUR_MS <= now_ms
        and not new.missing
        and not old.missing
    ]
    before = sum(old for _, old in both)
    ratio = sum(new for new, _ in both) / before - 1 if before > 0 else None
    return Trend(day_ms, today, yesterday, len(both), ratio)


def shown_hour(points: Iterable[WindowPoint], now_ms: int) -> int:
    """Return the start of the hour to show [epoch ms]: the present one if it has a value yet.

    Else the newest before it that is all there, or has a value at all; where none of the last day has, the present one.
    """
    present_ms = now_ms // HOUR_MS * HOUR_MS
    known = {one.start_ms: one for one in points if one.value is not None}
    if present_ms in known:
        return present_ms
    lately = [one for ms, one in known.items() if present_ms - DAY_MS < ms < present_ms]
    whole = [one.start_ms for one in lately if not one.missing]
    return max(whole or [one.start_ms for one in lately], default=present_ms)


def shape(points: Iterable[WindowPoint], from_ms: int) -> list[list[tuple[float, float]]]:
    """Return the course of the day from `from_ms` [epoch ms] as runs of points in a box of 1 by 1.

    The bottom of the box is half of the least value, its top the greatest. Only hours that are all there are drawn;
    where one is not, a run ends.
    """
    whole = {
        (one.start_ms - from_ms) // HOUR_MS: one.value for one in points if one.value is not None and not one.missing
    }
    low, top = min(whole.values(), default=0.0) / 2, max(whole.values(), default=0.0)
    runs: list[list[tuple[float, float]]] = []
    before = None
    for place in sorted(whole):
        if before is None or place != before + 1:
            runs.append([])
        runs[-1].append((place / HOURS, (whole[place] - low) / (top - low) if top > low else 0.5))
        before = place
    return runs
