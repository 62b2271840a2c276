"""The gateway's application: two paths to push to, health, and the errors of both in one form."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.settings import Settings
from schemas.topics import CORRECTIONS, READINGS, REJECTED, REPORTED
from services import health
from services.clock import Clock
from services.gateway import deciding, examples, figures
from services.gateway.gathering import Gathering
from services.gateway.holding import Holding
from services.gateway.intake import Intake
from services.gateway.receiving import Door, Receiving
from services.gateway.reported import ReportedReceiving
from services.http import openapi_page, problem
from services.http.bodies import CLOSE, LIMIT_S, Bodies
from services.http.connection import NOT_STARTED, server_config
from services.outbox import Outbox
from streams.stores.registry_topic import RegistryFollower

_SHUTDOWN_S = 15
_COUNTED = ("/v1/readings", "/v1/reported")


def create_app(settings: Settings) -> FastAPI:
    """Return the gateway; it connects to Kafka when it is started and is not ready until then.

    Raises ClockError when the clock of the settings cannot be read.
    """
    clock = Clock.parse(settings.clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        follower = RegistryFollower(settings)
        outbox = Outbox(settings, "gateway", (READINGS, REPORTED, REJECTED, CORRECTIONS))
        gathering = Gathering(settings, outbox)
        door = Door(settings, follower, clock)
        intake = Intake(settings.pushes, int(settings.pushes_mib * (1 << 20)))
        app.state.follower, app.state.outbox = follower, outbox
        app.state.door = door
        app.state.holding = holding = Holding(settings, outbox, gathering, clock)
        app.state.readings = Receiving(settings, door, intake, outbox, gathering, clock, holding)
        app.state.reported = ReportedReceiving(settings, door, intake, outbox, clock)
        await follower.start(limit_s=0)
        outbox.start()
        await holding.start()
        try:
            yield
        finally:
            await holding.stop()
            await gathering.stop()
            await outbox.stop()
            await follower.stop()

    app = FastAPI(
        title="Qingyu gateway",
        summary="Push meter readings and reported values.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    problem.install(app)
    openapi_page.install(app)

    def ready() -> tuple[bool, dict[str, Any]]:
        follower: RegistryFollower = app.state.follower
        outbox: Outbox = app.state.outbox
        return follower.ready and outbox.ready, {**follower.state(), **outbox.state()}

    # Only for the OpenAPI page: who is calling is found out by the door.
    key = [Depends(HTTPBearer(auto_error=False))]

    @app.post(_COUNTED[0], status_code=202, tags=["push"], dependencies=key, openapi_extra=examples.READINGS)
    async def readings(request: Request) -> JSONResponse:
        """Push a batch of readings in rows or in columns; 202 when Kafka has what was accepted."""
        return JSONResponse(await _limited(app.state.readings, request), 202)

    @app.post(_COUNTED[1], status_code=202, tags=["push"], dependencies=key, openapi_extra=examples.REPORTED)
    async def reported(request: Request) -> JSONResponse:
        """Push reported values; 202 when Kafka has what was accepted."""
        return JSONResponse(await _limited(app.state.reported, request), 202)

    app.include_router(deciding.router, responses=problem.ANSWERS)
    app.include_router(health.router(ready))
    # Pushes have limits of their own.
    app.add_middleware(Bodies, limits=dict.fromkeys(_COUNTED))
    app.add_middleware(_Counting)
    return app


def serve(settings: Settings) -> None:
    """Run the gateway until it is told to end; requests under way are answered first."""
    config = server_config(
        create_app(settings),
        connections=settings.connections,
        host=settings.host,
        port=settings.gateway_port,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(NOT_STARTED)


async def _limited(receiving: Receiving | ReportedReceiving, request: Request) -> dict[str, Any]:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await receiving.receive(request)
    except TimeoutError as error:
        detail = f"the request was not done within {LIMIT_S:.0f} s: send it again, nothing counts twice"
        raise problem.Problem(408, "timeout", detail, CLOSE) from error


class _Counting:
    """Counts the answers to pushes by status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] != "http" or path not in _COUNTED:
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                figures.REQUESTS.labels(path, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
