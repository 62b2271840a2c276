"""A message is what a lane carries to its channel: one event, or a digest of several, under a key that repeats keep.

A message of one event has the event's own key, `id|seq`. A digest's key follows from its recipient, channel and events,
and it names the keys of all of them, so that who counts keys can tell that none is missing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.escalation import StepEvent
from schemas.ids import key_of
from schemas.messages import AlarmEvent

# What a digest shows of its events; the others are counted, and asked for by its id.
SHOWN = 20
DIGEST = "digest"
_ID_DIGITS = 20
_GRAVITY = {"critical": 0, "warning": 1, "info": 2}
_ENDED = ("ok", "withdrawn")


class Member(NamedTuple):
    """An event of a message: its alarm, its place among the alarm's events, and the condition that it tells.

    `step` is given where it is a step of an escalation; the event is the alarm's last one then.
    """

    alarm: str
    seq: int
    condition: str
    step: str | None = None

    @property
    def key(self) -> str:
        """The event's idempotency key."""
        return key_of(self.alarm, str(self.seq) if self.step is None else self.step)


@dataclass(frozen=True, slots=True)
class Message:
    """`group` is what its events have in common: an alarm, or what a route groups by.

    `events` are those that are shown, the gravest first, at most SHOWN; `members` are all, in the order in which they
    came; `counts` are the members by severity, and by condition where they end an alarm.
    """

    key: str
    group: str
    events: tuple[AlarmEvent, ...]
    members: tuple[Member, ...]
    counts: Mapping[str, int]

    @property
    def digest(self) -> str | None:
        """The digest's id, by which its members can be asked for; None for a message of one event."""
        head, _, id_ = self.key.partition("|")
        return id_ if head == DIGEST else None

    @property
    def keys(self) -> tuple[str, ...]:
        """The idempotency keys of all events in it."""
        return tuple(one.key for one in self.members)


def member_of(event: AlarmEvent) -> Member:
    """Return an event as a member."""
    return Member(event.id, event.seq, event.condition, event.step if isinstance(event, StepEvent) else None)


def steps_of(members: Iterable[Member]) -> list[str]:
    """Return of each member which step of an escalation it is; nothing where all are events."""
    found = [one.step or "" for one in members]
    return found if any(found) else []


def single(event: AlarmEvent, group: str | None = None) -> Message:
    """Return the message of one event; its group is its alarm where nothing else is given."""
    member = member_of(event)
    return Message(member.key, group or event.id, (event,), (member,), counted((event,)))


def digest(recipient: str, channel: str, group: str, events: Sequence[AlarmEvent]) -> Message:
    """Return the digest of several events for one recipient on one channel."""
    members = tuple(member_of(one) for one in events)
    named = "\n".join((recipient, channel, *sorted(one.key for one in members)))
    id_ = hashlib.sha256(named.encode()).hexdigest()[:_ID_DIGITS]
    return Message(key_of(DIGEST, id_), group, worst(events), members, counted(events))


def worst(events: Iterable[AlarmEvent]) -> tuple[AlarmEvent, ...]:
    """Return the gravest events, at most SHOWN: what goes on before what has ended, then as they became known."""
    return tuple(sorted(events, key=_rank)[:SHOWN])


def counted(events: Iterable[AlarmEvent]) -> dict[str, int]:
    """Return how many events there are of each severity, and of each condition that ends an alarm."""
    found = Counter(one.condition if one.condition in _ENDED else one.severity for one in events)
    order = (*_GRAVITY, *_ENDED)
    return {name: found[name] for name in sorted(found, key=lambda name: order.index(name) if name in order else 99)}


def _rank(event: AlarmEvent) -> tuple[bool, int, int, str, int]:
    ended = event.condition in _ENDED
    return ended, _GRAVITY.get(event.severity, len(_GRAVITY)), event.known, event.id, event.seq
