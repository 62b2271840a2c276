"""Sending puts many records into a transaction at the price of few: whole batches for each topic and partition."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

BATCH_BYTES = 512 << 10


async def send_all(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Iterable[tuple[bytes, bytes | None]]
) -> list[tuple[asyncio.Future, int]]:
    """Send (key, value) records to one partition; return for each batch its future and how many records it has.

    The futures must be awaited before the commit: a transaction commits in spite of a batch that was refused.
    """
    sent: list[tuple[asyncio.Future, int]] = []
    builder, count = producer.create_batch(), 0
    for key, value in records:
        while builder.append(key=key, value=value, timestamp=None) is None:
            sent.append((await producer.send_batch(builder, topic, partition=partition), count))
            builder, count = producer.create_batch(), 0
        count += 1
    if count:
        sent.append((await producer.send_batch(builder, topic, partition=partition), count))
    return sent
