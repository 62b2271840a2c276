"""The notifier's process: the notifier itself, its health server, and a clean end on SIGTERM and SIGINT."""

import asyncio
import signal

import structlog

from schemas.settings import Settings
from services.health import HealthServer
from services.notifier.notifier import Notifier

_log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Run the notifier until it is told to stop (SIGINT, SIGTERM)."""
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    notifier = Notifier(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, notifier.stop)
    with HealthServer(settings.host, settings.metrics_port, notifier.state) as health:
        _log.info("notifier started", metrics_port=health.port, mail_server=settings.smtp_host or "none")
        await notifier.run()
