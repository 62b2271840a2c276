"""The territory worker is the process that adds enterprises up: their totals in, those of territories and alarms out.

One process of a shard reads all of topic `totals`; a second one would leave each with a part, and then neither works.
"""

import asyncio
import os
import time
from typing import Any, NoReturn

import structlog
from prometheus_client import Gauge

from schemas.messages import Heartbeat
from schemas.settings import Settings
from schemas.topics import TOTALS
from streams.agents.application import faust_app, quiet, run_to_end
from streams.agents.heartbeat import Heart, heartbeat
from streams.agents.movement import STALLED_S, Movement, Movements, why_stalled
from streams.agents.preflight import Preflight
from streams.agents.rounds import Rounds
from streams.agents.stopping import watched
from streams.agents.totals_transport import TotalsTransport
from streams.stores.registry_topic import RegistryFollower

_log = structlog.get_logger(__name__)
_LAG = Gauge("qingyu_territory_lag_messages", "Messages between what was read and the end offsets.")
_STALLED = Gauge("qingyu_territory_stalled", "1 where something waits and nothing moves, else 0.")
_ROUND = Gauge("qingyu_territory_round_seconds", "Mean duration of a round.")
_WRITTEN = Gauge("qingyu_territory_records", "Documents, conditions and events written by this process.")
_WAITING = Gauge("qingyu_territory_recomputing", "Months and years that wait to be added up.")


class TerritoryWorker:
    """One territory process; make one, hand `ready` to a health server, then `run()`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance or f"territory-{os.getpid()}"
        self._rounds: Rounds | None = None
        self._follower = RegistryFollower(settings)
        self._heart = Heart(settings, TOTALS, self._name, self._figures)
        self._movement = Movements()
        self._preflight = Preflight(settings)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether the territories are brought up to date, and if not, why."""
        if self._preflight.reason:
            return False, {"reason": self._preflight.reason}
        rounds = self._rounds
        details: dict[str, Any] = {"registry": self._follower.version}
        if rounds is None or not self._follower.loaded:
            return False, {**details, "reason": "the registry is being read"}
        still_s = time.monotonic() - rounds.done_at
        movements = self._movements()
        details |= {
            "owned": rounds.owned, "lag": sum(each.lag for each in movements.values()),
            "recomputing": rounds.queued, "rounds": rounds.made, "still_s": round(still_s, 1),
            "partitions": {str(number): each.figures() for number, each in movements.items()},
        }  # fmt: skip
        if not self._follower.ready:
            return False, {**details, "reason": f"Kafka at {self._settings.kafka} does not answer"}
        if rounds.owned != self._settings.partitions:
            reason = f"{rounds.owned} of {self._settings.partitions} partitions of totals are this process's own"
            return False, {**details, "reason": reason + "; all are needed: one process a shard"}
        if reason := why_stalled(movements, self._settings.topic(TOTALS)):
            return False, {**details, "reason": reason}
        if not rounds.rebuilt:
            return False, {**details, "reason": "the documents are being read"}
        if still_s > STALLED_S:
            return False, {**details, "reason": f"no round has ended for {still_s:.0f} s"}
        return True, details

    def run(self) -> NoReturn:
        """Run until the process is told to stop; it ends the process.

        It waits for Kafka. Where a topic is missing or has another number of partitions the process ends with 1.
        """
        settings = self._settings
        self._preflight.pass_or_end()
        quiet()
        app = faust_app(settings, "territory")
        # Faust's attribute takes any transport, its type says only its own.
        app.transport = TotalsTransport(app.conf.broker_consumer, app)  # pyright: ignore[reportAttributeAccessIssue]
        topic = app.topic(
            settings.topic(TOTALS), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        rounds = self._rounds = Rounds(app, settings, self._follower)
        started = asyncio.Event()

        @app.agent(topic, name="territory", concurrency=1)
        async def territory(stream: Any) -> None:
            while not await self._follower.start(30.0):
                _log.warning("waiting for the registry topic")
            started.set()
            await rounds.take(stream)

        async def run() -> None:
            await started.wait()
            await rounds.run()

        for each, name in ((run, "rounds"), (rounds.read_reports, "read_reports"), (self._heart.beat, "beat")):
            app.task(watched(each, name))
        run_to_end(app)

    def _movements(self) -> dict[int, Movement]:
        rounds = self._rounds
        return self._movement.see(rounds.reached() if rounds is not None else {}, self._heart.ends)

    def _figures(self) -> Heartbeat:
        rounds = self._rounds
        assert rounds is not None
        movements = self._movements()
        lag = sum(each.lag for each in movements.values())
        still = time.monotonic() - rounds.done_at > STALLED_S
        _LAG.set(lag)
        _STALLED.set(still or any(each.state == "stalled" for each in movements.values()))
        _ROUND.set(rounds.round_s)
        _WRITTEN.set(rounds.documents)
        _WAITING.set(rounds.queued)
        counts = {
            "rounds": rounds.made,
            "records": rounds.documents,
            "recomputing": rounds.queued,
            "partitions": rounds.owned,
        }
        return heartbeat(self._name, watermark=None, lag=lag, step_s=rounds.round_s, counts=counts)
