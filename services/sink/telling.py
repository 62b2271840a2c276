"""Telling is how others learn what the sink does: metrics for Prometheus, and the counts of its heartbeats."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from services.sink.progress import Progress
from services.sink.step import Step

_RECORDS = Counter("qingyu_sink_records", "Records written to the series store.", ["topic"])
_UNREADABLE = Counter("qingyu_sink_unreadable", "Records that could not be read and were passed over.", ["topic"])
_POINTS = Counter("qingyu_sink_points", "Points written to the series store.")
_REFUSALS = Counter("qingyu_sink_store_refusals", "Times that the series store refused, by code.", ["code"])
_LAG = Gauge("qingyu_sink_lag_offsets", "Offsets between what is written and the end.", ["topic", "partition"])
_STALLED = Gauge("qingyu_sink_stalled", "1: there is something to read and nothing moves.", ["topic", "partition"])


class Figures:
    """What the sink has done."""

    def __init__(self, progress: Progress) -> None:
        self._records = self._points = self._unreadable = 0
        for one in progress.partitions:
            # Asked for when they are read, so that they are true while the sink waits for the store too.
            labels = one.topic, str(one.partition)
            _LAG.labels(*labels).set_function(lambda one=one: progress.partitions[one].lag)
            _STALLED.labels(*labels).set_function(lambda one=one: progress.is_stalled(one))

    def counts(self) -> Mapping[str, int]:
        """Return what a heartbeat tells of it."""
        return {"records": self._records, "points": self._points, "unreadable": self._unreadable}

    def wrote(self, topics: dict[str, int], step: Step) -> None:
        """Count a step that is written: its records by topic, its points, what was passed over."""
        for topic, count in topics.items():
            _RECORDS.labels(topic).inc(count)
            self._records += count
        _POINTS.inc(len(step.points))
        self._points += len(step.points)
        for record, _ in step.unreadable:
            _UNREADABLE.labels(record.topic).inc()
        self._unreadable += len(step.unreadable)

    def refused(self, code: str) -> None:
        """Count a refusal of the store."""
        _REFUSALS.labels(code).inc()
