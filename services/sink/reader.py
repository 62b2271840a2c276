"""The reader is the sink's way into Kafka: all partitions of its topics, from where the store stands.

The store's own offsets are the truth, since they are written with the data; those committed to Kafka only tell others
how far the sink is. The reader is its group's only member and takes every partition itself, so there is no rebalance.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from services.sink.progress import Progress
from services.sink.step import SOURCES, Record
from streams.stores.closing import close_client
from streams.stores.series import Read, StoreError

# A step holds what was fetched: at most this of each partition, so that its points fit in memory.
PARTITION_FETCH_BYTES = 256 << 10
RECORDS = 2000
POLL_MS = 200
REQUEST_TIMEOUT_S = 10.0
COMMIT_TIMEOUT_S = 5.0
# Kafka that has not answered for so long is away.
LOST_S = 15.0

_log = structlog.get_logger(__name__)


class Reader:
    """Reads committed records; `progress` says how far, `fault` why Kafka cannot be read ("" when it can)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._contact = time.monotonic()
        self.fault = "connecting to Kafka"
        self.progress = Progress(
            TopicPartition(settings.topic(topic), partition)
            for topic in SOURCES
            for partition in range(settings.partitions if topic.partitioned else 1)
        )

    @property
    def ready(self) -> bool:
        """Whether Kafka answered lately."""
        return not self.fault or time.monotonic() - self._contact < LOST_S

    async def start(self, offsets: Mapping[tuple[str, int], Read]) -> None:
        """Connect and go to where the store stands; raise KafkaError, TimeoutError or OSError when that fails.

        Raises StoreError `store_ahead` where a topic ends before what the store has of it.
        """
        await self.stop()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=self._settings.group("sink"),
            group_id=self._settings.group("sink"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=POLL_MS,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        )
        try:
            async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                await consumer.start()
                ends = await consumer.end_offsets(list(self.progress.partitions))
            self._refuse_ahead(ends, offsets)
            consumer.assign(list(self.progress.partitions))
        except BaseException:
            await close_client(consumer, COMMIT_TIMEOUT_S)
            raise
        self._consumer = consumer
        self.go_to(offsets)
        self._heard()

    def _refuse_ahead(self, ends: Mapping[TopicPartition, int], offsets: Mapping[tuple[str, int], Read]) -> None:
        # Reading on would leave in the store what is in no topic, and skip what comes to stand at the same offsets.
        for one, end in ends.items():
            stored = offsets.get((one.topic, one.partition))
            if stored is not None and stored.offset > end:
                raise StoreError(
                    "store_ahead",
                    f"the store has {one.topic}/{one.partition} up to offset {stored.offset}, and the topic of Kafka "
                    f"at {self._settings.kafka} ends at {end}: it is another Kafka (see QINGYU_KAFKA), or one that was "
                    "restored from a backup older than the store; then run `qingyu store rebuild`",
                )

    def go_to(self, offsets: Mapping[tuple[str, int], Read]) -> None:
        """Read on from where the store stands; from the beginning where it knows nothing."""
        assert self._consumer is not None
        for partition in self.progress.partitions:
            stored, since = offsets.get((partition.topic, partition.partition), (None, None))
            self._consumer.seek(partition, stored or 0)
            self.progress.begin(partition, stored, since)

    async def fetch(self) -> Mapping[TopicPartition, list[Record]]:
        """Return what is there, at most RECORDS and after POLL_MS; raises KafkaError."""
        assert self._consumer is not None
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS)
        if found:
            self._heard()
        return found

    async def position(self, partition: TopicPartition) -> int:
        """Return the next offset to fetch, past the marks of transactions."""
        assert self._consumer is not None
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            return await self._consumer.position(partition)

    async def ask_ends(self) -> None:
        """Learn the partitions' ends, for the lag; a failure is noted in `fault`."""
        assert self._consumer is not None
        asked_ms = time.time_ns() // 1_000_000
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                ends = await self._consumer.end_offsets(list(self.progress.partitions))
        except (KafkaError, TimeoutError, OSError) as error:
            self.lost(error)
            return
        self._heard()
        for partition, end in ends.items():
            self.progress.reached(partition, end, asked_ms)

    async def commit(self, partitions: Iterable[TopicPartition]) -> None:
        """Tell Kafka how far the store is, for those who watch the group; no harm is done when that fails."""
        assert self._consumer is not None
        progress = self.progress.partitions
        offsets = {one: OffsetAndMetadata(progress[one].written, "") for one in partitions}
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError, OSError) as error:
            _log.warning("offsets not committed to Kafka", error=repr(error))

    def lost(self, error: BaseException) -> None:
        """Note that Kafka could not be read."""
        fault = f"Kafka at {self._settings.kafka}: {error!r}"
        if fault != self.fault:
            _log.warning("Kafka cannot be read", error=repr(error))
        self.fault = fault

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await close_client(consumer, COMMIT_TIMEOUT_S)

    def _heard(self) -> None:
        self._contact = time.monotonic()
        self.fault = ""
