"""Serving runs one process until it is told to stop: its logs are set up, then its role's own `serve` has the word."""

import logging
import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, NoReturn, Protocol

import structlog
import typer

from schemas.settings import Settings
from services.command.output import FOUND
from services.health import HealthServer
from services.memory import give_back_regularly


class Role(StrEnum):
    """What a process does."""

    GATEWAY = "gateway"
    API = "api"
    WORKER = "worker"
    TERRITORY = "territory"
    SINK = "sink"
    NOTIFIER = "notifier"
    TICKER = "ticker"


def serve(role: Annotated[Role, typer.Argument(help="What the process does.", show_default=False)]) -> None:
    """Run one process until SIGINT or SIGTERM. All settings are environment variables QINGYU_*."""
    settings = Settings()
    set_up_logs()
    # What a role does not catch itself, and what an HTTP server passes on when it has stopped, is a clean end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    give_back_regularly()
    try:
        _serve_of(role)(settings)
    except SystemExit as error:
        raise typer.Exit(FOUND if error.code else 0) from error


def _end(*_: object) -> None:
    raise SystemExit(0)


def set_up_logs(level: int = logging.INFO) -> None:
    """Send the logs of this process to standard error: a line of JSON each, or readable ones at a terminal."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s %(message)s")
    for noisy in ("aiokafka", "faust", "mode", "kafka", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    renderer = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _serve_of(role: Role) -> Callable[[Settings], None]:
    # Imported when needed: a process loads what its own role uses and nothing of the others.
    if role is Role.GATEWAY:
        from services.gateway.app import serve as found
    elif role is Role.API:
        from services.api.app import serve as found
    elif role is Role.WORKER:
        from streams.agents.worker import EnterpriseWorker

        return _with_health(EnterpriseWorker)
    elif role is Role.TERRITORY:
        from streams.agents.territory import TerritoryWorker

        return _with_health(TerritoryWorker)
    elif role is Role.SINK:
        from services.sink.main import serve as found
    elif role is Role.NOTIFIER:
        from services.notifier.main import serve as found
    else:
        from services.ticker.ticker import serve as found
    return found


class _Worker(Protocol):
    """A worker of Faust: agents know nothing of services, so health over HTTP is put around them here."""

    def ready(self) -> tuple[bool, dict[str, Any]]: ...

    def run(self) -> NoReturn: ...


def _with_health(make: Callable[[Settings], _Worker]) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        worker = make(settings)
        with HealthServer(settings.host, settings.metrics_port, worker.ready):
            worker.run()

    return run
