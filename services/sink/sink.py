"""The sink writes what topics say to the series store, and notes in the same transaction how far it has read.

It can be killed anywhere: what was not written is read again, what was written is not changed by writing it twice.
While one step is being written the next one is read, and no more: while the store refuses, nothing is read further;
the sink tries again, for ever, and /readyz says why.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.series import Point
from schemas.settings import Settings
from schemas.topics import ENGINE
from services.clock import Clock
from services.heart import Heart
from services.outbox import Outbox
from services.sink.members import member_points
from services.sink.reader import Reader
from services.sink.step import UNUSABLE, Record, Step, StepBuilder, Tiers, aside
from services.sink.telling import Figures
from streams.failpoints import hit
from streams.stores.registry_topic import RegistryFollower
from streams.stores.series import Entry, Move, Read, Store, StoreError

BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
# How often ends are asked for, and how often the store learns that idle partitions are still read to their ends.
TICK_S = 2.0
REFRESH_S = 60.0
# Memberships are dated, so they change without a new registry too.
MEMBERS_S = 60.0

_log = structlog.get_logger(__name__)


class Sink:
    """Runs until `stop`; `state` says for /readyz whether it can work.

    `tells`: whether it sends heartbeats; one that soon ends by intent does not, or it would be missed.
    """

    def __init__(self, settings: Settings, store: Store, *, tells: bool = True) -> None:
        self._store = store
        self._tells = tells
        self._clock = Clock.parse(settings.clock)
        self._registry = RegistryFollower(settings)
        self._reader = Reader(settings)
        self._builder = StepBuilder(settings)
        self._prefix = settings.topic_prefix
        progress = self._reader.progress
        self._figures = Figures(progress)
        self._outbox = Outbox(settings, "sink", (ENGINE,))
        self._heart = Heart(settings.instance or "sink", self._outbox, lambda: progress.lag, self._figures.counts)
        self._stopping = asyncio.Event()
        self._trouble = "the store is not open yet"
        self._writing: asyncio.Task[None] | None = None
        self._members: tuple[int, list[Point]] | None = None
        self._ticked = self._refreshed = self._looked_at_members = float("-inf")

    def stop(self) -> None:
        """Ask the sink to end after the write it is in."""
        self._stopping.set()

    def state(self) -> tuple[bool, dict[str, Any]]:
        """Return whether everything that is said gets written, and the figures behind that."""
        states = self._reader.progress.states()
        stalled = sorted(name for name, (state, _) in states.items() if state == "stalled")
        ready = not self._trouble and self._reader.ready and self._registry.loaded and not stalled
        return ready, {
            "store": self._trouble or "ok",
            "registry": self._registry.version,
            "registry_loaded": self._registry.loaded,
            "kafka": self._reader.fault or "ok",
            "lag": self._reader.progress.lag,
            "stalled": stalled,
            "partitions": {name: {"state": state, "lag": lag} for name, (state, lag) in states.items()},
        }

    async def run(self) -> None:
        """Read and write until told to stop."""
        await self._registry.start(limit_s=0)
        beating: list[asyncio.Task[None]] = []
        if self._tells:
            self._outbox.start()
            beating.append(asyncio.create_task(self._heart.beat(), name="heartbeat"))
        try:
            while not self._registry.loaded and not self._stopping.is_set():
                await self._pause(BACKOFF_S[0])
            await self._connect()
            while not self._stopping.is_set():
                await self._once()
            await self._abandon()
        finally:
            if self._writing is not None:
                self._writing.cancel()
            for one in beating:
                one.cancel()
                await asyncio.wait([one], timeout=10)
            await self._outbox.stop()
            await self._reader.stop()
            await self._registry.stop()

    async def _connect(self) -> None:
        await self._abandon()
        attempt = 0
        while not self._stopping.is_set():
            try:
                offsets = await asyncio.to_thread(self._store.offsets)
                self._trouble = ""
                await self._reader.start(offsets)
            except StoreError as error:
                self._refused(error)
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
            else:
                return
            await self._back_off(attempt)
            attempt += 1

    async def _once(self) -> None:
        try:
            fetched = await self._reader.fetch()
            if fetched:
                await self._take(fetched)
            if time.monotonic() - self._ticked >= TICK_S and not self._stopping.is_set():
                self._ticked = time.monotonic()
                await self._written()
                # A step that was given up on stopping is not written, and nothing may be noted as read behind it.
                if not self._stopping.is_set():
                    await self._tick()
        except StoreError as error:
            # The store was dropped, or someone else writes it: go on from where it stands now.
            self._refused(error)
            self._members = None
            await self._connect()
        except (KafkaError, TimeoutError, OSError) as error:
            self._reader.lost(error)
            await self._pause(BACKOFF_S[2])
            await self._connect()

    async def _take(self, fetched: Mapping[TopicPartition, list[Record]]) -> None:
        """Begin to write what was fetched, once what was fetched before is written."""
        now_ms = time.time_ns() // 1_000_000
        progress = self._reader.progress
        records = [
            (record, everything)
            for one, found in fetched.items()
            for everything in (progress.everything(one, now_ms),)
            for record in found
        ]
        reads = await self._reads({one: found[-1].timestamp for one, found in fetched.items()})
        step = self._builder.build(records, self._tiers())
        await self._written()
        if self._stopping.is_set():
            return
        for one, read in reads.items():
            progress.fetched(one, read.offset)
        self._writing = asyncio.create_task(self._write(records, step, self._moves(reads)), name="write")

    async def _written(self) -> None:
        """Wait until the step in hand is written, or given up on stopping; raise StoreError `store_moved`."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _abandon(self) -> None:
        """Wait until nothing is being written any more, whatever came of it."""
        with suppress(StoreError):
            await self._written()

    async def _write(self, records: Sequence[tuple[Record, bool]], step: Step, moves: Sequence[Move]) -> None:
        hit("sink.before-write")
        try:
            written = step if await self._keep(step.points, step.entries, moves) else None
        except UNUSABLE as error:
            _log.warning("the store cannot take a step; taken record by record", error=repr(error))
            written = await self._one_by_one(records, moves)
        if written is None:
            return
        hit("sink.after-write")
        self._figures.wrote(step.topics, written)
        for record, reason in written.unreadable:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            _log.warning("a record that cannot be read was put aside", place=place, reason=reason)
        await self._moved(moves)
        hit("sink.after-commit")

    async def _one_by_one(self, records: Sequence[tuple[Record, bool]], moves: Sequence[Move]) -> Step | None:
        """Write records that make no sense to the store only when taken together; None when told to stop before."""
        points: list[Point] = []
        unreadable: list[tuple[Record, str]] = []
        for pair in records:
            step = self._builder.build([pair], self._tiers())
            try:
                kept = await self._keep(step.points, step.entries, ())
                points += step.points
                unreadable += step.unreadable
            except UNUSABLE as error:
                unreadable.append((pair[0], repr(error)))
                kept = await self._keep((), [aside(*unreadable[-1], self._prefix)], ())
            if not kept:
                return None
        return Step(points, [], unreadable, {}) if await self._keep((), (), moves) else None

    async def _keep(self, points: Sequence[Point], entries: Sequence[Entry], moves: Sequence[Move]) -> bool:
        """Write, as often as it takes; False when told to stop before. Raises StoreError `store_moved` only."""
        attempt = 0
        while True:
            try:
                await asyncio.to_thread(self._store.keep, points, entries, moves)
            except StoreError as error:
                if error.code == "store_moved":
                    raise
                self._refused(error)
                await self._back_off(attempt, error.wait_s)
            else:
                self._trouble = ""
                return True
            attempt += 1
            if self._stopping.is_set():
                return False

    async def _tick(self) -> None:
        progress = self._reader.progress
        for one in progress.partitions:
            # Nothing is in hand here, so what was passed without a record (the marks of transactions) is done too.
            progress.wrote(one, await self._reader.position(one))
        await self._reader.ask_ends()
        idle = {one: part for one, part in progress.partitions.items() if not part.lag}
        # At the end of what it read through it says so at once, for those who wait for it.
        behind = not progress.lag and any(part.stored != part.written for part in idle.values())
        if behind or time.monotonic() - self._refreshed >= REFRESH_S:
            moves = self._moves(await self._reads({one: part.unread_since_ms or 0 for one, part in idle.items()}))
            if await self._keep((), (), moves):
                await self._moved(moves)
                self._refreshed = time.monotonic()
        if time.monotonic() - self._looked_at_members >= MEMBERS_S or self._members_are_old():
            await self._write_members()

    async def _reads(self, unread_since_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, Read]:
        return {one: Read(await self._reader.position(one), since) for one, since in unread_since_ms.items()}

    def _moves(self, reads: Mapping[TopicPartition, Read]) -> list[Move]:
        stored = self._reader.progress.partitions
        return [Move(*one, stored[one].stored, read) for one, read in reads.items()]

    async def _moved(self, moves: Sequence[Move]) -> None:
        """Note that the store has moved, and tell Kafka."""
        for topic, partition, _, read in moves:
            one = TopicPartition(topic, partition)
            self._reader.progress.wrote(one, read.offset, read.unread_since_ms)
            self._reader.progress.partitions[one].stored = read.offset
        await self._reader.commit(TopicPartition(move.topic, move.partition) for move in moves)

    def _members_are_old(self) -> bool:
        return self._members is None or self._members[0] != self._registry.version

    async def _write_members(self) -> None:
        self._looked_at_members = time.monotonic()
        snapshot = self._registry.snapshot
        points = member_points(snapshot, self._clock.now_ms())
        if self._members is None or self._members[1] != points:
            try:
                await asyncio.to_thread(self._store.replace_members, points)
            except StoreError as error:
                self._refused(error)
                return
        self._members = snapshot.version, points

    def _tiers(self) -> Tiers:
        return {id_: tuple(tier.id for tier in limit.tiers) for id_, limit in self._registry.snapshot.limits.items()}

    def _refused(self, error: StoreError) -> None:
        trouble = f"{error.code}: {error}"
        if trouble != self._trouble:
            _log.warning("the series store refuses", code=error.code, error=str(error))
        self._trouble = trouble
        self._figures.refused(error.code)

    async def _back_off(self, attempt: int, least_s: float = 0.0) -> None:
        await self._pause(max(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] * random.uniform(0.5, 1.0), least_s))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
