"""Feeds are all feeds of a process by entity: made when somebody looks, forgotten when nobody does any more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from fastapi.sse import EventSourceResponse
from prometheus_client import Gauge
from starlette.types import Message, Send

from services.console.feed import Feed, Source
from services.http.problem import Problem

WATCHERS = 500
BEAT_S = 5.0
# What the browser waits before it asks again when the connection is cut.
RETRY_MS = 2000
# A watcher whose connection takes nothing for so long is gone or hopeless.
SEND_LIMIT_S = 20.0
# Whether he may still see it is asked again so often.
ALLOWED_S = 5.0

WATCHING = Gauge("qingyu_board_watchers", "Streams of the board that are open.")


class Feeds:
    """The feeds of one api."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._feeds: dict[str, Feed] = {}

    @property
    def watchers(self) -> int:
        """How many watch at the moment."""
        return sum(one.watchers for one in self._feeds.values())

    def of(self, entity: str) -> Feed:
        """Return the feed of an entity."""
        for key in [key for key, one in self._feeds.items() if one.idle]:
            self._feeds.pop(key).close()
        found = self._feeds.get(entity)
        if found is None:
            found = self._feeds[entity] = Feed(entity, self._source)
        return found

    def watch(self, entity: str, language: str, mark: str, allowed: Callable[[], bool]) -> EventSourceResponse:
        """Return the stream of an entity's changes since `mark`; raise the Problem 503 `too_many_watchers`."""
        if self.watchers >= WATCHERS:
            raise Problem(503, "too_many_watchers", f"{WATCHERS} watch already", {"Retry-After": "30"})
        events = _events(self.of(entity), language, mark, allowed)
        return Stream(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    def close(self) -> None:
        """End all streams; nothing is read any more."""
        for one in self._feeds.values():
            one.close()
        self._feeds.clear()


class Stream(EventSourceResponse):
    """A stream that gives a watcher up who does not take what is sent."""

    async def stream_response(self, send: Send) -> None:
        """Send the events, each within a limit."""

        async def limited(message: Message) -> None:
            async with asyncio.timeout(SEND_LIMIT_S):
                await send(message)

        try:
            await super().stream_response(limited)
        except TimeoutError as error:
            raise OSError("the watcher takes nothing") from error


async def _events(feed: Feed, language: str, mark: str, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    beaten_s = asked_s = time.monotonic()
    with WATCHING.track_inprogress(), feed.watching(language):
        said = feed.trouble
        yield f"retry: {RETRY_MS}\n\n".encode() + feed.beat()
        while not feed.closed:
            now_s = time.monotonic()
            if now_s - asked_s > ALLOWED_S:
                asked_s = now_s
                if not allowed():
                    return
            event, mark = feed.since(language, mark)
            if event is not None and not feed.trouble:
                beaten_s = now_s
                yield event
            elif now_s - beaten_s >= BEAT_S or feed.trouble != said:
                beaten_s, said = now_s, feed.trouble
                yield feed.beat()
            await feed.news(BEAT_S)
