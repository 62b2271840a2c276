"""Spans by column are the times over which the meters of a table say an amount: of registers, intervals, estimates.

Between two neighbouring valid readings of a register it is their difference times the multiplier in force; an
interval's is its value.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.domain.flaw import OVER_RANGE
from streams.domain.hour import Bools, Ints, Rows, guessed
from streams.domain.meter_table import MeterTable
from streams.domain.register import SpanKind
from streams.domain.register_spans import AMOUNT_LIMIT, register_spans


class Estimate(NamedTuple):
    """What stands in a slot without a reading: place of its meter, instants [epoch ms], amount [1e-6 of the carrier's
    unit], latest arrival [epoch ms] of what it rests on, and why.

    Where there is no `amount`, nothing may stand there, and `reason` says why. `days` are the like days [epoch ms] that
    it is the mean of.
    """

    place: int
    from_ms: int
    to_ms: int
    amount: int | None
    received: int
    reason: str
    days: tuple[int, ...] = ()


class Spans(NamedTuple):
    """Spans by column: place in the table, instants [epoch ms], amount [1e-6 of the carrier's unit], whether it is
    guessed, latest arrival [epoch ms]; by index, why some give nothing, and why some are doubtful.
    """

    place: Ints
    from_ms: Ints
    to_ms: Ints
    amount: Ints
    guessed: Bools
    received: Ints
    reasons: dict[int, str]
    doubts: dict[int, str]

    def take(self, which: Bools) -> "Spans":
        """Return the spans that a mask chooses; what was refused is settled by then."""
        return Spans(
            self.place[which],
            self.from_ms[which],
            self.to_ms[which],
            self.amount[which],
            self.guessed[which],
            self.received[which],
            {},
            {},
        )

    def joined(self, more: "Spans") -> "Spans":
        """Return these spans, then `more`."""
        if not len(self.place):
            return more
        reasons = self.reasons | {span + len(self.place): reason for span, reason in more.reasons.items()}
        doubts = self.doubts | {span + len(self.place): doubt for span, doubt in more.doubts.items()}
        return Spans(
            np.concatenate((self.place, more.place)),
            np.concatenate((self.from_ms, more.from_ms)),
            np.concatenate((self.to_ms, more.to_ms)),
            np.concatenate((self.amount, more.amount)),
            np.concatenate((self.guessed, more.guessed)),
            np.concatenate((self.received, more.received)),
            reasons,
            doubts,
        )


def spans_of_registers(table: MeterTable, rows: Rows, counts: Bools) -> Spans:
    """Return the spans between neighbouring valid readings of registers; `counts` tells which of the rows are valid.

    Rows of other meters are passed over. A span is known since the last of its readings came, or of what lies between
    them and was voided.
    """
    received = rows.received
    if not counts.all():
        valid = counts.nonzero()[0]
        received = np.maximum.reduceat(received, valid) if len(valid) else received[valid]
        rows = rows.take(valid)
    pairs = rows.meter[1:] == rows.meter[:-1]
    if not table.all_register:
        pairs &= table.register[rows.meter[1:]]
    same = np.flatnonzero(pairs)
    next_ = same + 1
    meter, begin, end = rows.meter[same], rows.t[same], rows.t[next_]
    difference = rows.v[next_] - rows.v[same]
    factor = table.factors(meter, begin)
    marked = guessed(rows)
    reasons: dict[int, str] = {}
    if len(same) and int(difference.max()) * int(factor.max()) > AMOUNT_LIMIT:
        over = np.flatnonzero(difference > AMOUNT_LIMIT // factor)
        reasons.update(dict.fromkeys(over.tolist(), OVER_RANGE))
    return Spans(
        meter,
        begin,
        end,
        difference * factor,
        marked[same] | marked[next_],
        np.maximum(received[same], rows.received[next_]),
        reasons,
        {},
    )


def spans_of_odd_register(table: MeterTable, place: int, rows: Rows) -> Spans:
    """Return the spans of the register at a place in the table that is looked at by itself."""
    found = register_spans(table, place, rows)
    reasons = {at: OVER_RANGE for at, span in enumerate(found) if span.amount > AMOUNT_LIMIT}
    reasons |= {at: span.kind.value for at, span in enumerate(found) if not span.kind.has_energy}
    return Spans(
        np.full(len(found), place, np.int64),
        np.array([span.from_ms for span in found], np.int64),
        np.array([span.to_ms for span in found], np.int64),
        np.array([0 if at in reasons else span.amount for at, span in enumerate(found)], np.int64),
        np.array([span.guessed for span in found], bool),
        np.array([span.received for span in found], np.int64),
        reasons,
        {at: span.kind.value for at, span in enumerate(found) if span.kind is SpanKind.TURNED},
    )


def spans_of_intervals(table: MeterTable, rows: Rows) -> Spans:
    """Return the slots of valid rows of interval meters."""
    step = table.step_ms[rows.meter]
    begin = np.where(table.end_stamped[rows.meter], rows.t - step, rows.t)
    factor = table.factors(rows.meter, begin)
    over = np.abs(rows.v) > AMOUNT_LIMIT // np.abs(factor)
    reasons = dict.fromkeys(over.nonzero()[0].tolist(), OVER_RANGE) if over.any() else {}
    return Spans(rows.meter, begin, begin + step, rows.v * factor, guessed(rows), rows.received, reasons, {})


def spans_of_estimates(filled: Sequence[Estimate]) -> Spans:
    """Return what stands in slots without a reading; there is at least one."""
    columns = np.array([(each.place, each.from_ms, each.to_ms, each.amount or 0, each.received) for each in filled])
    place, from_ms, to_ms, amount, received = columns.T
    reasons = {at: each.reason for at, each in enumerate(filled) if each.amount is None}
    return Spans(place, from_ms, to_ms, amount, np.ones(len(filled), bool), received, reasons, {})
