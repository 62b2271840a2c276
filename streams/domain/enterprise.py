"""The enterprise fold: readings, reported values and the passing of time become quantities, accounts and alarms.

It is the one computation behind every number of an enterprise: the live worker and a replay both call it. The same
readings in any order, any batches and with any repeats end in the same state.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from schemas.messages import CalendarDocument, Own, Reported, encode
from schemas.windows import HOUR_MS, Window, WindowKind, child_index, children_of, window, window_at
from streams.domain import vicinity
from streams.domain.account import Metrics, quantities_of_carriers
from streams.domain.across import resting_on
from streams.domain.block import Block, meter_documents
from streams.domain.calendar import latest_known, set_child, settle_children, status_of, totals
from streams.domain.causes import Causes
from streams.domain.enterprise_alarms import Blocks, tell_amended, watch_enterprise, withdraw_unwatched
from streams.domain.filling import fills
from streams.domain.flaw import Flaw
from streams.domain.hour import Hour, Rows, merge
from streams.domain.indicator import hour_values
from streams.domain.inputs import Readable
from streams.domain.likeday import LikeDays
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities, measure, nothing
from streams.domain.online import online_times, unseen_times
from streams.domain.own import no_longer_own, own_values
from streams.domain.passing import Time
from streams.domain.plan import Plan
from streams.domain.reach import hours_reached
from streams.domain.reading_checks import rivals
from streams.domain.revising import Change, changes, meter_changes, revision, settled
from streams.domain.state import HEAD, hour_text, state_key
from streams.domain.tagging import hour_account
from streams.domain.validating import Validating
from streams.domain.work import Output, Work


class EnterpriseFold:
    """A step of one enterprise, or a part of it: put readings and reports in, then compute what they touch, once."""

    def __init__(self, plan: Plan, work: Work, time: Time, made_from: tuple[int, int]) -> None:
        self.plan = plan
        self.table: MeterTable = plan.table
        self.work = work
        self.time = time
        self.made_from = made_from
        self._graces: Mapping[WindowKind, int] = plan.snapshot.grace_ms
        self._hours: set[int] = set()
        self._visits: set[str] = set()  # documents to bring up to date though none of their children changed
        self._changed: dict[str, None] = {}  # names of windows whose values changed
        self._judged: dict[str, bool] = {}  # days to hold against validation rules: whether a quantity moved
        self._refill = False
        self._made: dict[str, Block] = {}  # of days that were computed under another registry than before
        # The day and the expected times that a silent hour was computed for, and what came of it.
        self._of_silence: tuple[tuple[str, bytes], Metrics] = ("", b""), {}
        self._before = work.as_it_is()
        self._causes = Causes(time.now_ms)
        self._likes = LikeDays(self.table, plan.digest, work)
        self._likes_before = LikeDays(self.table, plan.digest, self._before)

    def because_of(self, batches: Iterable[Readable]) -> None:
        """Note the batches that the readings come from, for what they revise."""
        self._causes.add_batches(batches)

    def put_readings(self, meters: tuple[str, ...], scales: tuple[int, ...], rows: Rows) -> None:
        """Put readings in; `rows.meter` indexes `meters`, ids within the enterprise."""
        hours = rows.t // HOUR_MS
        each = np.unique(hours).tolist()
        for hour in each:
            part = rows if len(each) == 1 else rows.take(hours == hour)
            self._put_hour(hour * HOUR_MS, meters, scales, part)

    def put_report(self, report: Reported) -> None:
        """Put a reported value in; of two the higher revision stands, then the first received, then the smaller."""
        before = self.work.reports().get((report.metric, report.period))
        if before is not None and _rank(before) <= _rank(report):
            return
        self.work.put_report(report)
        self._causes.add_report(report)
        period = window(report.period)
        if period.kind == "day":
            self._visits.add(period.name)
        if period.kind in ("day", "month"):
            self._visits.add(window_at(period.start_ms, "month").name)
        self._visits.add(window_at(period.start_ms, "year").name)

    def visit(self, names: Iterable[str]) -> None:
        """Bring documents up to date with the time, whether or not readings came."""
        self._visits.update(names)

    def recompute(self, days: Iterable[str]) -> None:
        """Compute whole days again, as after a change of the registry."""
        self._refill = True
        for day in days:
            hours = _hours_of(day)
            self._hours.update(hours)
            self._visits.update((day, day[:7], day[:4]))
            quarter = window_at(window(day).start_ms, "quarter").name
            # What is watched may be new though no number is: every window is held against it again.
            self._changed.update(dict.fromkeys((day, day[:7], quarter, day[:4])))
            self._changed.update(dict.fromkeys(window_at(hour, "hour").name for hour in hours))

    def withdraw_unwatched(self) -> None:
        """Withdraw firing alarms that no limit or rule of the registry stands behind any more."""
        withdraw_unwatched(self.plan, self.work, self.time.known_ms)

    def finish(self) -> None:
        """Compute everything that was touched, and evaluate what it is held against."""
        days: dict[str, list[int]] = {}
        for hour in sorted(self._hours):
            days.setdefault(window_at(hour, "day").name, []).append(hour)
        for name in self._visits:
            if len(name) == 10:
                days.setdefault(name, [])
        months: dict[str, list[str]] = {name: [] for name in self._visits if len(name) == 7}
        for day, hours in sorted(days.items()):
            if self._day(window(day), hours):
                months.setdefault(day[:7], []).append(day)
        validating = Validating(
            self.table, self.plan.digest, self.work, self.time.now_ms, self._measure, self._made, refill=self._refill
        )
        validating.days(self._judged, [day for day, moved in self._judged.items() if moved])
        years: dict[str, list[str]] = {name: [] for name in self._visits if len(name) == 4}
        judged: list[str] = []
        for month, changed in _in_order(months):
            moved = self._parent(window(month), changed)
            if moved:
                years.setdefault(month[:4], []).append(month)
            if moved or changed:
                self._pass_on(month, months)
            judged.append(month)
        validating.months(judged)
        for year, changed in _in_order(years):
            self._parent(window(year), changed)
            self._pass_on(year, years)
        self._watch(validating.block)
        tell_amended(self.work, self.time)

    def _pass_on(self, period: str, todo: dict[str, list[str]]) -> None:
        """Have the later documents computed again whose values across windows rest on this one."""
        if not self.plan.formulas.across:
            return
        for later in resting_on(period):
            if self.work.document(later) is not None:
                todo.setdefault(later, [])

    def _put_hour(self, start_ms: int, meters: tuple[str, ...], scales: tuple[int, ...], rows: Rows) -> None:
        before = self.work.hour(start_ms)
        after, changed = merge(before or Hour.empty(start_ms), meters, scales, rows)
        if not changed:
            return
        self.work.put_hour(after, before)
        hours = hours_reached(self.work, self.table, before, after, changed, (meters, rows))
        self._hours |= hours
        self._causes.reach(start_ms, min(hours), max(hours) + HOUR_MS, changed)

    def tells_of(self, day: str) -> bool:
        """Tell whether any reading says something of a day, be it of another one."""
        measured = (self._measure(self.work, start_ms) for start_ms in _hours_of(day))
        return any(each.any or each.flaws for each in measured)

    def _measure(self, work: Work, start_ms: int) -> Quantities:
        rows, odd = vicinity.rows_of_hour(work, self.table, start_ms)
        likes = self._likes if work is self.work else self._likes_before
        filled = fills(work, self.table, start_ms, likes)
        if not len(rows) and not filled:
            return nothing(self.table)
        shape_of = likes.shape if self.table.any_like else None
        measured, hour = measure(self.table, start_ms, rows, odd, filled, shape_of), work.hour(start_ms)
        if self.table.bought and measured.flaws:
            # What is wrong with a seller's meter is a finding of the seller.
            measured = replace(measured, flaws=tuple(each for each in measured.flaws if each.meter in self._own_ids))
        if hour is not None and len(hour.conflicts) and self.table.checks is not None:
            return replace(measured, flaws=(*measured.flaws, *rivals(self.table, self.table.checks, hour)))
        return measured

    def _day(self, day: Window, hours: list[int]) -> bool:
        """Compute hours of a day; return whether the day's document changed."""
        was = self.work.document(day.name)
        document = self.work.open_document(day)
        old = self.work.block(day.name)
        rebuilt = old is None or old.digest != self.plan.digest
        if old is None or rebuilt:
            block = Block.empty(self.plan.digest, len(self.table.ids))
            if any(status is not None for status in document.status):
                hours = _hours_of(day.name)
        else:
            block = old.copy()
        moved = np.zeros(len(self.table.ids), bool)
        for start_ms in hours:
            index = (start_ms - day.start_ms) // HOUR_MS
            # Without the quantities of before, what was found then is looked up.
            before = old.flaws.get(index, ()) if old else self.work.found_flaws(hour_text(start_ms))
            moved |= block.put(index, self._measure(self.work, start_ms))
            self._find(start_ms, before, block.flaws.get(index, ()))
        aged = settle_children(document, self.time.now_ms, self._graces)
        for index, each in enumerate(children_of(day.name)):
            if each.start_ms in hours:
                was_open = document.status[index] is not None
                self._hour_of_document(document, index, each, block)
                # An hour that opens or closes does so for every meter, whichever of them the readings are of.
                aged |= was_open != (document.status[index] is not None)
            elif document.status[index] is None and each.end_ms <= self.time.now_ms:
                self._hour_of_document(document, index, each, block)
                aged = True
        aged |= self._own(document, day)
        changed = bool(document.touched) or aged
        if rebuilt and any(document.status):
            self._made[day.name] = block
        if hours or rebuilt or day.end_ms > self.time.from_ms:
            self._judged[day.name] = bool(moved.any()) or rebuilt
        if changed:
            self._put(was, document)
            self._changed.update(dict.fromkeys(children_of(day.name)[index].name for index in document.touched))
        if changed or moved.any() or (old is not None and old.flaws != block.flaws):
            self.work.put_block(day.name, block)
            for node in self.table.nodes.each:
                moved[node.place] |= moved[node.below].any()
            places = np.arange(self.table.own) if rebuilt or aged else np.flatnonzero(moved[: self.table.own])
            # A meter can change where its enterprise does not: a sub-meter, or one that another balances out.
            self._changed.update(dict.fromkeys([day.name, *(window_at(start_ms, "hour").name for start_ms in hours)]))
            touched = sorted({(start_ms - day.start_ms) // HOUR_MS for start_ms in hours} | set(document.touched))
            self._put_meters(day.name, block, places.tolist(), document.status, touched)
            if was is not None:
                self._revise_meters(was, old, block, hours)
        return changed

    def _put_meters(
        self, day: str, block: Block, places: list[int], status: list[str | None], touched: list[int]
    ) -> None:
        for each in meter_documents(
            self.table, day, block, places, status, touched,
            self.plan.snapshot.version, self.made_from, self.time.now_ms, self._graces,
        ):  # fmt: skip
            key = f"{each.entity}|{each.period}".encode()
            self.work.outputs.append(Output("totals", each.entity, key, encode(each)))

    def _hour_of_document(self, document: CalendarDocument, index: int, hour: Window, block: Block) -> None:
        measured = block.hour(index)
        ended = hour.end_ms <= self.time.now_ms
        if not ended and not measured.any and self.work.hour(hour.start_ms) is None:
            set_child(document, index, {}, None, None)
            return
        silent = not block.cells[:, index].any()
        metrics = self._silent(document.period, measured, hour) if silent else self._metrics(measured, hour)
        known = int(measured.known.max(initial=0)) or None
        set_child(document, index, metrics, status_of(hour, known, self.time.now_ms, self._graces), known)

    def _metrics(self, measured: Quantities, hour: Window) -> Metrics:
        metrics = quantities_of_carriers(self.table, measured, hour.start_ms, hour.end_ms)
        worth = self.plan.valuations.at(hour.start_ms)
        metrics.update(hour_account(self.table, hour, measured, metrics, self.plan.snapshot.carriers, worth))
        if self.table.nodes:
            covered_ms = measured.measured_ms + measured.estimated_ms
            expected_ms = self.table.expected_ms(hour.start_ms, hour.end_ms)
            metrics.update(self.table.nodes.of_enterprise(measured.amount, covered_ms, expected_ms))
        if self.plan.lines:
            metrics.update(self.plan.lines.of_hour(measured, metrics, hour, worth))
        if self.plan.formulas.online:
            metrics.update(online_times(self.table, measured, hour.start_ms, hour.end_ms))
        metrics.update(hour_values(self.plan.formulas.simple, metrics))
        return metrics

    def _silent(self, day: str, measured: Quantities, hour: Window) -> Metrics:
        """Return what an hour comes to in which nothing was measured: the same in all of a day with the same meters."""
        if self.plan.lines:
            return self._metrics(measured, hour)
        key = day, self.table.expected_ms(hour.start_ms, hour.end_ms).tobytes()
        if self._of_silence[0] != key:
            self._of_silence = key, self._metrics(measured, hour)
        return dict(self._of_silence[1])

    def _find(self, start_ms: int, before: tuple[Flaw, ...], after: tuple[Flaw, ...]) -> None:
        """Write the findings on what begins in this hour."""
        mine = [[flaw for flaw in flaws if flaw.from_ms // HOUR_MS * HOUR_MS == start_ms] for flaws in (before, after)]
        self.work.change_flaws(hour_text(start_ms), *mine)

    def _parent(self, period: Window, changed: list[str]) -> bool:
        """Bring a month or year up to date with its changed children; return whether its document changed."""
        was = self.work.document(period.name)
        document = self.work.open_document(period)
        kids = children_of(period.name)
        for name in changed:
            child = window(name)
            self._child(document, child_index(child.start_ms, period.kind), child)
        for index, child in enumerate(kids):
            unknown = document.status[index] is None
            if child.end_ms <= self.time.now_ms and (unknown or (self._refill and child.name not in changed)):
                self._child(document, index, child)
        settle_children(document, self.time.now_ms, self._graces)
        own_changed = self._own(document, period)
        if not document.touched and not own_changed:
            return False
        self._put(was, document)
        self._changed.update(dict.fromkeys(kids[index].name for index in document.touched))
        return True

    def _child(self, document: CalendarDocument, index: int, child: Window) -> None:
        below = self.work.document(child.name)
        if below is None:
            empty = quantities_of_carriers(self.table, nothing(self.table), child.start_ms, child.end_ms)
            if self.plan.formulas.online:
                empty.update(unseen_times(self.table, child.start_ms, child.end_ms))
            if self.plan.lines:
                empty.update(self.plan.lines.unseen(child))
            status = status_of(child, None, self.time.now_ms, self._graces)
            set_child(document, index, empty, status if child.end_ms <= self.time.now_ms else None, None)
            return
        own = below.own[child.name]
        metrics: Metrics = {**totals(below), **own.values}
        set_child(document, index, metrics, own.status, latest_known(below))

    def _own(self, document: CalendarDocument, period: Window) -> bool:
        """Set what a document says of its own window, and of a year's quarters; return whether that changed."""
        reports = self.work.reports()
        values = {key: report.micro for key, report in reports.items()} if reports else {}
        changed = False
        mine = self.plan.formulas, self.work.document, self._over, self.plan.certified, self.plan.lines
        for each, part, found in own_values(document, values, *mine):
            own = Own(status_of(each, latest_known(document, part), self.time.now_ms, self._graces), found)
            before = document.own.get(each.name)
            if before is not None:
                found.update(no_longer_own(document, part, before.values.keys() - found.keys()))
            if before != own:
                document.own[each.name] = own
                self._changed[each.name] = None
                changed = True
        return changed

    def _over(self, each: Window) -> bool:
        return each.end_ms <= self.time.now_ms

    def _put(self, was: CalendarDocument | None, document: CalendarDocument) -> None:
        document.touched.sort()
        document.registry = self.plan.snapshot.version
        document.release = self.plan.snapshot.releases_over(*_edges(document.period))
        document.input = [self.made_from]
        self.work.put_document(document)
        self._changed.update(dict.fromkeys(document.own))
        self._revise(changes(was, document, self._was_late))

    @cached_property
    def _own_ids(self) -> frozenset[str]:
        return frozenset(self.table.ids[: self.table.own])

    @cached_property
    def _recomputing(self) -> bool:
        """Whether the enterprise was last computed as a whole under another registry than this."""
        head = self.work.get(state_key(self.plan.enterprise, HEAD))
        return self._refill or (head is not None and head != self.plan.digest.encode())

    def _was_late(self, each: Window, status: str | None) -> bool:
        """Tell whether a window that turns up now should have settled before this part of the step."""
        return each.end_ms + self._graces[each.kind] <= self.time.from_ms

    def _revise(self, found: Iterable[Change]) -> None:
        """Write the revisions of settled windows that changed."""
        for change in found:
            if self._causes.registry is None and self._recomputing:
                self._causes.registry = self.plan.snapshot.version
            entity = change.entity
            # What sub-meters do not explain changes with readings of theirs, too.
            of_one = entity.startswith("meter/") and not change.metric.startswith("unexplained.")
            meter = entity.rpartition(".")[2] if of_one else None
            record = revision(change, *self._causes.of(change.window, meter))
            self.work.outputs.append(Output("revisions", entity, entity.encode(), encode(record)))

    def _revise_meters(self, was: CalendarDocument, old: Block | None, block: Block, hours: list[int]) -> None:
        """Write the revisions of meters; what a registry change does to them is told of the enterprise alone."""
        indices = [child_index(start_ms, "day") for start_ms in hours]
        own = was.own.get(was.period)
        late = (own is not None and settled(own.status)) or any(settled(was.status[index]) for index in indices)
        if not late or self._recomputing:
            return
        if old is None:
            old = Block.empty(self.plan.digest, len(self.table.ids))
            for index, each in enumerate(children_of(was.period)):
                if was.status[index] is not None:
                    old.put(index, self._measure(self._before, each.start_ms))
        if old.digest == self.plan.digest:
            self._revise(meter_changes(self.table, was, old, block, indices))

    def _watch(self, blocks: Blocks) -> None:
        if self.plan.watchers and (self._changed or self.plan.timed):
            changed = {window(name) for name in self._changed}
            if self.plan.timed:
                # A reading that moves no quantity is a sign of life.
                changed |= {window_at(start_ms, "hour") for start_ms in self._hours}
            watch_enterprise(self.plan, self.work, self.time, changed, blocks)


def _hours_of(day: str) -> list[int]:
    """Return the hours [epoch ms] of a day; where the time has not come to, readings of others may reach already."""
    return [hour.start_ms for hour in children_of(day)]


def _edges(period: str) -> tuple[int, int]:
    each = window(period)
    return each.start_ms, each.end_ms


def _in_order(todo: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield what there is to do in order of time, while later things may be added; what is done is taken out."""
    while todo:
        name = min(todo)
        yield name, todo.pop(name)


def _rank(report: Reported) -> tuple[int, int, int]:
    return -report.rev, report.received, report.micro
