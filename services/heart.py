"""A heart tells topic `engine` every few seconds how a process is."""

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

import structlog

from schemas.messages import VERSION, Heartbeat, encode
from schemas.topics import ENGINE
from services.outbox import Message, NotAcknowledgedError, Outbox

HEARTBEAT_S = 5.0
CONNECTING_S = 0.5

_log = structlog.get_logger(__name__)


class Heart:
    """Beats for a process named `name`; its lag and counts are asked for at each beat."""

    def __init__(
        self, name: str, outbox: Outbox, lag: Callable[[], int | None], counts: Callable[[], Mapping[str, int]]
    ) -> None:
        self._name = name
        self._outbox = outbox
        self._lag = lag
        self._counts = counts

    def heartbeat(self) -> Heartbeat:
        """Return what the process says of itself now."""
        return Heartbeat(
            v=VERSION,
            process=self._name,
            version=version("qingyu"),
            at=time.time_ns() // 1_000_000,
            lag=self._lag(),
            counts=dict(self._counts()),
        )

    async def beat(self) -> None:
        """Beat for ever; a failure is logged and the next beat tries again."""
        while True:
            if not self._outbox.ready:
                # It says itself what it waits for.
                await asyncio.sleep(CONNECTING_S)
                continue
            try:
                await self._outbox.send([Message(ENGINE, 0, self._name.encode(), encode(self.heartbeat()))])
            except NotAcknowledgedError as error:
                _log.warning("no heartbeat", error=str(error))
            await asyncio.sleep(HEARTBEAT_S)
