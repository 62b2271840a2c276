"""What is kept for later in topic `delivery`: events that are held back, and the alarms that inhibit others."""

from schemas.deliveries import CAUSE_KEY, HELD_KEY, OpenCause, WaitingEvent, decode_cause, decode_waiting
from schemas.ids import key_of
from schemas.messages import VERSION, AlarmEvent, encode
from schemas.topics import DELIVERY
from services.outbox import Message
from streams.domain.inhibiting import Cause


class Kept:
    """What stood in the topic at the start, by the alarm's id."""

    def __init__(self) -> None:
        self.held: dict[str, AlarmEvent] = {}
        self.causes: dict[str, Cause] = {}

    def clear(self) -> None:
        """Forget all."""
        self.held.clear()
        self.causes.clear()

    def take(self, name: str, value: bytes | None) -> bool:
        """Take over a record by its key; return whether it is of this kind; raise msgspec.DecodeError."""
        head, _, alarm = name.partition("|")
        if head == HELD_KEY:
            if value is None:
                self.held.pop(alarm, None)
            else:
                self.held[alarm] = decode_waiting(value).event
        elif head == CAUSE_KEY:
            if value is None:
                self.causes.pop(alarm, None)
            else:
                found = decode_cause(value)
                self.causes[alarm] = Cause(found.alarm, found.entity)
        else:
            return False
        return True


def held_message(alarm: str, event: AlarmEvent | None) -> Message:
    """Return the record that an event of an alarm is held back; None: nothing is any more."""
    value = None if event is None else encode(WaitingEvent(VERSION, event))
    return Message(DELIVERY, 0, key_of(HELD_KEY, alarm).encode(), value)


def cause_message(alarm: str, cause: Cause | None) -> Message:
    """Return the record of a cause that is open; None: it is not any more."""
    value = None if cause is None else encode(OpenCause(VERSION, cause.alarm, cause.entity))
    return Message(DELIVERY, 0, key_of(CAUSE_KEY, alarm).encode(), value)
