"""Watching holds an entity's windows against its limits and rules, and says which alarms that raises or clears."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from schemas.decimals import MICRO, decimal_text
from schemas.documents.indicator import SEVERITIES
from schemas.messages import AlarmEvent, Condition
from schemas.windows import WINDOW_KINDS, Window, WindowKind, window, window_at
from streams.domain.alarm import FIRING, OK, WITHDRAWN, Bound, Facts, Step, Value, Watch, advance, transition
from streams.domain.registry import BoundView, LimitView, RuleView, SelectView, Snapshot

# A limit is about accounting periods: what a single day or hour uses says nothing about it.
LIMIT_WINDOWS: tuple[WindowKind, ...] = ("month", "quarter", "year")


class Watcher(NamedTuple):
    """A watch, whom it means, and in which time [epoch ms] its document is valid."""

    watch: Watch
    select: SelectView | None
    from_ms: int
    to_ms: int


class Alarms(Protocol):
    """The alarms of one entity as they stand, and the values of its windows."""

    def value(self, metric: str, window: Window) -> Value:
        """Return what is known of a metric in a window."""
        ...

    def settled(self, window: Window) -> bool:
        """Tell whether a window has settled."""
        ...

    def last_ms(self) -> int:
        """Return the end [epoch ms] of the last window that can have a value."""
        ...

    def condition(self, rule: str, start: str) -> Condition | None:
        """Return an alarm's condition, None when it was never evaluated."""
        ...

    def starts(self, rule: str) -> list[str]:
        """Return the starts of all alarms of a rule about this entity, in order of time."""
        ...

    def put(self, condition: Condition, event: AlarmEvent | None) -> None:
        """Take over an alarm's new condition, and its event."""
        ...


def watchers(snapshot: Snapshot, kinds: Iterable[str]) -> tuple[Watcher, ...]:
    """Return what limits and rules can watch about entities of some kinds."""
    kinds = frozenset(kinds)
    found: list[Watcher] = []
    for _, rule in sorted(snapshot.rules.items()):
        if rule.select.kind in kinds:
            found.append(Watcher(_watch_of_rule(rule), rule.select, rule.from_ms, rule.to_ms))
    for _, limit in sorted(snapshot.limits.items()):
        kind = limit.select.kind if limit.select else "enterprise"
        if kind in kinds:
            found += [
                Watcher(_watch_of_limit(limit, each), limit.select, limit.from_ms, limit.to_ms)
                for each in LIMIT_WINDOWS
            ]
    return tuple(found)


def _bound(view: BoundView) -> Bound:
    return Bound(view.direction, view.value * MICRO, view.text)


def _watch_of_rule(rule: RuleView) -> Watch:
    step = Step(None, _bound(rule.raises), rule.severity)
    return Watch(rule.id, rule.version, rule.metric, rule.window, rule.period, rule.unit, (step,), _bound(rule.clears))


def _watch_of_limit(limit: LimitView, window: WindowKind) -> Watch:
    steps = tuple(
        Step(tier.id, Bound("gt", tier.max * MICRO, tier.text), tier.severity or gravity(place, len(limit.tiers)))
        for place, tier in enumerate(limit.tiers)
    )
    return Watch(limit.id, limit.version, "ind." + limit.indicator, window, window, limit.unit, steps, None)


def gravity(place: int, tiers: int) -> str:
    """Return how grave it is to pass a tier: the last is critical, the one before a warning, any earlier a notice."""
    return SEVERITIES[max(0, len(SEVERITIES) - tiers + place)]


def evaluate(watch: Watch, entity: str, changed: list[Window], alarms: Alarms, known_ms: int) -> None:
    """Evaluate a watch again after windows of its kind changed; `changed` is in order of time."""
    if watch.period == "episode":
        for first, last in _clusters(changed):
            _evaluate_episodes(watch, entity, first, last, alarms, known_ms)
    elif watch.period == watch.window:
        for each in changed:
            value = alarms.value(watch.metric, each)
            _settle(watch, entity, each, watch.passed(value.micro), value, each.start_ms, alarms, known_ms)
    else:
        kind: WindowKind = next(kind for kind in WINDOW_KINDS if kind == watch.period)
        for period in dict.fromkeys(window_at(each.start_ms, kind) for each in changed):
            _evaluate_period(watch, entity, period, alarms, known_ms)


def _settle(
    watch: Watch, entity: str, period: Window, step: Step | None, value: Value, since_ms: int, alarms: Alarms,
    known_ms: int,
) -> None:  # fmt: skip
    before = alarms.condition(watch.rule, period.name)
    if before is None and value.micro is None:
        return
    if step is None and before is not None and before.condition != FIRING:
        since_ms = before.since
    facts = Facts(step, value, since_ms, _reason(watch, step, value), alarms.settled(period))
    _take(watch, entity, period.name, before, facts, alarms, known_ms)


