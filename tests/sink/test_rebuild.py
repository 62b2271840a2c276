"""`qingyu store rebuild` on either store: what the topics hold is there afterwards, and nothing is dropped in vain."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.local.kafka import LocalKafka
from schemas.messages import Batch, Readings, encode
from schemas.settings import Settings
from schemas.topics import READINGS
from services.topics import apply_topics
from streams.stores.opening import open_store
from streams.stores.series import Store
from tests.influx_buckets import influx_settings, removing
from tests.sink.conftest import Message, SinkProcess, rebuild, send, until

EVER = (0, 2**53)


def readings(first: int, count: int) -> list[Message]:
    batches = [Batch(f"b{n}", "gw", 50, ["a.e01"], [1], [0], [n], [15]) for n in range(first, first + count)]
    return [(READINGS, 1, b"a", encode(Readings(1, 1, "a", [batch]))) for batch in batches]


def times(store: Store) -> list[int]:
    return [point.time_ms for point in store.readings("a.e01", *EVER)]


@pytest.fixture(params=["embedded", "influx"])
def settings(request: pytest.FixtureRequest, kafka: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[Settings]:
    """Topics of this test alone, and an empty place for either store."""
    more = {"kafka": kafka.bootstrap, "topic_prefix": prefix, "partitions": 2}
    if request.param == "embedded":
        found = Settings(**more, store=str(tmp_path / "series.sqlite"), data=tmp_path)
        apply_topics(found)
        yield found
    else:
        found = influx_settings(request.getfixturevalue("influx"), tmp_path, **more)
        apply_topics(found)
        with removing(found):
            yield found


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    found = open_store(settings)
    yield found
    found.close()


def test_without_a_sink_the_command_fills_the_store_itself(settings: Settings, store: Store) -> None:
    send(settings, readings(0, 50))
    store.drop_all()
    store.write([])
    done = rebuild(settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["filled_by"] == "this command"
    assert times(store) == list(range(50))
    assert store.receipts("b49")[0].accepted == 1
    assert "filled" in done.stderr


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_what_topics_no_longer_hold_is_not_dropped_unless_that_is_meant(settings: Settings, store: Store) -> None:
    send(settings, readings(0, 3))
    assert rebuild(settings).returncode == 0

    async def forget() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(settings.topic(READINGS), 1): RecordsToDelete(2)})
        finally:
            await admin.close()

    asyncio.run(forget())
    done = rebuild(settings)
    assert done.returncode == 1
    assert "no longer hold their first records" in done.stderr
    assert times(store) == [0, 1, 2]
    assert rebuild(settings, "--accept-loss").returncode == 0
    assert times(store) == [2]


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_a_running_sink_is_watched_and_another_store_than_its_own_is_not_dropped(
    settings: Settings, store: Store, sink: SinkProcess, tmp_path: Path
) -> None:
    send(settings, readings(0, 20))
    sink.start()
    until(lambda: store.offsets() and "sink" in store.heartbeats() and times(store) == list(range(20)))
    elsewhere = settings.model_copy(update={"store": str(tmp_path / "elsewhere.sqlite")})
    done = rebuild(elsewhere)
    assert done.returncode == 1
    assert "not with" in done.stderr
    began = time.time()
    done = rebuild(settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["filled_by"] == "the running sink"
    assert times(store) == list(range(20))
    assert time.time() - began < 90


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_without_kafka_nothing_is_dropped(settings: Settings, store: Store) -> None:
    send(settings, readings(0, 2))
    assert rebuild(settings).returncode == 0
    done = rebuild(settings.model_copy(update={"kafka": "127.0.0.1:9"}))
    assert done.returncode == 1
    assert "nothing was dropped: Kafka" in done.stderr
    done = rebuild(settings.model_copy(update={"topic_prefix": "nobody."}))
    assert done.returncode == 1
    assert "QINGYU_TOPIC_PREFIX" in done.stderr
    assert times(store) == [0, 1]
