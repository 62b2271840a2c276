"""Topics as a replay reads them: committed records, without a group, up to ends that are taken beforehand.

Where the worker stands is a cut: its cursor names the offsets that its numbers hold and the step that wrote them, so
documents of that step or before are exactly those of these readings, while the installation goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import STATE, Topic
from services.replay.errors import ReplayError
from streams.domain.fold import Cursor
from streams.domain.state import CURSOR_KEY
from streams.stores.closing import close_client

# Nothing comes for so long though there must be something: a transaction is open there, or Kafka is away.
SILENT_S = 60.0
ASK_S = 30.0
STOP_S = 5.0
_RECORDS_AT_ONCE = 5000
# The cursor is the last record of each step, so a step's records before the end are enough; else more are read.
_LOOK_BACK = (256, 8192, 262_144)
_decode_cursor = msgspec.json.Decoder(Cursor).decode

Records = list[ConsumerRecord[Any, Any]]


class Topics:
    """The topics of an installation; use it as a context, in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._committed = self._consumer("read_committed")
        self._asker = self._consumer("read_uncommitted")

    def _consumer(self, isolation: Any) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20,
        )

    async def __aenter__(self) -> "Topics":
        try:
            async with asyncio.timeout(ASK_S):
                await self._committed.start()
                await self._asker.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await self.__aexit__()
            raise self._away(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer in (self._committed, self._asker):
            await close_client(consumer, STOP_S)

    def _away(self, error: BaseException) -> ReplayError:
        return ReplayError(f"Kafka at {self._settings.kafka} cannot be read: {error!r}; see QINGYU_KAFKA")

    def partitions(self, topic: Topic) -> range:
        """Return the numbers of a topic's partitions."""
        return range(self._settings.partitions if topic.partitioned else 1)

    async def firsts(self, topic: Topic) -> Mapping[int, int]:
        """Return the first offset that each partition still has."""
        return await self._offsets(topic, first=True)

    async def ends(self, topic: Topic) -> Mapping[int, int]:
        """Return the end of each partition now, what open transactions wrote included."""
        # A commit is acknowledged before readers of committed records see its end.
        return await self._offsets(topic, first=False)

    async def _offsets(self, topic: Topic, *, first: bool) -> Mapping[int, int]:
        tps = [TopicPartition(self._settings.topic(topic), number) for number in self.partitions(topic)]
        try:
            async with asyncio.timeout(ASK_S):
                if tps[0].topic not in await self._asker.topics():
                    raise ReplayError(f"topic {tps[0].topic} is not there; see QINGYU_TOPIC_PREFIX")
                found = await (self._asker.beginning_offsets(tps) if first else self._asker.end_offsets(tps))
        except (KafkaError, TimeoutError, OSError) as error:
            raise self._away(error) from error
        return {tp.partition: offset for tp, offset in found.items()}

    async def read(self, topic: Topic, partition: int, first: int, until: int) -> AsyncIterator[Records]:
        """Yield the committed records of a partition with offsets in `[first, until)`, in order."""
        if first >= until:
            return
        tp = TopicPartition(self._settings.topic(topic), partition)
        consumer = self._committed
        consumer.assign([tp])
        consumer.seek(tp, first)
        loop = asyncio.get_running_loop()
        moved, at = loop.time(), first
        try:
            while at < until:
                got = await consumer.getmany(tp, timeout_ms=200, max_records=_RECORDS_AT_ONCE)
                position = await consumer.position(tp)
                if position != at:
                    moved, at = loop.time(), position
                elif loop.time() - moved > SILENT_S:
                    raise ReplayError(
                        f"topic {tp.topic}, partition {partition}: nothing beyond offset {at} of {until} has come for "
                        f"{SILENT_S:.0f} s: a transaction is open there, or Kafka is away"
                    )
                records = [each for each in got.get(tp, ()) if each.offset < until]
                if records:
                    yield records
        except KafkaError as error:
            raise self._away(error) from error

    async def cursor(self, partition: int) -> Cursor:
        """Return how far the worker of a partition is; at the beginning where it has never made a step."""
        end = (await self.ends(STATE))[partition]
        for back in (*_LOOK_BACK, end):
            last = None
            async for records in self.read(STATE, partition, max(0, end - back), end):
                last = next((each.value for each in reversed(records) if each.key == CURSOR_KEY), last)
            if last is not None:
                return _decode_cursor(last)
        return Cursor()
