"""Hearing tells when readings came of a meter, a source or an enterprise last, and what is wrong with them.

A source is heard as long as one of the meters that it reads is, an enterprise as long as any of its meters is. Event
time counts, so a backlog that is worked off late is no silence; a void is no sign of life, a fault or an estimate is.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from schemas.ids import SOURCE
from schemas.windows import HOUR_MS, Window, children_of, window_at
from streams.domain.flaw import Flaw
from streams.domain.hour import VOID, Hour
from streams.domain.state import hour_text
from streams.domain.views import EnterpriseView
from streams.domain.work import Work

Times = list[tuple[int, int]]


class Heard(NamedTuple):
    """Who is heard: by id of the meters how much later [ms] than its stamp a reading tells of each; `whole` means all.

    `from_ms` is when the first of them was registered for; `outages` are the declared ones that all of them have.
    """

    later_ms: dict[str, int]
    whole: bool
    from_ms: int
    outages: Times

    def hour(self, work: Work, at_ms: int, *, after: bool) -> int | None:
        """Return the nearest hour [epoch ms] before (or after) another one that has rows of any of them."""
        if self.whole:
            return work.next_hour(at_ms, after=after)
        found = [work.hour_with(meter, at_ms, after=after) for meter in self.later_ms]
        known = [each for each in found if each is not None]
        return (min(known) if after else max(known)) if known else None


def heard_from(view: EnterpriseView, entity: str, hour: Window) -> Heard | None:
    """Return the meters by whose readings an entity is heard in an hour, None without any."""
    kind, _, id_ = entity.partition("/")
    inner = id_.partition(".")[2]
    meters = [
        meter
        for meter in view.meters
        if meter.from_ms < hour.end_ms
        and meter.to_ms > hour.start_ms
        and (kind != "meter" or meter.id == inner)
        and (kind != SOURCE or meter.source_at(max(hour.start_ms, meter.from_ms)) == inner)
    ]
    if not meters:
        return None
    later_ms = {meter.id: meter.step_ms if meter.stamp == "start" else 0 for meter in meters}
    first_ms = min(meter.from_ms for meter in meters)
    return Heard(later_ms, kind == "enterprise", first_ms, _common(meter.outages for meter in meters))


def silent_ms(work: Work, heard: Heard, hour: Window, since_ms: int, now_ms: int) -> int | None:
    """Return the longest time [ms] without a reading of whom is heard that reaches into an hour.

    It lasts to the hour's end once that has passed, before that to the last reading that came. Of who never sent it is
    the time since the first meter was registered for, or since anything was heard of the enterprise, be it a tick
    (`since_ms`). Declared outages do not count. None where time has not come to the hour, and before the first reading
    of who sends by now.
    """
    here = [min(t, hour.end_ms) for t in _times(work.hour(hour.start_ms), heard)]
    over = hour.end_ms <= now_ms
    if not over and not here:
        return None
    end_ms = hour.end_ms if over else here[-1]
    last = _last_before(work, heard, hour.start_ms)
    if last is not None:
        points = [last, *here, end_ms]
    elif here:
        points = [*here, end_ms]
    elif heard.hour(work, hour.start_ms, after=True) is not None:
        return None
    else:
        first = work.next_hour(0, after=True)
        points = [max(heard.from_ms, since_ms if first is None else min(since_ms, first)), end_ms]
    gaps = [(to - at) - _within(heard.outages, at, to) for at, to in pairwise(points) if to > hour.start_ms]
    return max(gaps, default=0)


def heard_again(work: Work, view: EnterpriseView, entity: str, hours: Iterable[Window], last_ms: int) -> list[Window]:
    """Return hours and all after each of them into which a silence that began in it can reach, in order of time."""
    found: dict[int, Window] = {}
    for hour in hours:
        heard = heard_from(view, entity, hour)
        again = None if heard is None else heard.hour(work, hour.start_ms, after=True)
        end_ms = max(last_ms if again is None else min(again + HOUR_MS, last_ms), hour.end_ms)
        for at_ms in range(hour.start_ms, end_ms, HOUR_MS):
            if at_ms not in found:
                found[at_ms] = window_at(at_ms, "hour")
    return [found[at_ms] for at_ms in sorted(found)]


def _times(hour: Hour | None, heard: Heard) -> list[int]:
    """Return the instants [epoch ms] up to which the readings of an hour tell of whom is heard, in order."""
    if hour is None:
        return []
    if len(heard.later_ms) == 1:
        # One meter of many is found by the order of the rows.
        ((meter, later),) = heard.later_ms.items()
        place = bisect_left(hour.meters, meter)
        if place == len(hour.meters) or hour.meters[place] != meter:
            return []
        low, high = np.searchsorted(hour.rows.meter, (place, place + 1))
        return (hour.rows.t[low:high][hour.rows.q[low:high] != VOID] + later).tolist()
    later_ms = np.array([heard.later_ms.get(meter, -1) for meter in hour.meters], np.int64)[hour.rows.meter]
    counts = (later_ms >= 0) & (hour.rows.q != VOID)
    return np.unique(hour.rows.t[counts] + later_ms[counts]).tolist()


def _last_before(work: Work, heard: Heard, start_ms: int) -> int | None:
    at_ms: int | None = start_ms
    while (at_ms := heard.hour(work, at_ms, after=False)) is not None:
        times = _times(work.hour(at_ms), heard)
        if times:
            return min(times[-1], start_ms)
    return None


def _common(every: Iterable[Sequence[tuple[int, int]]]) -> Times:
    """Return the times that lie in all of some lists of times, each in order and without touching another."""
    found: Times | None = None
    for times in every:
        if found is None:
            found = [(each[0], each[1]) for each in times]
        else:
            found = [
                (low, high)
                for one in found
                for each in times
                if (low := max(one[0], each[0])) < (high := min(one[1], each[1]))
            ]
    return found or []


def _within(times: Times, from_ms: int, to_ms: int) -> int:
    return sum(max(0, min(to, to_ms) - max(at, from_ms)) for at, to in times)


def open_flaws(work: Work, each: Window) -> Iterator[Flaw]:
    """Yield the flaws on which findings are open that touch an hour or day, those of its day as a whole included."""
    day = each.name[:10]
    hours = children_of(day)
    block = work.block(day)
    found: set[Flaw] = set(work.found_flaws(day))
    if block is not None:
        found.update(flaw for flaws in block.flaws.values() for flaw in flaws)
    else:
        found.update(flaw for hour in hours for flaw in work.found_flaws(hour_text(hour.start_ms)))
    yield from sorted(flaw for flaw in found if flaw.from_ms < each.end_ms and flaw.to_ms > each.start_ms)
