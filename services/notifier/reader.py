"""The reader brings the events of alarms, of all partitions, from where the notifier's memory stands.

It is its group's only member and takes every partition itself, so there is no rebalance. Offsets committed to Kafka
only tell others how far the notifier is.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import ALARM_EVENTS
from streams.failpoints import hit
from streams.stores.closing import close_client

RECORDS = 500
POLL_MS = 200
REQUEST_TIMEOUT_S = 10.0
COMMIT_TIMEOUT_S = 5.0
# How often ends are asked for; Kafka that has not answered for LOST_S is away.
ENDS_S = 2.0
LOST_S = 15.0

Record = ConsumerRecord[Any, Any]


class Reader:
    """Reads committed events and knows of each partition up to where all is done; `fault` is "" when Kafka answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._contact = self._asked = float("-inf")
        self._partitions = [TopicPartition(settings.topic(ALARM_EVENTS), n) for n in range(settings.partitions)]
        # Of each partition the offsets in hand, in their order, with how many deliveries each still waits for.
        self._open: dict[int, deque[list[int]]] = {one.partition: deque() for one in self._partitions}
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self.fault = "connecting to Kafka"

    @property
    def ready(self) -> bool:
        """Whether Kafka answered lately."""
        return time.monotonic() - self._contact < LOST_S

    @property
    def lag(self) -> int | None:
        """How many offsets are not done with; None while an end is not known."""
        if len(self._ends) < len(self._partitions):
            return None
        done = self.done()
        return sum(max(0, end - done.get(number, 0)) for number, end in self._ends.items())

    async def start(self, offsets: Mapping[int, int]) -> None:
        """Connect, and go to the offsets given, elsewhere to the beginning; raises KafkaError, TimeoutError, OSError.

        Whatever was in hand stays in hand: reading goes on behind it.
        """
        await self.stop()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=self._settings.group("notifier"),
            group_id=self._settings.group("notifier"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=POLL_MS,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        )
        try:
            async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                await consumer.start()
            consumer.assign(self._partitions)
            for one in self._partitions:
                consumer.seek(one, self._next.setdefault(one.partition, offsets.get(one.partition, 0)))
        except BaseException:
            await close_client(consumer, REQUEST_TIMEOUT_S)
            raise
        self._consumer = consumer
        self.heard()

    async def fetch(self) -> list[Record]:
        """Return what is there, by partition in order, after POLL_MS at the latest; raises KafkaError, TimeoutError."""
        assert self._consumer is not None
        if time.monotonic() - self._asked > ENDS_S:
            # Before anything is fetched, so that a position is never ahead of what was taken in hand.
            self._asked = time.monotonic()
            await self._ask()
        hit("notifier.before-fetch")
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS)
        if found:
            self.heard()
            hit("notifier.after-fetch")
        return [record for records in found.values() for record in records]

    def take(self, record: Record, deliveries: int) -> Callable[[], None]:
        """Take a record in hand that so many deliveries come from; return what each calls when it is done."""
        entry = [record.offset, deliveries]
        self._next[record.partition] = record.offset + 1
        if deliveries:
            self._open[record.partition].append(entry)

        def done() -> None:
            entry[1] -= 1

        return done

    def done(self) -> dict[int, int]:
        """Return up to which offset of each partition everything is done with."""
        found: dict[int, int] = {}
        for number, entries in self._open.items():
            while entries and entries[0][1] <= 0:
                entries.popleft()
            if entries or number in self._next:
                found[number] = entries[0][0] if entries else self._next[number]
        return found

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell Kafka how far the notifier is; a failure is of no consequence."""
        if self._consumer is None:
            return
        name = self._settings.topic(ALARM_EVENTS)
        with suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._consumer.commit(
                    {TopicPartition(name, number): OffsetAndMetadata(at, "") for number, at in offsets.items()}
                )

    async def stop(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_client(consumer, REQUEST_TIMEOUT_S)

    def heard(self) -> None:
        """Note that Kafka has answered."""
        self._contact = time.monotonic()
        self.fault = ""

    def lost(self, error: Exception) -> None:
        """Note that Kafka does not answer."""
        self.fault = f"Kafka at {self._settings.kafka} does not answer: {error!r}"

    async def _ask(self) -> None:
        assert self._consumer is not None
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            ends = await self._consumer.end_offsets(self._partitions)
            # The marks of transactions have offsets too, and are passed without a record.
            for one in self._partitions:
                position = await self._consumer.position(one)
                self._next[one.partition] = max(self._next.get(one.partition, 0), position)
        self._ends = {one.partition: end for one, end in ends.items()}
        self.heard()
