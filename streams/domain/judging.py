"""Judging holds a whole day of an enterprise's meters against validation rules, once the day is over.

What a rule cannot fail on is passed over for all meters at once; of the others the rule itself says so.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from schemas.windows import DAY_MS, HOUR_MS, Window
from streams.domain.block import Block
from streams.domain.checks import CheckView, MeterCheck, StretchOfChecks
from streams.domain.flaw import Flaw
from streams.domain.hour import Bools, Ints
from streams.domain.meter_table import MeterTable
from streams.domain.nodes import covered_together
from streams.domain.validation import (
    THIRD,
    Verdict,
    ceiling,
    completeness,
    day_level,
    equal,
    not_above,
    runs,
    spike,
    stuck,
    zeros,
)

# What is compared in floats is judged exactly as soon as it comes so near.
_NEARLY = 1 - 1e-9

Earlier = Callable[[int], Block | None]


class MeterDay:
    """One day of an enterprise's meters by hour, each array of shape (24, meters): amounts and times."""

    def __init__(self, table: MeterTable, start_ms: int, block: Block) -> None:
        edges = start_ms + HOUR_MS * np.arange(24, dtype=np.int64)[:, None]
        in_service = np.clip(np.minimum(table.to_ms, edges + HOUR_MS) - np.maximum(table.from_ms, edges), 0, None)
        self.start_ms = start_ms
        self.amount: Ints = block.cells[0]
        self.measured_ms: Ints = block.cells[2]
        self.estimated_ms: Ints = block.cells[3]
        self.covered_ms: Ints = block.cells[2] + block.cells[3]
        self.expected_ms: Ints = in_service
        if table.paused:
            self.expected_ms = np.stack([table.expected_ms(edge, edge + HOUR_MS) for edge in edges[:, 0].tolist()])
        # What an outage cut short is not like an hour that ran through.
        self.whole: Bools = (in_service > 0) & (self.covered_ms >= in_service)


def judge_day(table: MeterTable, stretch: StretchOfChecks, day: Window, block: Block, earlier: Earlier) -> list[Flaw]:
    """Return what the rules of a day find wrong with it; `earlier` gives the block of the day so many days before."""
    judge = _Judge(table, MeterDay(table, day.start_ms, block), earlier)
    found: list[Flaw] = []
    for check in stretch.days:
        found += judge.by_name[check.rule.check](check)
    for check in stretch.ceilings:
        found += judge.ceiling(check)
    for rule, parts, whole in stretch.sums:
        found += judge.sum(rule, parts, whole)
    return found


