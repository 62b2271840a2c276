"""A tick says through the topic what time it is, so that a replay sees time pass as the live run did.

Every partition of `readings` gets one each `tick_s` of wall time. Repeats and late ones are harmless: a worker takes
the highest it has seen.
"""

import asyncio
import signal
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from schemas.messages import VERSION, Heartbeat, Readings, encode
from schemas.settings import Settings
from schemas.topics import ENGINE, READINGS
from services.clock import Clock
from services.health import HealthServer
from services.outbox import Message, NotAcknowledgedError, Outbox
from streams.stores.registry_topic import RegistryFollower

# How often a ticker that cannot tick yet looks again [s].
RETRY_S = 0.2
# After so many missed ticks the ticker is not ready.
MISSED = 3

TICKS = Counter("qingyu_ticker_ticks", "Rounds of ticks by what became of them.", ["outcome"])
LAST_TICK = Gauge("qingyu_ticker_last_tick_seconds", "Time of the last acknowledged tick [epoch s].")

_log = structlog.get_logger(__name__)


class Ticker:
    """Writes ticks until it is stopped; while Kafka is away it goes on trying."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._process = settings.instance or "ticker"
        self._version = _own_version()
        self._follower = RegistryFollower(settings)
        self._outbox = Outbox(settings, "ticker", (READINGS, ENGINE))
        self._count = 0
        self._last_s = float("-inf")

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether ticks are being acknowledged, and the figures behind it."""
        late_s = time.monotonic() - self._last_s
        state = {**self._follower.state(), **self._outbox.state(), "ticks": self._count}
        return late_s < MISSED * self._settings.tick_s + self._settings.ack_timeout_s, state

    async def run(self, stop: asyncio.Event) -> None:
        """Write ticks until `stop` is set."""
        await self._follower.start(limit_s=0)
        self._outbox.start()
        next_s = time.monotonic()
        try:
            while not stop.is_set():
                if self._follower.loaded and self._outbox.ready:
                    await self._tick()
                    # Ticks that were missed are not made up for: one tells all the time that passed.
                    next_s = max(next_s + self._settings.tick_s, time.monotonic())
                else:
                    next_s = time.monotonic() + RETRY_S
                await _wait(stop, next_s - time.monotonic())
        finally:
            await self._outbox.stop()
            await self._follower.stop()

    async def _tick(self) -> None:
        now_ms = self._clock.now_ms()
        tick = encode(Readings(VERSION, self._follower.version, tick=now_ms))
        heartbeat = Heartbeat(VERSION, self._process, self._version, now_ms, now_ms, counts={"ticks": self._count + 1})
        messages = [Message(READINGS, partition, None, tick) for partition in range(self._settings.partitions)]
        messages.append(Message(ENGINE, 0, self._process.encode(), encode(heartbeat)))
        try:
            await self._outbox.send(messages)
        except NotAcknowledgedError as error:
            TICKS.labels("lost").inc()
            _log.warning("tick not acknowledged", error=str(error))
            return
        self._count += 1
        self._last_s = time.monotonic()
        TICKS.labels("acknowledged").inc()
        LAST_TICK.set(now_ms / 1000)


def serve(settings: Settings) -> None:
    """Run the ticker until SIGTERM or SIGINT, with health on the metrics port."""
    ticker = Ticker(settings, Clock.parse(settings.clock))
    with HealthServer(settings.host, settings.metrics_port, ticker.ready) as health:
        _log.info("ticker started", tick_s=settings.tick_s, health_port=health.port)
        asyncio.run(_until_told(ticker))


async def _until_told(ticker: Ticker) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ticker.run(stop)


async def _wait(stop: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, limit_s)):
            await stop.wait()
    except TimeoutError:
        return


def _own_version() -> str:
    try:
        return version("qingyu")
    except PackageNotFoundError:
        return "0"
