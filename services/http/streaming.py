"""The server of an application that streams: told to stop, it lets the streams end before it waits for them.

Without that, an open stream would hold the process until its grace is over.
"""

import socket
from collections.abc import Callable

import uvicorn


class StreamingServer(uvicorn.Server):
    """A server that calls `closing` when it begins to shut down."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then shut down."""
        self._closing()
        await super().shutdown(sockets)
