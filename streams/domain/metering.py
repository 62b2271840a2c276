"""Metering tells what each meter of an enterprise measured in an hour: from readings to quantities and their coverage.

A register's energy between two neighbouring valid readings is their difference times the multiplier in force; an
interval's is its value; what a gauge tells is integrated over time, see `gauge`. What straddles an hour's edge is
shared by time. A span longer than 1.5 expected steps is a gap: inside one hour it counts as measured, across hours as
estimated, and there it may have the shape of like days. Registers on which anything is odd are looked at one by one;
see `register_spans`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.column_spans import (
    Estimate,
    Spans,
    spans_of_estimates,
    spans_of_intervals,
    spans_of_odd_register,
    spans_of_registers,
)
from streams.domain.flaw import OVER_RANGE, Flaw
from streams.domain.gauge import integrals, pieces, too_large
from streams.domain.hour import Bools, Ints, Rows, guessed, usable
from streams.domain.meter_table import MeterTable
from streams.domain.reading_checks import failed_readings
from streams.domain.share import Shape, share

# What all meters of an enterprise count in an hour stays below this, so that a day of it still fits 64 bits.
_HOUR_LIMIT = 2**58
_INSTANT_BITS = 40  # 34 years around the hour, in milliseconds

# Of a gap of a register, by its place in the table and its edges [epoch ms]; None: it is shared straight.
ShapeOf = Callable[[int, int, int], Shape | None]


@dataclass(frozen=True, slots=True, eq=False)
class Quantities:
    """What the meters of a table measured in one hour, each array of shape (meters,).

    `amount` and, of it, `estimated` [1e-6 of the carrier's unit]; `measured_ms` and `estimated_ms` [ms]; `known` the
    latest arrival [epoch ms] of a reading used, 0 for none.
    """

    amount: Ints
    estimated: Ints
    measured_ms: Ints
    estimated_ms: Ints
    known: Ints
    flaws: tuple[Flaw, ...]

    @property
    def any(self) -> bool:
        """Tell whether anything is known of the hour."""
        return bool(self.known.any())

    @property
    def is_nothing(self) -> bool:
        """Tell whether no figure is other than zero, and nothing was found."""
        figures = (self.known, self.amount, self.estimated, self.measured_ms, self.estimated_ms)
        return not (self.flaws or any(each.any() for each in figures))


def in_order(rows: Rows) -> Rows:
    """Return rows sorted by (meter, time), of each meter and instant one."""
    order = np.argsort((rows.meter << _INSTANT_BITS) + (rows.t - rows.t.min(initial=2**62)), kind="stable")
    return rows.take(order)


def measure(
    table: MeterTable,
    start_ms: int,
    rows: Rows,
    odd: Collection[int] = (),
    filled: Sequence[Estimate] = (),
    shape_of: ShapeOf | None = None,
) -> Quantities:
    """Return what each meter of `table` measured in the hour that begins at `start_ms`.

    `rows.meter` are places in the table, values at the table's scales, one row an instant, `in_order`: the hour's own
    rows, of registers also valid readings before and after and what lies between, of intervals those whose slot
    reaches into the hour. Rows that do not count (voids, faults) say only when that became known. `odd` are the places
    of registers that are looked at one by one, with the rows of their vicinity; `filled` is what stands in slots
    without a reading; `shape_of` tells the shape of a register's gap, all are straight without it.
    """
    meters = len(table.meters)
    end_ms = start_ms + HOUR_MS
    counts = usable(rows)
    plain, plain_counts = (rows, counts)
    if odd:
        alone = np.isin(rows.meter, np.array(sorted(odd), np.int64))
        plain, plain_counts = rows.take(~alone), counts[~alone]
    spans = spans_of_registers(table, plain, plain_counts)
    if not table.all_register:
        spans = spans.joined(spans_of_intervals(table, plain.take(table.interval[plain.meter] & plain_counts)))
    for place in sorted(odd):
        spans = spans.joined(spans_of_odd_register(table, place, rows.take(rows.meter == place)))
    if filled:
        spans = spans.joined(spans_of_estimates(filled))
    measured = _fold(table, meters, start_ms, end_ms, spans, shape_of)
    if table.any_gauge:
        measured = _with_gauges(table, start_ms, rows.take(table.gauge[rows.meter]), measured)
    if not counts.all():
        _note_arrivals(table, start_ms, rows.take(~counts), measured.known)
    found = tuple(failed_readings(table, table.checks, start_ms, rows)) if table.checks is not None else ()
    return replace(measured, flaws=(*measured.flaws, *found)) if found else measured


def _with_gauges(table: MeterTable, start_ms: int, rows: Rows, measured: Quantities) -> Quantities:
    """Return the quantities of an hour with what gauges say put in; a value too large to be counted is missing."""
    found = pieces(table, rows)
    stand = rows.take(found.row)
    over = too_large(table, stand, table.factors(stand.meter, stand.t)) & usable(stand)
    said = integrals(table, start_ms, found, usable(stand) & ~over, guessed(stand))
    for place in np.flatnonzero(table.gauge).tolist():
        measured.amount[place] = said.amount.get(place, 0)
        measured.estimated[place] = said.estimated.get(place, 0)
    for of_all, of_gauges in (
        (measured.measured_ms, said.measured_ms),
        (measured.estimated_ms, said.estimated_ms),
        (measured.known, said.known),
    ):
        of_all[table.gauge] = of_gauges[table.gauge]
    expected = table.expected_ms(start_ms, start_ms + HOUR_MS)
    np.minimum(measured.measured_ms, expected, out=measured.measured_ms)
    np.minimum(measured.estimated_ms, expected - measured.measured_ms, out=measured.estimated_ms)
    flaws = tuple(
        Flaw(table.ids[int(found.place[at])], int(found.from_ms[at]), int(found.to_ms[at]), OVER_RANGE)
        for at in over.nonzero()[0].tolist()
        if found.to_ms[at] > start_ms and found.from_ms[at] < start_ms + HOUR_MS
    )
    return replace(measured, flaws=measured.flaws + flaws) if flaws else measured


def _note_arrivals(table: MeterTable, start_ms: int, unusable: Rows, known: Ints) -> None:
    """Count the arrival of rows that took something away from the hour: their slot, or their instant, lies in it."""
    step = np.where(table.register[unusable.meter], 0, table.step_ms[unusable.meter])
    begin = np.where(table.end_stamped[unusable.meter], unusable.t - step, unusable.t)
    if table.any_gauge:
        # What a gauge no longer says can have ended the value before it, and has made room for it.
        gauge = table.gauge[unusable.meter]
        begin, step = np.where(gauge, unusable.t - 3 * step // 2, begin), np.where(gauge, 3 * step, step)
    inside = (begin < start_ms + HOUR_MS) & ((begin + step > start_ms) | (begin >= start_ms))
    np.maximum.at(known, unusable.meter[inside], unusable.received[inside])


def _fold(
    table: MeterTable, meters: int, start_ms: int, end_ms: int, spans: Spans, shape_of: ShapeOf | None
) -> Quantities:
    flaws = _flaws(table, start_ms, end_ms, spans, spans.doubts) if spans.doubts else []
    if spans.reasons:
        spans = _without_refused(table, start_ms, end_ms, spans, flaws)
    spans, low, high, part = _inside(spans, start_ms, end_ms)
    if len(part) and max(int(part.max()), -int(part.min())) > (most := _HOUR_LIMIT // len(part)):
        over = np.flatnonzero((part > most) | (part < -most))
        spans.reasons.update(dict.fromkeys(over.tolist(), OVER_RANGE))
        spans, low, high, part = _inside(_without_refused(table, start_ms, end_ms, spans, flaws), start_ms, end_ms)
    length = spans.to_ms - spans.from_ms
    cut = (high - low) != length
    gap = (2 * length > 3 * table.step_ms[spans.place]) & cut
    estimated = gap | spans.guessed
    if shape_of is not None and gap.any():
        spans, part = _shaped(table, spans, low, high, part, gap, shape_of)
    counted = table.without_outages(spans.place, low, high)
    sums = np.zeros((4, meters), np.int64)
    known = np.zeros(meters, np.int64)
    if len(part):
        np.add.at(sums[0], spans.place, part)
        np.maximum.at(known, spans.place, spans.received)
        if estimated.any():
            np.add.at(sums[1], spans.place[estimated], part[estimated])
            np.add.at(sums[2], spans.place[~estimated], counted[~estimated])
            np.add.at(sums[3], spans.place[estimated], counted[estimated])
        else:
            np.add.at(sums[2], spans.place, counted)
    expected = table.expected_ms(start_ms, end_ms)
    # Slots that overlap each other cannot cover more of the hour than there is.
    np.minimum(sums[2], expected, out=sums[2])
    np.minimum(sums[3], expected - sums[2], out=sums[3])
    return Quantities(sums[0], sums[1], sums[2], sums[3], known, tuple(flaws))


def _inside(spans: Spans, start_ms: int, end_ms: int) -> tuple[Spans, Ints, Ints, Ints]:
    """Return the spans that reach into an hour, from when to when [epoch ms] they do, and the share of it."""
    low = np.maximum(spans.from_ms, start_ms)
    high = np.minimum(spans.to_ms, end_ms)
    inside = high > low
    if not inside.all():
        spans = spans.take(inside)
        low, high = low[inside], high[inside]
    length = spans.to_ms - spans.from_ms
    part = spans.amount
    cut = (high - low) != length
    if cut.any():
        part = part.copy()
        part[cut] = share(spans.amount[cut], length[cut], (low - spans.from_ms)[cut], (high - spans.from_ms)[cut])
    return spans, low, high, part


def _shaped(
    table: MeterTable, spans: Spans, low: Ints, high: Ints, part: Ints, gap: Bools, shape_of: ShapeOf
) -> tuple[Spans, Ints]:
    """Return the spans with the arrival of what gives gaps their shapes, and what of each lies in the hour by these."""
    part, received = part.copy(), spans.received.copy()
    for at in np.flatnonzero(gap & table.like[spans.place] & table.register[spans.place]).tolist():
        shape = shape_of(int(spans.place[at]), int(spans.from_ms[at]), int(spans.to_ms[at]))
        if shape is not None:
            part[at] = shape.share(int(spans.amount[at]), int(low[at]), int(high[at]))
            received[at] = max(int(received[at]), shape.known_ms)
    return spans._replace(received=received), part


def _without_refused(table: MeterTable, start_ms: int, end_ms: int, spans: Spans, flaws: list[Flaw]) -> Spans:
    """Return the spans that were not refused; what the hour misses by the others is added to `flaws`."""
    given = np.ones(len(spans.place), bool)
    given[list(spans.reasons)] = False
    flaws += _flaws(table, start_ms, end_ms, spans, spans.reasons)
    return spans.take(given)


def _flaws(table: MeterTable, start_ms: int, end_ms: int, spans: Spans, reasons: Mapping[int, str]) -> list[Flaw]:
    return [
        Flaw(table.ids[int(spans.place[at])], int(spans.from_ms[at]), int(spans.to_ms[at]), reason)
        for at, reason in sorted(reasons.items())
        if spans.to_ms[at] > start_ms and spans.from_ms[at] < end_ms
    ]


def nothing(table: MeterTable) -> Quantities:
    """Return the quantities of an hour without any reading."""
    return _nothing(len(table.meters))


@lru_cache(maxsize=1024)
def _nothing(meters: int) -> Quantities:
    zeros = np.zeros(meters, np.int64)
    zeros.flags.writeable = False
    return Quantities(zeros, zeros, zeros, zeros, zeros, ())
