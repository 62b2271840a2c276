"""The vicinity of an hour is what decides on a register's spans there: readings on both sides, as far as they matter.

The nearest readings on each side show whether anything is odd, such as a fall, a step too high, or a zero after other
values. Only then is more looked at: as many changes of the value as validity can depend on, where a stretch of equal
readings, however long, is known by its ends.
"""

from collections.abc import Iterator

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.edges import around, around_registers, placed
from streams.domain.hour import NO_ROWS, Bools, Hour, Rows, join, usable
from streams.domain.meter_table import MeterTable
from streams.domain.metering import in_order
from streams.domain.register_spans import REACH, register_spans, steps_to_look_at
from streams.domain.work import Looked, Stretch, Work

# Of a stretch of equal readings so many at each end are looked at.
_ENDS = 3
# `placed` keeps table and rows beside an hour; behind them comes what is odd among these, and then what is odd of them
# together with the rows around the hour.
_ODD_INSIDE = 2


def rows_of_hour(work: Work, table: MeterTable, start_ms: int) -> tuple[Rows, set[int]]:
    """Return the rows that `metering.measure` takes for an hour, and the places of its odd registers."""
    hour = work.hour(start_ms)
    own = NO_ROWS if hour is None else placed(table, hour).rows
    looked = work.looked_at(start_ms)
    if looked is None:
        registers = around_registers(work, table, start_ms) if table.any_register else NO_ROWS
        looked = Looked(start_ms, registers, odd(work, table, hour, registers))
    rows = join([own, around(work, table, start_ms, looked.around)])
    if not len(rows):
        return rows, set()
    rows, places = in_order(rows), looked.odd
    if table.bought and (away := table.not_bought(start_ms)):
        rows, places = rows.take(~np.isin(rows.meter, away)), places.difference(away)
    if not places:
        return rows, places
    near = [readings(work, table, start_ms, place, own.take(own.meter == place)) for place in places]
    return in_order(join([rows.take(~np.isin(rows.meter, list(places))), *near])), places


def odd(work: Work, table: MeterTable, hour: Hour | None, outside: Rows) -> set[int]:
    """Return the places of the registers that must be looked at one by one in an hour.

    `outside` are the rows that `around_registers` finds beside it.
    """
    if not table.any_register or (hour is None and not len(outside)):
        return set()
    found: set[int] = set()
    parts = [outside.take(usable(outside))]
    if hour is not None:
        found |= _odd_inside(table, hour)
        if (seen := _seen(hour, outside)) is not None:
            return seen
        rows, first, last = placed(table, hour)
        ends = np.concatenate((first[0], last[0], last[1]))
        is_end = np.zeros(len(rows), bool)
        is_end[ends[ends >= 0]] = True
        parts.append(rows.take(is_end if table.all_register else is_end & table.register[rows.meter]))
    rows = in_order(join(parts))
    if not len(rows):
        return found
    same = rows.meter[1:] == rows.meter[:-1]
    if hour is None:
        found.update(_falling_or_over(table, rows, same))
    else:
        inside = (rows.t >= hour.start_ms) & (rows.t < hour.start_ms + HOUR_MS)
        found.update(_falling_or_over(table, rows, same & ~(inside[1:] & inside[:-1])))
    first_of_all = np.flatnonzero(np.concatenate(([True], ~same)))
    zeros = first_of_all[rows.v[first_of_all] == 0]
    still = _still(table, rows, same) if table.any_limited else []
    found.update(_changed(table, rows))
    if len(zeros) or still:
        found.update(_after_something_else(work, table, rows.take(zeros)))
        found.update(_moving_again(work, table, rows, still))
    elif hour is not None:
        # What hangs on these rows alone need not be looked for again as long as the same ones are around.
        hour.memo[_ODD_INSIDE + 1 :] = [(outside.columns, frozenset(found))]
    return found


def _seen(hour: Hour, outside: Rows) -> set[int] | None:
    """Return the odd registers as they were found with the same rows around the hour, None where they were not."""
    if len(hour.memo) <= _ODD_INSIDE + 1:
        return None
    columns, found = hour.memo[_ODD_INSIDE + 1]
    return set(found) if np.array_equal(columns, outside.columns) else None


def _odd_inside(table: MeterTable, hour: Hour) -> frozenset[int]:
    """Return the places of the registers that fall, or pass their highest rate, between two readings of an hour."""
    rows = placed(table, hour).rows
    memo = hour.memo
    if len(memo) == _ODD_INSIDE:
        counts = usable(rows)
        if not table.all_register:
            counts &= table.register[rows.meter]
        if not counts.all():
            rows = rows.take(counts)
        memo.append(frozenset(_falling_or_over(table, rows, rows.meter[1:] == rows.meter[:-1])))
    return memo[_ODD_INSIDE]


def readings(work: Work, table: MeterTable, start_ms: int, place: int, own: Rows) -> Rows:
    """Return the rows in order of time on which a register's spans in an hour depend; `own` are its rows in there."""
    sides = [each for after in (False, True) for each in _outward(work, table, start_ms, place, after=after)]
    return in_order(join([own, *sides]))


