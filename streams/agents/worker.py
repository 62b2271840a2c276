"""The worker is the process that runs the enterprise agent: readings and ticks in, totals and alarms out."""

import asyncio
import gc
import os
import time
from typing import Any, NoReturn

import faust
import structlog
from prometheus_client import Gauge

from schemas.messages import Heartbeat
from schemas.settings import Settings
from schemas.topics import READINGS
from streams.agents.application import faust_app, quiet
from streams.agents.heartbeat import STALLED_S, Heart, heartbeat
from streams.agents.step import Steps
from streams.agents.stopping import watched
from streams.stores.registry_topic import RegistryFollower

GC_ALLOCATIONS = 100_000

_log = structlog.get_logger(__name__)
_LAG = Gauge("qingyu_worker_lag_messages", "Messages between the committed and the end offset.", ["partition"])
_READINGS = Gauge("qingyu_worker_readings", "Readings taken in by this process.", ["partition"])
_REJECTED = Gauge("qingyu_worker_rejected", "Inputs set aside by this process.", ["partition"])
_STEP = Gauge("qingyu_worker_step_seconds", "Mean duration of a step.", ["partition"])
_WATERMARK = Gauge("qingyu_worker_watermark_seconds", "The highest tick seen, as epoch seconds.", ["partition"])
_WAITING = Gauge("qingyu_worker_recomputing", "Pieces of recomputation queued after a change.", ["partition"])


class EnterpriseWorker:
    """One worker process; make one, hand `ready` to a health server, then `run()`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance or f"worker-{os.getpid()}"
        self._steps: Steps | None = None
        self._follower = RegistryFollower(settings)
        self._heart = Heart(settings, READINGS, self._name, self._heartbeat)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether the worker keeps up, and by partition the figures that show it.

        A partition with lag that does not move is stalled; one without lag is idle, however long nothing came.
        """
        steps = self._steps
        owned = dict(steps.partitions) if steps is not None else {}
        partitions: dict[str, Any] = {}
        stalled = False
        for number, each in sorted(owned.items()):
            end = self._heart.ends.get(number)
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

        app.task(watched(run, "steps"))
        app.task(watched(steps.read_reports, "read_reports"))
        app.task(watched(self._heart.beat, "beat"))
        worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, logging_config=None)
        worker.execute_from_commandline()
        raise SystemExit(0)

    def _heartbeat(self) -> Heartbeat:
        steps = self._steps
        owned = list(steps.partitions.values()) if steps is not None else []
        total_lag = 0
        for each in owned:
            label = str(each.number)
            lag = max(0, self._heart.ends.get(each.number, 0) - each.cursor.readings)
            total_lag += lag
            _LAG.labels(label).set(lag)
            _READINGS.labels(label).set(each.progress.readings)
            _REJECTED.labels(label).set(each.progress.rejected)
            _STEP.labels(label).set(each.progress.step_s)
            _WATERMARK.labels(label).set(each.cursor.tick_ms / 1000)
            _WAITING.labels(label).set(each.waiting)
        ticks = [each.cursor.tick_ms for each in owned if each.cursor.tick_ms]
        return heartbeat(
            self._name,
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
