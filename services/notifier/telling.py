"""Telling is how others learn what the notifier does: metrics for Prometheus and a heartbeat in topic `engine`."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version

import prometheus_client
import structlog

from schemas.messages import VERSION, Heartbeat, encode
from schemas.settings import Settings
from schemas.topics import ENGINE
from services.outbox import Message, NotAcknowledgedError, Outbox

HEARTBEAT_S = 5.0
CONNECTING_S = 0.5

_EVENTS = prometheus_client.Counter(
    "qingyu_notifier_events", "Events read, by what became of them: told, nobody, old, unreadable.", ["result"]
)
_ANSWERS = prometheus_client.Counter(
    "qingyu_notifier_answers", "Answers of channels: delivered, refused, failed.", ["channel", "answer"]
)
_DELIVERIES = prometheus_client.Counter(
    "qingyu_notifier_deliveries", "Deliveries done with: delivered, refused, given_up, dropped.", ["channel", "outcome"]
)
_SILENT = prometheus_client.Counter("qingyu_notifier_not_sent", "What was not said, by reason.", ["reason"])
_OUTSTANDING = prometheus_client.Gauge("qingyu_notifier_outstanding", "Deliveries that wait for their channel.")

_log = structlog.get_logger(__name__)


class Figures:
    """What the notifier has done; `outstanding` and `lag` are asked for when they are told."""

    def __init__(
        self, settings: Settings, outbox: Outbox, outstanding: Callable[[], int], lag: Callable[[], int | None]
    ) -> None:
        self._process = settings.instance or "notifier"
        self._outbox = outbox
        self._outstanding = outstanding
        self._lag = lag
        self._counts: Counter[str] = Counter()
        _OUTSTANDING.set_function(outstanding)

    def took(self, result: str) -> None:
        """Count an event that was read."""
        _EVENTS.labels(result).inc()
        self._counts["events"] += 1

    def answered(self, channel: str, answer: str) -> None:
        """Count what a channel said."""
        _ANSWERS.labels(channel, answer).inc()

    def recorded(self, channel: str, outcome: str) -> None:
        """Count a delivery that is done with."""
        _DELIVERIES.labels(channel, outcome).inc()
        self._counts[outcome] += 1

    def silent(self, reason: str) -> None:
        """Count what was not said."""
        _SILENT.labels(reason).inc()

    def heartbeat(self) -> Heartbeat:
        """Return what the notifier says of itself now."""
        return Heartbeat(
            v=VERSION,
            process=self._process,
            version=version("qingyu"),
            at=time.time_ns() // 1_000_000,
            lag=self._lag(),
            counts={**self._counts, "outstanding": self._outstanding()},
        )

    async def tell(self) -> None:
        """Send heartbeats for ever; a failure is logged and the next one tries again."""
        while True:
            if not self._outbox.ready:
                # It says itself what it waits for.
                await asyncio.sleep(CONNECTING_S)
                continue
            try:
                message = Message(ENGINE, 0, self._process.encode(), encode(self.heartbeat()))
                await self._outbox.send([message])
            except NotAcknowledgedError as error:
                _log.warning("no heartbeat", error=str(error))
            await asyncio.sleep(HEARTBEAT_S)
