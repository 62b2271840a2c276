"""A connection is what a caller holds open: it has its time for a request's head, and there are only so many at once.

The server alone would wait for a head for ever, keep what nobody takes for ever, stop listening when files run out,
and answer what is no HTTP with plain text. Whoever has kept us waiting longest goes first when connections run out.
"""

import asyncio
import resource
import sys
from typing import Any, ClassVar

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from services.http.problem import Problem, too_busy

# A request's head must be whole so long [s] after the connection was made, or after the answer before it.
HEAD_LIMIT_S = 10.0
# An answer that was not taken after this [s] is thrown away.
TAKE_LIMIT_S = 300.0
# Files of a process that are no connections: Kafka's, the store's, logs.
OTHER_FILES = 256
# The exit status of a server whose port is taken.
NOT_STARTED = 3


class Held:
    """The connections of a server, at most `most`; of those it waits for, the one that waits longest comes first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.all: set[Connection] = set()
        self._waited_for: dict[Connection, None] = {}

    def add(self, connection: "Connection") -> bool:
        """Take a connection in, for which another one goes when there are too many; False when none can go."""
        if len(self.all) >= self.most:
            longest = next(iter(self._waited_for), None)
            if longest is None:
                return False
            self.remove(longest)
            longest.abort()
        self.all.add(connection)
        return True

    def remove(self, connection: "Connection") -> None:
        """Forget a connection."""
        self.all.discard(connection)
        self._waited_for.pop(connection, None)

    def waits_for(self, connection: "Connection", *, yes: bool) -> None:
        """Note whether a connection owes us something: a head, or the rest of a body."""
        if not yes:
            self._waited_for.pop(connection, None)
        elif connection in self.all:
            self._waited_for.setdefault(connection)


class Connection(H11Protocol):
    """A connection with its limits; `held` are those of its server."""

    held: ClassVar[Held]
    _timer: asyncio.TimerHandle | None = None
    _since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request; turn it away where no connection can go for it."""
        super().connection_made(transport)
        if self.held.add(self):
            self._place()
        else:
            self._refuse(too_busy(f"{self.held.most} connections are open and being answered"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_timer()
        self.held.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        super().data_received(data)
        self._place()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._place()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem."""
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
            self._refuse(Problem(431, "headers_too_large", "the request's head is too large: send fewer headers"))
        else:
            self._refuse(Problem(400, "bad_request", f"this is no HTTP request: {error}"))

    def abort(self) -> None:
        """End it at once; what was not taken yet is lost."""
        self._stop_timer()
        self.transport.abort()

    def _place(self) -> None:
        """Note who is to do the next thing: we answer, or the caller owes us a head or the rest of a body."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._stop_timer()
        elif self._timer is None:
            self._since_s = self.loop.time()
            self._timer = self.loop.call_later(HEAD_LIMIT_S, self._too_slow)
        self.held.waits_for(self, yes=not answering or self.cycle.more_body)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        waited_s = self.loop.time() - self._since_s
        if self.transport.get_write_buffer_size() and waited_s < TAKE_LIMIT_S:
            self._timer = self.loop.call_later(HEAD_LIMIT_S, self._too_slow)
        elif self.transport.get_write_buffer_size() or self.transport.is_closing():
            self.transport.abort()
        elif self.conn.trailing_data[0]:
            self._refuse(Problem(408, "timeout", f"the request's head was not whole within {HEAD_LIMIT_S:.0f} s"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without asking the application, and close; what it is answering meanwhile goes nowhere."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem.response()
            head = h11.Response(
                status_code=problem.status,
                headers=[*answer.raw_headers, (b"connection", b"close")],
                reason=STATUS_PHRASES[problem.status],
            )
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def server_config(app: ASGIApp, *, connections: int, **options: Any) -> uvicorn.Config:
    """Return how to serve an application over at most so many connections, fewer where files are short."""
    most = min(connections, max(1, _files() - OTHER_FILES))
    http = type("Connection", (Connection,), {"held": Held(most)})
    return uvicorn.Config(app, http=http, access_log=False, log_config=None, **options)


def _files() -> int:
    """Return how many files this process may open, after asking for as many as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
