"""The edges of an hour are the readings outside of it that its quantities depend on.

For a register they are the last three valid readings before the hour and the first three after it, across gaps of any
length; for an interval meter the readings of neighbouring hours whose slots reach into this one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.hour import Hour, Ints, Rows, join, usable
from streams.domain.meter_table import MeterTable
from streams.domain.reading_checks import without_excluded
from streams.domain.work import Work

# So many readings on each side tell of a register whether the nearest of them are valid, and which mark holds: where
# none of the steps between them is odd, nothing farther off matters.
DEPTH = 3
_DEPTHS = np.arange(DEPTH)[:, None]
# Hours that are looked into for all meters together, before each meter is looked for by itself.
_NEAR = 3


class Placed(NamedTuple):
    """An hour's rows on a meter table, sorted by (place, time).

    `first` and `last` are, by place, the indices of each meter's first and last valid rows from the outside in, -1
    where there is none; shape (DEPTH, meters).
    """

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
    if table.checks is not None:
        rows = without_excluded(table, table.checks, hour.start_ms, rows)
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
    first, last = np.full((DEPTH, meters), -1, np.int64), np.full((DEPTH, meters), -1, np.int64)
    valid = np.flatnonzero(usable(rows))
    count = np.bincount(rows.meter[valid], minlength=meters)
    end = np.cumsum(count)
    for depth in range(DEPTH):
        has = count > depth
        first[depth, has] = valid[(end - count + depth)[has]]
        last[depth, has] = valid[(end - 1 - depth)[has]]
    return first, last


def around(work: Work, table: MeterTable, start_ms: int, registers: Rows | None = None) -> Rows:
    """Return the rows outside the hour at `start_ms` that `metering.measure` needs beside the hour's own.

    `registers` are those of `around_registers` where they are known already.
    """
    parts: list[Rows] = []
    if table.any_register:
        parts.append(around_registers(work, table, start_ms) if registers is None else registers)
    for hours, sign in ((table.hours_before, -1), (table.hours_after, 1)):
        for distance in range(1, hours + 1):
            hour = work.hour(start_ms + sign * distance * HOUR_MS)
            if hour is not None:
                rows = placed(table, hour).rows
                rows = rows.take(table.interval[rows.meter])
                begin = rows.t - np.where(table.end_stamped[rows.meter], table.step_ms[rows.meter], 0)
                reach = (begin < start_ms + HOUR_MS) & (begin + table.step_ms[rows.meter] > start_ms)
                parts.append(rows.take(reach))
    if table.any_gauge:
        parts += around_gauges(work, table, start_ms)
    return join(parts)


def around_gauges(work: Work, table: MeterTable, start_ms: int) -> Iterator[Rows]:
    """Yield the rows of gauges outside the hour at `start_ms` that stand within 1.5 steps of it."""
    for distance in range(1, table.hours_held + 1):
        for sign in (-1, 1):
            hour = work.hour(start_ms + sign * distance * HOUR_MS)
            if hour is not None:
                rows = placed(table, hour).rows
                away = np.where(rows.t < start_ms, start_ms - rows.t, rows.t - (start_ms + HOUR_MS))
                yield rows.take(table.gauge[rows.meter] & (2 * away <= 3 * table.step_ms[rows.meter]))


def around_registers(work: Work, table: MeterTable, start_ms: int) -> Rows:
    """Return the last and first DEPTH valid rows of each register outside the hour at `start_ms`.

    Rows that do not count and lie nearer than these come along.
    """
    wanted = np.where(table.register, DEPTH, 0)
    parts: list[Rows] = []
    for after in (False, True):
        for _ in _towards(work, table, start_ms, wanted.copy(), parts, after=after):
            pass
    return join(parts)


def reach_of(work: Work, table: MeterTable, start_ms: int, places: Ints, *, after: bool) -> int:
    """Return the farthest hour [epoch ms] that a change at the edge of these registers reaches."""
    wanted = np.zeros(len(table.ids), np.int64)
    wanted[places] = 1
    found = list(_towards(work, table, start_ms, wanted, [], after=after))
    return (max if after else min)(found, default=start_ms)


def _towards(
    work: Work, table: MeterTable, start_ms: int, wanted: Ints, parts: list[Rows], *, after: bool
) -> Iterator[int]:
    """Add to `parts` the nearest valid rows on one side, of each place as many as are `wanted`.

    Yields the hours [epoch ms] that some were found in; `wanted` is counted down.
    """
    at: int | None = start_ms
    for _ in range(_NEAR):
        if not wanted.any():
            return
        at = _next_hour(work, at, after=after)
        hour = None if at is None else work.hour(at)
        if at is None or hour is None:
            return
        if _take_edge(table, hour, wanted, parts, after=after):
            yield at
    if not wanted.any() or work.next_hour(at, after=after) is None:
        return
    for place in wanted.nonzero()[0].tolist():
        alone = np.zeros_like(wanted)
        alone[place] = wanted[place]
        one = work.hour_with(table.ids[place], at, after=after)
        while one is not None and alone[place]:
            hour = work.hour(one)
            if hour is not None and _take_edge(table, hour, alone, parts, after=after):
                yield one
            one = work.hour_with(table.ids[place], one, after=after)


def _next_hour(work: Work, start_ms: int, *, after: bool) -> int | None:
    near = start_ms + (HOUR_MS if after else -HOUR_MS)
    return near if work.hour(near) is not None else work.next_hour(start_ms, after=after)


def _take_edge(table: MeterTable, hour: Hour, wanted: Ints, parts: list[Rows], *, after: bool) -> bool:
    """Add the edge rows of the wanted meters that an hour has, and count them off; return whether there were any."""
    rows, first, last = placed(table, hour)
    edge = first if after else last
    here = (wanted > _DEPTHS) & (edge >= 0)
    taken = here.sum(axis=0)
    if len(rows) and not usable(rows).all():
        index = np.arange(len(rows))
        # Where enough is found, the farthest of it ends what is taken; where not, all there is.
        farthest = np.where(taken == wanted, edge[np.maximum(wanted - 1, 0), np.arange(len(wanted))], -1)[rows.meter]
        near = (index <= farthest) if after else (index >= farthest)
        parts.append(rows.take((wanted > 0)[rows.meter] & (near | (farthest < 0))))
    elif here.any():
        parts.append(rows.take(edge[here]))
    wanted -= taken
    return bool(taken.any())
