"""Telling is how others learn what the notifier does: metrics for Prometheus, and the counts of its heartbeats."""

from collections import Counter
from collections.abc import Callable, Mapping

import prometheus_client

from schemas.documents.channel import CHANNELS
from services.notifier.answer import Trouble

_EVENTS = prometheus_client.Counter(
    "qingyu_notifier_events", "Events read, by what became of them: told, nobody, old, unreadable.", ["result"]
)
_ANSWERS = prometheus_client.Counter(
    "qingyu_notifier_answers",
    "Answers of channels: delivered, auth, limited, refused, unreachable.",
    ["channel", "answer"],
)
_DELIVERIES = prometheus_client.Counter(
    "qingyu_notifier_deliveries", "Deliveries done with: delivered, refused, given_up, dropped.", ["channel", "outcome"]
)
_SILENT = prometheus_client.Counter("qingyu_notifier_not_sent", "What was not said, by reason.", ["reason"])
_OUTSTANDING = prometheus_client.Gauge("qingyu_notifier_outstanding", "Deliveries that wait for their channel.")


class Figures:
    """What the notifier has done; `outstanding` is asked for when it is told."""

    def __init__(self, outstanding: Callable[[], int]) -> None:
        self._outstanding = outstanding
        self._counts: Counter[str] = Counter()
        _OUTSTANDING.set_function(outstanding)
        for channel in CHANNELS:
            # Told as 0 from the beginning: where a count appears with its first failure, no rate shows that failure.
            for result in ("delivered", *Trouble):
                _ANSWERS.labels(channel, str(result))
            for outcome in ("delivered", "refused", "given_up", "dropped"):
                _DELIVERIES.labels(channel, outcome)

    def counts(self) -> Mapping[str, int]:
        """Return what a heartbeat tells of it."""
        return {**self._counts, "outstanding": self._outstanding()}

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
