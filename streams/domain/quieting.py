"""Quieting is letting what is not too grave wait until a recipient's quiet hours (免打扰) are over."""

import datetime as dt
from collections.abc import Sequence
from typing import get_args

from schemas.documents.quiet import QuietHours, of_day_ms
from schemas.documents.season import Weekday
from schemas.messages import AlarmEvent
from schemas.windows import DAY_MS, date_ms, local_datetime
from streams.domain.routing import ENDINGS
from streams.domain.working_time import is_working_day

_WEEKDAYS: tuple[str, ...] = get_args(Weekday)
# Quiet hours that follow each other are one time; whoever is never to be disturbed is asked again after a week.
_FOLLOWING = 16


def quiet_until(hours: Sequence[QuietHours], event: AlarmEvent, at_ms: int) -> int | None:
    """Return when it is over that an event waits at an instant [epoch ms]; None: it does not wait.

    What ends an alarm carries no severity of its own, so no exception is made for it.
    """
    holding = [one for one in hours if event.condition in ENDINGS or event.severity not in one.except_]
    until_ms = at_ms
    for _ in range(_FOLLOWING):
        ends = [end_ms for one in holding if (end_ms := _end(one, until_ms)) is not None]
        if not ends:
            break
        until_ms = max(ends)
    return None if until_ms == at_ms else until_ms


def _end(one: QuietHours, at_ms: int) -> int | None:
    """Return when the quiet time ends that holds at an instant [epoch ms]; it began today or yesterday."""
    today = local_datetime(at_ms).date()
    from_ms = of_day_ms(one.from_)
    # What does not end later than it begins ends on the next day.
    length_ms = (of_day_ms(one.to) - from_ms - 1) % DAY_MS + 1
    for day in (today, today - dt.timedelta(days=1)):
        begin_ms = date_ms(day) + from_ms
        if _names(one, day) and begin_ms <= at_ms < begin_ms + length_ms:
            return begin_ms + length_ms
    return None


def _names(one: QuietHours, day: dt.date) -> bool:
    if one.days is not None:
        return is_working_day(day) == (one.days == "working")
    return one.weekdays is None or _WEEKDAYS[day.weekday()] in one.weekdays
