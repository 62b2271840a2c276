"""A span is the time over which a meter's readings say an amount, and the part of it that falls into an hour.

These are the records behind a meter's hour, for whoever wants to follow a number by hand; the numbers themselves come
from `metering.measure`, and what the spans do not account for is told as a rest.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.decimals import divide_half_even
from schemas.messages import QUALITIES
from schemas.windows import HOUR_MS
from streams.domain.column_spans import Estimate
from streams.domain.gauge import divisor, pieces
from streams.domain.hour import EXCLUDED, VOID, Rows
from streams.domain.likeday import LIKE_DAY, LikeDays
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities, measure
from streams.domain.register import SpanKind
from streams.domain.register_spans import register_spans
from streams.domain.share import share_one

MEASURED, ESTIMATED, MISSING = "measured", "estimated", "missing"
GAP, MARKED, INTEGRATED, HELD = "gap", "marked", "integrated", "held"
EXCLUDED_MARK = "excluded"
_GUESSED = ("estimated", "substituted")
_QUALITY = {**dict(enumerate(QUALITIES)), VOID: "", EXCLUDED: EXCLUDED_MARK}


class Reading(NamedTuple):
    """A kept reading: instant and arrival [epoch ms], value as an integer at the meter's scale (None: a void)."""

    t_ms: int
    value: int | None
    rev: int
    quality: str
    received_ms: int

    @property
    def counts(self) -> bool:
        """Whether it is a value that counts: no void, maintenance or fault, nor excluded by a validation rule."""
        return self.value is not None and self.quality not in ("maintenance", "fault", EXCLUDED_MARK)


