"""The notifier tells people and systems of alarms: it reads their events, decides by the routes, and sends.

It can be killed anywhere. What a channel has answered to is recorded before it counts as done, and an event counts as
done when every delivery of it is; so nothing is forgotten, and what is said twice carries the same key.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from schemas.deliveries import DeliveryRead
from schemas.messages import UNREADABLE, decode_event
from schemas.settings import Settings
from schemas.topics import DELIVERY, DELIVERY_LOG, ENGINE
from services.clock import Clock
from services.heart import Heart
from services.notifier.chain import Chain
from services.notifier.escalation import Escalation
from services.notifier.known import Known
from services.notifier.lanes import Lanes
from services.notifier.memory import Memory
from services.notifier.reader import Reader, Record
from services.notifier.telling import Figures
from services.outbox import Outbox
from streams.domain.registry import Snapshot
from streams.domain.routing import Routing
from streams.failpoints import hit
from streams.stores.following import FollowingError

# Deliveries in hand, of all lanes, some hundred bytes each; an event of about 2 KiB is shared by all of its deliveries.
# Beyond it nothing is read until some are done.
OUTSTANDING = 200_000
# Offsets are noted this often: what was told is recorded by itself, so a crash costs reading, not repeats.
NOTE_S = 2.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
NOTE_LIMIT_S = 10.0
# How often a start looks whether the registry and what people did have been read.
WAIT_S = 0.05

_log = structlog.get_logger(__name__)


class Notifier:
    """Runs until `stop`; `state` says for /readyz whether it can work, and what is wrong with which channel."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = Clock.parse(settings.clock)
        self._known = Known(settings)
        self._outbox = Outbox(settings, "notifier", (DELIVERY, DELIVERY_LOG, ENGINE))
        self._memory = Memory(settings, self._outbox)
        self._reader = Reader(settings)
        self._figures = Figures(lambda: self._lanes.outstanding)
        name = settings.instance or "notifier"
        self._heart = Heart(name, self._outbox, lambda: self._reader.lag, self._figures.counts)
        routing = Routing.of(self._known.registry.snapshot)
        self._lanes = Lanes(settings, self._clock, self._memory, self._figures, routing)
        self._escalation = Escalation(self._known, self._memory, self._lanes)
        attention = self._known.attention
        self._chain = Chain(self._clock, self._memory, self._lanes, self._figures, attention, self._escalation)
        self._known.registry.on_change.append(self._switch)
        self._stopping = asyncio.Event()
        self._since_ms = 0
        self._loaded = False
        self._noted = 0.0

    def stop(self) -> None:
        """Ask the notifier to end; what is in hand is delivered after the next start."""
        self._stopping.set()

    def state(self) -> tuple[bool, dict[str, Any]]:
        """Return whether events are read and told, and the figures behind that.

        A channel in trouble does not make the notifier unready: a restart would not mend it.
        """
        ready = self._loaded and self._known.ready and self._reader.ready and self._outbox.ready
        troubles = {lane.name: lane.trouble for lane in self._lanes if lane.trouble}
        waiting = {lane.name: lane.waiting for lane in self._lanes if lane.waiting}
        return ready, {
            **self._known.state(),
            **self._outbox.state(),
            "events": self._reader.fault or "ok",
            "memory": len(self._memory) if self._loaded else "not read yet",
            "lag": self._reader.lag,
            "held": self._chain.held,
            "outstanding": sum(waiting.values()),
            "waiting": waiting,
            "trouble": troubles,
            "secrets_missing": self._lanes.missing_secrets(),
            "mail_server": self._settings.smtp_host or "none",
        }

    async def run(self) -> None:
        """Read and tell until told to stop."""
        self._outbox.start()
        await self._known.start()
        self._lanes.open()
        beating = asyncio.create_task(self._heart.beat(), name="heartbeat")
        try:
            await self._begin()
            while not self._stopping.is_set():
                await self._once()
        finally:
            await self._lanes.stop()
            if self._loaded:
                await self._note()
            beating.cancel()
            await asyncio.wait([beating], timeout=NOTE_LIMIT_S)
            await self._reader.stop()
            await self._known.stop()
            await self._lanes.close()
            await self._outbox.stop()

    async def _begin(self) -> None:
        while not (self._known.loaded and self._outbox.ready) and not self._stopping.is_set():
            await self._pause(WAIT_S)
        attempt = 0
        while not self._stopping.is_set():
            try:
                read = await self._remember()
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
            else:
                self._since_ms = read.since
                self._chain.begin()
                for recipient, channel in self._memory.unfinished_lanes():
                    self._lanes.lane(recipient, channel)
                await self._connect(read.offsets)
                return
            await self._pause(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    async def _remember(self) -> DeliveryRead:
        await self._memory.load()
        if self._memory.read is None:
            # Written before anything is told: from now on it does not matter when the notifier is started again.
            since_ms = self._clock.now_ms() - int(self._settings.notify_backlog_s * 1000)
            async with asyncio.timeout(NOTE_LIMIT_S):
                await self._memory.done(since_ms, {})
        read = self._memory.read
        assert read is not None
        return read

    async def _connect(self, offsets: Mapping[int, int]) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                await self._reader.start(offsets)
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
            else:
                self._loaded = True
                return
            await self._pause(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    async def _once(self) -> None:
        for lane in self._lanes:
            if lane.task is not None and lane.task.done():
                # A lane ends by a fault of ours only; the process ends with it and is started again.
                lane.task.result()
        if self._lanes.outstanding >= OUTSTANDING:
            await self._pause(BACKOFF_S[0])
        else:
            try:
                records = await self._reader.fetch()
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
                await self._pause(BACKOFF_S[2])
                await self._connect({})
                return
            if records and not await self._take(records):
                return
        self._chain.look(self._known.changes)
        await self._chain.settle()
        if time.monotonic() - self._noted >= NOTE_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTE_LIMIT_S):
                    await self._escalation.turn(self._lanes.routing, self._clock.now_ms())
            await self._note()
            self._lanes.beat()

    async def _take(self, records: list[Record]) -> bool:
        """Hand the deliveries of events to their lanes; False when told to stop before."""
        # A route registered, or a silence made, before an alarm must be known here before the alarm is.
        while not self._stopping.is_set():
            try:
                await self._known.read_to_end()
                break
            except FollowingError as error:
                self._reader.lost(error)
                await self._pause(BACKOFF_S[2])
        else:
            return False
        for record in records:
            try:
                event = decode_event(record.value or b"")
            except UNREADABLE as error:
                place = f"{record.topic}/{record.partition}/{record.offset}"
                _log.warning("an event that cannot be read was passed over", place=place, reason=str(error))
                self._figures.took("unreadable")
                self._reader.take(record, 0)
                continue
            self._chain.take(event, self._since_ms, partial(self._reader.take, record))
        await self._chain.settle()
        return True

    async def _note(self) -> None:
        self._noted = time.monotonic()
        offsets = self._reader.done()
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTE_LIMIT_S):
                # What events began must be known to the next process before it need not read them any more.
                await self._escalation.save()
                if self._memory.read is not None and offsets == self._memory.read.offsets:
                    return
                hit("notifier.before-commit")
                await self._memory.done(self._since_ms, offsets)
                await self._reader.commit(offsets)
                hit("notifier.after-commit")

    def _switch(self, snapshot: Snapshot) -> None:
        self._lanes.routing = Routing.of(snapshot)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