def hours_moved(table: MeterTable, place: int, before: Rows, after: Rows) -> set[int]:
    """Return the hours [epoch ms] in which a register's spans are others with rows `after` than with `before`."""
    spans = set(register_spans(table, place, before)) ^ set(register_spans(table, place, after))
    return {
        hour * HOUR_MS for span in spans for hour in range(span.from_ms // HOUR_MS, (span.to_ms - 1) // HOUR_MS + 1)
    }


def _after_something_else(work: Work, table: MeterTable, zeros: Rows) -> Iterator[int]:
    """Yield the places of registers that had another value than 0 before these rows."""
    for place, at_ms in zip(zeros.meter.tolist(), zeros.t.tolist(), strict=True):
        if _changes_beyond(work, table, place, at_ms, 0, after=False):
            yield place


def _falling_or_over(table: MeterTable, rows: Rows, pairs: Bools) -> Iterator[int]:
    """Yield the places of registers that fall, pass their highest rate, or may have turned, between pairs of rows.

    `pairs`, of shape (rows - 1,), tells which rows are compared with the next one.
    """
    yield from rows.meter[1:][pairs & steps_to_look_at(table, rows)].tolist()


def _still(table: MeterTable, rows: Rows, same: Bools) -> list[int]:
    """Return the last rows of the registers with a highest rate that stand still there."""
    last = np.flatnonzero(np.concatenate((~same, [True])))
    last = last[(last > 0) & table.limited[rows.meter[last]]]
    return last[same[last - 1] & (rows.v[last] == rows.v[last - 1])].tolist()


def _moving_again(work: Work, table: MeterTable, rows: Rows, still: list[int]) -> Iterator[int]:
    """Yield the places of registers that stand still in these rows, and move again later."""
    for at in still:
        which = int(rows.meter[at])
        if _changes_beyond(work, table, which, int(rows.t[at]), int(rows.v[at]), after=True):
            yield which


def _changed(table: MeterTable, rows: Rows) -> Iterator[int]:
    """Yield the places of registers whose instrument or multiplier changes between two rows."""
    for place, at_ms in table.changes:
        low, high = np.searchsorted(rows.meter, (place, place + 1))
        before = np.searchsorted(rows.t[low:high], at_ms)
        if 0 < before < high - low:
            yield place


def _outward(work: Work, table: MeterTable, start_ms: int, place: int, *, after: bool) -> Iterator[Rows]:
    """Yield a register's rows on one side of an hour, the nearest first, until its value changed often enough."""
    meter = table.ids[place]
    changes, equal, last = 0, 0, None
    at = work.hour_with(meter, start_ms, after=after)
    while at is not None and changes < REACH:
        rows = _rows_in(work, table, place, at)
        yield rows
        values: list[int] = rows.v[usable(rows)].tolist()
        for value in values if after else reversed(values):
            changes += last is not None and value != last
            equal = equal + 1 if value == last else 1
            last = value
        if last is not None and equal >= _ENDS and len(set(values)) == 1:
            near, at = at, _end_of_stretch(work, table, place, at, last, after=after)
            inward, left = at, _ENDS
            while left > 0 and (inward > near if after else inward < near):
                rows = _rows_in(work, table, place, inward)
                yield rows
                left -= int(usable(rows).sum())
                inward = work.hour_with(meter, inward, after=not after)
                assert inward is not None
        at = work.hour_with(meter, at, after=after)


def _changes_beyond(work: Work, table: MeterTable, place: int, at_ms: int, value: int, *, after: bool) -> bool:
    """Tell whether a register has a valid reading other than `value` before, or after, an instant."""
    hour_ms = at_ms // HOUR_MS * HOUR_MS
    rows = _rows_in(work, table, place, hour_ms)
    if _other(rows.take(rows.t > at_ms if after else rows.t < at_ms), value):
        return True
    at = work.hour_with(table.ids[place], hour_ms, after=after)
    if at is None or _other(_rows_in(work, table, place, at), value):
        return at is not None
    far = _end_of_stretch(work, table, place, at, value, after=after)
    return work.hour_with(table.ids[place], far, after=after) is not None


def _end_of_stretch(work: Work, table: MeterTable, place: int, hour_ms: int, value: int, *, after: bool) -> int:
    """Return the farthest hour up to which all valid readings of a register are `value`, as all in `hour_ms` are."""
    meter, scale = table.ids[place], int(table.scale[place])
    known = work.stretch(meter)
    low = high = far = hour_ms
    while True:
        if known is not None and known.low <= far <= known.high and (known.value, known.scale) == (value, scale):
            low, high = min(low, known.low), max(high, known.high)
            far = known.high if after else known.low
        at = work.hour_with(meter, far, after=after)
        if at is None or _other(_rows_in(work, table, place, at), value):
            break
        far = at
        low, high = min(low, far), max(high, far)
    work.put_stretch(meter, Stretch(low, high, value, scale))
    return far


def _other(rows: Rows, value: int) -> bool:
    return bool((rows.v[usable(rows)] != value).any())


def _rows_in(work: Work, table: MeterTable, place: int, hour_ms: int) -> Rows:
    hour = work.hour(hour_ms)
    if hour is None:
        return join([])
    rows = placed(table, hour).rows
    low, high = np.searchsorted(rows.meter, (place, place + 1))
    return rows.take(np.arange(int(low), int(high)))
