"""An escalation under way, as it stands in topic `delivery`: what the notifier must know of it after a restart."""

import msgspec

from schemas.messages import AlarmEvent

ESCALATION_KEY = "~escalation"


class StepEvent(AlarmEvent, omit_defaults=True, kw_only=True):
    """A step of an escalation as it is told: the alarm's last event with the cause `escalated`.

    `step` tells it from all else that is told of the alarm: with the alarm's id it is the idempotency key. `because`
    says which step it is, and of what nobody has done.
    """

    step: str
    because: str
    because_zh: str


class StepTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step that was due at an instant [epoch ms] and is told `to` recipients; `done` once each is recorded."""

    step: str
    at: int
    to: list[str]
    because: str
    because_zh: str
    done: bool = False


class Began(msgspec.Struct, frozen=True, omit_defaults=True):
    """An escalation (`id` of its document) that counts since an event of the alarm: its `seq`, and when [epoch ms]."""

    id: str
    seq: int
    at: int


class Escalating(msgspec.Struct, frozen=True, omit_defaults=True):
    """Topic `delivery`, key `~escalation|ALARM`: an alarm with escalations; without a value once all is done with.

    `event` is the alarm's last event that the notifier has read, `steps` those of the present count that are taken.
    """

    v: int
    event: AlarmEvent
    began: list[Began]
    steps: list[StepTaken] = []


decode_escalating = msgspec.json.Decoder(Escalating).decode
