"""Messages of the topics `delivery` and `delivery.log`: what became of alarms on their way to recipients."""

import msgspec

from schemas.messages import AlarmEvent

READ_KEY = b"~read"
DIGEST_KEY = "~digest"
ROBOT_KEY = "~robot"
HELD_KEY = "~held"
CAUSE_KEY = "~cause"


class Delivery(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`: what a recipient was told last, on a channel, of a group (now: of the alarm whose id it is).

    `key` is the idempotency key (`id|seq`) that was sent. `outcome` is `delivered`, `refused` (for good, by the
    channel), `given_up` (it failed for too long) or `dropped` (recipient or channel had ended); `told` is the condition
    that was delivered last, None when nothing ever was; `attempts` counts those of this process; `at` [epoch ms] is
    real time; `via` is the channel of the recipient's fallback that took it, None where it was `channel` itself.
    `steps` are the steps of escalations that are done with; the record of a step keeps `seq`, since events beside it
    are still told.
    """

    v: int
    recipient: str
    channel: str
    group: str
    alarm: str
    seq: int
    key: str
    condition: str
    outcome: str
    reason: str
    attempts: int
    at: int
    told: str | None = None
    via: str | None = None
    steps: list[str] = []


class DigestDelivery(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`, key `~digest|ID`: a digest on its way to a recipient on a channel, or what became of it.

    It is written before it is sent (`outcome` is `sending`), so that whoever is restarted sends the very same.
    `members` are its events: alarm, seq and the condition that is told; `worst` are those that it shows, `counts` all
    by severity, and by condition where they end an alarm. `steps` is empty, or says of each member which step of an
    escalation it is, "" where it is an event. The other outcomes and fields are those of Delivery.
    """

    v: int
    id: str
    recipient: str
    channel: str
    group: str
    outcome: str
    reason: str
    attempts: int
    at: int
    members: list[tuple[str, int, str]]
    counts: dict[str, int]
    worst: list[AlarmEvent]
    steps: list[str] = []


class RobotUse(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`, key `~robot|ROBOT`: when [epoch ms] a robot was sent what still counts for its limits."""

    v: int
    robot: str
    at: list[int]


class DeliveryNote(msgspec.Struct, omit_defaults=True):
    """Topic `delivery.log`: what became of events of alarms on their way to a recipient, for all who ask later.

    `members` are the events: alarm and seq. `outcome` is one of those of Delivery, or `not_sent`: then `reason` says
    why, and `recipient` and `channel` are absent where it is so for everybody; `by` names what stands in the way (an
    alarm, a silence, a route). `key` is the message's idempotency key, that of a digest where it was in one.
    `steps` is empty, or says of each member which step of an escalation it is, "" where it is an event.
    """

    v: int
    at: int
    members: list[tuple[str, int]]
    outcome: str
    reason: str
    recipient: str | None = None
    channel: str | None = None
    key: str | None = None
    by: str | None = None
    steps: list[str] = []


class WaitingEvent(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`, key `~held|ALARM`: the newest event of an alarm that somebody is still to be told of.

    What holds it back is asked anew whenever that may have ended, and at each start; absent: nothing is held.
    """

    v: int
    event: AlarmEvent


class OpenCause(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`, key `~cause|ALARM`: an alarm that inhibits others, while it is open."""

    v: int
    alarm: str
    entity: str


class DeliveryRead(msgspec.Struct, omit_defaults=True):
    """Topic `delivery`, key READ_KEY: up to which offset of each partition of `alarm.events` all is done.

    `since` is what the first start chose: an event known before that instant [epoch ms] is never told.
    """

    v: int
    since: int
    offsets: dict[int, int]


decode_delivery = msgspec.json.Decoder(Delivery).decode
decode_digest = msgspec.json.Decoder(DigestDelivery).decode
decode_robot_use = msgspec.json.Decoder(RobotUse).decode
decode_waiting = msgspec.json.Decoder(WaitingEvent).decode
decode_cause = msgspec.json.Decoder(OpenCause).decode
decode_note = msgspec.json.Decoder(DeliveryNote).decode
decode_delivery_read = msgspec.json.Decoder(DeliveryRead).decode
