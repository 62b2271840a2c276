"""Telling is how others learn what the sink does: metrics for Prometheus and a heartbeat in topic `engine`."""

import asyncio
import time
from contextlib import suppress
from importlib.metadata import version

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from schemas.messages import VERSION, Heartbeat, encode
from schemas.settings import Settings
from schemas.topics import ENGINE
from services.sink.progress import Progress
from services.sink.step import Step

HEARTBEAT_S = 5.0

_RECORDS = Counter("qingyu_sink_records", "Records written to the series store.", ["topic"])
_UNREADABLE = Counter("qingyu_sink_unreadable", "Records that could not be read and were passed over.", ["topic"])
_POINTS = Counter("qingyu_sink_points", "Points written to the series store.")
_REFUSALS = Counter("qingyu_sink_store_refusals", "Times that the series store refused, by code.", ["code"])
_LAG = Gauge("qingyu_sink_lag_offsets", "Offsets between what is written and the end.", ["topic", "partition"])
_STALLED = Gauge("qingyu_sink_stalled", "1: there is something to read and nothing moves.", ["topic", "partition"])

_log = structlog.get_logger(__name__)


class Figures:
    """What the sink has done, told in metrics at once and in a heartbeat every HEARTBEAT_S seconds."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._process = settings.instance or "sink"
        self._records = self._points = self._unreadable = 0
        for one in progress.partitions:
            # Asked for when they are read, so that they are true while the sink waits for the store too.
            labels = one.topic, str(one.partition)
            _LAG.labels(*labels).set_function(lambda one=one: progress.partitions[one].lag)
            _STALLED.labels(*labels).set_function(lambda one=one: progress.is_stalled(one))

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

    def heartbeat(self) -> Heartbeat:
        """Return what the sink says of itself now."""
        return Heartbeat(
            v=VERSION,
            process=self._process,
            version=version("qingyu"),
            at=time.time_ns() // 1_000_000,
            lag=self._progress.lag,
            counts={"records": self._records, "points": self._points, "unreadable": self._unreadable},
        )

    async def tell(self) -> None:
        """Send heartbeats for ever; a failure is logged and the next one tries again."""
        producer: AIOKafkaProducer | None = None
        try:
            while True:
                try:
                    async with asyncio.timeout(2 * HEARTBEAT_S):
                        if producer is None:
                            fresh = AIOKafkaProducer(bootstrap_servers=self._settings.kafka, enable_idempotence=True)
                            try:
                                await fresh.start()
                            except BaseException:
                                await fresh.stop()
                                raise
                            producer = fresh
                        await producer.send_and_wait(
                            self._settings.topic(ENGINE), encode(self.heartbeat()), self._process.encode(), partition=0
                        )
                except (KafkaError, TimeoutError, OSError) as error:
                    _log.warning("no heartbeat", error=repr(error))
                await asyncio.sleep(HEARTBEAT_S)
        finally:
            if producer is not None:
                with suppress(KafkaError, TimeoutError, OSError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await producer.stop()
