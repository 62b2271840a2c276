"""A running api for tests: the application on a free port, in a thread of the test process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from schemas.settings import Settings
from services.api.app import create_app
from services.http.connection import server_config
from services.http.streaming import StreamingServer
from streams.stores.embedded import EmbeddedStore

OPERATOR = "operator-token-of-this-test"
LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class RunningApi:
    """An api and a client that shows its operator token."""

    settings: Settings
    url: str
    client: httpx.Client
    store: EmbeddedStore
    app: FastAPI

    def get(self, path: str, token: str = OPERATOR, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query, headers={"Authorization": f"Bearer {token}"})

    def put(self, documents: list[dict[str, Any]], base: int | None = None, **query: Any) -> httpx.Response:
        """Send a set; without a base, one made from the present version."""
        base = self.version() if base is None else base
        return self.client.post("/v1/registry", json={"base": base, "documents": documents}, params=query)

    def version(self) -> int:
        return self.client.get("/v1/registry/enterprise").json()["version"]


def api_settings(bootstrap: str, prefix: str, data: Path, **changed: Any) -> Settings:
    """Return settings for processes of one test."""
    return Settings(
        kafka=bootstrap, topic_prefix=prefix, partitions=2, data=data, operator_token=SecretStr(OPERATOR), **changed
    )


@contextmanager
def running_api(settings: Settings, port: int = 0) -> Iterator[RunningApi]:
    """Run the api on a port (0: any) until the end of the `with`; begins when it is ready."""
    app = create_app(settings)
    config = server_config(
        app, connections=settings.connections, host="127.0.0.1", port=port, timeout_graceful_shutdown=5
    )
    server = StreamingServer(config, app.state.feeds.close)
    thread = threading.Thread(target=server.run, name="api")
    thread.start()
    try:
        deadline = time.monotonic() + LIMIT_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the api did not start"
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        with httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S) as client:
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline, client.get("/readyz").text
                time.sleep(0.02)
            yield RunningApi(settings, url, client, EmbeddedStore(settings.store_path), app)
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
        assert not thread.is_alive(), "the api did not stop"
