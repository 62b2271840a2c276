"""The worker is the process that runs the enterprise agent: readings and ticks in, totals and alarms out."""

import asyncio
import gc
import os
from typing import Any, NoReturn

import structlog
from prometheus_client import Gauge

from schemas.messages import Heartbeat
from schemas.settings import Settings
from schemas.topics import READINGS
from streams.agents.application import faust_app, quiet, run_to_end
from streams.agents.heartbeat import Heart, heartbeat
from streams.agents.movement import Movement, Movements, why_stalled
from streams.agents.preflight import Preflight
from streams.agents.step import Steps
from streams.agents.stopping import watched
from streams.stores.registry_topic import RegistryFollower

GC_ALLOCATIONS = 100_000

_log = structlog.get_logger(__name__)
_LAG = Gauge("qingyu_worker_lag_messages", "Messages between the committed and the end offset.", ["partition"])
_STALLED = Gauge("qingyu_worker_stalled", "1 where messages wait and nothing moves, else 0.", ["partition"])
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
        self._movement = Movements()
        self._preflight = Preflight(settings)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether the worker keeps up, and by partition the figures that show it.

        A partition with lag that does not move is stalled; one without lag is idle, however long nothing came.
        """
        if self._preflight.reason:
            return False, {"reason": self._preflight.reason}
        found = self._movements()
        owned = dict(self._steps.partitions) if self._steps is not None else {}
        details = {
            "registry": self._follower.version,
            "partitions": {
                str(number): {**each.figures(), "recomputing": owned[number].waiting if number in owned else 0}
                for number, each in found.items()
            },
        }
        opening = ", ".join(str(number) for number, each in found.items() if each.state == "opening")
        reason = ""
        if self._steps is None or not self._follower.loaded:
            reason = "the registry is being read"
        elif not self._follower.ready:
            reason = f"Kafka at {self._settings.kafka} does not answer"
        elif opening:
            reason = f"the state of partition {opening} is being read"
        reason = why_stalled(found, self._settings.topic(READINGS)) or reason
        return not reason, {**details, **({"reason": reason} if reason else {})}

    def _movements(self) -> dict[int, Movement]:
        owned = dict(self._steps.partitions) if self._steps is not None else {}
        reached = {number: each.cursor.readings if each.is_open else None for number, each in owned.items()}
        return self._movement.see(reached, self._heart.ends)

    def run(self) -> NoReturn:
        """Run until the process is told to stop; it ends the process.

        It waits for Kafka. Where a topic is missing or has another number of partitions the process ends with 1.
        """
        settings = self._settings
        self._preflight.pass_or_end()
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
        run_to_end(app)

    def _heartbeat(self) -> Heartbeat:
        steps = self._steps
        owned = list(steps.partitions.values()) if steps is not None else []
        movements = self._movements()
        total_lag = sum(each.lag for each in movements.values())
        # A partition that was given up must not go on showing its last figures.
        for gauge in (_LAG, _STALLED, _READINGS, _REJECTED, _STEP, _WATERMARK, _WAITING):
            gauge.clear()
        for number, each in movements.items():
            _LAG.labels(str(number)).set(each.lag)
            _STALLED.labels(str(number)).set(each.state == "stalled")
        for each in owned:
            label = str(each.number)
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
