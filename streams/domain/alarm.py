"""An alarm (告警) is a limit or rule that holds for an entity, from the start of its accounting period or episode.

Its identity is (rule, entity, start). Every decision here is a pure function of the values as they are known, so the
order in which they came does not matter; what is over is `ok` again, what never was is `withdrawn`.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import msgspec

from schemas.decimals import decimal_text
from schemas.messages import VERSION, AlarmEvent, Condition
from schemas.windows import WindowKind

OK, FIRING, WITHDRAWN = "ok", "firing", "withdrawn"
ENGINE = "engine"

Direction = Literal["gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A direction and a value at 1e-6 of the watched metric's unit; `text` is the value as its document writes it."""

    direction: Direction
    micro: int | Fraction
    text: str

    def holds(self, value: int) -> bool:
        """Tell whether a value [1e-6] is beyond the bound."""
        if self.direction == "gt":
            return value > self.micro
        if self.direction == "ge":
            return value >= self.micro
        if self.direction == "lt":
            return value < self.micro
        return value <= self.micro

    @property
    def upward(self) -> bool:
        """Tell whether growing values reach the bound."""
        return self.direction in ("gt", "ge")


class Step(NamedTuple):
    """A tier of a limit (None for a rule's only threshold), the bound it begins beyond, and how grave that is."""

    tier: str | None
    bound: Bound
    severity: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What a limit or rule watches: a metric's windows, against steps from the mildest to the gravest.

    `period` is what one alarm is about: a kind of window, or an episode that ends where `clear` holds.
    """

    rule: str
    version: str
    metric: str
    window: WindowKind
    period: str
    unit: str
    steps: tuple[Step, ...]
    clear: Bound | None

    def passed(self, value: int | None) -> Step | None:
        """Return the gravest step that a value [1e-6] is beyond, None for none or for no value."""
        if value is None:
            return None
        return next((step for step in reversed(self.steps) if step.bound.holds(value)), None)

    def cleared(self, value: int) -> bool:
        """Tell whether a value [1e-6] ends an episode."""
        return self.clear.holds(value) if self.clear is not None else self.passed(value) is None


class Value(NamedTuple):
    """A watched window's value [1e-6] and its coverage [share of time measured or estimated], None where unknown."""

    micro: int | None
    coverage: float | None

    @property
    def complete(self) -> bool:
        """Tell whether nothing is missing in it."""
        return self.micro is not None and (self.coverage is None or self.coverage >= 1)


class Facts(NamedTuple):
    """What is known now of one (rule, entity, start).

    `step` is None where nothing is passed; `since_ms` when the present condition began; `gone` that the alarm's
    episode has no begin any more; `settled` that its period has settled.
    """

    step: Step | None
    value: Value
    since_ms: int
    reason: str
    settled: bool = False
    gone: bool = False


def alarm_id(rule: str, entity: str, start: str) -> str:
    """Return the id of an alarm: the first 20 hex digits of sha256 of `rule|entity|start`."""
    return hashlib.sha256(f"{rule}|{entity}|{start}".encode()).hexdigest()[:20]


def transition(
    watch: Watch, entity: str, start: str, before: Condition | None, facts: Facts, known_ms: int
) -> tuple[Condition, AlarmEvent | None]:
    """Return an alarm's condition from its facts, and the event if that is a transition.

    A firing alarm whose facts no longer hold is `ok` when its value came down or its episode was cleared, and
    `withdrawn` when its period had settled or its episode never began. An amended figure is no transition.
    """
    was = before.condition if before else OK
    firing = facts.step is not None
    if firing:
        now, cause = FIRING, "raised" if was != FIRING else "tier"
    elif was == FIRING:
        now, cause = (WITHDRAWN, "corrected") if facts.gone or facts.settled else (OK, "cleared")
    elif facts.gone:
        now, cause = (WITHDRAWN, "corrected") if before else (OK, "")
    else:
        now, cause = was, ""
    step = facts.step or watch.steps[0]
    same = was == now and (not firing or (before is not None and before.tier == step.tier))
    event = None if same else (cause, was)
    condition = Condition(
        v=VERSION,
        id=alarm_id(watch.rule, entity, start),
        rule=watch.rule,
        rule_version=watch.version,
        entity=entity,
        start=start,
        period=watch.period,
        condition=now,
        tier=step.tier if firing else None,
        severity=step.severity,
        value=None if facts.value.micro is None else decimal_text(facts.value.micro),
        limit=step.bound.text,
        unit=watch.unit,
        since=facts.since_ms,
        known=known_ms,
        reason=facts.reason,
        coverage=facts.value.coverage,
        seq=(before.seq if before else 0) + (event is not None),
    )
    if before is not None and event is None and _says_the_same(before, condition):
        return before, None
    return condition, _event(condition, before, event)


def _says_the_same(before: Condition, after: Condition) -> bool:
    return msgspec.structs.replace(after, known=before.known) == before


def _event(condition: Condition, before: Condition | None, event: tuple[str, str] | None) -> AlarmEvent | None:
    if event is None:
        return None
    cause, was = event
    return AlarmEvent(**msgspec.structs.asdict(condition), from_=was if before else None, cause=cause, actor=ENGINE)


def withdraw(before: Condition, reason: str, known_ms: int) -> tuple[Condition, AlarmEvent]:
    """Return a firing alarm's condition and event when what it was held against stands no more."""
    condition = msgspec.structs.replace(
        before, condition=WITHDRAWN, tier=None, known=known_ms, reason=reason, seq=before.seq + 1
    )
    event = AlarmEvent(**msgspec.structs.asdict(condition), from_=before.condition, cause="unwatched", actor=ENGINE)
    return condition, event


class Episode(NamedTuple):
    """An episode of a watch over hours: begin and end are starts of windows [epoch ms]; end None while it lasts."""

    start_ms: int
    end_ms: int | None


def advance(watch: Watch, open_since_ms: int | None, start_ms: int, value: Value) -> tuple[int | None, Episode | None]:
    """Return since when an episode is open after one more window, and the episode that the window closed, if any.

    A value beyond the mildest step opens an episode; only a complete one can end it (or open it downward), since what
    is missing in an incomplete one could be more.
    """
    if value.micro is None:
        return open_since_ms, None
    if open_since_ms is None:
        raises = watch.passed(value.micro) is not None and (value.complete or watch.steps[0].bound.upward)
        return (start_ms if raises else None), None
    if value.complete and watch.cleared(value.micro):
        return None, Episode(open_since_ms, start_ms)
    return open_since_ms, None
