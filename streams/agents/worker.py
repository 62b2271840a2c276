"""The worker is the process that runs the enterprise agent: readings and ticks in, totals and alarms out."""

import asyncio
import gc
import logging
import os
import time
from typing import Any, NoReturn

import faust
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from schemas.messages import VERSION, Heartbeat, encode
from schemas.settings import Settings
from schemas.topics import ENGINE, READINGS
from streams.agents.step import Steps
from streams.agents.stopping import die
from streams.agents.transport import Transport
from streams.stores.registry_topic import RegistryFollower

HEARTBEAT_S = 5.0
# A partition with lag that has not moved for this long is stalled; a rebalance or a broker's restart is shorter.
STALLED_S = 45.0
GC_ALLOCATIONS = 100_000

_log = structlog.get_logger(__name__)
_LAG = Gauge("qingyu_worker_lag_messages", "Messages between the committed and the end offset.", ["partition"])
_READINGS = Gauge("qingyu_worker_readings", "Readings taken in by this process.", ["partition"])
_REJECTED = Gauge("qingyu_worker_rejected", "Inputs set aside by this process.", ["partition"])
_STEP = Gauge("qingyu_worker_step_seconds", "Mean duration of a step.", ["partition"])
_WATERMARK = Gauge("qingyu_worker_watermark_seconds", "The highest tick seen, as epoch seconds.", ["partition"])
_WAITING = Gauge("qingyu_worker_recomputing", "Pieces of recomputation queued after a change.", ["partition"])


def faust_app(settings: Settings, role: str) -> faust.App:
    """Return the Faust application of a role, which gives assignment and stream and nothing else."""
    folder = settings.data / "faust" / role
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.group(role),
        broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
        datadir=str(folder),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=4 * settings.step_messages,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(1.0, settings.session_timeout_s / 4),
        broker_request_timeout=max(90.0, settings.session_timeout_s),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    # Faust's attribute takes any transport, its type says only its own.
    app.transport = Transport(app.conf.broker_consumer, app)  # pyright: ignore[reportAttributeAccessIssue]
    return app


def quiet() -> None:
    """Keep the libraries' loggers to what an operator must read; debug records cost a fifth of the CPU."""
    for name in ("faust", "mode", "aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.ERROR)


class EnterpriseWorker:
    """One worker process; make one, hand `ready` to a health server, then `run()`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance or f"worker-{os.getpid()}"
        self._steps: Steps | None = None
        self._follower = RegistryFollower(settings)
        self._ends: dict[int, int] = {}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether the worker keeps up, and by partition the figures that show it.

        A partition with lag that does not move is stalled; one without lag is idle, however long nothing came.
        """
        steps = self._steps
        owned = dict(steps.partitions) if steps is not None else {}
        partitions: dict[str, Any] = {}
        stalled = False
        for number, each in sorted(owned.items()):
            end = self._ends.get(number)
            lag = None if end is None else max(0, end - each.cursor.readings)
            quiet_s = time.monotonic() - each.progress.moved_at
            state = "opening" if not each.is_open else "idle" if not lag else "moving"
            if lag and quiet_s > STALLED_S:
                state, stalled = "stalled", True
            partitions[str(number)] = {
                "state": state, "committed": each.cursor.readings, "end": end, "lag": lag,
                "still_s": round(quiet_s, 1), "recomputing": each.waiting,
            }  # fmt: skip
        opened = all(each.is_open for each in owned.values())
        details = {"registry": self._follower.version, "partitions": partitions}
        return self._follower.loaded and steps is not None and opened and not stalled, details

    def run(self) -> NoReturn:
        """Run until the process is told to stop; it ends the process."""
        settings = self._settings
        quiet()
        # Hours and documents are many small lists without cycles; looking for cycles in them was a tenth of the CPU.
        gc.set_threshold(GC_ALLOCATIONS, 20, 100)
        app = faust_app(settings, "worker")
        topic = app.topic(
            settings.topic(READINGS), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        steps = self._steps = Steps(app, settings, self._follower)

        started = asyncio.Event()

        @app.agent(topic, name="enterprise", concurrency=1)
        async def enterprise(stream: Any) -> None:
            while not await self._follower.start(30.0):
                _log.warning("waiting for the registry topic")
            started.set()
            await steps.take(stream)

        async def run() -> None:
            await started.wait()
            await steps.run()

        app.task(self._watched(run))
        app.task(self._watched(steps.read_reports))
        app.task(self._watched(self._beat))
        worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, logging_config=None)
        worker.execute_from_commandline()
        raise SystemExit(0)

    def _watched(self, run: Any) -> Any:
        async def task() -> None:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 -- a side task that is gone would go unnoticed
                die(f"{run.__name__} failed: {type(error).__name__}: {error}")

        task.__name__ = run.__name__
        return task

    async def _beat(self) -> None:
        """Tell topic `engine` and the metrics how the worker is, for ever."""
        settings = self._settings
        topic = settings.topic(READINGS)
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
        started = False
        while True:
            try:
                async with asyncio.timeout(2 * HEARTBEAT_S):
                    if not started:
                        await producer.start()
                        await consumer.start()
                        started = True
                    tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
                    self._ends = {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}
                    beat = self._heartbeat()
                    await producer.send_and_wait(settings.topic(ENGINE), encode(beat), self._name.encode(), partition=0)
            except (TimeoutError, KafkaError, OSError) as error:
                _log.warning("no heartbeat", error=str(error) or type(error).__name__)
            await asyncio.sleep(HEARTBEAT_S)

    def _heartbeat(self) -> Heartbeat:
        steps = self._steps
        owned = list(steps.partitions.values()) if steps is not None else []
        total_lag = 0
        for each in owned:
            label = str(each.number)
            lag = max(0, self._ends.get(each.number, 0) - each.cursor.readings)
            total_lag += lag
            _LAG.labels(label).set(lag)
            _READINGS.labels(label).set(each.progress.readings)
            _REJECTED.labels(label).set(each.progress.rejected)
            _STEP.labels(label).set(each.progress.step_s)
            _WATERMARK.labels(label).set(each.cursor.tick_ms / 1000)
            _WAITING.labels(label).set(each.waiting)
        ticks = [each.cursor.tick_ms for each in owned if each.cursor.tick_ms]
        return Heartbeat(
            v=VERSION,
            process=self._name,
            version="0.1.0",
            at=int(time.time() * 1000),
            watermark=min(ticks, default=None),
            lag=total_lag,
            step_s=max((each.progress.step_s for each in owned), default=None),
            counts={
                "readings": sum(each.progress.readings for each in owned),
                "rejected": sum(each.progress.rejected for each in owned),
                "partitions": len(owned),
                "repeated": sum(each.progress.repeated for each in owned),
                "stale": steps.stale if steps is not None else 0,
            },
        )


def serve(settings: Settings) -> NoReturn:
    """Run a worker process without a health server; the command adds one."""
    EnterpriseWorker(settings).run()
