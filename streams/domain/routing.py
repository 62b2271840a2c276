"""Routing decides who is told of a transition of an alarm, on which channel, and why nobody else is.

Two small stages, each giving its reasons: routes choose the recipients, then what was said before decides whether
there is anything to say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from schemas.documents import Document, DocumentKey, Recipient, Route
from schemas.ids import IdError, parse_entity
from schemas.messages import AlarmEvent
from streams.domain.alarm import OK, WITHDRAWN
from streams.domain.registry import Snapshot
from streams.domain.resolving import range_ms

# Conditions that end what was told: of no interest to anybody who never heard of the alarm.
ENDINGS = (OK, WITHDRAWN)


class Silence(StrEnum):
    """Why something is not said."""

    ROUTE_NOT_IN_FORCE = "route_not_in_force"
    OTHER_CONDITION = "other_condition"
    OTHER_SEVERITY = "other_severity"
    OTHER_RULE = "other_rule"
    OTHER_ENTITY = "other_entity"
    RECIPIENT_NOT_IN_FORCE = "recipient_not_in_force"
    CHANNEL_GONE = "channel_gone"
    ALREADY_SAID = "already_said"
    NOTHING_TO_END = "nothing_to_end"
    TOO_OLD = "too_old"


class Target(NamedTuple):
    """A recipient on one of its channels, and the routes that lead there."""

    recipient: str
    channel: str
    routes: tuple[str, ...]


class NotSent(NamedTuple):
    """A route that leads an event nowhere, or not to one of its recipients, and why."""

    route: str
    recipient: str | None
    reason: Silence


class Decision(NamedTuple):
    """Who is told of an event, and why others are not; both empty where there is no route at all."""

    targets: tuple[Target, ...]
    not_sent: tuple[NotSent, ...]


class Said(NamedTuple):
    """What a recipient was told of an alarm on a channel: the last `seq` that is done with, and what was delivered.

    `told` is the condition delivered last; None when nothing was ever delivered.
    """

    seq: int
    told: str | None


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
        """Return who is told of an event, on all channels of each recipient; `now_ms` [epoch ms] is today's date.

        Membership in a territory is that of the moment at which the event became known.
        """
        reached: defaultdict[str, list[str]] = defaultdict(list)
        not_sent: list[NotSent] = []
        for route in self.routes:
            reason = self._unmet(route, event, now_ms)
            if reason is not None:
                not_sent.append(NotSent(route.id, None, reason))
                continue
            for id_ in route.spec.recipients:
                if self.recipient(id_, now_ms) is None:
                    not_sent.append(NotSent(route.id, id_, Silence.RECIPIENT_NOT_IN_FORCE))
                else:
                    reached[id_].append(route.id)
        targets = tuple(
            Target(one.id, channel, tuple(reached[one.id]))
            for one in self._recipients(sorted(reached))
            for channel in one.spec.channels.names
        )
        return Decision(targets, tuple(not_sent))

    def _unmet(self, route: Route, event: AlarmEvent, now_ms: int) -> Silence | None:
        spec = route.spec
        if not _in_force(route, now_ms):
            return Silence.ROUTE_NOT_IN_FORCE
        if spec.condition is not None and event.condition not in spec.condition:
            return Silence.OTHER_CONDITION
        # An ending carries the mildest severity, and is for whoever was told of the alarm.
        if spec.severity is not None and event.condition not in ENDINGS and event.severity not in spec.severity:
            return Silence.OTHER_SEVERITY
        if (spec.rules or spec.limits) and event.rule not in (*spec.rules, *spec.limits):
            return Silence.OTHER_RULE
        return None if self._means(route, event.entity, event.known) else Silence.OTHER_ENTITY

    def _means(self, route: Route, entity: str, at_ms: int) -> bool:
        select = route.spec.select
        if select is None:
            return True
        try:
            kind, id_ = parse_entity(entity)
        except IdError:
            return False
        if select.kind is not None and kind != select.kind:
            return False
        if select.id is not None and id_ not in select.id:
            return False
        return select.in_ is None or select.in_ == entity or select.in_ in self.snapshot.within(entity, at_ms)

    def _recipients(self, ids: Iterable[str]) -> Iterator[Recipient]:
        documents = self.snapshot.documents
        for id_ in ids:
            found = documents.get(DocumentKey("recipient", id_))
            if isinstance(found, Recipient):
                yield found


def unsaid(event: AlarmEvent, before: Said | None) -> Silence | None:
    """Return why an event is not said on a channel where `before` was said of its alarm; None: it is said.

    What is done with is not said again. An end is said only where something of the alarm was delivered.
    """
    if before is not None and event.seq <= before.seq:
        return Silence.ALREADY_SAID
    if event.condition in ENDINGS and (before is None or before.told in (None, event.condition)):
        return Silence.NOTHING_TO_END
    return None


def _in_force(document: Document, now_ms: int) -> bool:
    start, end = range_ms(document)
    return start <= now_ms < end
