"""The alarms of an enterprise and of its meters: what their windows are worth, and which conditions stand."""

from collections.abc import Iterable

import numpy as np

from schemas.documents.metric import LINE_TIMES, carrier_in, is_divided
from schemas.messages import AlarmEvent, CalendarDocument, Condition
from schemas.windows import Window, WindowKind, child_index, children_of, window, window_at
from streams.domain.account import Metrics
from streams.domain.alarm import FIRING, Value, withdraw
from streams.domain.block import Block
from streams.domain.calendar import PROVISIONAL, windows_in
from streams.domain.indicator import window_value
from streams.domain.plan import Plan
from streams.domain.watching import Watcher, evaluate
from streams.domain.work import Work

# The document that speaks for a window of each kind as a whole; an hour is a child of its day's.
HOME: dict[WindowKind, WindowKind] = {"hour": "day", "day": "day", "month": "month", "quarter": "year", "year": "year"}


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

    def __init__(self, plan: Plan, work: Work, entity: str) -> None:
        self._plan = plan
        self._work = work
        self._entity = entity
        self._meter = entity.startswith("meter/")

    def value(self, metric: str, window: Window) -> Value:
        """Return what is known of a metric in a window."""
        if self._meter:
            return self._meter_value(metric, window)
        return value_in(self._work.document(window_at(window.start_ms, HOME[window.kind]).name), metric, window)

    def _meter_value(self, metric: str, each: Window) -> Value:
        place = self._plan.table.place[self._entity.partition(".")[2]]
        block = self._work.block(window_at(each.start_ms, "day").name)
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
        if metric not in names or not measured_ms + estimated_ms:
            return Value(None, None)
        expected = int(self._plan.table.expected_ms(each.start_ms, each.end_ms)[place])
        return Value(names[metric], (measured_ms + estimated_ms) / expected if expected else None)

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


def watch_enterprise(plan: Plan, work: Work, known_ms: int, changed: Iterable[Window]) -> None:
    """Evaluate all that watches an enterprise or its meters in the windows that changed."""
    by_kind: dict[str, list[Window]] = {}
    for each in sorted(changed, key=lambda each: each.start_ms):
        by_kind.setdefault(each.kind, []).append(each)
    for watcher in plan.watchers:
        windows = by_kind.get(watcher.watch.window)
        if windows:
            for entity in _entities(plan, watcher):
                mine = [each for each in windows if _means(plan, watcher, entity, each)]
                if mine:
                    evaluate(watcher.watch, entity, mine, EntityAlarms(plan, work, entity), known_ms)


def withdraw_unwatched(plan: Plan, work: Work, known_ms: int) -> None:
    """Withdraw firing alarms whose limit or rule has ended, or does not mean their entity or period any more."""
    for condition in work.conditions():
        if condition.condition != FIRING:
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
    return [meter.entity for meter in plan.table.view.meters]


def _means(plan: Plan, watcher: Watcher, entity: str, each: Window) -> bool:
    if not watcher.from_ms <= each.start_ms < watcher.to_ms:
        return False
    select = watcher.select
    if select is None:
        return True
    id_ = entity.partition("/")[2]
    if select.ids is not None and id_ not in select.ids:
        return False
    return select.within is None or plan.snapshot.selects(select, entity, each.start_ms)