def _evaluate_period(watch: Watch, entity: str, period: Window, alarms: Alarms, known_ms: int) -> None:
    """Hold a period to the first of its windows that passed the gravest step; without one, to its last known value."""
    worst: tuple[int, Step, Value, Window] | None = None
    last = Value(None, None)
    for each in _windows(period.start_ms, min(period.end_ms, alarms.last_ms()), watch.window):
        value = alarms.value(watch.metric, each)
        step = watch.passed(value.micro)
        last = value if value.micro is not None else last
        if step is not None and (worst is None or watch.steps.index(step) > worst[0]):
            worst = watch.steps.index(step), step, value, each
    if worst is None:
        _settle(watch, entity, period, None, last, period.start_ms, alarms, known_ms)
    else:
        _settle(watch, entity, period, worst[1], worst[2], worst[3].start_ms, alarms, known_ms)


def _windows(from_ms: int, to_ms: int, kind: WindowKind) -> Iterator[Window]:
    at = from_ms
    while at < to_ms:
        each = window_at(at, kind)
        yield each
        at = each.end_ms


def _clusters(changed: list[Window]) -> Iterator[tuple[Window, Window]]:
    """Yield the first and last window of each run of neighbours."""
    first = last = changed[0]
    for each in changed[1:]:
        if each.start_ms != last.end_ms:
            yield first, last
            first = each
        last = each
    yield first, last


def _evaluate_episodes(watch: Watch, entity: str, first: Window, last: Window, alarms: Alarms, known_ms: int) -> None:
    """Walk from the first changed window on, until past the last one the same episode is open as was before."""
    spans = _episodes(watch, alarms)
    open_ms = _open_at(spans, first.start_ms)
    found: dict[int, int | None] = {}
    end_of_data = alarms.last_ms()
    at = first.start_ms
    while at < end_of_data and not (at >= last.end_ms and _open_at(spans, at) == open_ms):
        each = window_at(at, watch.window)
        open_ms, closed = advance(watch, open_ms, at, alarms.value(watch.metric, each))
        if closed is not None:
            found[closed.start_ms] = closed.end_ms
        at = each.end_ms
    if open_ms is not None:
        found[open_ms] = None if at >= end_of_data else spans[open_ms]
    for begin_ms in spans:
        if first.start_ms <= begin_ms < at and begin_ms not in found:
            start = window_at(begin_ms, watch.window)
            value = alarms.value(watch.metric, start)
            facts = Facts(None, value, begin_ms, "the values that raised it were corrected", gone=True)
            _take(watch, entity, start.name, alarms.condition(watch.rule, start.name), facts, alarms, known_ms)
    for begin_ms, end_ms in sorted(found.items()):
        _put_episode(watch, entity, begin_ms, end_ms, alarms, known_ms)


def _put_episode(watch: Watch, entity: str, begin_ms: int, end_ms: int | None, alarms: Alarms, known_ms: int) -> None:
    start = window_at(begin_ms, watch.window)
    value = alarms.value(watch.metric, start)
    condition = alarms.condition(watch.rule, start.name)
    if end_ms is None or condition is None or condition.condition == WITHDRAWN:
        step = watch.passed(value.micro) or watch.steps[0]
        facts = Facts(step, value, begin_ms, _reason(watch, step, value))
        condition = _take(watch, entity, start.name, condition, facts, alarms, known_ms)
    if end_ms is not None:
        closing = window_at(end_ms, watch.window)
        text = f"cleared in {closing.name} at {_text(alarms.value(watch.metric, closing))} {watch.unit}"
        _take(watch, entity, start.name, condition, Facts(None, value, end_ms, text), alarms, known_ms)


def _episodes(watch: Watch, alarms: Alarms) -> dict[int, int | None]:
    """Return the episodes that stand, begin and end (None while open) [epoch ms], in order of time."""
    found: dict[int, int | None] = {}
    for start in alarms.starts(watch.rule):
        condition = alarms.condition(watch.rule, start)
        if condition is not None and condition.condition != WITHDRAWN:
            found[window(start).start_ms] = condition.since if condition.condition == OK else None
    return found


def _open_at(spans: dict[int, int | None], at: int) -> int | None:
    """Return the begin of the episode that was open when the window at `at` began."""
    return next((begin for begin, end in reversed(spans.items()) if begin < at and (end is None or end >= at)), None)


def _take(
    watch: Watch, entity: str, start: str, before: Condition | None, facts: Facts, alarms: Alarms, known_ms: int
) -> Condition:
    condition, event = transition(watch, entity, start, before, facts, known_ms)
    if condition is not before:
        alarms.put(condition, event)
    return condition


def _text(value: Value) -> str:
    return "no value" if value.micro is None else decimal_text(value.micro)


_SAYS = {"gt": "above", "ge": "not below", "lt": "below", "le": "not above"}


def _reason(watch: Watch, step: Step | None, value: Value) -> str:
    if value.micro is None:
        return "no value"
    if step is None:
        return "within"
    name = f" of tier {step.tier}" if step.tier else ""
    return f"{watch.metric} {_text(value)} is {_SAYS[step.bound.direction]} {step.bound.text} {watch.unit}{name}"
