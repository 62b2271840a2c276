"""The api's application: its routes put together with the registry it follows, the store it reads and its clock."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPBearer

from schemas.settings import Settings
from services import health
from services.api import alarms, deliveries, entities, figures, listings, registry, series
from services.api.desk import Desk
from services.api.registry_writer import RegistryWriter
from services.clock import Clock
from services.console import mounting as board
from services.http import openapi_page, problem
from services.http.bodies import Bodies
from services.http.connection import NOT_STARTED, server_config
from services.http.problem import Problem, unavailable
from services.http.streaming import StreamingServer
from streams.stores.opening import open_store
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError
from streams.stores.series import CursorError, Store, StoreError

# An open request may be a large set; after this it is cut off, and Kafka has the set whole or not at all.
STOP_LIMIT_S = 20
DESCRIPTION = """Registry, series, alarms and what became of inputs.

Send `Authorization: Bearer TOKEN`. An operator sees everything, a viewer a territory and its members, an enterprise its
own data; the key of a source sends readings and cannot read. Errors are problems (RFC 9457) with a stable `code`."""


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes work with."""

    settings: Settings
    clock: Clock
    follower: RegistryFollower
    writer: RegistryWriter
    store: Store
    desk: Desk


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it follows the registry while it runs and answers 503 until it was read once."""
    clock = Clock.parse(settings.clock)
    follower = RegistryFollower(settings)
    # Who wrote when is told in real time, also where the numbers live on a clock of their own.
    writer, store = RegistryWriter(settings, follower, Clock().now_ms), open_store(settings)
    api = Api(settings, clock, follower, writer, store, Desk(settings, store))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await follower.start(limit_s=0)
        await api.desk.start()
        try:
            yield
        finally:
            feeds.close()
            await api.desk.stop()
            await api.writer.stop()
            await follower.stop()
            api.store.close()

    def ready() -> tuple[bool, dict[str, Any]]:
        return follower.ready, follower.state()

    app = FastAPI(
        title="Qingyu 晴雨", description=DESCRIPTION, version="1", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.api = api
    problem.install(app)
    openapi_page.install(app)
    _install_store_errors(app)
    # Only for the OpenAPI page: who is calling is found out by each route's reader.
    key = [Depends(HTTPBearer(auto_error=False))]
    routers = (registry.router, series.router, entities.router, alarms.router, listings.router, deliveries.router)
    for router in routers:
        app.include_router(router, dependencies=key, responses=problem.ANSWERS)
    app.include_router(health.router(ready))
    feeds = board.install(app)
    app.add_middleware(Bodies, limits={"/v1/registry": registry.SET_LIMIT_BYTES})
    app.add_middleware(figures.Counting)
    return app


def serve(settings: Settings) -> None:
    """Run the api until it is told to stop (SIGINT, SIGTERM)."""
    app = create_app(settings)
    config = server_config(
        app,
        connections=settings.connections,
        host=settings.host,
        port=settings.api_port,
        timeout_graceful_shutdown=STOP_LIMIT_S,
    )
    server = StreamingServer(config, app.state.feeds.close)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(NOT_STARTED)


def _install_store_errors(app: FastAPI) -> None:
    async def on_store(_: Request, error: Exception) -> Response:
        assert isinstance(error, StoreError)
        return Problem(503, error.code, f"the series store: {error}", {"Retry-After": "2"}).response()

    async def on_cursor(_: Request, error: Exception) -> Response:
        return Problem(422, "bad_cursor", str(error)).response()

    async def on_registry(_: Request, error: Exception) -> Response:
        return unavailable(str(error)).response()

    app.add_exception_handler(StoreError, on_store)
    app.add_exception_handler(CursorError, on_cursor)
    app.add_exception_handler(RegistryUnavailableError, on_registry)
