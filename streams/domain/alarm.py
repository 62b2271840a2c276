"""An alarm (告警) is a limit or rule that holds for an entity, from the start of its accounting period or episode.

Its identity is (rule, entity, start). Every decision here is a pure function of the values as they are known, so the
order in which they came does not matter; what is over is `ok` again, what never was is `withdrawn`.

A condition is one of
- `ok`: nothing is passed, or it is over;
- `pending`: passed, but not yet in as many windows as the rule asks for;
- `firing`: the rule holds;
- `recovering`: it is cleared, but not yet in as many windows as the rule asks for;
- `no_data`: it cannot be told, since no data came;
- `error`: it cannot be told, since the rule could not be worked out;
- `established`: it fired, and its period has settled: nothing but corrected facts ends it;
- `withdrawn`: it fired, but what it stood on was corrected, or no rule stands behind it any more.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import msgspec

from schemas.decimals import decimal_text
from schemas.messages import VERSION, AlarmEvent, Condition
from schemas.windows import WindowKind
from streams.domain.observation_views import ObservationView

OK, PENDING, FIRING, RECOVERING = "ok", "pending", "firing", "recovering"
NO_DATA, ERROR, ESTABLISHED, WITHDRAWN = "no_data", "error", "established", "withdrawn"
CONDITIONS = (OK, PENDING, FIRING, RECOVERING, NO_DATA, ERROR, ESTABLISHED, WITHDRAWN)
# What stands until something ends it.
OPEN = frozenset((PENDING, FIRING, RECOVERING, NO_DATA, ERROR, ESTABLISHED))
# Of a rule that is passed in as many windows as it asks for.
PASSED = frozenset((FIRING, RECOVERING, ESTABLISHED))
# Steps on the way, which are of interest to those only who ask for them.
QUIET_CAUSES = frozenset(("pending", "recovering", "resumed", "settled"))
EPISODE = "episode"
ENGINE = "engine"

Direction = Literal["gt", "ge", "lt", "le"]
NoDataCounts = Literal["keep", "no_data", "raise"]


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

    `period` is what one alarm is about: a kind of window, or an episode that ends where `clear` holds. Where more than
    a metric's value is `observed`, `metric` is how reasons call that. It fires once `need` windows running passed a
    step, or `need` of the last `among` did; an episode ends once `keep` windows running are cleared. `no_data` says how
    a window counts that has settled without a value.
    """

    rule: str
    version: str
    metric: str
    window: WindowKind
    period: str
    unit: str
    steps: tuple[Step, ...]
    clear: Bound | None
    observed: ObservationView | None = None
    need: int = 1
    among: int | None = None
    keep: int = 1
    no_data: NoDataCounts = "keep"

    @property
    def timed(self) -> bool:
        """Whether what it observes depends on the passing of time."""
        return self.observed is not None and self.observed.timed

    def passed(self, value: int | None) -> Step | None:
        """Return the gravest step that a value [1e-6] is beyond, None for none or for no value."""
        if value is None:
            return None
        return next((step for step in reversed(self.steps) if step.bound.holds(value)), None)

    def cleared(self, value: int) -> bool:
        """Tell whether a value [1e-6] ends an episode."""
        return self.clear.holds(value) if self.clear is not None else self.passed(value) is None


class Value(NamedTuple):
    """A watched window's value [1e-6] and its coverage [share of time measured or estimated], None where unknown.

    `told` are the figures it was made of, or why there is none, as text; "" for a plain metric. `failed` tells that it
    could not be worked out, for the reason in `told`.
    """

    micro: int | None
    coverage: float | None
    told: str = ""
    failed: bool = False

    @property
    def complete(self) -> bool:
        """Tell whether nothing is missing in it."""
        return self.micro is not None and (self.coverage is None or self.coverage >= 1)


class Facts(NamedTuple):
    """What is known now of one (rule, entity, start).

    `condition` is what holds (ok, pending, firing, recovering, no data, error), and `step` what is passed, None for
    nothing; `since_ms` is when that began, `fired_ms` in which window it came to fire, `shown_ms` of which window
    `value` is. `settled` tells that the period (of an episode: the window that raised it) has settled; `gone` that an
    episode has no begin any more.
    """

    condition: str
    step: Step | None
    value: Value
    since_ms: int
    reason: str
    settled: bool = False
    gone: bool = False
    fired_ms: int | None = None
    shown_ms: int | None = None


def alarm_id(rule: str, entity: str, start: str) -> str:
    """Return the id of an alarm: the first 20 hex digits of sha256 of `rule|entity|start`."""
    return hashlib.sha256(f"{rule}|{entity}|{start}".encode()).hexdigest()[:20]


