"""A fenced producer says that records are written when readers see them, and what it could not finish is never seen."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from schemas.topics import REGISTRY, REGISTRY_LOG
from services.api import fenced
from services.api.fenced import FencedProducer, NotWrittenError, Record
from services.topics import apply_topics
from tests.running import read, run
from tests.unfinished import finish_all, leave_next, trust_producers


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path / "data")
    apply_topics(found)
    return found


@pytest.fixture
def file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that leaves a commit unfinished while it is there."""
    trust_producers(settings.kafka)
    monkeypatch.setenv("QINGYU_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setattr(fenced, "SEEN_LIMIT_S", 0.5)
    leave_next(str(tmp_path / "leave"))
    yield tmp_path / "leave"
    finish_all()


def one(value: bytes) -> list[Record]:
    """Return a record for each of two topics."""
    return [Record(REGISTRY, b"key", value), Record(REGISTRY_LOG, b"key", value)]


async def write(settings: Settings, file: Path) -> None:
    """Write thrice: the second time Kafka acknowledges the commit and does not finish it."""
    producer = FencedProducer(settings, "test", REGISTRY, REGISTRY_LOG)
    try:
        await producer.open()
        await producer.commit(one(b"first"))
        await asyncio.to_thread(file.touch)
        with pytest.raises(NotWrittenError, match="acknowledged a commit and did not finish it"):
            await producer.commit(one(b"second"))
        await producer.open()
        await producer.commit(one(b"third"))
    finally:
        await producer.stop()


def test_what_is_not_seen_is_not_written_and_what_comes_after_is_seen(settings: Settings, file: Path) -> None:
    run(write(settings, file))
    for topic in (REGISTRY, REGISTRY_LOG):
        assert [each.value for each in read(settings, topic)] == [b"first", b"third"]
