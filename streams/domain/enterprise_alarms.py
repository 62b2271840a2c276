"""The alarms of an enterprise and of its meters: what their windows are worth, and which conditions stand."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from schemas.documents.metric import LINE_TIMES, carrier_in, is_divided
from schemas.ids import SOURCE
from schemas.messages import AlarmEvent, CalendarDocument, Condition
from schemas.windows import Window, WindowKind, child_index, children_of, window, window_at
from streams.domain.account import Metrics
from streams.domain.alarm import OK, OPEN, WITHDRAWN, Value, amended, withdraw
from streams.domain.block import Block
from streams.domain.calendar import PROVISIONAL, windows_in
from streams.domain.flaw import Flaw
from streams.domain.hearing import heard_again, heard_from, open_flaws, silent_ms
from streams.domain.indicator import window_value
from streams.domain.observing import passed_windows, reached
from streams.domain.passing import Time
from streams.domain.plan import Plan
from streams.domain.views import PauseView
from streams.domain.watching import Watcher, evaluate
from streams.domain.work import Work

# The document that speaks for a window of each kind as a whole; an hour is a child of its day's.
HOME: dict[WindowKind, WindowKind] = {"hour": "day", "day": "day", "month": "month", "quarter": "year", "year": "year"}


# What gives the quantities of the hours of a day by its name, None where nothing is known of it.
Blocks = Callable[[str], Block | None]


def value_in(document: CalendarDocument | None, metric: str, each: Window) -> Value:
    """Return a metric in a window of the document that holds it, with the share of time that is not missing."""
    if document is None:
        return Value(None, None)
    if each.kind == "hour":
        index = child_index(each.start_ms, "day")
        # An hour has no document of its own: all that is known of it, indicators too, stands in its day's.
        column = document.metrics.get(metric)
        return Value(column[index] if column else None, coverage(document, metric, slice(index, index + 1)))
    part = next(part for period, part in windows_in(document) if period.name == each.name)
    own = document.own[each.name].values if each.name in document.own else {}
    return Value(window_value(document, part, own, metric), coverage(document, metric, part))


def coverage(document: CalendarDocument, metric: str, part: slice) -> float | None:
    """Return the share of expected meter-time in some children that is measured or estimated; None without any.

    For a quantity it is that of its carrier, for what is divided between lines that of all that it takes, for any
    other metric that of all carriers together.
    """
    if is_divided(metric):
        times = [sum(filter(None, document.metrics.get(name, [])[part])) for name in LINE_TIMES]
        return sum(times[1:]) / times[0] if times[0] else None
    carrier = carrier_in(metric)
    expected = had = 0
    for name, values in document.metrics.items():
        if not name.startswith("time.") or (carrier is not None and not name.endswith("." + carrier)):
            continue
        amount = sum(value for value in values[part] if value is not None)
        if name.startswith("time.expected."):
            expected += amount
        else:
            had += amount
    return had / expected if expected else None


def settled_in(document: CalendarDocument | None, each: Window) -> bool:
    """Tell whether a window has settled, by the document that holds it."""
    if document is None:
        return False
    if each.kind == "hour":
        return document.status[child_index(each.start_ms, "day")] not in (None, PROVISIONAL)
    return each.name in document.own and document.own[each.name].status != PROVISIONAL


class EntityAlarms:
    """The alarms of one entity of an enterprise: of the enterprise itself or of one of its meters."""

    def __init__(self, plan: Plan, work: Work, entity: str, time: Time, blocks: Blocks) -> None:
        self._plan = plan
        self._work = work
        self._entity = entity
        self._time = time
        self._blocks = blocks
        self._meter = entity.startswith("meter/")

    @property
    def entity(self) -> str:
        """Whose alarms these are."""
        return self._entity

    def value(self, metric: str, window: Window) -> Value:
        """Return what is known of a metric in a window."""
        if self._meter:
            return self._meter_value(metric, window)
        return value_in(self._work.document(window_at(window.start_ms, HOME[window.kind]).name), metric, window)

    def _meter_value(self, metric: str, each: Window) -> Value:
        place = self._plan.table.place[self._entity.partition(".")[2]]
        block = self._blocks(window_at(each.start_ms, "day").name)
        if block is None or each.kind not in ("hour", "day"):
            return Value(None, None)
        first = child_index(each.start_ms, "day") if each.kind == "hour" else 0
        part = slice(first, first + 1) if each.kind == "hour" else slice(0, 24)
        amount, estimated, measured_ms, estimated_ms, _ = block.cells[:, part, place].sum(axis=1).tolist()
        table = self._plan.table
        names: Metrics = dict(zip(table.metric_names[place][:2], (amount, estimated), strict=True))
        if place in table.averages:
            names[table.averages[place]] = block.average(table, place, first if each.kind == "hour" else None)
            names[f"qty.{table.meters[place].carrier}.integrated"] = amount if table.rate[place] else None
        names.update(self._unexplained(metric, place, part, each, block))
        if metric not in names:
            return Value(None, None)
        expected = int(self._plan.table.expected_ms(each.start_ms, each.end_ms)[place])
        had = measured_ms + estimated_ms
        return Value(names[metric] if had else None, had / expected if expected else None)

    def _unexplained(self, metric: str, place: int, part: slice, each: Window, block: Block) -> Metrics:
        """Return what sub-meters do not explain of a meter in the hours of `part` in which all of them are covered."""
        table = self._plan.table
        if not metric.startswith("unexplained.") or place not in table.nodes.places:
            return {}
        hours = [each] if each.kind == "hour" else children_of(each.name)
        expected = np.stack([table.expected_ms(hour.start_ms, hour.end_ms) for hour in hours])
        cells = block.cells[:, part]
        values, known = table.nodes.unexplained(cells[0], cells[2] + cells[3], expected)
        number = next(number for number, node in enumerate(table.nodes.each) if node.place == place)
        here = known[:, number]
        return {table.nodes.each[number].metric: int(values[here, number].sum()) if here.any() else None}

    def over(self, window: Window) -> bool:
        """Tell whether the last hour of a window has passed."""
        return window.end_ms <= self._time.now_ms

    def silent_ms(self, window: Window) -> int | None:
        """Return the longest time [ms] without a reading that reaches into an hour; None where none is expected."""
        heard = heard_from(self._plan.table.view, self._entity, window)
        if heard is None:
            return None
        return silent_ms(self._work, heard, window, self._time.first_ms, self._time.now_ms)

    def findings(self, window: Window) -> Sequence[Flaw]:
        """Return what is found wrong with the readings of an hour or day."""
        meter = self._entity.partition(".")[2] if self._meter else None
        return tuple(each for each in open_flaws(self._work, window) if meter is None or each.meter == meter)

    def stops(self) -> Sequence[PauseView]:
        """Return the times in which the enterprise stands still, in order."""
        return self._plan.table.view.stops

    def settled(self, window: Window) -> bool:
        """Tell whether a window has settled."""
        return settled_in(self._work.document(window_at(window.start_ms, HOME[window.kind]).name), window)

    def last_ms(self) -> int:
        """Return the end [epoch ms] of the last window that can have a value."""
        return self._work.last_hour_end_ms()

    def condition(self, rule: str, start: str) -> Condition | None:
        """Return an alarm's condition, None when it was never evaluated."""
        return self._work.condition(rule, self._entity, start)

    def starts(self, rule: str) -> list[str]:
        """Return the starts of all alarms of a rule about this entity, in order of time."""
        return self._work.starts(rule, self._entity)

    def put(self, condition: Condition, event: AlarmEvent | None) -> None:
        """Take over an alarm's new condition, and its event."""
        self._work.put_condition(condition, event)


