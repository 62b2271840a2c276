"""An evaluation holds one entity against a watch: what it asks, what it finds, and how that is taken over."""

from collections.abc import Callable, Iterator
from typing import Protocol

from schemas.decimals import decimal_text
from schemas.messages import AlarmEvent, Condition
from schemas.windows import Window, WindowKind, window_at
from streams.domain.alarm import Facts, Step, Value, Watch, transition
from streams.domain.episode import Seen, see
from streams.domain.figures import Figures

Means = Callable[[Window], bool]


class Alarms(Figures, Protocol):
    """The alarms of one entity as they stand, and what is known of its windows."""

    def settled(self, window: Window) -> bool:
        """Tell whether a window has settled."""
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


def see_in(watch: Watch, each: Window, value: Value, alarms: Alarms) -> Seen:
    """Return what a window says to a watch; whether it has settled is asked where that matters only."""
    return see(watch, value, settled=not value.complete and alarms.settled(each))


def take(
    watch: Watch, entity: str, start: str, before: Condition | None, facts: Facts, alarms: Alarms, known_ms: int
) -> Condition:
    """Bring an alarm to its facts, by as many transitions as that takes; return its condition."""
    while True:
        condition, event = transition(watch, entity, start, before, facts, known_ms)
        if condition is not before:
            alarms.put(condition, event)
        if event is None:
            return condition
        before = condition


def windows_between(from_ms: int, to_ms: int, kind: WindowKind) -> Iterator[Window]:
    """Yield the windows of a kind from the one that holds `from_ms` on, as long as they begin before `to_ms`."""
    at = from_ms
    while at < to_ms:
        each = window_at(at, kind)
        yield each
        at = each.end_ms


_SAYS = {"gt": "above", "ge": "not below", "lt": "below", "le": "not above"}


def reason_of(watch: Watch, step: Step | None, value: Value) -> str:
    """Return why a value is held to pass a step, or that it does not."""
    if value.micro is None:
        return value.told or ("no value, which counts as passed" if step is not None else "no value")
    if step is None:
        return "within"
    name = f" of tier {step.tier}" if step.tier else ""
    told = f" ({value.told})" if value.told else ""
    return (
        f"{watch.metric} {text_of(value)} is {_SAYS[step.bound.direction]} {step.bound.text} {watch.unit}{name}{told}"
    )


def text_of(value: Value) -> str:
    """Return a value as text."""
    return "no value" if value.micro is None else decimal_text(value.micro)