class _Judge:
    def __init__(self, table: MeterTable, day: MeterDay, earlier: Earlier) -> None:
        self._table = table
        self._day = day
        self._earlier = earlier
        self.by_name: dict[str, Callable[[MeterCheck], Iterator[Flaw]]] = {
            "spike": self.spike,
            "stuck": self.stuck,
            "zeros": self.zeros,
            "day-level": self.day_level,
            "sub-meters": self.sub_meters,
            "completeness": self.completeness,
        }

    def spike(self, check: MeterCheck) -> Iterator[Flaw]:
        day, max_pct = self._day, check.rule.max_pct
        amount, whole = day.amount[:, check.places], day.whole[:, check.places]
        highest = np.sort(np.where(whole, amount, 0), axis=0)[-THIRD:].astype(np.float64)
        maybe = (highest[-1] - highest[0]) * 100 > float(max_pct) * highest[0] * _NEARLY
        maybe &= (highest[0] > 0) & (whole.sum(axis=0) >= THIRD)
        for place in check.places[maybe].tolist():
            hours = np.flatnonzero(day.whole[:, place])
            values: list[int] = day.amount[hours, place].tolist()
            first = int(hours[values.index(max(values))])
            yield from self._flaw(check.rule, place, first, first + 1, spike(values, max_pct))

    def stuck(self, check: MeterCheck) -> Iterator[Flaw]:
        yield from self._in_a_row(check, stuck)

    def zeros(self, check: MeterCheck) -> Iterator[Flaw]:
        for flaw in self._in_a_row(check, zeros):
            pauses = (*self._table.view.stops, *self._table.meters[self._table.place[flaw.meter]].outages)
            if not any(each.meets(flaw.from_ms, flaw.to_ms) for each in pauses):
                yield flaw

    def _in_a_row(self, check: MeterCheck, rule: Callable[..., Verdict]) -> Iterator[Flaw]:
        day, wanted = self._day, check.rule.spec.values or 0
        # What was shared over a gap is equal by itself.
        real = (day.whole & (day.estimated_ms == 0))[:, check.places]
        amount = day.amount[:, check.places]
        length = real[0].astype(np.int64)
        longest = length.copy()
        for hour in range(1, 24):
            length = np.where(
                real[hour], np.where(real[hour - 1] & (amount[hour] == amount[hour - 1]), length, 0) + 1, 0
            )
            np.maximum(longest, length, out=longest)
        for at in np.flatnonzero(longest >= wanted).tolist():
            place = int(check.places[at])
            values = [value if here else None for value, here in zip(amount[:, at].tolist(), real[:, at], strict=True)]
            for run in runs(values):
                yield from self._flaw(check.rule, place, run.first, run.first + run.length, rule(run, wanted))

    def day_level(self, check: MeterCheck) -> Iterator[Flaw]:
        spec = check.rule.spec
        high, low = Fraction(spec.high_pct or 0), Fraction(spec.low_pct or 0)
        totals, whole = _whole_days(self._day)
        references: dict[int, list[int]] = {place: [] for place in check.places.tolist() if whole[place]}
        for back in range(1, 1 + (spec.days or 0)) if references else ():
            block = self._earlier(back)
            if block is None:
                continue
            before, was_whole = _whole_days(MeterDay(self._table, self._day.start_ms - back * DAY_MS, block))
            for place, values in references.items():
                if was_whole[place]:
                    values.append(int(before[place]))
        for place, values in references.items():
            verdict = day_level(int(totals[place]), values, spec.least_days or 1, high, low)
            yield from self._flaw(check.rule, place, 0, 24, verdict)

    def sub_meters(self, check: MeterCheck) -> Iterator[Flaw]:
        mine = set(check.places.tolist())
        for node in self._table.nodes.each:
            if node.place in mine:
                sums = self._together(np.append(node.below, node.place))
                if sums is not None:
                    verdict = not_above(sums[:-1], sums[-1], check.rule.max_pct)
                    yield from self._flaw(check.rule, node.place, 0, 24, verdict)

    def sum(self, rule: CheckView, parts: Ints, whole: int) -> Iterator[Flaw]:
        sums = self._together(np.append(parts, whole))
        if sums is not None:
            yield from self._flaw(rule, whole, 0, 24, equal(sums[:-1], sums[-1], rule.max_pct))

    def _together(self, places: Ints) -> list[int] | None:
        """Return what meters measured in the hours in which all of them are wholly covered, None without any."""
        hours = covered_together(places, self._day.covered_ms, self._day.expected_ms)
        return self._day.amount[np.ix_(hours, places)].sum(axis=0).tolist() if hours.any() else None

    def completeness(self, check: MeterCheck) -> Iterator[Flaw]:
        min_pct = Fraction(check.rule.spec.min_pct or 0)
        measured, expected = self._day.measured_ms.sum(axis=0), self._day.expected_ms.sum(axis=0)
        maybe = measured[check.places] * 100 * _NEARLY < float(min_pct) * expected[check.places]
        for place in check.places[maybe].tolist():
            verdict = completeness(int(measured[place]), int(expected[place]), min_pct)
            yield from self._flaw(check.rule, place, 0, 24, verdict)

    def ceiling(self, check: MeterCheck) -> Iterator[Flaw]:
        places: list[int] = check.places.tolist()
        for place in places:
            most = (self._table.meters[place].capacity_micro_per_h or 0) * Fraction(check.rule.spec.factor or 0)
            amount, covered_ms = self._day.amount[:, place], self._day.covered_ms[:, place]
            maybe = amount * float(HOUR_MS) > float(most) * covered_ms * _NEARLY
            for hour in np.flatnonzero(maybe & (covered_ms > 0)).tolist():
                verdict = ceiling(int(amount[hour]), int(covered_ms[hour]), most)
                for flaw in self._flaw(check.rule, place, hour, hour + 1, verdict):
                    # What a register counted in an hour is no reading that could be taken out.
                    yield flaw._replace(effect="flag")

    def _flaw(self, rule: CheckView, place: int, first: int, end: int, verdict: Verdict) -> Iterator[Flaw]:
        if verdict.failed:
            begin = self._day.start_ms
            yield Flaw(
                self._table.ids[place], begin + first * HOUR_MS, begin + end * HOUR_MS, rule.name, rule.effect,
                verdict.figures,
            )  # fmt: skip


def _whole_days(day: MeterDay) -> tuple[Ints, Bools]:
    """Return by meter what a day amounts to, and whether all of it is covered."""
    return day.amount.sum(axis=0), np.logical_and.reduce(day.whole, axis=0)
