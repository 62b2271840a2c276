"""Validating judges the days and months that a step touched by the validation rules, and writes what findings changed.

A day is judged once it is over, and again whenever something of it, or of a day that it is compared with, changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

from schemas.windows import DAY_MS, Window, children_of, window, window_at
from streams.domain.block import Block
from streams.domain.calendar import whole
from streams.domain.checks import StretchOfChecks
from streams.domain.flaw import Flaw
from streams.domain.judging import judge_day
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities
from streams.domain.validation import Verdict, equal
from streams.domain.work import Work

Measure = Callable[[Work, int], Quantities]


class Validating:
    """What a part of a step judges of one enterprise: `digest` names its registry, `measure` computes an hour anew.

    `made` are blocks by day that the part has computed already under this registry.
    `now_ms` is the highest tick. With `refill` everything is judged again under another registry: what was found under
    rules that hold no more is closed.
    """

    def __init__(
        self,
        table: MeterTable,
        digest: str,
        work: Work,
        now_ms: int,
        measure: Measure,
        made: Mapping[str, Block],
        *,
        refill: bool,
    ) -> None:
        self._table = table
        self._digest = digest
        self._work = work
        self._now_ms = now_ms
        self._measure = measure
        self._refill = refill
        self._rebuilt: dict[str, Block | None] = dict(made)

    def days(self, touched: Iterable[str], moved: Iterable[str]) -> None:
        """Judge days that were touched, and those that are compared with days of which some quantity moved."""
        if self._table.checks is None:
            return
        names = dict.fromkeys(touched)
        back = self._table.checks.looks_back_days
        if back and not self._refill:
            for name in moved:
                start_ms = window(name).start_ms
                after = range(start_ms + DAY_MS, start_ms + (back + 1) * DAY_MS, DAY_MS)
                names.update(dict.fromkeys(window_at(at_ms, "day").name for at_ms in after))
        for name in sorted(names):
            self._day(window(name), self._table.checks.at(window(name).start_ms))

    def _day(self, day: Window, stretch: StretchOfChecks) -> None:
        if day.end_ms > self._now_ms or not (stretch.judges_days or self._refill):
            return
        block = self.block(day.name)
        found: list[Flaw] = []
        if block is not None and stretch.judges_days:
            found = judge_day(
                self._table, stretch, day, block,
                lambda back: self.block(window_at(day.start_ms - back * DAY_MS, "day").name),
            )  # fmt: skip
        self._change(day.name, found)

    def months(self, names: Iterable[str]) -> None:
        """Judge the reported values of months by those of their days, where both are told."""
        if self._table.checks is None:
            return
        for name in names:
            month = window(name)
            rules = self._table.checks.at(month.start_ms).months
            if self._refill or (rules and self._work.reports()):
                self._change(name, [flaw for rule in rules for flaw in self._month(month, rule.name, rule.max_pct)])

    def _month(self, month: Window, rule: str, max_pct: Fraction) -> Iterator[Flaw]:
        document = self._work.document(month.name)
        if document is None:
            return
        failed: list[tuple[str, Verdict]] = []
        for (metric, period), report in sorted(self._work.reports().items()):
            days = document.metrics.get(metric, [None])
            if period != month.name or whole(days) is None:
                continue
            verdict = equal([day for day in days if day is not None], report.micro, max_pct)
            if verdict.failed:
                failed.append((metric, verdict))
        if failed:
            # A finding is one of a rule, entity and start: it tells the figures of the first and names the others.
            (metric, verdict), *others = failed
            also = (("also", ", ".join(each for each, _ in others)),) if others else ()
            figures = (("metric", metric), *verdict.figures, *also)
            yield Flaw("", month.start_ms, month.end_ms, rule, "flag", figures)

    def _change(self, place: str, found: Iterable[Flaw]) -> None:
        self._work.change_flaws(place, self._work.found_flaws(place), found)

    def block(self, day: str) -> Block | None:
        """Return the block of a day; where it is not at hand, or of another registry, it is made for this once."""
        if day in self._rebuilt:
            return self._rebuilt[day]
        document = self._work.document(day)
        if document is None or not any(document.status):
            return None
        block = self._work.block(day)
        if block is None or block.digest != self._digest:
            block = Block.empty(self._digest, len(self._table.ids))
            for index, hour in enumerate(children_of(day)):
                if document.status[index] is not None or hour.end_ms <= self._now_ms:
                    block.put(index, self._measure(self._work, hour.start_ms))
            self._rebuilt[day] = block
        return block
