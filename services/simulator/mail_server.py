"""A mail server for demo and tests: it hands every mail to a handler of aiosmtpd, on a loop in a thread of its own."""

import asyncio
import threading
from typing import Any, Self

from aiosmtpd.smtp import SMTP

START_LIMIT_S = 30.0
MAX_MAIL_BYTES = 1 << 20


class MailServer:
    """Receives mails without TLS and login while it is entered; port 0 takes any free one.

    `handler` has the hooks of aiosmtpd (`handle_DATA` ..), called in the server's thread. Raises OSError for a port
    that is taken.
    """

    def __init__(self, handler: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        self._handler = handler
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail-server", daemon=True)
        self._server: asyncio.Server | None = None
        self.port = port

    def start(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(START_LIMIT_S)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Cut all connections and free the port."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(START_LIMIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_LIMIT_S)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._protocol, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=START_LIMIT_S)

    def _protocol(self) -> SMTP:
        return SMTP(self._handler, data_size_limit=MAX_MAIL_BYTES, loop=self._loop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
