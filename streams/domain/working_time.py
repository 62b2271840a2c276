"""Working time (工作时间) is the working hours of working days, by the holidays that the State Council announces.

A day is a working day when it is Monday to Friday and no holiday, or a weekend day that is worked for one. Of a year
whose holidays are not known, Monday to Friday count, and `known` tells it, so that whoever counts can say so.
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from schemas.reference.holidays import days_off, days_worked, holidays
from schemas.windows import date_ms, local_datetime

_SATURDAY = 5
# No delay is longer than 366 days, and no ten days running are off: what is not reached by then never is.
MOST_DAYS = 20 * 366


class Reached(NamedTuple):
    """When an amount of time is reached [epoch ms], None: not within the span; how much of it is left then [ms]."""

    at_ms: int | None
    left_ms: int


def known(year: int) -> bool:
    """Tell whether the holidays of a year are known."""
    return year in holidays().years


def is_working_day(day: dt.date) -> bool:
    """Tell whether people work on a local day; of a year that is not known, Monday to Friday."""
    return day in days_worked() or (day.weekday() < _SATURDAY and day not in days_off())


def reach(need_ms: int, start_ms: int, end_ms: int | None, hours_ms: Sequence[tuple[int, int]] | None) -> Reached:
    """Return when so much time has passed since a start [epoch ms], within a span that ends (None: never ends).

    `hours_ms` are the working hours of a working day, from its beginning [ms], one after the other; None: all time
    counts.
    """
    if hours_ms is None:
        if end_ms is None or start_ms + need_ms <= end_ms:
            return Reached(start_ms + need_ms, 0)
        return Reached(None, need_ms - max(0, end_ms - start_ms))
    day = local_datetime(start_ms).date()
    for _ in range(MOST_DAYS):
        begin_ms = date_ms(day)
        if end_ms is not None and begin_ms >= end_ms:
            break
        for open_ms, close_ms in hours_ms if is_working_day(day) else ():
            from_ms = max(start_ms, begin_ms + open_ms)
            until_ms = begin_ms + close_ms if end_ms is None else min(end_ms, begin_ms + close_ms)
            if until_ms - from_ms >= need_ms:
                return Reached(from_ms + need_ms, 0)
            need_ms -= max(0, until_ms - from_ms)
        day += dt.timedelta(days=1)
    return Reached(None, need_ms)


def unknown_years(start_ms: int, end_ms: int) -> list[int]:
    """Return the years of a span [epoch ms] whose holidays are not known."""
    first, last = local_datetime(start_ms).year, local_datetime(end_ms).year
    return [year for year in range(first, last + 1) if not known(year)]
