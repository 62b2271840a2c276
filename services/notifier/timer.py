"""A timer tells real time and waits for it or for news, whichever comes first; a test has one that it moves itself."""

import asyncio
import time
from contextlib import suppress
from typing import Protocol


class Timer(Protocol):
    """Real time, and waiting in it."""

    def now_ms(self) -> int:
        """Return real time [epoch ms], which does not go back while the process runs."""
        ...

    async def wait(self, news: asyncio.Event, until_ms: int | None) -> None:
        """Return at an instant [epoch ms], None: never, or as soon as there are news."""
        ...


class RealTimer:
    """The time of the process: the wall's at its start, then as the machine counts on."""

    def __init__(self) -> None:
        self._apart_ns = time.time_ns() - time.monotonic_ns()

    def now_ms(self) -> int:
        """Return real time [epoch ms]."""
        return (self._apart_ns + time.monotonic_ns()) // 1_000_000

    async def wait(self, news: asyncio.Event, until_ms: int | None) -> None:
        """Return at an instant [epoch ms], None: never, or as soon as there are news."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until_ms is None else max(0.0, (until_ms - self.now_ms()) / 1000)):
                await news.wait()
