"""Routing decides who is told of a transition of an alarm, on which channel, and why nobody else is.

Two small stages, each giving its reasons: routes choose the recipients, then what was said before decides whether
there is anything to say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from schemas.documents import Document, DocumentKey, Escalation, Recipient, Roster, Route, Rule
from schemas.documents.notification import Scope
from schemas.escalation import StepEvent
from schemas.ids import IdError, parse_entity
from schemas.messages import AlarmEvent
from streams.domain.alarm import OK, QUIET_CAUSES, WITHDRAWN
from streams.domain.on_call import on_call
from streams.domain.registry import Snapshot
from streams.domain.resolving import range_ms

# Conditions that end what was told: of no interest to anybody who never heard of the alarm.
ENDINGS = (OK, WITHDRAWN)


class Silence(StrEnum):
    """Why something is not said."""

    NO_ROUTE = "no_route"
    ROUTE_NOT_IN_FORCE = "route_not_in_force"
    OTHER_CONDITION = "other_condition"
    STEP_ON_THE_WAY = "step_on_the_way"
    COMPUTED_AGAIN = "computed_again"
    OTHER_SEVERITY = "other_severity"
    OTHER_RULE = "other_rule"
    OTHER_ENTITY = "other_entity"
    RECIPIENT_NOT_IN_FORCE = "recipient_not_in_force"
    CHANNEL_GONE = "channel_gone"
    ALREADY_SAID = "already_said"
    NOTHING_TO_END = "nothing_to_end"
    TOO_OLD = "too_old"
    INHIBITED = "inhibited"
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    QUIET_HOURS = "quiet_hours"


class Target(NamedTuple):
    """A recipient on one of its channels, and the routes that lead there."""

    recipient: str
    channel: str
    routes: tuple[str, ...]


# Of routes that mean an event's entity and rule; what others are about is none of an alarm's history.
_TOLD_OF = frozenset(
    (Silence.OTHER_CONDITION, Silence.STEP_ON_THE_WAY, Silence.OTHER_SEVERITY, Silence.RECIPIENT_NOT_IN_FORCE)
)


class NotSent(NamedTuple):
    """A route (None: all of them) that leads an event nowhere, or not to one of its recipients, and why."""

    route: str | None
    recipient: str | None
    reason: Silence


class Decision(NamedTuple):
    """Who is told of an event, and why others are not; both empty where there is no route at all."""

    targets: tuple[Target, ...]
    not_sent: tuple[NotSent, ...]

    @property
    def stored(self) -> tuple[NotSent, ...]:
        """What is kept with the alarm: of ten thousand alarms nobody wants to read which routes are about others.

        An event that nobody is told of has one reason at least.
        """
        found = tuple(one for one in self.not_sent if one.reason in _TOLD_OF or one.route is None)
        return found if found or self.targets else (NotSent(None, None, Silence.NO_ROUTE),)


class Said(NamedTuple):
    """What a recipient was told of an alarm on a channel: the last `seq` that is done with, and what was delivered.

    `told` is the condition delivered last; None when nothing was ever delivered. `steps` are the steps of escalations
    that are done with.
    """

    seq: int
    told: str | None
    steps: frozenset[str] = frozenset()

    def after(self, seq: int, told: str | None, step: str | None) -> "Said":
        """Return what was said once an event, or a step of an escalation, is done with too."""
        if step is None:
            return Said(seq, told, self.steps)
        # Events that wait beside a step are still said, so it moves no `seq`; steps of an older count never come again.
        count = f"{step.partition('|')[0]}|"
        return Said(self.seq, told, frozenset(one for one in self.steps if one.startswith(count)) | {step})


NOTHING_SAID = Said(-1, None)


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes and recipients of a snapshot, taken out of it once."""

    snapshot: Snapshot
    routes: tuple[Route, ...]
    recipients: tuple[Recipient, ...]

    @staticmethod
    def of(snapshot: Snapshot) -> "Routing":
        """Return the routing of a snapshot, everything by id."""
        routes = [one for one in snapshot.documents.values() if isinstance(one, Route)]
        recipients = [one for one in snapshot.documents.values() if isinstance(one, Recipient)]
        return Routing(
            snapshot,
            tuple(sorted(routes, key=lambda one: one.id)),
            tuple(sorted(recipients, key=lambda one: one.id)),
        )

    def recipient(self, id_: str, now_ms: int) -> Recipient | None:
        """Return a recipient that is registered and valid at an instant [epoch ms], else None."""
        found = next(self._recipients((id_,)), None)
        return found if found is not None and _in_force(found, now_ms) else None

    def decide(self, event: AlarmEvent, now_ms: int) -> Decision:
        """Return who is told of an event, on all first channels of each recipient; `now_ms` [epoch ms] is today's date.

        Membership in a territory is that of the moment at which the event became known.
        """
        if event.mute:
            # Nothing happened now: the same facts were held against another registry.
            return Decision((), (NotSent(None, None, Silence.COMPUTED_AGAIN),))
        places = self._places(event)
        reached: defaultdict[str, list[str]] = defaultdict(list)
        not_sent: list[NotSent] = []
        for route in self.routes:
            reason = _unmet(route, event, places, now_ms)
            if reason is not None:
                not_sent.append(NotSent(route.id, None, reason))
                continue
            # Who was on call when the alarm was told must hear of its end, whoever is on call by then.
            rostered = self.rostered(route.spec.on_call, None if event.condition in ENDINGS else now_ms)
            for id_ in dict.fromkeys((*(route.spec.recipients or ()), *rostered)):
                if self.recipient(id_, now_ms) is None:
                    not_sent.append(NotSent(route.id, id_, Silence.RECIPIENT_NOT_IN_FORCE))
                else:
                    reached[id_].append(route.id)
        for id_ in self._owners(event):
            if self.recipient(id_, now_ms) is not None:
                reached[id_].append(f"rule/{event.rule}")
        targets = tuple(
            Target(one.id, channel, tuple(reached[one.id]))
            for one in self._recipients(sorted(reached))
            for channel in one.spec.first
        )
        return Decision(targets, tuple(not_sent))

    def rostered(self, ids: Iterable[str], now_ms: int | None) -> Iterator[str]:
        """Yield who is on call by rosters at an instant [epoch ms]; None: everybody who ever is."""
        for id_ in ids:
            found = self.snapshot.documents.get(DocumentKey("roster", id_))
            if isinstance(found, Roster):
                yield from found.spec.recipients if now_ms is None else on_call(found, now_ms)

    def escalations(self, event: AlarmEvent, now_ms: int) -> list[str]:
        """Return the escalations in force that the routes name which lead an event on, by id."""
        places = self._places(event)
        named = {
            route.spec.escalation for route in self.routes
            if route.spec.escalation is not None and not event.mute and _unmet(route, event, places, now_ms) is None
        }  # fmt: skip
        return sorted(id_ for id_ in named if self.escalation(id_, now_ms) is not None)

    def escalation(self, id_: str, now_ms: int) -> Escalation | None:
        """Return an escalation that is registered and valid at an instant [epoch ms], else None."""
        found = self.snapshot.documents.get(DocumentKey("escalation", id_))
        return found if isinstance(found, Escalation) and _in_force(found, now_ms) else None

    def named(self, text: str, now_ms: int) -> Recipient | None:
        """Return the recipient whose id, or else whose name as no other's, a text is; None where it is nobody's."""
        found = self.recipient(text, now_ms)
        if found is not None:
            return found
        called = [one for one in self.recipients if text in (one.name.zh, one.name.en) and _in_force(one, now_ms)]
        return called[0] if len(called) == 1 else None

    def _owners(self, event: AlarmEvent) -> tuple[str, ...]:
        """Return the owners of an event's rule: they are told as by a route that restricts nothing."""
        rule = self.snapshot.documents.get(DocumentKey("rule", event.rule))
        return rule.spec.owners if isinstance(rule, Rule) and event.cause not in QUIET_CAUSES else ()

    def _places(self, event: AlarmEvent) -> frozenset[str]:
        """Return an event's entity and all that this lies in; nothing where it is no entity."""
        try:
            _ = parse_entity(event.entity)
        except IdError:
            return frozenset()
        return frozenset((event.entity, *self.snapshot.within(event.entity, event.known)))

    def _recipients(self, ids: Iterable[str]) -> Iterator[Recipient]:
        documents = self.snapshot.documents
        for id_ in ids:
            found = documents.get(DocumentKey("recipient", id_))
            if isinstance(found, Recipient):
                yield found


