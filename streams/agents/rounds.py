"""A round is one step of the territory agent: what changed below is added up, and written in one Kafka transaction.

Everything kept in memory is rebuilt from the topics at each assignment. So a process that is in doubt ends, and what
it left undone is done by the next one: what comes out as it is already written is not written again.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.messages import UNREADABLE, Reported, decode_calendar, decode_condition, decode_reported
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, REPORTED, REVISIONS, TOTALS
from schemas.windows import WindowError, window
from streams.agents.reading import ends, partitions_of, read_to_end, reader
from streams.agents.sending import BATCH_BYTES, send_all
from streams.agents.stopping import die
from streams.domain.territory import Territories, is_territory
from streams.domain.work import Output
from streams.failpoints import hit
from streams.stores.closing import close_client
from streams.stores.commits import REQUEST_MS, Commits, started
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError

ROUND_LIMIT_S = 120.0
PAUSE_S = 0.05

_log = structlog.get_logger(__name__)
# What a round may write to, in any partition.
_TOPIC = {topic.name: topic for topic in (TOTALS, REVISIONS, ALARM_CONDITIONS, ALARM_EVENTS)}


class Rounds:
    """The territories of this process, and the loop that makes their rounds."""

    def __init__(self, app: faust.App, settings: Settings, follower: RegistryFollower) -> None:
        self.owned = 0  # partitions of totals that this process has
        self.rebuilt = False
        self.made = 0
        self.documents = 0
        self.round_s = 0.0
        self.done_at = time.monotonic()  # when nothing was left to do, or a round ended
        self._app = app
        self._settings = settings
        self._follower = follower
        self._territories = Territories()
        self._generation: int | None = None
        self._producer: AIOKafkaProducer | None = None
        self._commits: Commits | None = None
        self._opening: asyncio.Future[None] | None = None
        self._ends: dict[int, int] = {}
        self._taken: dict[int, int] = {}  # by partition the offset of the last record taken in
        self._waiting: list[Any] = []
        self._room = asyncio.Event()
        self._busy = asyncio.Lock()
        self._reports: list[Reported] = []
        self._reports_taken = 0
        self._reports_read = asyncio.Event()
        # Faust calls both with keywords, which its own type of a handler does not say.
        app.on_partitions_revoked.connect(self._revoked, weak=False)  # pyright: ignore[reportArgumentType]
        app.on_partitions_assigned.connect(self._assigned, weak=False)  # pyright: ignore[reportArgumentType]

    @property
    def queued(self) -> int:
        """How many months and years wait to be added up."""
        return self._territories.waiting

    def reached(self) -> dict[int, int]:
        """Return the next offset to read of each partition."""
        reached = dict(getattr(self._app.consumer, "reached", {}))
        return {number: each.position for number, each in reached.items()}

    async def take(self, stream: Any) -> None:
        """Keep what the stream hands over for the next round, for ever; the whole body of the agent."""
        async for event in stream.noack().events():
            self._waiting.append(event)
            if len(self._waiting) >= self._settings.step_messages:
                self._room.clear()
                await self._room.wait()

    async def run(self) -> None:
        """Take in what comes, and make rounds of it, for ever."""
        due = 0.0
        while True:
            # What is queued has waited already; a pause of nothing lets the rest of the process go on.
            await asyncio.sleep(0 if self.rebuilt and self.queued and time.monotonic() >= due else PAUSE_S)
            try:
                async with self._busy, asyncio.timeout(ROUND_LIMIT_S):
                    if not self._is_open():
                        continue
                    self._take_in()
                    if not self.rebuilt and not self._rebuild():
                        continue
                    await self._follow()
                    await self._finish()
                    if self.queued and time.monotonic() >= due:
                        await self._round()
                        if not self.queued:
                            due = time.monotonic() + self._settings.round_s
                    if not self.queued:
                        self.done_at = time.monotonic()
            except Exception as error:  # noqa: BLE001 -- whatever it is, memory may be ahead of what is written
                die(f"a round failed: {type(error).__name__}: {error}")

    def _is_open(self) -> bool:
        opening = self._opening
        return self._generation is not None and opening is not None and opening.done() and not opening.cancelled()

    def _take_in(self) -> None:
        events, self._waiting = self._waiting, []
        self._room.set()
        latest: dict[bytes, bytes] = {}
        for event in events:
            message = event.message
            if message.generation_id == self._generation:
                self._taken[message.partition] = message.offset
                if message.value is not None:
                    latest[message.key] = message.value
            event.ack()
        for key, text in latest.items():
            mine = is_territory(key.decode().partition("|")[0])
            # What comes back of our own writing is known; an older one of it must not replace a newer.
            if mine and self.rebuilt:
                continue
            try:
                document = decode_calendar(text)
            except UNREADABLE as error:
                _log.error("document skipped", key=key, error=str(error))
                continue
            (self._territories.restore if mine else self._territories.take)(document, text)
        for report in self._reports[self._reports_taken :]:
            self._territories.report(report)
        self._reports_taken = len(self._reports)

    def _rebuild(self) -> bool:
        """Return whether all is read that stood in the topics at the assignment; then everything is added up again."""
        reached = getattr(self._app.consumer, "reached", {})
        for partition, end in self._ends.items():
            there = reached.get(partition)
            if there is None or there.position < end or self._taken.get(partition, -1) < there.handed_on:
                return False
        if not self._reports_read.is_set():
            return False
        self._take_in()
        self._territories.follow(self._follower.snapshot)
        self._territories.recompute_all()
        self.rebuilt = True
        return True

    async def _follow(self) -> None:
        """Have the registry version that the documents name."""
        territories = self._territories
        while territories.registry_named > self._follower.version:
            try:
                await self._follower.read_to_end()
                break
            except RegistryUnavailableError as error:
                wanted = territories.registry_named
                _log.warning("waiting for the registry", wanted=wanted, here=self._follower.version, error=str(error))
        if territories.snapshot is not self._follower.snapshot:
            await asyncio.to_thread(territories.follow, self._follower.snapshot)

    async def _finish(self) -> None:
        """Return when the last round is finished everywhere: the next life asks for no more than how that one ended."""
        if self._commits is not None:
            await self._commits.until_finished()

    async def _round(self) -> None:
        began = time.perf_counter()
        outputs = await asyncio.to_thread(self._territories.recompute)
        if outputs:
            await self._commit(outputs)
        self.made += 1
        self.documents += len(outputs)
        self.round_s += 0.1 * (time.perf_counter() - began - self.round_s)
        self.done_at = time.monotonic()

    async def _commit(self, outputs: list[Output]) -> None:
        producer, settings, commits = self._producer, self._settings, self._commits
        assert producer is not None and commits is not None
        groups: dict[tuple[str, int], list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for topic, entity, key, value in outputs:
            groups[settings.topic(_TOPIC[topic]), partition_of(entity, settings.partitions)].append((key, value))
        hit("territory.before-begin")
        await producer.begin_transaction()
        sent: list[tuple[asyncio.Future[Any], int]] = []
        for (topic, partition), records in groups.items():
            sent += await send_all(producer, topic, partition, records)
        for future, _ in sent:
            await future
        hit("territory.after-outputs")
        hit("territory.before-commit")
        await producer.commit_transaction()
        hit("territory.after-commit")
        commits.add(TopicPartition(*place) for place in groups)

    async def _revoked(self, app: Any, revoked: Any, **_: Any) -> None:
        self._generation = None
        async with self._busy:
            pass  # a running round ends first

    async def _assigned(self, app: Any, assigned: Any, **_: Any) -> None:
        source = self._settings.topic(TOTALS)
        self.owned = sum(tp.topic == source for tp in assigned)
        await self._close()
        self.rebuilt = False
        self._territories, self._taken, self._reports_taken = Territories(), {}, 0
        self._generation = self._app.consumer_generation_id
        # With less than everything a city would be the sum of a part of its enterprises.
        if self.owned == self._settings.partitions:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._opened)

    async def _close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._opening
            self._opening = None
        if self._producer is not None:
            await close_client(self._producer, 5)
            self._producer = None

    def _opened(self, opening: asyncio.Future[None]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None:
            die(f"the territories cannot be opened: {error or type(error).__name__}")

    async def _open(self) -> None:
        settings = self._settings
        name = settings.group("territory")
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            transactional_id=name,
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            request_timeout_ms=REQUEST_MS,
            retry_backoff_ms=20,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
        )
        places = [tp for topic in _TOPIC.values() for tp in partitions_of(settings, topic)]
        # From here on the predecessor is fenced, and what it left open is aborted or carried out: the ends hold all
        # that it wrote.
        self._commits = await started(settings.kafka, self._producer, name, places)
        self._ends = await ends(settings, TOTALS)
        async for records in read_to_end(settings, ALARM_CONDITIONS):
            for each in records:
                condition = decode_condition(each.value or b"")
                if is_territory(condition.entity):
                    self._territories.conditions.restore(condition)

    async def read_reports(self) -> None:
        """Take in what topic `reported` holds of territories, for ever."""
        settings = self._settings
        wanted = None
        consumer = reader(settings, "read_committed")
        while True:
            try:
                if wanted is None:
                    await consumer.start()
                    consumer.assign(partitions_of(settings, REPORTED))
                    wanted = await ends(settings, REPORTED)
                found = await consumer.getmany(timeout_ms=200, max_records=2000)
                for records in found.values():
                    for each in records:
                        # What cannot be read was set aside by the enterprise's worker of this partition.
                        with suppress(*UNREADABLE, WindowError):
                            report = decode_reported(each.value or b"")
                            if is_territory(report.entity) and window(report.period).kind != "hour":
                                self._reports.append(report)
                if not self._reports_read.is_set():
                    positions = {tp.partition: await consumer.position(tp) for tp in consumer.assignment()}
                    if all(positions[partition] >= end for partition, end in wanted.items()):
                        self._reports_read.set()
            except (KafkaError, OSError) as error:
                _log.warning("reported values cannot be read", error=str(error))
                await asyncio.sleep(1)
