"""A failure is a channel that does not take what is sent: itself an alarm, told to whom it concerns on other channels.

It concerns the recipient, on the other channels that this one has, and whoever its document names in `failures_to`. It
is told once a day for each channel, and its end once; a failure to tell of a failure is told to nobody.
"""

import datetime as dt
from collections.abc import Iterator

from schemas.documents import Recipient
from schemas.messages import VERSION, AlarmEvent
from schemas.windows import local_datetime
from streams.domain.alarm import FIRING, OK, alarm_id
from streams.domain.routing import Routing

FAILURE = "delivery-failure"
HEARTBEAT = "channel-check"
# Rules of the notifier's own, which no document holds.
OWN = (FAILURE, HEARTBEAT)


class Failures:
    """Remembers which channels fail, by recipient and channel, and of which day [local] it was told."""

    def __init__(self) -> None:
        self._failing: dict[tuple[str, str], AlarmEvent] = {}

    def begin(self, recipient: str, channel: str, reason: str, now_ms: int) -> AlarmEvent | None:
        """Return what is to be told of a channel that fails at an instant [epoch ms]; None: nothing new today."""
        day = local_datetime(now_ms).date()
        before = self._failing.get((recipient, channel))
        if before is not None and before.start == day.isoformat():
            return None
        found = _event(FAILURE, recipient, channel, day, f"{channel}: {reason}", now_ms)
        self._failing[recipient, channel] = found
        return found

    def end(self, recipient: str, channel: str, now_ms: int) -> AlarmEvent | None:
        """Return what is to be told of a channel that works at an instant [epoch ms]; None where it did not fail."""
        before = self._failing.pop((recipient, channel), None)
        if before is None:
            return None
        day = local_datetime(now_ms).date()
        return _event(FAILURE, recipient, channel, day, f"{channel}: delivered", now_ms, ends=before)

    def targets(self, recipient: str, channel: str, routing: Routing, now_ms: int) -> Iterator[tuple[str, str]]:
        """Yield the (recipient, channel) that are told of a channel's failure: those that do not fail themselves."""
        own = routing.recipient(recipient, now_ms)
        if own is None:
            return
        yield from ((own.id, name) for name in own.spec.channels.names if (own.id, name) not in self._failing)
        for id_ in own.spec.failures_to:
            other = routing.recipient(id_, now_ms)
            if other is not None and other.id != own.id:
                yield from ((id_, name) for name in other.spec.first if (id_, name) not in self._failing)


def heartbeat(recipient: Recipient, now_ms: int) -> AlarmEvent | None:
    """Return the day's sign of life to a recipient at an instant [epoch ms]; None where it wants none, or not yet."""
    at = recipient.spec.heartbeat
    now = local_datetime(now_ms)
    if at is None or f"{now:%H:%M}" < at:
        return None
    return _event(HEARTBEAT, recipient.id, "", now.date(), f"{now:%Y-%m-%d}", now_ms)


def _event(
    rule: str, recipient: str, channel: str, day: dt.date, reason: str, now_ms: int, ends: AlarmEvent | None = None
) -> AlarmEvent:
    entity = f"recipient/{recipient}"
    return AlarmEvent(
        v=VERSION,
        # One alarm for ever, so that its memory is one record; its transitions are counted by days.
        id=alarm_id(rule, entity, channel),
        rule=rule,
        rule_version="",
        entity=entity,
        start=day.isoformat(),
        period="day",
        condition=FIRING if ends is None else OK,
        tier=None,
        severity="warning" if rule == FAILURE and ends is None else "info",
        value=None,
        limit=None,
        unit="",
        since=now_ms if ends is None else ends.since,
        known=now_ms,
        reason=reason,
        coverage=None,
        seq=2 * day.toordinal() if ends is None else max(2 * day.toordinal(), ends.seq) + 1,
        from_=None if ends is None else FIRING,
        cause="raised" if ends is None else "cleared",
        actor="notifier",
    )