def _unmet(route: Route, event: AlarmEvent, places: Collection[str], now_ms: int) -> Silence | None:
    spec = route.spec
    if not _in_force(route, now_ms):
        return Silence.ROUTE_NOT_IN_FORCE
    if spec.select is not None and not _means(spec.select, event.entity, places):
        return Silence.OTHER_ENTITY
    if (spec.rules or spec.limits) and event.rule not in (*spec.rules, *spec.limits):
        return Silence.OTHER_RULE
    if spec.condition is not None and event.condition not in spec.condition:
        return Silence.OTHER_CONDITION
    if event.cause in QUIET_CAUSES and (spec.condition is None or event.cause == "resumed"):
        return Silence.STEP_ON_THE_WAY
    # An ending carries the mildest severity, and is for whoever was told of the alarm.
    if spec.severity is not None and event.condition not in ENDINGS and event.severity not in spec.severity:
        return Silence.OTHER_SEVERITY
    return None


def _means(select: Scope, entity: str, places: Collection[str]) -> bool:
    kind, _, id_ = entity.partition("/")
    if entity not in places or (select.kind is not None and kind != select.kind):
        return False
    return (select.id is None or id_ in select.id) and (select.in_ is None or select.in_ in places)


def unsaid(event: AlarmEvent, before: Said | None) -> Silence | None:
    """Return why an event is not said on a channel where `before` was said of its alarm; None: it is said.

    What is done with is not said again. An end is said only where something of the alarm was delivered.
    """
    if isinstance(event, StepEvent):
        return Silence.ALREADY_SAID if before is not None and event.step in before.steps else None
    if before is not None and event.seq <= before.seq:
        return Silence.ALREADY_SAID
    if event.condition in ENDINGS and (before is None or before.told in (None, event.condition)):
        return Silence.NOTHING_TO_END
    return None


def _in_force(document: Document, now_ms: int) -> bool:
    start, end = range_ms(document)
    return start <= now_ms < end
