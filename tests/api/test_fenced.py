"""A fenced producer says that records are written when readers see them, and sees to it that they do."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from schemas.topics import REGISTRY, REGISTRY_LOG
from services.api.fenced import FencedProducer, NotWrittenError, Record
from services.topics import admin_client, apply_topics, find_topics
from tests.running import read, run, until
from tests.unfinished import finish_all, leave_next, trusting


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path / "data")
    apply_topics(found)
    return found


@pytest.fixture
def file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that leaves a commit unfinished while it is there."""
    monkeypatch.setenv("QINGYU_TOPIC_PREFIX", settings.topic_prefix)
    with trusting(settings.kafka):
        leave_next(str(tmp_path / "leave"))
        yield tmp_path / "leave"
        finish_all()


def one(value: bytes) -> list[Record]:
    """Return a record for each of two topics."""
    return [Record(REGISTRY, b"key", value), Record(REGISTRY_LOG, b"key", value)]


async def write(settings: Settings, file: Path) -> list[bytes]:
    """Write thrice: the second time Kafka acknowledges the commit and does not finish it; return what is seen then."""
    producer = FencedProducer(settings, "test", REGISTRY, REGISTRY_LOG)
    try:
        await producer.open()
        await producer.commit(one(b"first"))
        await asyncio.to_thread(file.touch)
        await producer.commit(one(b"second"))
        seen = await asyncio.to_thread(read, settings, REGISTRY)
        await producer.commit(one(b"third"))
    finally:
        await producer.stop()
    return [each.value for each in seen]


def test_what_is_written_is_seen_also_where_kafka_does_not_finish_a_commit(settings: Settings, file: Path) -> None:
    assert run(write(settings, file)) == [b"first", b"second"]
    for topic in (REGISTRY, REGISTRY_LOG):
        assert [each.value for each in read(settings, topic)] == [b"first", b"second", b"third"]


async def left(settings: Settings, file: Path) -> None:
    """Commit what Kafka does not finish, and look no further after it, as who is killed."""
    first, second = (FencedProducer(settings, "test", REGISTRY, REGISTRY_LOG) for _ in range(2))
    try:
        await first.open()
        await asyncio.to_thread(file.touch)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await first.commit(one(b"left"))
        assert await asyncio.to_thread(read, settings, REGISTRY) == []
        await second.open()
    finally:
        await first.stop()
        await second.stop()


def test_what_an_api_left_unfinished_is_carried_out_by_the_next(settings: Settings, file: Path) -> None:
    run(left(settings, file))
    for topic in (REGISTRY, REGISTRY_LOG):
        assert [each.value for each in read(settings, topic)] == [b"left"]


async def refused(settings: Settings) -> None:
    """Write what Kafka takes for one topic and refuses for the other, and then what it takes for both."""
    producer = FencedProducer(settings, "test", REGISTRY, REGISTRY_LOG)
    try:
        await producer.open()
        with pytest.raises(NotWrittenError):
            await producer.commit(one(bytes(2_000)))
        await producer.open()
        await producer.commit(one(b"small"))
    finally:
        await producer.stop()


def test_nothing_is_written_where_kafka_refuses_one_of_the_records(settings: Settings) -> None:
    name = settings.topic(REGISTRY)
    with admin_client(settings) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "1000"})])
        # A broker learns of a changed setting after the controller has answered.
        until(lambda: find_topics(admin, settings)[name].config["max.message.bytes"] == "1000", what="the change seen")
    run(refused(settings))
    for topic in (REGISTRY, REGISTRY_LOG):
        assert [each.value for each in read(settings, topic)] == [b"small"]
