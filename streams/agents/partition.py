"""A partition is one input partition with all that belongs to it: a transactional producer, its state, its fold.

A step is one Kafka transaction: outputs, changed state, the cursor and the offsets become visible together or not at
all. The transactional id is the partition's, so whoever opens it fences the one who had it before. Memory and the
local copy change only after the commit.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.messages import UNREADABLE, encode
from schemas.partitioner import partition_of, partition_of_key
from schemas.settings import Settings
from schemas.topics import (
    ALARM_CONDITIONS,
    ALARM_EVENTS,
    FINDINGS,
    READINGS,
    REJECTED,
    REPORTED,
    REVISIONS,
    STATE,
    TOTALS,
)
from streams.agents.reading import partitions_of
from streams.agents.sending import BATCH_BYTES, send_all
from streams.agents.stopping import CANNOT_SERVE, RESTART, die
from streams.domain.fold import Cursor, Effects, PartitionFold
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.domain.state import CURSOR_KEY
from streams.failpoints import hit
from streams.stores.closing import close_client
from streams.stores.commits import REQUEST_MS, Commits, started
from streams.stores.state import StateError, StateStore

_CATCH_UP_RECORDS = 5000
_decode_cursor = msgspec.json.Decoder(Cursor).decode
# What a step may write to: in the partition of its own number, and in any.
_OWN = {topic.name: topic for topic in (STATE, TOTALS, REVISIONS, FINDINGS, ALARM_CONDITIONS, ALARM_EVENTS)}
_ANY = {topic.name: topic for topic in (REPORTED, REJECTED)}


@dataclass(slots=True)
class Progress:
    """Figures of a partition for metrics and readiness."""

    steps: int = 0
    readings: int = 0
    rejected: int = 0
    repeated: int = 0
    step_s: float = 0.0


class Partition:
    """One owned input partition; `opening` must have ended before anything is computed."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.number = number
        self.cursor = Cursor()
        self.progress = Progress()
        self.pending: list[Record] = []  # reported values read and not yet in a step
        self._began_s = 0.0
        self._first = 0  # offset of the first message that the input topic still has
        self._settings = settings
        self._store: StateStore | None = None
        self._fold: PartitionFold | None = None
        self._producer: AIOKafkaProducer | None = None
        self._commits: Commits | None = None
        self.opening = asyncio.ensure_future(self._open())
        self.opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Future[None]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None:
            # No new start makes room on a disk, and one at once after the other would rebalance the group each time.
            status = CANNOT_SERVE if isinstance(error, StateError) else RESTART
            die(f"partition {self.number} cannot be opened: {error or type(error).__name__}", status)

    @property
    def is_open(self) -> bool:
        """Whether steps can be made."""
        return self.opening.done() and not self.opening.cancelled()

    @property
    def waiting(self) -> int:
        """How many pieces of recomputation are queued after a change of the registry."""
        return self._fold.waiting if self._fold is not None else 0

    async def _open(self) -> None:
        settings = self._settings
        name = f"{settings.group('worker')}-{self.number}"
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            transactional_id=name,
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            request_timeout_ms=REQUEST_MS,
            retry_backoff_ms=20,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
        )
        hit("open.before-fence")
        # From here on the predecessor is fenced, and what it left open is aborted or carried out.
        self._commits = await started(settings.kafka, self._producer, name, self._places())
        hit("open.after-fence")
        self._store = StateStore(settings.data / "state" / settings.topic(STATE) / str(self.number))
        await self._catch_up()
        record = self._store.cursor
        self.cursor = _decode_cursor(record) if record is not None else Cursor()
        partitions = settings.partitions
        self._fold = PartitionFold(
            self.number, self._store, lambda enterprise: partition_of_key(enterprise, partitions) == self.number
        )

    def _places(self) -> list[TopicPartition]:
        """Return all partitions that a step may write to."""
        settings = self._settings
        own = [TopicPartition(settings.topic(topic), self.number) for topic in _OWN.values()]
        return [*own, *(tp for topic in _ANY.values() for tp in partitions_of(settings, topic))]

    async def _catch_up(self) -> None:
        """Bring the local copy to the end of the state topic."""
        assert self._store is not None
        tp = TopicPartition(self._settings.topic(STATE), self.number)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20,
        )
        await consumer.start()
        try:
            source = TopicPartition(self._settings.topic(READINGS), self.number)
            self._first = (await consumer.beginning_offsets([source]))[source]
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            if self._store.position > end:
                # The copy is of another topic of this name, or the topic lost its end: the topic is the truth.
                directory = self._store.directory
                self._store.remove()
                self._store = StateStore(directory)
            consumer.seek(tp, self._store.position)
            while await consumer.position(tp) < end:
                found = (await consumer.getmany(tp, timeout_ms=500, max_records=_CATCH_UP_RECORDS)).get(tp, ())
                if found:
                    records = {each.key: each.value for each in found if each.key is not None}
                    self._store.take_changelog(records, found[-1].offset + 1)
                    hit("open.catching-up")
        finally:
            await close_client(consumer)

    def compute(self, plans: Plans, records: Sequence[Record]) -> Effects | None:
        """Return what one step makes of the records that are new, and of what time and registry ask for; None: nothing.

        The partition must be open. The process ends when records are missing in between.
        """
        assert self._fold is not None
        self._began_s = time.perf_counter()
        fresh = [each for each in records if each.offset >= self.cursor.readings]
        self.progress.repeated += len(records) - len(fresh)
        self._check_contiguous(fresh)
        reports = [each for each in self.pending if each.offset >= self.cursor.reported]
        self._fold.follow(plans)
        if not fresh and not reports and not self._fold.waiting:
            return None
        return self._fold.step(self.cursor, [*fresh, *reports])

    @property
    def is_unfinished(self) -> bool:
        """Whether the last step may not be finished in all partitions."""
        return self._commits is not None and self._commits.pending

    async def finish(self) -> None:
        """Return when the last step is finished in all partitions."""
        if self._commits is not None:
            await self._commits.until_finished()

    async def commit(self, effects: Effects) -> None:
        """Let what was computed become visible and last; the process ends when it cannot be kept on disk."""
        # Only the last step may be in doubt: the next life asks Kafka for no more than how that one ended.
        await self.finish()
        await self._commit(effects)
        self.pending = [each for each in self.pending if each.offset >= self.cursor.reported]
        progress = self.progress
        progress.steps += 1
        progress.readings += effects.readings
        progress.rejected += len(effects.rejected)
        progress.step_s += 0.05 * (time.perf_counter() - self._began_s - progress.step_s)

    def _check_contiguous(self, fresh: Sequence[Record]) -> None:
        # At the first start of a group Faust may read on behind records that it dropped, so even the first is checked.
        expected = self.cursor.readings or self._first
        for each in fresh:
            if each.offset != expected:
                die(f"partition {self.number}: offset {expected} was expected, {each.offset} came: records are missing")
            expected = each.offset + 1

    async def _commit(self, effects: Effects) -> None:
        producer, store, settings, commits = self._producer, self._store, self._settings, self._commits
        assert producer is not None and store is not None and commits is not None
        cursor = encode(effects.cursor)
        hit("step.before-begin")
        await producer.begin_transaction()
        sent: list[tuple[asyncio.Future, int]] = []
        hit("step.before-outputs")
        outputs = self._by_partition(effects)
        for (topic, partition), records in outputs.items():
            sent += await send_all(producer, topic, partition, records)
        hit("step.after-outputs")
        state = settings.topic(STATE)
        of_state = await send_all(producer, state, self.number, [*effects.durable.items(), (CURSOR_KEY, cursor)])
        hit("step.after-state")
        await producer.send_offsets_to_transaction(
            {
                TopicPartition(settings.topic(READINGS), self.number): effects.cursor.readings,
                TopicPartition(settings.topic(REPORTED), self.number): effects.cursor.reported,
            },
            settings.group("worker"),
        )
        hit("step.after-offsets")
        for future, _ in sent:
            await future
        position = 0
        for future, count in of_state:
            position = (await future).offset + count
        hit("step.before-commit")
        await producer.commit_transaction()
        hit("step.after-commit")
        commits.add([TopicPartition(state, self.number), *(TopicPartition(*place) for place in outputs)])
        try:
            store.write({**effects.durable, **effects.local, CURSOR_KEY: cursor}, position)
        except StateError as error:
            die(str(error), CANNOT_SERVE)
        hit("step.after-local")
        self.cursor = effects.cursor

    def _by_partition(self, effects: Effects) -> dict[tuple[str, int], list[tuple[bytes, bytes | None]]]:
        settings = self._settings
        found: dict[tuple[str, int], list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for topic, entity, key, value in effects.outputs:
            # All that is an enterprise's lives in the partition of its readings; what it passes on is another's.
            number = partition_of(entity, settings.partitions) if topic == REPORTED.name else self.number
            place = _ANY[topic] if topic in _ANY else _OWN[topic]
            found[settings.topic(place), number].append((key, value))
        for each in effects.rejected:
            place = settings.topic(REJECTED), partition_of_key(each.source, settings.partitions)
            found[place].append((each.source.encode(), encode(each)))
        return found

    async def abort(self) -> None:
        """Give up an open transaction, if Kafka still answers."""
        if self._producer is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._producer.abort_transaction(), 2)

    async def close(self) -> None:
        """Give the partition up: no step runs any more."""
        self.opening.cancel()
        with suppress(BaseException):
            await self.opening
        if self._producer is not None:
            await close_client(self._producer, 5)
        if self._store is not None:
            self._store.close()


def named_version(records: Iterable[Record]) -> int:
    """Return the highest registry version that records name; unreadable ones name none."""
    highest = 0
    for each in records:
        with suppress(*UNREADABLE):
            highest = max(highest, _decode_named(each.value).registry)
    return highest


class _Named(msgspec.Struct):
    registry: int = 0


_decode_named = msgspec.json.Decoder(_Named).decode
