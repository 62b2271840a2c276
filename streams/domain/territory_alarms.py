"""The alarms of territories: what their windows are worth, and which conditions stand."""

from collections.abc import Iterable, Sequence
from functools import partial

from schemas.messages import AlarmEvent, Condition, encode
from schemas.windows import Window, children_of, window, window_at
from streams.domain.across import is_over
from streams.domain.alarm import Value, amended
from streams.domain.enterprise_alarms import HOME, settled_in, value_in
from streams.domain.flaw import Flaw
from streams.domain.observing import reached
from streams.domain.registry import Snapshot
from streams.domain.shelf import Shelf
from streams.domain.views import PauseView
from streams.domain.watching import Watcher, evaluate
from streams.domain.work import Output


class Conditions:
    """The conditions of all territories' alarms, and what is to be written of them."""

    def __init__(self) -> None:
        self._conditions: dict[tuple[str, str], dict[str, Condition]] = {}
        self._moved: dict[str, Condition] = {}  # by id, whose figure is to be told when the day ends
        self._outputs: list[Output] = []

    def restore(self, condition: Condition) -> None:
        """Take over a condition that is written already."""
        self._conditions.setdefault((condition.rule, condition.entity), {})[condition.start] = condition
        if condition.told is not None:
            self._moved[condition.id] = condition
        else:
            self._moved.pop(condition.id, None)

    def of(self, rule: str, entity: str) -> dict[str, Condition]:
        """Return the conditions of a rule about an entity, by start."""
        return self._conditions.get((rule, entity), {})

    def put(self, condition: Condition, event: AlarmEvent | None) -> None:
        """Take over a new condition, and have it and its event written."""
        self.restore(condition)
        key = condition.id.encode()
        self._outputs.append(Output("alarm.conditions", condition.entity, key, encode(condition)))
        if event is not None:
            self._outputs.append(Output("alarm.events", condition.entity, key, encode(event)))

    def tell_amended(self, known_ms: int) -> None:
        """Tell the figures of settled alarms that moved on a day before that of `known_ms` [epoch ms]."""
        today_ms = window_at(known_ms, "day").start_ms
        for condition in [each for each in self._moved.values() if each.known < today_ms]:
            self.put(*amended(condition, known_ms))

    def taken(self) -> list[Output]:
        """Return what was put since this was asked last."""
        outputs, self._outputs = self._outputs, []
        return outputs


class TerritoryAlarms:
    """The alarms of one territory."""

    def __init__(self, documents: Shelf, conditions: Conditions, entity: str) -> None:
        self._documents = documents
        self._conditions = conditions
        self._entity = entity

    @property
    def entity(self) -> str:
        """Whose alarms these are."""
        return self._entity

    def over(self, window: Window) -> bool:
        """Tell whether the last hour of a window has passed: a territory knows it of its members alone."""
        return is_over(partial(self._documents.get, self._entity), {}, window)

    def silent_ms(self, window: Window) -> int | None:
        """Return None: a territory sends no readings itself."""
        return None

    def findings(self, window: Window) -> Sequence[Flaw]:
        """Return nothing: findings are of enterprises and meters."""
        return ()

    def stops(self) -> Sequence[PauseView]:
        """Return nothing: production stands still in enterprises."""
        return ()

    def value(self, metric: str, window: Window) -> Value:
        """Return what is known of a metric in a window."""
        home = window_at(window.start_ms, HOME[window.kind])
        return value_in(self._documents.get(self._entity, home.name), metric, window)

    def settled(self, window: Window) -> bool:
        """Tell whether a window has settled."""
        home = window_at(window.start_ms, HOME[window.kind])
        return settled_in(self._documents.get(self._entity, home.name), window)

    def last_ms(self) -> int:
        """Return the end [epoch ms] of the last window that can have a value."""
        day = self._documents.last_day(self._entity)
        document = self._documents.get(self._entity, day) if day is not None else None
        if document is None:
            return 0
        hours = children_of(document.period)
        known = [hour for hour, status in zip(hours, document.status, strict=True) if status]
        # A day that everybody has left keeps its document, without hours.
        return known[-1].end_ms if known else hours[0].start_ms

    def condition(self, rule: str, start: str) -> Condition | None:
        """Return an alarm's condition, None when it was never evaluated."""
        return self._conditions.of(rule, self._entity).get(start)

    def starts(self, rule: str) -> list[str]:
        """Return the starts of all alarms of a rule about this entity, in order of time."""
        return sorted(self._conditions.of(rule, self._entity), key=lambda start: window(start).start_ms)

    def put(self, condition: Condition, event: AlarmEvent | None) -> None:
        """Take over an alarm's new condition, and its event."""
        self._conditions.put(condition, event)


def watch_territory(
    snapshot: Snapshot,
    watchers: Iterable[Watcher],
    entity: str,
    alarms: TerritoryAlarms,
    changed: Iterable[Window],
    known_ms: int,
) -> None:
    """Evaluate all that watches a territory in the windows that changed; they became so at `known_ms` [epoch ms]."""
    by_kind: dict[str, list[Window]] = {}
    for each in sorted(changed, key=lambda each: each.start_ms):
        by_kind.setdefault(each.kind, []).append(each)
    for watcher in watchers:
        windows = by_kind.get(watcher.watch.window, [])
        if windows and watcher.watch.observed is not None:
            windows = reached(watcher.watch.observed, windows, alarms.last_ms())
        means = partial(_means, snapshot, watcher, entity)
        mine = [*watcher.touched(windows, means), *watcher.settling(by_kind)]
        if mine:
            evaluate(watcher.watch, entity, mine, means, alarms, known_ms)


def _means(snapshot: Snapshot, watcher: Watcher, entity: str, each: Window) -> bool:
    return watcher.holds(each.start_ms) and snapshot.selects(watcher.select, entity, each.start_ms)
