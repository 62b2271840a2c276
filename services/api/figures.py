"""Figures are what the api counts for Prometheus: its answers, by route and status."""

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("qingyu_api_requests", "Requests by route and status.", ["route", "status"])


class Counting:
    """Counts the answers of an application; a path that is no route counts as `other`, so labels stay few."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; count how it was answered."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Routing has put it into the scope by the time of an answer.
                route = getattr(scope.get("route"), "path", "other")
                REQUESTS.labels(route, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)
