"""Commits are acknowledged by Kafka before they are seen, and now and then one is acknowledged and never seen.

A commit is finished by a mark in each partition that was written. Kafka 4.3 takes a partition that has no leader at
that moment for a deleted one and leaves its mark out; a broker's partitions have none for an instant when it wakes
after it hung for longer than ``broker.session.timeout.ms``. The coordinator holds such a transaction for completed. Its
records stay hidden, and with them all that anybody writes behind them, until a later transaction of the same producer
puts a mark of its own there: a commit shows them, an abort makes them void.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.stores.closing import close_client

# Who writes alone sees a commit within milliseconds; after so long it will not be seen.
SEEN_LIMIT_S = 10.0
_ASK_EVERY_S = 0.02
_REQUEST_MS = 10_000


class UnfinishedError(Exception):
    """What was committed is not seen by readers; the message says where."""


class Commits:
    """What was committed and is not known to be seen yet: for each partition the offset behind it."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}

    @property
    def pending(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._ends)

    def add(self, tp: TopicPartition, end: int) -> None:
        """Take note of a commit that was acknowledged: `end` is the offset behind the last record of a partition."""
        self._ends[tp] = end

    async def until_seen(self, limit_s: float) -> None:
        """Return when all that was committed is seen; raise UnfinishedError when Kafka denies it for `limit_s` [s].

        While Kafka does not answer, this waits on, which the caller limits.
        """
        denied_at: float | None = None
        while self._ends:
            try:
                consumer = await self._started()
                seen = await consumer.end_offsets(list(self._ends))
            except (KafkaError, OSError):
                denied_at = None
            else:
                self._ends = {tp: end for tp, end in self._ends.items() if seen.get(tp, 0) < end}
                denied_at = denied_at or time.monotonic()
                if self._ends and time.monotonic() - denied_at > limit_s:
                    places = ", ".join(f"{tp.topic}/{tp.partition} before {end}" for tp, end in self._ends.items())
                    raise UnfinishedError(f"Kafka acknowledged a commit and did not finish it: {places}")
            if self._ends:
                await asyncio.sleep(_ASK_EVERY_S)

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._kafka,
                isolation_level="read_committed",
                enable_auto_commit=False,
                request_timeout_ms=_REQUEST_MS,
            )
            try:
                await consumer.start()
            except BaseException:
                await close_client(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    async def stop(self) -> None:
        """Give the connection back."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError):
                await close_client(consumer)


async def until_seen(kafka: str, ends: Mapping[TopicPartition, int], limit_s: float) -> None:
    """Return when commits are seen up to an offset of each partition; as `Commits.until_seen`."""
    commits = Commits(kafka)
    try:
        for tp, end in ends.items():
            commits.add(tp, end)
        await commits.until_seen(limit_s)
    finally:
        await commits.stop()


async def abort_unfinished(
    kafka: str,
    producer: AIOKafkaProducer,
    awaited: Iterable[TopicPartition],
    others: Iterable[TopicPartition] = (),
    *,
    limit_s: float = SEEN_LIMIT_S,
) -> None:
    """Make void what earlier lives of a started producer left unfinished, before it begins its first transaction.

    Returns when readers see the `awaited` partitions to the end. In `others` it is left open when that is, since other
    producers may have left something there. Raises KafkaError, and UnfinishedError when it is not seen for `limit_s`
    [s]: then its own marks were left out, and a new start tries again.
    """
    awaited = [*awaited]
    await producer.begin_transaction()
    # A partition belongs to a transaction by a record in it; this one is never seen.
    sent = [await producer.send(tp.topic, b"", b"", tp.partition) for tp in (*awaited, *others)]
    written = [await each for each in sent]
    await producer.abort_transaction()
    await until_seen(kafka, {each.topic_partition: each.offset + 1 for each in written[: len(awaited)]}, limit_s)
