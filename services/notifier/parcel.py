"""A parcel is a message on its way with the events that it was made of, from when it is composed to its record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.deliveries import Delivery, DeliveryNote, DigestDelivery
from schemas.escalation import StepEvent
from schemas.ids import key_of
from schemas.messages import VERSION, AlarmEvent
from services.notifier.message import Member, Message, digest, single, steps_of
from streams.domain.routing import NOTHING_SAID, Said


@dataclass(slots=True)
class Item:
    """One event for one lane, taken at an instant [epoch ms]; `done` is called when nothing is left to do with it.

    Events of a `group` with an interval [ms] are said together, no sooner than that after what was said last of it, nor
    than `wait_ms` after the first of them came.
    """

    event: AlarmEvent
    done: Callable[[], None]
    taken_ms: int
    group: str = ""
    interval_ms: int | None = None
    wait_ms: int = 0

    def __post_init__(self) -> None:
        self.group = self.group or self.event.id


@dataclass(slots=True)
class Parcel:
    """A message, since when it waits [epoch ms], and how often it was tried; `planned` once its digest is recorded.

    `channel` is the recipient's next channel where the lane's own did not take it (None: the lane's own); `tries` and
    `failing_ms` are how often in a row, and since when [epoch ms], that channel did not; `refused` are those that never
    will.
    """

    message: Message
    taken_ms: int
    done: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    attempts: int = 0
    planned: bool = False
    channel: str | None = None
    tries: int = 0
    failing_ms: int | None = None
    refused: set[str] = field(default_factory=set[str])

    def move(self, channel: str | None) -> None:
        """Go on with another channel (None: the lane's own)."""
        self.channel, self.tries, self.failing_ms = channel, 0, None


def parcel_of(recipient: str, channel: str, group: str, items: Sequence[Item]) -> Parcel:
    """Return the parcel of one event, or of the digest of several."""
    events = [one.event for one in items]
    message = single(events[0], group) if len(events) == 1 else digest(recipient, channel, group, events)
    return Parcel(message, min(one.taken_ms for one in items), [one.done for one in items])


def resumed(record: DigestDelivery, now_ms: int) -> Parcel:
    """Return the parcel of a digest that was on its way when a process ended."""
    steps = record.steps or [""] * len(record.members)
    members = tuple(Member(*one, step or None) for one, step in zip(record.members, steps, strict=True))
    key = key_of("digest", record.id)
    message = Message(key, record.group, tuple(record.worst), members, record.counts)
    return Parcel(message, now_ms, planned=True)


def digest_record(
    recipient: str, channel: str, parcel: Parcel, outcome: str, reason: str, at_ms: int
) -> DigestDelivery:
    """Return what is recorded of a digest."""
    message = parcel.message
    assert message.digest is not None
    return DigestDelivery(
        v=VERSION,
        id=message.digest,
        recipient=recipient,
        channel=channel,
        group=message.group,
        outcome=outcome,
        reason=reason,
        attempts=parcel.attempts,
        at=at_ms,
        members=[(one.alarm, one.seq, one.condition) for one in message.members],
        counts=dict(message.counts),
        worst=list(message.events),
        steps=steps_of(message.members),
    )


def record(
    recipient: str, channel: str, parcel: Parcel, outcome: str, reason: str, at_ms: int, before: Said | None
) -> Delivery | DigestDelivery:
    """Return what is recorded of a parcel that is done with; `before` is what was said of its alarm until now."""
    message = parcel.message
    if message.digest is not None:
        return digest_record(recipient, channel, parcel, outcome, reason, at_ms)
    event, (member,) = message.events[0], message.members
    before = before or NOTHING_SAID
    said = before.after(event.seq, event.condition if outcome == "delivered" else before.told, member.step)
    return Delivery(
        v=VERSION,
        recipient=recipient,
        channel=channel,
        group=message.group,
        alarm=event.id,
        seq=said.seq,
        key=message.key,
        condition=event.condition,
        outcome=outcome,
        reason=reason,
        attempts=parcel.attempts,
        at=at_ms,
        told=said.told,
        via=parcel.channel if outcome == "delivered" and parcel.channel != channel else None,
        steps=sorted(said.steps),
    )


def note(recipient: str, channel: str, parcel: Parcel, outcome: str, reason: str, at_ms: int) -> DeliveryNote:
    """Return what the log of deliveries says of a parcel that is done with."""
    message = parcel.message
    members, steps = [(one.alarm, one.seq) for one in message.members], steps_of(message.members)
    event = message.events[0]
    if isinstance(event, StepEvent) and message.digest is None:
        reason = f"{event.because}; {reason}"
    return DeliveryNote(VERSION, at_ms, members, outcome, reason, recipient, channel, message.key, steps=steps)
