"""What contenders leave in Kafka: topics made for them, the last value of each key, bytes that topics hold."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from bench.contenders.contender import PARTITIONS, Contender, Results, Task
from schemas.partitioner import partition_of_key

# kafka-python 3 has no types of its own, and those that type checkers bring along are of version 2.
_open_admin: Any = KafkaAdminClient
_new_topic: Any = NewTopic
_READ_LIMIT_S = 300.0


@contextmanager
def admin(kafka: str) -> Iterator[Any]:
    """Give an administration client."""
    client = _open_admin(bootstrap_servers=kafka, request_timeout_ms=30_000)
    try:
        yield client
    finally:
        client.close()


def make_topic(kafka: str, name: str) -> None:
    """Make a topic that keeps everything."""
    with admin(kafka) as client:
        client.create_topics([_new_topic(name, PARTITIONS, 1, topic_configs={"retention.ms": "-1"})])


def remove_topics(kafka: str, prefix: str) -> None:
    """Remove all topics whose names begin so: those of many runs would fill the disk."""
    with admin(kafka) as client:
        if names := [name for name in client.list_topics() if name.startswith(prefix)]:
            client.delete_topics(names)


async def load(
    kafka: str, topic: str, messages: Iterable[tuple[str, bytes]], progress: Callable[[], object] = lambda: None
) -> None:
    """Write messages (enterprise, value) to a topic; `progress` is called after each."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka,
        enable_idempotence=True,
        max_batch_size=512 << 10,
        linger_ms=5,
        request_timeout_ms=120_000,
    )
    await producer.start()
    try:
        for enterprise, value in messages:
            place = partition_of_key(enterprise, PARTITIONS)
            await producer.send(topic, value, enterprise.encode(), partition=place)
            progress()
        await producer.flush()
    finally:
        await producer.stop()


def topic_bytes(kafka: str) -> dict[str, int]:
    """Return how many bytes each topic holds on the disk of the broker."""
    found: dict[str, int] = {}
    with admin(kafka) as client:
        for broker in client.describe_log_dirs():
            for folder in broker["log_dirs"]:
                for topic in folder["topics"]:
                    size = sum(each["partition_size"] for each in topic["partitions"])
                    found[topic["name"]] = found.get(topic["name"], 0) + size
    return found


def changelog_bytes(contender: Contender, task: Task) -> int:
    """Return how many bytes a run wrote to the topics that its state goes to."""
    words = tuple(contender.changelog(task))
    return sum(size for name, size in topic_bytes(task.kafka).items() if all(word in name for word in words))


def results(contender: Contender, task: Task) -> Results:
    """Return what a run came to."""
    if contender.read is not None:
        return contender.read(task)
    return asyncio.run(_results(task))


async def _results(task: Task) -> Results:
    decode = msgspec.json.Decoder(tuple[int, dict[str, tuple[int | bool, ...]]]).decode
    found: Results = {}
    async for _, value in records(task.kafka, task.results):
        hour_ms, figures = decode(value)
        found.update({(entity, hour_ms): each for entity, each in figures.items()})
    return found


def last_values(kafka: str, topic: str) -> Mapping[bytes, bytes]:
    """Return the last value of each key of a topic, as a reader of committed records sees it."""

    async def read() -> dict[bytes, bytes]:
        return {key: value async for key, value in records(kafka, topic)}

    return asyncio.run(read())


async def records(kafka: str, topic: str) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield key and value of all records of a topic, as a reader of committed records sees it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        async with asyncio.timeout(_READ_LIMIT_S):
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for found in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
                    for each in found:
                        if each.key is not None and each.value is not None:
                            yield each.key, each.value
    finally:
        await consumer.stop()
