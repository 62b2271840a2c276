"""The sink's process: the sink itself, its health server, and a clean end on SIGTERM and SIGINT."""

import asyncio
import signal

import structlog

from schemas.settings import Settings
from services.health import HealthServer
from services.sink.sink import Sink
from streams.stores.opening import open_store

_log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Run the sink until it is told to stop (SIGINT, SIGTERM)."""
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    store = open_store(settings)
    sink = Sink(settings, store)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, sink.stop)
    with HealthServer(settings.host, settings.metrics_port, sink.state) as health:
        _log.info(
            "sink started",
            store=settings.influx if settings.store == "influx" else str(settings.store_path),
            metrics_port=health.port,
        )
        try:
            await sink.run()
        finally:
            store.close()