def watch_enterprise(plan: Plan, work: Work, time: Time, changed: Iterable[Window], blocks: Blocks) -> None:
    """Evaluate all that watches an enterprise or its meters in the windows that changed or that time passed.

    `blocks` give the quantities of a day's hours, which the local copy of the state may not have.
    """
    by_kind: dict[str, list[Window]] = {}
    for each in sorted(changed, key=lambda each: each.start_ms):
        by_kind.setdefault(each.kind, []).append(each)
    passed = passed_windows(
        {each.watch.window for each in plan.watchers if each.watch.timed}, time.from_ms, time.now_ms
    )
    for watcher in plan.watchers:
        windows = by_kind.get(watcher.watch.window, [])
        observed = watcher.watch.observed
        if observed is not None:
            ended = passed.get(watcher.watch.window, []) if observed.timed else []
            windows = reached(observed, (*windows, *ended), work.last_hour_end_ms())
        settling = watcher.settling(by_kind)
        if windows or settling:
            for entity in _entities(plan, watcher):
                mine = windows
                if observed is not None and observed.of == "silence":
                    if not _is_open(work, watcher.watch.rule, entity):
                        # What grows too long is told when the hour is over; before that only an alarm can end.
                        mine = [each for each in mine if each.end_ms <= time.now_ms]
                    mine = heard_again(work, plan.table.view, entity, mine, work.last_hour_end_ms())
                means = partial(_means, plan, watcher, entity)
                mine = [*watcher.touched(mine, means), *settling]
                if mine:
                    alarms = EntityAlarms(plan, work, entity, time, blocks)
                    evaluate(watcher.watch, entity, mine, means, alarms, time.known_ms)


