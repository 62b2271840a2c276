"""Reading takes a topic in from its beginning to the end it has now, as a process does that rebuilds what it keeps."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topic
from streams.stores.closing import close_client

_RECORDS_AT_ONCE = 5000


def reader(settings: Settings, isolation: Literal["read_committed", "read_uncommitted"]) -> AIOKafkaConsumer:
    """Return a consumer of no group, which commits nothing and begins at the beginning."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )


def partitions_of(settings: Settings, topic: Topic) -> list[TopicPartition]:
    """Return all partitions of a topic."""
    return [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]


async def ends(settings: Settings, topic: Topic) -> dict[int, int]:
    """Return the end of each partition, records of open transactions included.

    A commit is acknowledged before readers of committed records see its end, so this is the end to reach for who must
    have all that was acknowledged.
    """
    consumer = reader(settings, "read_uncommitted")
    await consumer.start()
    try:
        found = await consumer.end_offsets(partitions_of(settings, topic))
    finally:
        await close_client(consumer)
    return {tp.partition: end for tp, end in found.items()}


async def read_to_end(settings: Settings, topic: Topic) -> AsyncIterator[list[ConsumerRecord[Any, Any]]]:
    """Yield the committed records of a topic up to its present end, waiting for transactions that are open there."""
    wanted = await ends(settings, topic)
    consumer = reader(settings, "read_committed")
    await consumer.start()
    try:
        consumer.assign(partitions_of(settings, topic))
        for tp in partitions_of(settings, topic):
            while await consumer.position(tp) < wanted[tp.partition]:
                found = await consumer.getmany(tp, timeout_ms=200, max_records=_RECORDS_AT_ONCE)
                if tp in found:
                    yield found[tp]
    finally:
        await close_client(consumer)