def transition(
    watch: Watch, entity: str, start: str, before: Condition | None, facts: Facts, known_ms: int
) -> tuple[Condition, AlarmEvent | None]:
    """Return an alarm's next condition on the way to its facts, and the event if that is a transition.

    It is one transition: what was raised after its period had settled is first firing, then established. Ask again
    with what came of it until there is no event. A firing alarm whose facts no longer hold is `ok` when its value came
    down or its episode was cleared, and `withdrawn` when its period had settled or its episode never began.
    """
    was = before.condition if before is not None else OK
    now, cause = _next(watch, before, was, facts)
    step = facts.step or watch.steps[0]
    tier = step.tier if now in PASSED else None
    value = None if facts.value.micro is None else decimal_text(facts.value.micro)
    told = None
    if now == was:
        cause = ""
        if before is not None and now in (FIRING, ESTABLISHED):
            if before.tier != tier:
                cause = "tier"
            elif facts.settled:
                told = _told(before, value)
    late = (before.late if before is not None else False) if cause != "raised" else facts.settled
    condition = Condition(
        v=VERSION,
        id=before.id if before is not None else alarm_id(watch.rule, entity, start),
        rule=watch.rule,
        rule_version=watch.version,
        entity=entity,
        start=start,
        period=watch.period,
        condition=now,
        tier=tier,
        severity=step.severity,
        value=value,
        limit=step.bound.text,
        unit=watch.unit,
        since=facts.since_ms,
        known=known_ms,
        reason=facts.reason,
        coverage=facts.value.coverage,
        seq=(before.seq if before is not None else 0) + bool(cause),
        fired=facts.fired_ms,
        shown=facts.shown_ms,
        late=late and now != OK,
        told=told,
    )
    if not cause:
        same = before is not None and msgspec.structs.replace(condition, known=before.known) == before
        return (before if same and before is not None else condition), None
    return condition, _event(condition, was if before is not None else None, cause)


def _next(watch: Watch, before: Condition | None, was: str, facts: Facts) -> tuple[str, str]:
    """Return the condition that is next on the way to the facts, and what brings it about."""
    now = facts.condition
    fired = was in PASSED
    lasts = watch.period == EPISODE
    final = not lasts and (facts.settled or was == ESTABLISHED)
    if facts.gone:
        return (OK if before is None else WITHDRAWN), "corrected"
    if now == FIRING:
        if was in (FIRING, ESTABLISHED):
            return (ESTABLISHED, "settled") if final and facts.settled else (FIRING, "reopened")
        back = was in (RECOVERING, NO_DATA, ERROR) and before is not None and before.fired is not None
        return FIRING, "resumed" if back else "raised"
    never = lasts and before is not None and before.fired is not None and facts.fired_ms is None
    if never or (fired and final):
        return WITHDRAWN, "corrected"
    if now == OK:
        return (WITHDRAWN if was == WITHDRAWN else OK), "cleared"
    if fired and not lasts:
        # Who was told that it fired has to hear that it does not, before anything else begins.
        return OK, "cleared"
    return now, now


def _told(before: Condition, value: str | None) -> str | None:
    """Return the figure that was told last, None where it is the one that is known now."""
    last = before.told if before.told is not None else before.value or ""
    return last if last != (value or "") else None


def amended(before: Condition, known_ms: int) -> tuple[Condition, AlarmEvent]:
    """Return the condition and event of an alarm whose figure is to be told, which moved since it was told last.

    That of a settled period is asked for once a day, when it ends: so it is told once however many corrections came,
    and not at all where they came to nothing.
    """
    condition = msgspec.structs.replace(before, known=known_ms, seq=before.seq + 1, told=None)
    event = _event(condition, before.condition, "amended")
    return condition, msgspec.structs.replace(event, told=before.told)


def _event(condition: Condition, was: str | None, cause: str) -> AlarmEvent:
    return AlarmEvent(**msgspec.structs.asdict(condition), from_=was, cause=cause, actor=ENGINE)


def withdraw(before: Condition, reason: str, known_ms: int) -> tuple[Condition, AlarmEvent]:
    """Return a standing alarm's condition and event when what it was held against stands no more."""
    condition = msgspec.structs.replace(
        before,
        condition=WITHDRAWN,
        tier=None,
        known=known_ms,
        reason=reason,
        seq=before.seq + 1,
        fired=None,
        shown=None,
        told=None,
    )
    return condition, _event(condition, before.condition, "unwatched")