def _is_open(work: Work, rule: str, entity: str) -> bool:
    """Tell whether the last alarm of a rule about an entity is neither over nor withdrawn."""
    starts = work.starts(rule, entity)
    last = work.condition(rule, entity, starts[-1]) if starts else None
    return last is not None and last.condition not in (OK, WITHDRAWN)


def tell_amended(work: Work, time: Time) -> None:
    """Tell, when a day ends, the figures of settled alarms that moved in it."""
    if window_at(time.from_ms, "day") != window_at(time.now_ms, "day"):
        for condition in work.moved_conditions():
            work.put_condition(*amended(condition, time.known_ms))


def withdraw_unwatched(plan: Plan, work: Work, known_ms: int) -> None:
    """Withdraw standing alarms whose limit or rule has ended, or does not mean their entity or period any more."""
    for condition in work.conditions():
        if condition.condition not in OPEN:
            continue
        start = window(condition.start)
        if not any(
            watcher.watch.rule == condition.rule
            and watcher.watch.period == condition.period
            and condition.entity in _entities(plan, watcher)
            and _means(plan, watcher, condition.entity, start)
            for watcher in plan.watchers
        ):
            work.put_condition(*withdraw(condition, "no limit or rule stands behind it any more", known_ms))


def _entities(plan: Plan, watcher: Watcher) -> list[str]:
    if watcher.select is None or watcher.select.kind == "enterprise":
        return [f"enterprise/{plan.enterprise}"]
    if watcher.select.kind == SOURCE:
        ids = {since.id for meter in plan.table.view.meters for since in meter.sources if since.id is not None}
        return [f"{SOURCE}/{plan.enterprise}.{id_}" for id_ in sorted(ids)]
    return [meter.entity for meter in plan.table.view.meters]


def _means(plan: Plan, watcher: Watcher, entity: str, each: Window) -> bool:
    select = watcher.select
    if select is None:
        return watcher.holds(each.start_ms)
    id_ = entity.partition(".")[2] if select.kind == SOURCE else entity.partition("/")[2]
    if (select.ids is not None and id_ not in select.ids) or not watcher.holds(each.start_ms):
        return False
    return (select.within is None and select.tag is None) or plan.snapshot.selects(select, entity, each.start_ms)
