"""Health is what a process says of itself: /healthz (it runs), /readyz (it can work), /metrics (for Prometheus).

A process with an HTTP server of its own adds `router`; any other starts a HealthServer, a small server in a thread.
"""

import http.server
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from fastapi import APIRouter

# Whether the process can work, and the figures behind it.
Ready = Callable[[], tuple[bool, dict[str, Any]]]

PATHS = ("/healthz", "/readyz", "/metrics")
_SOCKET_TIMEOUT_S = 10.0


def _answer(path: str, ready: Ready, registry: CollectorRegistry) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
    if path == "/healthz":
        return 200, "application/json", b'{"status":"alive"}'
    is_ready, details = ready()
    body = {"status": "ready" if is_ready else "not ready", **details}
    return (200 if is_ready else 503), "application/json", json.dumps(body, ensure_ascii=False, default=str).encode()


def router(ready: Ready, registry: CollectorRegistry = REGISTRY) -> "APIRouter":
    """Return the three paths as a router; they need no token. `ready` is called in the event loop and must not wait."""
    # Loading it takes longer than all the rest of a process that has a HealthServer only.
    from fastapi import APIRouter, Response

    routes = APIRouter(tags=["health"])

    def add(path: str) -> None:
        async def endpoint() -> Response:
            status, media_type, body = _answer(path, ready, registry)
            return Response(body, status, media_type=media_type)

        plain = {"text/plain": {}} if path == "/metrics" else {"application/json": {}}
        answers: dict[int | str, dict[str, Any]] = {200: {"content": plain}}
        if path == "/readyz":
            answers[503] = {"description": "It cannot work yet, and says why.", "content": plain}
        routes.add_api_route(path, endpoint, methods=["GET"], name=path[1:], response_class=Response, responses=answers)

    for path in PATHS:
        add(path)
    return routes


class HealthServer:
    """The three paths on a port of their own, served by a thread; `port` 0 takes any free one and reports it.

    `ready` is called in that thread. Raises OSError when the port is taken.
    """

    def __init__(self, host: str, port: int, ready: Ready, registry: CollectorRegistry = REGISTRY) -> None:
        self._server = http.server.ThreadingHTTPServer((host, port), _handler(ready, registry))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.server_address[1]

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_SOCKET_TIMEOUT_S)
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(ready: Ready, registry: CollectorRegistry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _SOCKET_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path not in PATHS:
                status, media_type, body = 404, "application/json", b'{"status":"not found"}'
            else:
                status, media_type, body = _answer(path, ready, registry)
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            # A line for each scrape would drown the log.
            return

    return Handler
