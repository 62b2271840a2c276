"""Filling puts estimates into the gaps of interval meters: a straight line between good neighbours, else like days.

A gap is a run of slots without a reading between two that have one. It is filled by a straight line when it is no
longer than the meter's `longest_gap`, and both neighbours are measured and not in an outage; else by like days where
the meter's `sharing` says so. The first interval after a gap is held against its day first: some senders put the whole
gap into it, and then nothing is filled.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from schemas.decimals import divide_half_even
from schemas.reference.validation import shipped
from schemas.windows import HOUR_MS, window_at
from streams.domain.column_spans import Estimate
from streams.domain.edges import placed
from streams.domain.flaw import CATCH_UP
from streams.domain.hour import Ints, usable
from streams.domain.likeday import LIKE_DAY, LikeDays, longest_ms
from streams.domain.meter_table import MeterTable
from streams.domain.slot import Slot, nearest, slots
from streams.domain.validation import spike
from streams.domain.work import Work

LINE = "line"


def fills(work: Work, table: MeterTable, start_ms: int, likes: LikeDays) -> list[Estimate]:
    """Return what is filled in of the hour at `start_ms`, and the gaps reaching into it that may not be filled."""
    if not table.any_filled:
        return []
    found: list[Estimate] = []
    for place in _short(work, table, start_ms):
        for before, after in _gaps(work, table, place, start_ms):
            found += _filled(table, place, before, after, start_ms, likes)
    end_ms = start_ms + HOUR_MS
    return [each for each in found if each.from_ms < end_ms and each.to_ms > start_ms]


def _short(work: Work, table: MeterTable, start_ms: int) -> list[int]:
    """Return the places of the filled meters that lack a slot in an hour."""
    covered = np.zeros(len(table.ids), np.int64)
    for hour_ms in range(
        start_ms - table.hours_before * HOUR_MS, start_ms + (table.hours_after + 1) * HOUR_MS, HOUR_MS
    ):
        hour = work.hour(hour_ms)
        if hour is not None:
            rows = placed(table, hour).rows
            rows = rows.take(usable(rows) & table.filled[rows.meter])
            step = table.step_ms[rows.meter]
            begin = np.where(table.end_stamped[rows.meter], rows.t - step, rows.t)
            low, high = np.maximum(begin, start_ms), np.minimum(begin + step, start_ms + HOUR_MS)
            # What was sent of an outage covers nothing that is expected.
            np.add.at(covered, rows.meter, table.without_outages(rows.meter, low, np.maximum(low, high)))
    short: list[int] = np.flatnonzero(
        table.filled & (covered < table.expected_ms(start_ms, start_ms + HOUR_MS))
    ).tolist()
    return short


def _gaps(work: Work, table: MeterTable, place: int, start_ms: int) -> Iterator[tuple[Slot, Slot]]:
    """Yield the slots before and after each gap that reaches into an hour and is short enough."""
    step, longest, end_ms = int(table.step_ms[place]), table.meters[place].longest_gap_ms, start_ms + HOUR_MS
    if table.like[place]:
        first, last = (nearest(work, table, place, at, after=at > start_ms) for at in (start_ms, end_ms))
        each = [first, *slots(work, table, place, start_ms, end_ms), last]
        around = [slot for slot in each if slot is not None]
    else:
        around = slots(work, table, place, start_ms - longest - step, end_ms + longest)
    for before, after in pairwise(around):
        gap = after.from_ms - before.from_ms - step
        into = before.from_ms + step < end_ms and after.from_ms > start_ms
        # Where slots drifted there is no telling which are missing.
        if gap > 0 and (gap <= longest or table.like[place]) and gap % step == 0 and into:
            yield before, after


def _filled(
    table: MeterTable, place: int, before: Slot, after: Slot, start_ms: int, likes: LikeDays
) -> Iterator[Estimate]:
    """Yield what stands in the slots of a gap that reach into the hour at `start_ms`."""
    meter, step = table.meters[place], int(table.step_ms[place])
    begin = before.from_ms + step
    line = before.measured and after.measured and after.from_ms - begin <= meter.longest_gap_ms
    if not line and not (meter.like_day_at(begin) and start_ms < begin + longest_ms()):
        return
    if _is_spike(after, likes.slots(place, _day(after.from_ms)[0])):
        yield Estimate(place, begin, after.from_ms, None, after.received, CATCH_UP)
        return
    count = (after.from_ms - begin) // step
    known = max(before.received, after.received)
    first, end = (start_ms - begin) // step, -(-(start_ms + HOUR_MS - begin) // step)
    for number in range(max(first, 0), min(end, count)):
        at = begin + number * step
        if any(each.meets(at, at + step) for each in meter.outages):
            continue
        if line:
            amount = before.amount + divide_half_even((after.amount - before.amount) * (number + 1), count + 1)
            yield Estimate(place, at, at + step, amount, known, LINE)
        elif mean := likes.mean(place, at, begin):
            yield Estimate(place, at, at + step, mean.amount, max(known, mean.known_ms), LIKE_DAY, mean.days)


def _day(at_ms: int) -> tuple[int, int]:
    day = window_at(at_ms, "day")
    return day.start_ms, day.end_ms


def _is_spike(slot: Slot, day: Sequence[Slot]) -> bool:
    """Tell whether a slot is the largest of its day and far above the third highest, as far as the day can tell."""
    values = [each.amount for each in day if each.measured]
    if slot.amount < max(values, default=slot.amount):
        return False
    return spike(values, Fraction(shipped()["spike"].spec.max_pct or 0)).failed


def hours_reached(work: Work, table: MeterTable, start_ms: int, places: Ints) -> set[int]:
    """Return the hours [epoch ms] whose filling can be another once readings in the hour at `start_ms` are.

    `places` are the meters of these. A gap depends on its neighbours, and on the day of the one after it.
    """
    found: set[int] = set()
    mine: list[int] = places[table.filled[places]].tolist()
    for place in mine:
        step = int(table.step_ms[place])
        low, high = _day(start_ms - step)[0], _day(start_ms + HOUR_MS)[1]
        if table.like[place]:
            before, after = nearest(work, table, place, low, after=False), nearest(work, table, place, high, after=True)
            if before is not None:
                found.update(_hours(before.from_ms, min(low, before.from_ms + step + longest_ms())))
            if after is not None:
                found.update(_hours(high, min(after.from_ms, high + longest_ms())))
        reach = table.meters[place].longest_gap_ms + 2 * step
        # Beyond the first and the last reading no gap is between two.
        first = work.hour_with(table.ids[place], (low - reach) // HOUR_MS * HOUR_MS - HOUR_MS, after=True)
        last = work.hour_with(table.ids[place], (high + reach) // HOUR_MS * HOUR_MS + HOUR_MS, after=False)
        if first is None or last is None:
            continue
        for hour_ms in _hours(first - step // HOUR_MS * HOUR_MS - HOUR_MS, last + HOUR_MS):
            if hour_ms not in found and place in _short(work, table, hour_ms):
                found.add(hour_ms)
    return found


def _hours(from_ms: int, to_ms: int) -> range:
    return range(from_ms // HOUR_MS * HOUR_MS, to_ms, HOUR_MS)
