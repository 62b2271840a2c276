"""The edges of an hour are the readings outside of it that its quantities depend on.

For a register they are the last valid reading before the hour and the first one after it, across gaps of any length;
for an interval meter the readings of neighbouring hours whose slots reach into this one.
"""

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.hour import NO_ROWS, Bools, Hour, Ints, Rows, join
from streams.domain.metering import MeterTable, usable
from streams.domain.work import Work


def placed(table: MeterTable, hour: Hour) -> Rows:
    """Return an hour's rows with `meter` as places in the table and values at the table's scales.

    Meters that the table does not have are left out.
    """
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
    return rows._replace(meter=places, v=value)


def first_and_last(rows: Rows, meters: int) -> tuple[Ints, Ints]:
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
    if table.register.any():
        parts.append(_register_edge(work, table, start_ms, after=False))
        parts.append(_register_edge(work, table, start_ms, after=True))
    for hours, sign in ((table.hours_before, -1), (table.hours_after, 1)):
        for distance in range(1, hours + 1):
            hour = work.hour(start_ms + sign * distance * HOUR_MS)
            if hour is not None:
                rows = placed(table, hour)
                rows = rows.take(~table.register[rows.meter])
                begin = rows.t - np.where(table.end_stamped[rows.meter], table.step_ms[rows.meter], 0)
                reach = (begin < start_ms + HOUR_MS) & (begin + table.step_ms[rows.meter] > start_ms)
                parts.append(rows.take(reach))
    return join(parts)


def _register_edge(work: Work, table: MeterTable, start_ms: int, *, after: bool) -> Rows:
    wanted: Bools = table.register.copy()
    parts: list[Rows] = []
    near = work.hour(start_ms + (HOUR_MS if after else -HOUR_MS))
    if near is not None:
        _take_edge(table, near, wanted, parts, after=after)
        if not wanted.any():
            return join(parts)
    if after and not work.any_hour_after(start_ms):
        return join(parts)
    for place in np.flatnonzero(wanted).tolist():
        at = work.hour_with(table.ids[place], start_ms, after=after)
        while at is not None:
            hour = work.hour(at)
            one = np.zeros(len(wanted), bool)
            one[place] = True
            if hour is not None:
                _take_edge(table, hour, one, parts, after=after)
            if not one[place]:
                break
            at = work.hour_with(table.ids[place], at, after=after)
    return join(parts) if parts else NO_ROWS


def _take_edge(table: MeterTable, hour: Hour, wanted: Bools, parts: list[Rows], *, after: bool) -> None:
    """Add the edge rows of the wanted meters that an hour has, and strike them off."""
    rows = placed(table, hour)
    first, last = first_and_last(rows, len(wanted))
    edge = first if after else last
    found = np.flatnonzero(wanted & (edge >= 0))
    if len(found):
        parts.append(rows.take(edge[found]))
        wanted[found] = False


def reach_of(work: Work, table: MeterTable, start_ms: int, places: Ints, *, after: bool) -> int:
    """Return the farthest hour [epoch ms] that a change at the edge of these registers reaches."""
    farthest = start_ms
    for place in places.tolist():
        at = _edge_hour(work, table, place, start_ms, after=after)
        if at is not None:
            farthest = max(farthest, at) if after else min(farthest, at)
    return farthest


def _edge_hour(work: Work, table: MeterTable, place: int, start_ms: int, *, after: bool) -> int | None:
    near = start_ms + (HOUR_MS if after else -HOUR_MS)
    meter = table.ids[place]
    hour = work.hour(near)
    at = near if hour is not None and meter in hour.meters else work.hour_with(meter, start_ms, after=after)
    while at is not None:
        hour = work.hour(at)
        if hour is not None and usable(hour.of(meter)).any():
            return at
        at = work.hour_with(meter, at, after=after)
    return None
