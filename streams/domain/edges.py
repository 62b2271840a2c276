"""The edges of an hour are the readings outside of it that its quantities depend on.

For a register they are the last valid reading before the hour and the first one after it, across gaps of any length;
for an interval meter the readings of neighbouring hours whose slots reach into this one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.hour import NO_ROWS, Bools, Hour, Ints, Rows, join
from streams.domain.metering import MeterTable, usable
from streams.domain.work import Work


class Placed(NamedTuple):
    """An hour's rows on a meter table, and by place the index of each meter's first and last valid row (-1: none)."""

    rows: Rows
    first: Ints
    last: Ints


def placed(table: MeterTable, hour: Hour) -> Placed:
    """Return an hour's rows with `meter` as places in the table and values at the table's scales.

    Meters that the table does not have are left out.
    """
    memo = hour.memo
    if memo and memo[0] is table:
        return memo[1]
    rows = _placed(table, hour)
    found = Placed(rows, *_first_and_last(rows, len(table.ids)))
    memo[:] = table, found
    return found


def _placed(table: MeterTable, hour: Hour) -> Rows:
    rows = hour.rows
    if hour.meters == table.ids:
        places = rows.meter
        if (table.scale == np.array(hour.scales, np.int64)).all():
            return rows
    else:
        place = np.array([table.place.get(meter, -1) for meter in hour.meters], np.int64)
        places = place[rows.meter]
        if (places < 0).any():
            kept = places >= 0
            rows, places = rows.take(kept), places[kept]
    scales = np.array(hour.scales, np.int64)[rows.meter]
    finer = table.scale[places] - scales
    value = rows.v
    if (finer > 0).any():
        value = value * 10 ** np.maximum(finer, 0)
    if (finer < 0).any():
        value = value // 10 ** np.maximum(-finer, 0)
    return rows.replaced(meter=places, v=value)


def _first_and_last(rows: Rows, meters: int) -> tuple[Ints, Ints]:
    """Return, by place, the index of a meter's first and last valid row, -1 where it has none; shape (meters,).

    `rows` are sorted by time within each meter.
    """
    first, last = np.full(meters, -1, np.int64), np.full(meters, -1, np.int64)
    valid = np.flatnonzero(usable(rows))
    place = rows.meter[valid]
    last[place] = valid
    first[place[::-1]] = valid[::-1]
    return first, last


def around(work: Work, table: MeterTable, start_ms: int) -> Rows:
    """Return the rows outside the hour at `start_ms` that `metering.measure` needs beside the hour's own."""
    parts: list[Rows] = []
    if table.any_register:
        parts.append(_register_edge(work, table, start_ms, after=False))
        parts.append(_register_edge(work, table, start_ms, after=True))
    for hours, sign in ((table.hours_before, -1), (table.hours_after, 1)):
        for distance in range(1, hours + 1):
            hour = work.hour(start_ms + sign * distance * HOUR_MS)
            if hour is not None:
                rows = placed(table, hour).rows
                rows = rows.take(~table.register[rows.meter])
                begin = rows.t - np.where(table.end_stamped[rows.meter], table.step_ms[rows.meter], 0)
                reach = (begin < start_ms + HOUR_MS) & (begin + table.step_ms[rows.meter] > start_ms)
                parts.append(rows.take(reach))
    return join(parts)


def _register_edge(work: Work, table: MeterTable, start_ms: int, *, after: bool) -> Rows:
    wanted: Bools = table.register.copy()
    parts: list[Rows] = []
    seen = False
    for hour in _hours_towards(work, start_ms, after=after):
        seen = True
        _take_edge(table, hour, wanted, parts, after=after)
        if not wanted.any():
            return join(parts)
    if not seen:
        return NO_ROWS  # nothing at all lies on that side
    for place in np.flatnonzero(wanted).tolist():
        found = _hour_with_valid(work, table, place, start_ms, after=after)
        if found is not None:
            one = np.zeros(len(wanted), bool)
            one[place] = True
            _take_edge(table, found, one, parts, after=after)
    return join(parts)


def _hours_towards(work: Work, start_ms: int, *, after: bool) -> Iterator[Hour]:
    """Yield the neighbouring hour, then the nearest one that has any readings, as far as they exist."""
    near = work.hour(start_ms + (HOUR_MS if after else -HOUR_MS))
    if near is not None:
        yield near
        return
    at = work.next_hour(start_ms, after=after)
    hour = work.hour(at) if at is not None else None
    if hour is not None:
        yield hour


def _hour_with_valid(work: Work, table: MeterTable, place: int, start_ms: int, *, after: bool) -> Hour | None:
    """Return the nearest hour on one side in which a meter has a valid reading."""
    meter = table.ids[place]
    at = work.hour_with(meter, start_ms, after=after)
    while at is not None:
        hour = work.hour(at)
        if hour is not None and usable(hour.of(meter)).any():
            return hour
        at = work.hour_with(meter, at, after=after)
    return None


def _take_edge(table: MeterTable, hour: Hour, wanted: Bools, parts: list[Rows], *, after: bool) -> None:
    """Add the edge rows of the wanted meters that an hour has, and strike those off whose valid one it was.

    Rows that do not count and lie nearer than the valid one come along.
    """
    rows, first, last = placed(table, hour)
    edge = first if after else last
    found = np.flatnonzero(wanted & (edge >= 0))
    if len(rows) and not usable(rows).all():
        index = np.arange(len(rows))
        near = (index <= edge[rows.meter]) if after else (index >= edge[rows.meter])
        parts.append(rows.take(wanted[rows.meter] & (near | (edge[rows.meter] < 0))))
    elif len(found):
        parts.append(rows.take(edge[found]))
    wanted[found] = False


def reach_of(work: Work, table: MeterTable, start_ms: int, places: Ints, *, after: bool) -> int:
    """Return the farthest hour [epoch ms] that a change at the edge of these registers reaches."""
    farthest = start_ms
    wanted = np.zeros(len(table.ids), bool)
    wanted[places] = True
    seen = False
    for hour in _hours_towards(work, start_ms, after=after):
        seen = True
        before = int(wanted.sum())
        _take_edge(table, hour, wanted, [], after=after)
        if int(wanted.sum()) < before:
            farthest = hour.start_ms
    if seen:
        for place in np.flatnonzero(wanted).tolist():
            found = _hour_with_valid(work, table, place, start_ms, after=after)
            if found is not None:
                farthest = max(farthest, found.start_ms) if after else min(farthest, found.start_ms)
    return farthest
