"""A gauge (瞬时量表) tells a level or a rate of an instant; it stands until the next one, and is weighted by time.

A value stands until the next if that comes within 1.5 steps, else for one step; there is no straight line between
values. A value marked as maintenance or fault ends the one before and is missing itself; a void is as if never sent.
An hour's integral of a level is in unit x seconds, that of a rate is an amount: both are rounded once, half-even. An
average is over measured time alone; what stands over an outage is in neither.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from schemas.decimals import divide_half_even
from schemas.windows import HOUR_MS
from streams.domain.hour import VOID, Bools, Ints, Rows
from streams.domain.meter_table import MeterTable
from streams.domain.views import MeterView

SECOND_MS = 1000
_NEVER_MS = 2**61
_LEVEL_LIMIT = 2**46
_RATE_LIMIT = 2**57
_WHOLE_LIMIT = 2**62 // HOUR_MS


class Pieces(NamedTuple):
    """What each value of gauges stands for, each of shape (values,): where it is, from when to when [epoch ms].

    `row` is its place among the rows it was taken from; `worth` is the value [1e-6 of the carrier's unit, by hour of a
    rate]; `received` is the latest arrival [epoch ms] of what says so.
    """

    row: Ints
    place: Ints
    from_ms: Ints
    to_ms: Ints
    worth: Ints
    received: Ints


def pieces(table: MeterTable, rows: Rows) -> Pieces:
    """Return what the values of gauges stand for, from their rows in order of (meter, time).

    A value too large to be counted is taken as 0 here: `too_large` tells of it.
    """
    row = np.flatnonzero(rows.q != VOID)
    rows = rows.take(row)
    place, step = rows.meter, table.step_ms[rows.meter]
    next_ms = np.roll(rows.t, -1)
    next_ms[-1:] = _NEVER_MS
    next_ms[:-1][place[1:] != place[:-1]] = _NEVER_MS
    near = 2 * (next_ms - rows.t) <= 3 * step
    received = np.where(near, np.maximum(rows.received, np.roll(rows.received, -1)), rows.received)
    factor = table.factors(place, rows.t)
    worth = np.where(too_large(table, rows, factor), 0, rows.v) * factor
    return Pieces(row, place, rows.t, np.where(near, next_ms, rows.t + step), worth, received)


def too_large(table: MeterTable, rows: Rows, factor: Ints) -> Bools:
    """Tell which values are too large to be counted over an hour; shape (rows,)."""
    limit = np.where(table.rate, _RATE_LIMIT, _LEVEL_LIMIT)[rows.meter] // len(table.meters)
    return np.abs(rows.v) > limit // np.abs(factor)


class Integrals(NamedTuple):
    """What gauges say of one hour: by place amount and estimated part [1e-6 unit x s, of a rate 1e-6 of the unit],
    measured and estimated time [ms], and the latest arrival [epoch ms] of what was used.
    """

    amount: Mapping[int, int]
    estimated: Mapping[int, int]
    measured_ms: Ints
    estimated_ms: Ints
    known: Ints


def integrals(table: MeterTable, start_ms: int, found: Pieces, counts: Bools, guessed: Bools) -> Integrals:
    """Return what gauges say of the hour at `start_ms`.

    `counts` and `guessed` tell of each piece whether its value counts, and whether it is an estimate.
    """
    meters = len(table.meters)
    length = np.minimum(found.to_ms, start_ms + HOUR_MS) - np.maximum(found.from_ms, start_ms)
    inside = length > 0
    measured, estimated, known = (np.zeros(meters, np.int64) for _ in range(3))
    np.maximum.at(known, found.place[inside], found.received[inside])
    plain, marked = inside & counts & ~guessed, inside & counts & guessed
    low = np.maximum(found.from_ms, start_ms)
    counted = table.without_outages(found.place, low, low + length)
    np.add.at(measured, found.place[plain], counted[plain])
    np.add.at(estimated, found.place[marked], counted[marked])
    parts = [_summed(table, found, counted, each) for each in (plain, marked)]
    both = {place: parts[0].get(place, 0) + parts[1].get(place, 0) for place in {*parts[0], *parts[1]}}
    amounts, guesses = (
        {place: divide_half_even(total, divisor(table.meters[place])) for place, total in each.items()}
        for each in (both, parts[1])
    )
    return Integrals(amounts, guesses, measured, estimated, known)


def divisor(meter: MeterView) -> int:
    """Return by what worth x ms is divided for an amount: of a rate an hour, of a level a second [ms]."""
    return HOUR_MS if meter.is_rate else SECOND_MS


def _summed(table: MeterTable, found: Pieces, length: Ints, which: Bools) -> dict[int, int]:
    """Return the exact sums of worth x ms by place."""
    places, worth, length = found.place[which], found.worth[which], length[which]
    if not len(places):
        return {}
    whole = int(np.abs(worth).max()) <= _WHOLE_LIMIT
    sums = np.zeros(len(table.meters), np.int64 if whole else object)
    np.add.at(sums, places, worth * length if whole else worth.astype(object) * length)
    return {place: int(sums[place]) for place in set(places.tolist())}


def hour_average(meter: MeterView, amount: int, measured_ms: int) -> int | None:
    """Return an hour's average [1e-6 of its unit] from the measured part of an amount; None with too little of it."""
    return _average(meter, amount, measured_ms) if measured_ms >= meter.valid_hour_ms else None


def day_average(meter: MeterView, amounts: Ints, measured_ms: Ints) -> int | None:
    """Return a day's average [1e-6 of its unit] over all measured time; None with too few valid hours.

    Both are of shape (24,): the measured parts of the hours' amounts, and the measured time [ms].
    """
    if int((measured_ms >= meter.valid_hour_ms).sum()) < meter.valid_day_hours:
        return None
    return _average(meter, int(amounts.sum()), int(measured_ms.sum()))


def _average(meter: MeterView, amount: int, measured_ms: int) -> int:
    return divide_half_even(amount * divisor(meter), measured_ms)