class Span(NamedTuple):
    """A span and its part in an hour; instants in epoch ms, amounts at 1e-6 of the carrier's unit.

    `first` is the reading at a register's begin (None: another meter), `last` the one at its end, the interval's, or
    the one that stands over the span of a gauge, whose amounts are rounded here: the hour is summed up before
    that. Without both it is a slot without a reading, filled in for `reason`.
    `amount` is over all of the span, `part` between `low_ms` and `high_ms`; both None where it gives nothing. `days`
    are the like days [epoch ms] by which it is estimated.
    """

    from_ms: int
    to_ms: int
    first: Reading | None
    last: Reading | None
    micro_per_count: int
    amount: int | None
    low_ms: int
    high_ms: int
    part: int | None
    kind: str
    reason: str
    days: tuple[int, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether only a part of the span lies in the hour."""
        return (self.low_ms, self.high_ms) != (self.from_ms, self.to_ms)


class MeterHour(NamedTuple):
    """A meter's hour: its readings with the neighbours they need, its spans, and what of it they do not explain.

    `amount` is what the hour counts and `estimated` the estimated part of it [1e-6 of the carrier's unit; of a level
    that unit x s], `rest` = `amount` - the sum of the spans' parts. `is_rate`: it is integrated from a rate.
    """

    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    amount: int
    measured_ms: int
    estimated_ms: int
    expected_ms: int
    rest: int
    estimated: int
    is_rate: bool


def meter_hours(
    table: MeterTable, start_ms: int, rows: Rows, odd: Collection[int], filled: Sequence[Estimate], likes: LikeDays
) -> tuple[list[MeterHour], Quantities]:
    """Return the hour at `start_ms` of every meter of a table, by place, and the quantities they were taken from.

    `rows`, `odd` and `filled` are those that `metering.measure` takes.
    """
    measured = measure(table, start_ms, rows, odd, filled, likes.shape)
    expected = table.expected_ms(start_ms, start_ms + HOUR_MS)
    return [
        _meter_hour(
            table, start_ms, place, rows.take(rows.meter == place), measured, int(expected[place]), filled, likes
        )
        for place in range(len(table.ids))
    ], measured


def _meter_hour(
    table: MeterTable, start_ms: int, place: int, rows: Rows, measured: Quantities, expected_ms: int,
    filled: Sequence[Estimate], likes: LikeDays,
) -> MeterHour:  # fmt: skip
    readings = tuple(_readings(rows))
    refused = {
        (each.from_ms, each.to_ms): each.reason
        for each in measured.flaws
        if each.meter == table.ids[place] and each.refuses
    }
    if table.register[place]:
        straight = _register(table, place, rows, readings, start_ms, refused)
        spans = tuple(_shaped(table, place, each, likes) for each in straight)
    elif table.gauge[place]:
        spans = tuple(_held(table, place, rows, readings, start_ms, refused))
    else:
        valid = [each for each in readings if each.counts]
        spans = tuple(_intervals(table, place, valid, start_ms, refused))
        spans += tuple(_estimate(table, start_ms, each) for each in filled if each.place == place)
    amount = int(measured.amount[place])
    return MeterHour(
        readings,
        spans,
        amount,
        int(measured.measured_ms[place]),
        int(measured.estimated_ms[place]),
        expected_ms,
        amount - sum(each.part or 0 for each in spans),
        int(measured.estimated[place]),
        table.meters[place].is_rate,
    )


def _readings(rows: Rows) -> list[Reading]:
    return [
        Reading(t, None if q == VOID else v, rev, _QUALITY[q], received)
        for _, t, v, rev, q, received in rows.columns.T.tolist()
    ]


def _register(
    table: MeterTable, place: int, rows: Rows, readings: Sequence[Reading], start_ms: int,
    refused: dict[tuple[int, int], str],
) -> list[Span]:  # fmt: skip
    at = {each.t_ms: each for each in readings}
    return [
        _span(table, place, start_ms, each.from_ms, each.to_ms, at[each.from_ms], at[each.to_ms], each.amount, refused)
        for each in register_spans(table, place, rows)
        if each.to_ms > start_ms and each.from_ms < start_ms + HOUR_MS
    ]


def _shaped(table: MeterTable, place: int, each: Span, likes: LikeDays) -> Span:
    """Return a span of a register, shared by like days where it has their shape."""
    is_gap = each.is_cut and _is_long(table, place, each.from_ms, each.to_ms)
    shape = likes.shape(place, each.from_ms, each.to_ms) if is_gap and each.amount is not None else None
    if shape is None or each.amount is None:
        return each
    days = likes.days(place, each.low_ms, each.from_ms)
    return each._replace(part=shape.share(each.amount, each.low_ms, each.high_ms), reason=LIKE_DAY, days=days)


def _held(
    table: MeterTable, place: int, rows: Rows, readings: Sequence[Reading], start_ms: int,
    refused: dict[tuple[int, int], str],
) -> Iterator[Span]:  # fmt: skip
    """Yield what each value of a gauge stands for; its `reason` is that it is integrated, or held, over the time."""
    found = pieces(table, rows)
    by = divisor(table.meters[place])
    at_rows: list[int] = found.row.tolist()
    for at, row in enumerate(at_rows):
        from_ms, to_ms, worth = int(found.from_ms[at]), int(found.to_ms[at]), int(found.worth[at])
        low, high = max(from_ms, start_ms), min(to_ms, start_ms + HOUR_MS)
        each = readings[row]
        if high <= low or not each.counts:
            continue
        factor = int(table.factors(np.array([place]), np.array([from_ms]))[0])
        reason = refused.get((from_ms, to_ms))
        if reason is not None:
            yield Span(from_ms, to_ms, None, each, factor, None, low, high, None, MISSING, reason)
            continue
        edges = np.array([from_ms, low]), np.array([to_ms, high])
        counted: list[int] = table.without_outages(np.array([place, place]), *edges).tolist()
        amount, part = (divide_half_even(worth * length_ms, by) for length_ms in counted)
        guessed = each.quality in _GUESSED
        kind, why = (ESTIMATED, MARKED) if guessed else (MEASURED, INTEGRATED if table.rate[place] else HELD)
        yield Span(from_ms, to_ms, None, each, factor, amount, low, high, part, kind, why)


def _estimate(table: MeterTable, start_ms: int, each: Estimate) -> Span:
    low, high = max(each.from_ms, start_ms), min(each.to_ms, start_ms + HOUR_MS)
    factor = table.meters[each.place].micro_per_count_at(each.from_ms)
    if each.amount is None:
        return Span(each.from_ms, each.to_ms, None, None, factor, None, low, high, None, MISSING, each.reason)
    part = share_one(each.amount, each.to_ms - each.from_ms, low - each.from_ms, high - each.from_ms)
    return Span(
        each.from_ms, each.to_ms, None, None, factor, each.amount, low, high, part, ESTIMATED, each.reason, each.days
    )  # fmt: skip


def _intervals(
    table: MeterTable, place: int, valid: list[Reading], start_ms: int, refused: dict[tuple[int, int], str]
) -> list[Span]:
    step = int(table.step_ms[place])
    back = step if table.end_stamped[place] else 0
    return [
        _span(table, place, start_ms, each.t_ms - back, each.t_ms - back + step, None, each, None, refused)
        for each in valid
        if each.t_ms - back < start_ms + HOUR_MS and each.t_ms - back + step > start_ms
    ]


def _span(
    table: MeterTable, place: int, start_ms: int, from_ms: int, to_ms: int, first: Reading | None, last: Reading,
    amount: int | None, refused: dict[tuple[int, int], str],
) -> Span:  # fmt: skip
    low, high = max(from_ms, start_ms), min(to_ms, start_ms + HOUR_MS)
    factor = int(table.factors(np.array([place]), np.array([from_ms]))[0])
    reason = refused.get((from_ms, to_ms))
    if reason is not None and reason != SpanKind.TURNED:
        return Span(from_ms, to_ms, first, last, factor, None, low, high, None, MISSING, reason)
    amount = (last.value or 0) * factor if amount is None else amount
    part = share_one(amount, to_ms - from_ms, low - from_ms, high - from_ms)
    marked = last.quality in _GUESSED or (first is not None and first.quality in _GUESSED)
    is_gap = (low, high) != (from_ms, to_ms) and _is_long(table, place, from_ms, to_ms)
    kind, why = (ESTIMATED, MARKED if marked else GAP) if marked or is_gap else (MEASURED, "")
    return Span(from_ms, to_ms, first, last, factor, amount, low, high, part, kind, why)


def _is_long(table: MeterTable, place: int, from_ms: int, to_ms: int) -> bool:
    """Tell whether a span is longer than 1.5 steps of its meter."""
    return 2 * (to_ms - from_ms) > 3 * int(table.step_ms[place])
