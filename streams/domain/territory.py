"""A territory is a park, county, city, province, industry or list: its numbers are the sums of the enterprises in it.

Its days are added up from its members' days, hour by hour; its months and years hold its own days and months. Whatever
changed below is added up again as a whole, never counted on, so neither order nor repetition changes a number.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial

from schemas.ids import TERRITORY_KINDS
from schemas.messages import CalendarDocument, Own, Reported, encode
from schemas.windows import LATEST_MS, Window, WindowKind, child_index, children_of, window, window_at
from streams.domain.account import Metrics
from streams.domain.across import is_over, resting_on
from streams.domain.calendar import (
    PROVISIONAL,
    REVISED,
    copy_document,
    empty_document,
    latest_known,
    set_child,
    status_of,
    totals,
)
from streams.domain.indicator import hour_values
from streams.domain.member_outputs import MemberOutputs
from streams.domain.membership import Membership
from streams.domain.own import Formulas, no_longer_own, own_values
from streams.domain.registry import Snapshot
from streams.domain.revising import changes, revision, settled
from streams.domain.sheet import GroupHours, Sheet
from streams.domain.shelf import Shelf
from streams.domain.standing import Standing, highest, windows_of
from streams.domain.tagging import controlled
from streams.domain.territory_alarms import Conditions, TerritoryAlarms, watch_territory
from streams.domain.territory_causes import TerritoryCauses
from streams.domain.watching import Watcher, watchers
from streams.domain.work import Output

# Late data rarely touch more days than these between two rounds; a sheet of 5,000 enterprises takes some 20 MB.
_SHEETS_KEPT = 4

Reports = dict[tuple[str, str], Reported]


def is_territory(entity: str) -> bool:
    """Tell whether an entity is a territory."""
    return entity.partition("/")[0] in TERRITORY_KINDS


class Territories:
    """All territories over what is known of the enterprises: `follow` a registry, `take` documents, then `recompute`.

    Whoever gives a round up must make a new one of these from what is written.
    """

    def __init__(self) -> None:
        self.conditions = Conditions()
        self.documents = Shelf()  # of territories, as they are written
        self._enterprise_days = Shelf(decoded=64)
        self._standings: dict[str, Standing] = {}  # of the enterprises' months and years
        self._outputs = MemberOutputs()
        self._reports: dict[str, Reports] = {}
        self._sheets: OrderedDict[str, Sheet] = OrderedDict()
        self._membership = Membership(Snapshot.build(0, {}))
        self._formulas = Formulas()
        self._watchers: tuple[Watcher, ...] = ()
        self._graces: Mapping[WindowKind, int] = self._membership.snapshot.grace_ms
        # What is to be added up again: of each month the territories by day (or by the month itself), of each year the
        # months of each territory that changed.
        self._months: dict[str, dict[str, set[str]]] = {}
        self._years: dict[str, dict[str, set[str]]] = {}
        self._again: set[str] = set()  # months and years in which everything is to be watched again
        self._changed: dict[str, dict[str, None]] = {}  # of each territory the names of windows
        self._known: dict[str, int] = {}
        self._causes = TerritoryCauses()
        self._written: list[Output] = []
        self.registry_named = 0  # the highest registry version that a document names

    @property
    def snapshot(self) -> Snapshot:
        """The registry that is followed."""
        return self._membership.snapshot

    @property
    def waiting(self) -> int:
        """How many months and years have something to be added up again."""
        return len(self._months) + len(self._years)

    def follow(self, snapshot: Snapshot) -> None:
        """Switch to a registry snapshot; what it touches is added up again."""
        before = self._membership
        if before.snapshot is snapshot:
            return
        said = self._formulas, self._watchers, self._graces, before.chains()
        self._membership = Membership(snapshot)
        self._formulas = Formulas.of(snapshot)
        self._watchers = watchers(snapshot, TERRITORY_KINDS)
        self._graces = snapshot.grace_ms
        if said != (self._formulas, self._watchers, self._graces, self._membership.chains()):
            self.recompute_all()
            return
        for territory, name in before.green_changes(self._membership):
            self._touch(territory, window(name))
        for enterprise in before.moved(self._membership):
            # Of who only reports there are no days, and of a year some days may not have come.
            for name in {*self._standings, *self.documents.periods()}:
                if len(name) < len("2026-11-21"):
                    each = window(name)
                    for territory in before.of(enterprise, each) | self._membership.of(enterprise, each):
                        self._touch(territory, each)
        for day in self._days_known():
            each = window(day)
            for territory in {*before.territories, *self._membership.territories}:
                old, new = before.on(territory, each), self._membership.on(territory, each)
                if old is not new and old != new:
                    self._touch(territory, each)
                    self._touch(territory, window_at(each.start_ms, "month"))
                    self._touch(territory, window_at(each.start_ms, "year"))

    def recompute_all(self) -> None:
        """Have everything added up again, as after a start: what comes out as it is written is not written again."""
        for name in {*self._days_known(), *self._standings, *self.documents.periods()}:
            for territory in self._membership.territories:
                self._touch(territory, window(name))
        for reports in self._reports.values():
            for report in reports.values():
                self._touch_report(report)
        self._again.update(self._months, self._years)

    def restore(self, document: CalendarDocument, text: bytes) -> None:
        """Take over a territory's document that is written already."""
        self.documents.put(document, text)

    def take(self, document: CalendarDocument, text: bytes) -> None:
        """Take in an enterprise's day, month or year, with its text; it replaces the one before."""
        enterprise = document.entity.partition("/")[2]
        period = window(document.period)
        self.registry_named = max(self.registry_named, document.registry)
        if period.kind == "day":
            touched = self._enterprise_days.put(document, text)
            sheet = self._sheets.get(document.period)
            if touched and sheet is not None:
                sheet.put(document)
        else:
            standing = self._standings.get(document.period)
            if standing is None:
                standing = self._standings[document.period] = Standing(document.period)
            touched = standing.put(document)[1]
        self._causes.pass_to(max(filter(None, document.known), default=0))
        made = self._outputs.put(document)
        if touched or made.values:
            for territory in self._membership.of(enterprise, period):
                self._touch(territory, period)
        if made.products:
            self._touch_year(self._membership.of(enterprise, window_at(period.start_ms, "year")), document.period[:4])

    def report(self, report: Reported) -> None:
        """Take a value in that was reported for a territory itself."""
        mine = self._reports.setdefault(report.entity, {})
        before = mine.get((report.metric, report.period))
        if before is None or _rank(report) < _rank(before):
            mine[report.metric, report.period] = report
            self._causes.add_report(report)
            self._touch_report(report)

    def recompute(self) -> list[Output]:
        """Add up the oldest month of what waits, then its year once no other month of it waits; return what to write.

        Months are taken whole and in order of time, so alarms are never held against a half of one.
        """
        if not self.waiting:
            return []
        self.conditions.tell_amended(self._causes.latest_ms)
        year = min(name[:4] for name in (*self._months, *self._years))
        month = min((name for name in self._months if name[:4] == year), default=None)
        if month is not None:
            self._month(month)
        if not any(name[:4] == year for name in self._months):
            for territory, months in sorted(self._years.pop(year, {}).items()):
                self._parent(territory, window(year), sorted(months))
                self._pass_on(territory, year)
            self._again.discard(year)
            self._causes.forget(year)
        self._watch()
        outputs = self._written + self.conditions.taken()
        self._written = []
        return outputs

    def _touch(self, territory: str, period: Window) -> None:
        if period.kind == "year":
            self._years.setdefault(period.name, {}).setdefault(territory, set())
        else:
            self._months.setdefault(period.name[:7], {}).setdefault(period.name, set()).add(territory)

    def _touch_year(self, territories: Iterable[str], year: str) -> None:
        """Touch all that territories have of a year."""
        names = [name for name in {*self._days_known(), *self._standings} if name[:4] == year]
        for territory in territories:
            for name in names:
                self._touch(territory, window(name))

    def _touch_report(self, report: Reported) -> None:
        if report.entity not in self._membership.territories:
            return
        period = window(report.period)
        if period.kind == "day":
            self._touch(report.entity, period)
        if period.kind in ("day", "month"):
            self._touch(report.entity, window_at(period.start_ms, "month"))
        self._touch(report.entity, window_at(period.start_ms, "year"))

    def _days_known(self) -> list[str]:
        return self._enterprise_days.periods()

    def _sheet(self, day: str) -> Sheet:
        sheet = self._sheets.pop(day, None) or Sheet(day, self._enterprise_days.unpacked(day))
        self._sheets[day] = sheet
        while len(self._sheets) > _SHEETS_KEPT:
            self._sheets.popitem(last=False)
        return sheet

    def _month(self, month: str) -> None:
        touched = self._months.pop(month)
        changed: dict[str, list[str]] = {territory: [] for territory in touched.pop(month, ())}
        for day, territories in sorted(touched.items()):
            sheet = self._sheet(day)
            for territory in sorted(territories):
                if self._day(territory, window(day), sheet):
                    changed.setdefault(territory, []).append(day)
        for territory, days in sorted(changed.items()):
            moved = self._parent(territory, window(month), days)
            if moved:
                self._years.setdefault(month[:4], {}).setdefault(territory, set()).add(month)
            if moved or days:
                self._pass_on(territory, month)
        self._again.discard(month)

    def _pass_on(self, territory: str, period: str) -> None:
        """Have the later documents added up again whose values across windows rest on this one."""
        if self._formulas.across:
            if len(period) > len("2026"):
                # Whether a quarter or year is over shows in its last day alone.
                self._touch(territory, window(period[:4]))
            for later in resting_on(period):
                if self.documents.get(territory, later) is not None:
                    self._touch(territory, window(later))

    def _day(self, territory: str, day: Window, sheet: Sheet) -> bool:
        """Add up a day of a territory; return whether its document changed."""
        found = sheet.add_up(self._membership.on(territory, day))
        before = self.documents.get(territory, day.name)
        if found is None:
            if before is None and not any(period == day.name for _, period in self._reports.get(territory, ())):
                return False
            found = _NO_HOURS
        document = empty_document(territory, day) if before is None else copy_document(before)
        for hour in range(24):
            metrics = found.metrics[hour] | controlled(found.metrics[hour].get)
            metrics |= hour_values(self._formulas.simple, metrics)
            set_child(document, hour, metrics, found.status[hour], found.known[hour])
        document.release = next(iter(found.releases)) if len(found.releases) == 1 else None
        own_changed = self._own(document, day, {day.name: found.own})
        if before is not None and not document.touched and not own_changed and before.release == document.release:
            self._unchanged(before)
            return False
        document.input = found.input
        for hour in document.touched:
            if settled(document.status[hour]):
                known_ms = before.known[hour] if before is not None else None
                later = sheet.later(self._membership.on(territory, day), hour, known_ms or 0)
                self._causes.add_members(territory, day.name, later)
        self._put(before, document)
        return True

    def _parent(self, territory: str, period: Window, changed: list[str]) -> bool:
        """Bring a month or year up to date with its changed children; return whether its document changed."""
        before = self.documents.get(territory, period.name)
        document = empty_document(territory, period) if before is None else copy_document(before)
        input_ = [*document.input]
        for name in changed:
            below = self.documents.get(territory, name)
            assert below is not None
            self._child(document, child_index(window(name).start_ms, period.kind), below)
            input_ += below.input
        members = self._membership.over(territory, period).ever
        standing = self._standings.get(period.name)
        statuses: dict[str, frozenset[str]] = {}
        if standing is not None:
            rows = standing.rows(members)
            input_ += standing.input(rows)
            statuses = standing.statuses(rows)
        own_changed = self._own(document, period, statuses)
        if before is None and not document.touched and not any(own.values for own in document.own.values()):
            return False
        if before is not None and not document.touched and not own_changed:
            self._unchanged(before)
            return False
        document.input = highest(input_)
        document.release = self.snapshot.releases_over(period.start_ms, period.end_ms)
        self._put(before, document)
        return True

    def _child(self, document: CalendarDocument, index: int, below: CalendarDocument) -> None:
        own = below.own[below.period]
        metrics: Metrics = {**totals(below), **own.values}
        known = any(value is not None for value in own.values.values())
        status = own.status if known or any(below.status) else None
        set_child(document, index, metrics, status, latest_known(below))

    def _own(self, document: CalendarDocument, period: Window, statuses: Mapping[str, Iterable[str]]) -> bool:
        """Set what a document says of its own window, and of a year's quarters; return whether that changed.

        `statuses` are what the members say of these windows.
        """
        territory = document.entity
        outputs: dict[tuple[str, str], int] = {}
        for each in windows_of(period):
            for metric, value in self._outputs.sums(each, self._membership.over(territory, each)):
                outputs[metric, each.name] = value
        for key, report in self._reports.get(territory, {}).items():
            outputs[key] = report.micro
        changed = False
        known = self._standings.get(period.name, ())
        green = self._membership.certified(territory, windows_of(period), known)
        below = partial(self.documents.get, territory)
        over = partial(is_over, below, statuses)
        for each, part, found in own_values(document, outputs, self._formulas, below, over, green):
            own = Own(self._status(each, statuses.get(each.name, ()), latest_known(document, part)), found)
            before = document.own.get(each.name)
            if before is not None:
                found.update(no_longer_own(document, part, before.values.keys() - found.keys()))
            if before != own:
                document.own[each.name] = own
                changed = True
        return changed

    def _status(self, each: Window, statuses: Iterable[str], known: int | None) -> str:
        """Return a window's status: open while it is for any member; a territory has no clock of its own."""
        said = frozenset(statuses)
        if not said or PROVISIONAL in said:
            return PROVISIONAL
        return status_of(each, known, LATEST_MS, self._graces)

    def _put(self, before: CalendarDocument | None, document: CalendarDocument) -> None:
        entity = document.entity
        document.touched.sort()
        document.registry = self.snapshot.version
        text = encode(document)
        self.documents.put(document, text)
        self._written.append(Output("totals", entity, f"{entity}|{document.period}".encode(), text))
        self._note(document, document.touched)
        versions = (document.registry if before is None else before.registry), document.registry
        for change in changes(before, document, _was_late):
            known = self._causes.of(entity, change.window, versions)
            self._written.append(Output("revisions", entity, entity.encode(), encode(revision(change, *known))))

    def _unchanged(self, document: CalendarDocument) -> None:
        period = document.period
        if (period if len(period) == len("2026") else period[:7]) in self._again:
            self._note(document, range(len(document.status)))

    def _note(self, document: CalendarDocument, children: Iterable[int]) -> None:
        """Note that a document's own windows and some of its children have to be held against limits and rules."""
        entity, kids = document.entity, children_of(document.period)
        names = [*(kids[index].name for index in children), *document.own]
        self._changed.setdefault(entity, {}).update(dict.fromkeys(names))
        self._known[entity] = max(self._known.get(entity, 0), latest_known(document) or 0)

    def _watch(self) -> None:
        changed, self._changed = self._changed, {}
        for entity, names in sorted(changed.items()):
            alarms = TerritoryAlarms(self.documents, self.conditions, entity)
            windows = [window(name) for name in names]
            watch_territory(self.snapshot, self._watchers, entity, alarms, windows, self._known[entity])


def _was_late(each: Window, status: str | None) -> bool:
    return status == REVISED


_NO_HOURS = GroupHours([{}] * 24, [None] * 24, [None] * 24, frozenset(), frozenset({None}), [])


def _rank(report: Reported) -> tuple[int, int, int]:
    return -report.rev, report.received, report.micro
