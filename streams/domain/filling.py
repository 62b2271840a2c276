"""Filling puts estimates into the gaps of interval meters: a straight line between good neighbours, where it is short.

A gap is a run of slots without a reading between two that have one. It is filled when it is no longer than the meter's
`longest_gap`, and both neighbours are measured and not in an outage. The first interval after a gap is held against
its day first: some senders put the whole gap into it, and then nothing is filled.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from schemas.decimals import divide_half_even
from schemas.reference.validation import shipped
from schemas.windows import HOUR_MS, window_at
from streams.domain.edges import placed
from streams.domain.flaw import CATCH_UP
from streams.domain.hour import Bools, Ints
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Estimate, guessed, usable
from streams.domain.validation import spike
from streams.domain.work import Work

LINE = "line"


class Slot(NamedTuple):
    """An interval that has a reading: its begin [epoch ms], its amount [1e-6 of the carrier's unit], how good it is."""

    from_ms: int
    amount: int
    measured: bool
    received: int


def fills(work: Work, table: MeterTable, start_ms: int) -> list[Estimate]:
    """Return what is filled in of the hour at `start_ms`, and the gaps reaching into it that may not be filled."""
    if not table.any_filled:
        return []
    found: list[Estimate] = []
    for place in _short(work, table, start_ms):
        for before, after in _gaps(work, table, place, start_ms):
            found += _filled(work, table, place, before, after)
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


def _slots(work: Work, table: MeterTable, place: int, from_ms: int, to_ms: int) -> list[Slot]:
    """Return the slots of a meter with a reading that begin within `[from_ms, to_ms)`, in order."""
    step = int(table.step_ms[place])
    shift = step if table.end_stamped[place] else 0
    found: list[Slot] = []
    for hour_ms in range((from_ms + shift) // HOUR_MS * HOUR_MS, to_ms + shift, HOUR_MS):
        hour = work.hour(hour_ms)
        if hour is None:
            continue
        rows = placed(table, hour).rows
        low, high = np.searchsorted(rows.meter, (place, place + 1))
        rows = rows.take(np.arange(int(low), int(high)))
        rows = rows.take(usable(rows) & (rows.t - shift >= from_ms) & (rows.t - shift < to_ms))
        marked: Bools = guessed(rows)
        for t, v, mark, received in zip(
            rows.t.tolist(), rows.v.tolist(), marked.tolist(), rows.received.tolist(), strict=True
        ):
            begin = t - shift
            outage = any(each.meets(begin, begin + step) for each in table.meters[place].outages)
            worth = table.meters[place].micro_per_count_at(begin)
            found.append(Slot(begin, v * worth, not mark and not outage, received))
    return found


def _gaps(work: Work, table: MeterTable, place: int, start_ms: int) -> Iterator[tuple[Slot, Slot]]:
    """Yield the slots before and after each gap that reaches into an hour and is short enough."""
    step, longest = int(table.step_ms[place]), table.meters[place].longest_gap_ms
    slots = _slots(work, table, place, start_ms - longest - step, start_ms + HOUR_MS + longest)
    for before, after in pairwise(slots):
        gap = after.from_ms - before.from_ms - step
        into = before.from_ms + step < start_ms + HOUR_MS and after.from_ms > start_ms
        # Where slots drifted there is no telling which are missing.
        if 0 < gap <= longest and gap % step == 0 and into:
            yield before, after


def _filled(work: Work, table: MeterTable, place: int, before: Slot, after: Slot) -> Iterator[Estimate]:
    step = int(table.step_ms[place])
    begin = before.from_ms + step
    if not (before.measured and after.measured):
        return
    if _is_spike(after, _slots(work, table, place, *_day(after.from_ms))):
        yield Estimate(place, begin, after.from_ms, None, after.received, CATCH_UP)
        return
    count = (after.from_ms - begin) // step
    meter = table.meters[place]
    for number in range(1, count + 1):
        at = begin + (number - 1) * step
        if any(each.meets(at, at + step) for each in meter.outages):
            continue
        amount = before.amount + divide_half_even((after.amount - before.amount) * number, count + 1)
        yield Estimate(place, at, at + step, amount, max(before.received, after.received), LINE)


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
        reach = table.meters[place].longest_gap_ms + 2 * step
        low = _day(start_ms - step)[0] - reach
        high = _day(start_ms + HOUR_MS)[1] + reach
        # Beyond the first and the last reading no gap is between two.
        first = work.hour_with(table.ids[place], low // HOUR_MS * HOUR_MS - HOUR_MS, after=True)
        last = work.hour_with(table.ids[place], high // HOUR_MS * HOUR_MS + HOUR_MS, after=False)
        if first is None or last is None:
            continue
        for hour_ms in range(first - step // HOUR_MS * HOUR_MS - HOUR_MS, last + HOUR_MS, HOUR_MS):
            if hour_ms not in found and place in _short(work, table, hour_ms):
                found.add(hour_ms)
    return found
