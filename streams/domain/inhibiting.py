"""Inhibiting (抑制) is one alarm standing for others: a silent source explains the silence of its meters.

Along the hierarchy a meter's silence is inhibited by that of the source that reads it, and both by that of their
enterprise. A territory's alarm hides nothing: those of its enterprises on the same metric are its contributors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.ids import SOURCE, enterprise_of, parse_entity
from schemas.messages import AlarmEvent, Condition
from streams.domain.alarm import PASSED
from streams.domain.registry import Snapshot

SILENCE = "silence"


class Cause(NamedTuple):
    """An open alarm that inhibits others: of a rule on silence, about a source or an enterprise."""

    alarm: str
    entity: str


def on_silence(snapshot: Snapshot, rule: str) -> bool:
    """Tell whether a rule observes silence."""
    found = snapshot.rules.get(rule)
    return found is not None and found.observed is not None and found.observed.of == SILENCE


def wider(snapshot: Snapshot, entity: str, at_ms: int) -> tuple[str, ...]:
    """Return the entities whose silence explains that of an entity at an instant [epoch ms], the widest first."""
    enterprise, kind = enterprise_of(entity), parse_entity(entity).kind
    if enterprise is None or kind not in ("meter", SOURCE):
        return ()
    found = (f"enterprise/{enterprise}",)
    meter = snapshot.meters.get(entity)
    source = None if meter is None else meter.source_at(at_ms)
    return found if source is None else (*found, f"{SOURCE}/{enterprise}.{source}")


def may_be_inhibited(snapshot: Snapshot, event: AlarmEvent) -> bool:
    """Tell whether a cause of an event may still be on its way: silence of the wider is watched, too."""
    if not on_silence(snapshot, event.rule) or not _known(event.entity):
        return False
    kinds = {one.partition("/")[0] for one in wider(snapshot, event.entity, event.known)}
    return any(one.select.kind in kinds and on_silence(snapshot, one.id) for one in snapshot.rules.values())


def is_cause(snapshot: Snapshot, alarm: Condition) -> bool:
    """Tell whether an alarm inhibits others while it is open."""
    kind = alarm.entity.partition("/")[0]
    return kind in (SOURCE, "enterprise") and on_silence(snapshot, alarm.rule)


@dataclass(slots=True)
class Causes:
    """The causes that are open, by the alarm's id, and by entity."""

    open: dict[str, Cause] = field(default_factory=dict[str, Cause])
    _by_entity: dict[str, dict[str, Cause]] = field(default_factory=dict[str, dict[str, Cause]])

    def put(self, cause: Cause) -> None:
        """Note that a cause is open."""
        self.open[cause.alarm] = cause
        self._by_entity.setdefault(cause.entity, {})[cause.alarm] = cause

    def end(self, alarm: str) -> bool:
        """Note that an alarm is open no more; return whether it was a cause."""
        found = self.open.pop(alarm, None)
        if found is None:
            return False
        del self._by_entity[found.entity][alarm]
        return True

    def take(self, snapshot: Snapshot, event: AlarmEvent) -> bool:
        """Take in an event; return whether it opened or ended a cause."""
        if event.condition not in PASSED:
            return self.end(event.id)
        if event.id in self.open or not is_cause(snapshot, event):
            return False
        self.put(Cause(event.id, event.entity))
        return True

    def of(self, snapshot: Snapshot, alarm: Condition) -> str | None:
        """Return the open alarm that inhibits an alarm, the widest; None: none does."""
        if not self.open or not on_silence(snapshot, alarm.rule) or not _known(alarm.entity):
            return None
        for entity in wider(snapshot, alarm.entity, alarm.known):
            found = self._by_entity.get(entity)
            if found:
                return min(found)
        return None


def causes_of(alarms: Iterable[Condition], snapshot: Snapshot) -> Causes:
    """Return the causes among alarms as they stand."""
    found = Causes()
    for one in alarms:
        if one.condition in PASSED and is_cause(snapshot, one):
            found.put(Cause(one.id, one.entity))
    return found


def watched(snapshot: Snapshot, rule: str) -> str | None:
    """Return the metric that a rule or limit holds against something; None where it is no plain number."""
    found, limit = snapshot.rules.get(rule), snapshot.limits.get(rule)
    if found is not None:
        return found.metric if found.observed is None else None
    return None if limit is None else f"ind.{limit.indicator}"


def watching(snapshot: Snapshot, metric: str) -> list[str]:
    """Return the rules and limits that hold a metric against something."""
    return [one for one in dict.fromkeys((*snapshot.rules, *snapshot.limits)) if watched(snapshot, one) == metric]


def contributes(snapshot: Snapshot, part: Condition, whole: Condition) -> bool:
    """Tell whether an enterprise's alarm contributes to a territory's: the same metric, within it, at one time.

    Of one time are alarms of the same start, or where both are open.
    """
    if part.condition not in PASSED or not part.entity.startswith("enterprise/"):
        return False
    metric = watched(snapshot, whole.rule)
    same = metric is not None and watched(snapshot, part.rule) == metric
    within: Mapping[str, None] = dict.fromkeys(snapshot.within(part.entity, part.known))
    return same and whole.entity in within and (part.start == whole.start or whole.condition in PASSED)


def _known(entity: str) -> bool:
    return entity.partition("/")[0] in ("meter", SOURCE)
