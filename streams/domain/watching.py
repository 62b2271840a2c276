"""Watching holds an entity's windows against its limits and rules, and says which alarms that raises or clears."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from schemas.decimals import MICRO
from schemas.documents.indicator import SEVERITIES
from schemas.windows import WINDOW_KINDS, Window, WindowKind, window_at
from streams.domain.alarm import EPISODE, ERROR, FIRING, NO_DATA, OK, OPEN, PENDING, Bound, Facts, Step, Value, Watch
from streams.domain.episode import Seen, Sight, see
from streams.domain.evaluating import Alarms, Means, reason_of, see_in, take, windows_between
from streams.domain.observing import observe
from streams.domain.registry import Snapshot
from streams.domain.rule_views import BoundView, LimitView, RuleView, SelectView
from streams.domain.season import ALWAYS, During
from streams.domain.walking import walk

# A limit is about accounting periods: what a single day or hour uses says nothing about it.
LIMIT_WINDOWS: tuple[WindowKind, ...] = ("month", "quarter", "year")


class Watcher(NamedTuple):
    """A watch, whom it means, in which time [epoch ms] its document is valid, and in which seasons it holds."""

    watch: Watch
    select: SelectView | None
    from_ms: int
    to_ms: int
    during: During = ALWAYS

    def holds(self, at_ms: int) -> bool:
        """Tell whether it holds at an instant [epoch ms], whomever it means."""
        return self.from_ms <= at_ms < self.to_ms and (self.during is ALWAYS or self.during.holds(at_ms))

    def touched(self, changed: list[Window], means: Means) -> list[Window]:
        """Return which of some windows that changed it is to be held against.

        Of episodes also the first window in which it does not hold, so that they end there.
        """
        if self.watch.period != EPISODE:
            return [each for each in changed if means(each)]
        return [each for each in changed if means(each) or means(window_at(each.start_ms - 1, each.kind))]

    def settling(self, changed: Mapping[str, list[Window]]) -> list[Window]:
        """Return the periods of its alarms, where these are longer than its windows, among what changed, by kind.

        Where time alone lets a period settle, none of its windows changes.
        """
        return [] if self.watch.period in (EPISODE, self.watch.window) else changed.get(self.watch.period, [])


def watchers(snapshot: Snapshot, kinds: Iterable[str]) -> tuple[Watcher, ...]:
    """Return what limits and rules can watch about entities of some kinds."""
    kinds = frozenset(kinds)
    found: list[Watcher] = []
    for _, rule in sorted(snapshot.rules.items()):
        if rule.select.kind in kinds:
            found.append(Watcher(_watch_of_rule(rule), rule.select, rule.from_ms, rule.to_ms, rule.during))
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
    steps = tuple(Step(step.id, _bound(step.raises), step.severity) for step in rule.steps)
    about = rule.metric if rule.observed is None else rule.observed.subject
    return Watch(
        rule.id, rule.version, about, rule.window, rule.period, rule.unit, steps, _bound(rule.clears),
        rule.observed, rule.need, rule.among, rule.keep, rule.no_data,
    )  # fmt: skip


def _watch_of_limit(limit: LimitView, window: WindowKind) -> Watch:
    steps = tuple(
        Step(tier.id, Bound("gt", tier.max * MICRO, tier.text), tier.severity or gravity(place, len(limit.tiers)))
        for place, tier in enumerate(limit.tiers)
    )
    return Watch(limit.id, limit.version, "ind." + limit.indicator, window, window, limit.unit, steps, None)


def gravity(place: int, tiers: int) -> str:
    """Return how grave it is to pass a tier: the last is critical, the one before a warning, any earlier a notice."""
    return SEVERITIES[max(0, len(SEVERITIES) - tiers + place)]


def evaluate(watch: Watch, entity: str, changed: list[Window], means: Means, alarms: Alarms, known_ms: int) -> None:
    """Evaluate a watch again after windows of its kind changed; `changed` is in order of time.

    `means` tells whether the watch holds for the entity in a window. Of an episode the first window in which it does
    not is among those that changed, so that the episode ends there.
    """
    if watch.period == EPISODE:
        for first, last in _clusters(changed):
            walk(watch, entity, first, last, means, alarms, known_ms)
    elif watch.period == watch.window:
        for each in changed:
            value = observe(watch, each, alarms)
            _settle(watch, entity, each, _of_window(watch, each, value, alarms), alarms, known_ms)
    else:
        kind: WindowKind = next(kind for kind in WINDOW_KINDS if kind == watch.period)
        for period in dict.fromkeys(window_at(each.start_ms, kind) for each in changed):
            _settle(watch, entity, period, _of_parts(watch, period, means, alarms), alarms, known_ms)


class _Held(NamedTuple):
    """What a period comes to: its condition, the step that is passed, by which value, in which window."""

    condition: str
    step: Step | None
    value: Value
    at: Window


def _of_window(watch: Watch, period: Window, value: Value, alarms: Alarms) -> _Held:
    step = watch.passed(value.micro)
    if step is not None and (step.bound.upward or value.complete or alarms.settled(period)):
        return _Held(FIRING, step, value, period)
    if value.micro is None:
        settled = value.failed or (watch.no_data != "keep" and alarms.settled(period))
        return _without_value(watch, see(watch, value, settled=settled), value, period)
    return _Held(OK, None, value, period)


def _without_value(watch: Watch, seen: Seen, value: Value, at: Window) -> _Held:
    if seen.sight is Sight.FAILED:
        return _Held(ERROR, None, value, at)
    if seen.sight is Sight.MISSING and watch.no_data != "keep":
        raises = watch.no_data == "raise"
        return _Held(FIRING if raises else NO_DATA, watch.steps[0] if raises else None, value, at)
    return _Held(OK, None, value, at)


def _of_parts(watch: Watch, period: Window, means: Means, alarms: Alarms) -> _Held:
    """Hold a period to the first of its windows that passed the gravest step; without one, to its last known value.

    A step is passed where it is in as many windows as the watch asks for, all of them in the period.
    """
    among = watch.among or watch.need
    passed: list[int] = []  # of the last windows the places of the steps
    worst: tuple[int, Value, Window] | None = None
    last = _Held(OK, None, Value(None, None), period)
    silent: Seen | None = None
    for each in windows_between(period.start_ms, min(period.end_ms, alarms.last_ms()), watch.window):
        if not means(each):
            passed.clear()
            continue
        value = observe(watch, each, alarms)
        seen = see_in(watch, each, value, alarms)
        if seen.sight is Sight.OPEN:
            continue
        if seen.sight in (Sight.MISSING, Sight.FAILED):
            silent = seen
        if seen.sight is Sight.MISSING and watch.no_data == "raise":
            seen = Seen(Sight.PASSED, 0)
        passed = [*passed, seen.step][-among:]
        reached = sorted(passed, reverse=True)[watch.need - 1] if len(passed) >= watch.need else -1
        if reached >= 0 and (worst is None or reached > worst[0]):
            worst = reached, value, each
        if value.micro is not None:
            last = _Held(OK, None, value, each)
    if worst is not None:
        return _Held(FIRING, watch.steps[worst[0]], worst[1], worst[2])
    near = any(step >= 0 for step in passed) and (watch.among is not None or passed[-1] >= 0)
    if near and watch.need > 1 and not alarms.settled(period):
        return last._replace(condition=PENDING, step=watch.steps[max(passed)])
    if last.value.micro is None and silent is not None and alarms.settled(period):
        return _without_value(watch, silent, Value(None, None), period)
    return last


def _settle(watch: Watch, entity: str, period: Window, held: _Held, alarms: Alarms, known_ms: int) -> None:
    before = alarms.condition(watch.rule, period.name)
    if before is None and held.condition == OK and held.value.micro is None:
        return
    fires = held.condition == FIRING
    since_ms = held.at.start_ms if fires else period.start_ms
    if held.condition == OK and before is not None and before.condition not in OPEN:
        since_ms = before.since
    facts = Facts(
        held.condition,
        held.step,
        held.value,
        since_ms,
        reason_of(watch, held.step, held.value),
        alarms.settled(period),
        fired_ms=held.at.start_ms if fires else None,
    )
    take(watch, entity, period.name, before, facts, alarms, known_ms)


def _clusters(changed: list[Window]) -> Iterator[tuple[Window, Window]]:
    """Yield the first and last window of each run of neighbours."""
    first = last = changed[0]
    for each in changed[1:]:
        if each.start_ms != last.end_ms:
            yield first, last
            first = each
        last = each
    yield first, last
