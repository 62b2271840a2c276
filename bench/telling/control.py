"""The control is a notifier with a fault of the kind that the proof must find: it records before it sends.

Killed in between, it takes the message for delivered when it comes back, and nobody is ever told.
"""

FAILPOINT = "control.between"

# Run in the notifier's process before it serves.
NOTIFIER_CODE = f"""
from services.notifier.lane import Lane
from services.notifier.parcel import note, record
from streams.failpoints import hit

whole = Lane._send

async def record_first(self, parcel, recipient):
    at_ms, event = self._timer.now_ms(), parcel.message.events[0]
    before = self._memory.said(self.recipient, self.channel, event.id)
    await self._memory.say(
        record(self.recipient, self.channel, parcel, "delivered", "", at_ms, before),
        note(self.recipient, self.channel, parcel, "delivered", "", at_ms),
    )
    hit("{FAILPOINT}")
    return await whole(self, parcel, recipient)

Lane._send = record_first
"""
