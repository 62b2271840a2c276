"""A reach is the hours whose quantities can be others once the readings of one hour are.

A register's reading reaches as far as the spans that are others with it than without it; an interval's as its slot;
a gauge's as far as a value can stand, on both sides. What a day tells may be the shape of gaps in the weeks after it.
"""

from collections.abc import Collection

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain import edges, filling, likeday, vicinity
from streams.domain.hour import NO_ROWS, Bools, Hour, Ints, Rows
from streams.domain.meter_table import MeterTable
from streams.domain.work import Looked, Work


def hours_reached(
    work: Work,
    table: MeterTable,
    before: Hour | None,
    after: Hour,
    changed: Collection[str],
    put: tuple[tuple[str, ...], Rows],
) -> set[int]:
    """Return the hours [epoch ms] that a change of one hour's readings reaches, that hour among them.

    `after` stands in `work` already; `changed` are the ids of the meters whose readings are others; `put` are the ids
    of meters and the rows that were put in.
    """
    start_ms = after.start_ms
    found = {start_ms}
    places = np.array(sorted(table.place[meter] for meter in changed if meter in table.place), np.int64)
    registers = places[table.register[places]]
    if len(registers):
        # Where readings only came, whatever was odd before still is, but for what a highest rate said of a step.
        only_more = before is None or len(after.rows) == len(before.rows) + len(put[1])
        plain, hours = _without_odd(work, table, before, after, registers, only_more=only_more)
        early, late = _moved_edges(table, before, after, plain)
        low = edges.reach_of(work, table, start_ms, early, after=False)
        high = edges.reach_of(work, table, start_ms, late, after=True)
        found.update(range(low, high + HOUR_MS, HOUR_MS), hours)
    if len(registers) < len(places):
        found.update(_slots(table, *put))
        if table.any_filled:
            found.update(filling.hours_reached(work, table, start_ms, places))
    if table.any_like:
        found |= likeday.hours_depending(work, table, found, places)
    return found


def _without_odd(
    work: Work, table: MeterTable, before: Hour | None, after: Hour, registers: Ints, *, only_more: bool
) -> tuple[Ints, set[int]]:
    """Return the registers that are odd neither before nor after, and the hours in which the others' spans differ."""
    start_ms = after.start_ms
    outside = edges.around_registers(work, table, start_ms)
    now_odd = vicinity.odd(work, table, after, outside)
    work.put_looked(Looked(start_ms, outside, now_odd))
    odd = now_odd.copy()
    # An hour that had no readings, and nothing behind it, was odd at most by what is before it, and so it still is.
    began = before is None and not (outside.t > start_ms).any()
    if (table.any_limited or not only_more) and not began:
        odd |= vicinity.odd(work, table, before, outside)
    hours: set[int] = set()
    parts = [_own(table, before), _own(table, after)] if odd else []
    for place in odd.intersection(registers.tolist()):
        was, now = (vicinity.readings(work, table, start_ms, place, own.take(own.meter == place)) for own in parts)
        hours |= vicinity.hours_moved(table, place, was, now)
    return registers[~np.isin(registers, list(odd))] if odd else registers, hours


def _own(table: MeterTable, hour: Hour | None) -> Rows:
    return NO_ROWS if hour is None else edges.placed(table, hour).rows


def _moved_edges(table: MeterTable, before: Hour | None, after: Hour, registers: Ints) -> tuple[Ints, Ints]:
    """Return the registers whose first, and those whose last, valid reading in the hour is another than before."""
    if before is None:
        return registers, registers
    old, new = edges.placed(table, before), edges.placed(table, after)
    moved: list[Bools] = []
    ends = (old.first[0], new.first[0]), (old.last[0], new.last[0])
    for one, other in ((was[registers], now[registers]) for was, now in ends):
        gone = (one < 0) != (other < 0)
        if len(old.rows) and len(new.rows):
            # Instant, value, quality and arrival; a row that is not there is compared as any, `gone` decides then.
            gone |= (old.rows.columns[1:, one] != new.rows.columns[1:, other]).any(axis=0)
        moved.append(gone)
    return registers[moved[0]], registers[moved[1]]


def _slots(table: MeterTable, meters: tuple[str, ...], rows: Rows) -> set[int]:
    place = np.array([table.place.get(meter, -1) for meter in meters], np.int64)[rows.meter]
    kept = (place >= 0) & ~table.register[place]
    place, t = place[kept], rows.t[kept]
    step = table.step_ms[place]
    begin = np.where(table.end_stamped[place], t - step, t)
    end = begin + step
    if table.any_gauge:
        gauge = table.gauge[place]
        begin, end = np.where(gauge, t - 3 * step // 2, begin), np.where(gauge, t + 3 * step // 2 + 1, end)
    first, last = begin // HOUR_MS, (end - 1) // HOUR_MS
    low, high = int(first.min(initial=2**62)), int(last.max(initial=0))
    if high <= low + 1:
        return {hour * HOUR_MS for hour in range(low, high + 1)}
    spans = set(zip(first.tolist(), last.tolist(), strict=True))
    return {hour * HOUR_MS for low, high in spans for hour in range(low, high + 1)}
