"""The registry follower against a real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError
from tests.registry_writing import STEEL, documents, write_set
from tests.running import until

STEEL_SET = documents(STEEL)
GW3 = documents("{apiVersion: qingyu/v1, kind: source, id: gw3, valid_from: 2018-01-01, spec: {enterprise: bz-steel}}")


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> Settings:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix)
    apply_topics(settings)
    return settings


@asynccontextmanager
async def following(settings: Settings, limit_s: float = 30.0) -> AsyncIterator[RegistryFollower]:
    follower = RegistryFollower(settings)
    await follower.start(limit_s)
    try:
        yield follower
    finally:
        await follower.stop()


def test_an_empty_registry_is_version_0_and_ready(settings: Settings) -> None:
    async def story() -> None:
        async with following(settings) as follower:
            assert follower.loaded
            assert follower.ready
            assert follower.version == 0
            assert follower.documents == {}

    asyncio.run(story())


def test_a_set_is_there_after_the_start(settings: Settings) -> None:
    async def story() -> None:
        await write_set(settings, 1, STEEL_SET)
        async with following(settings) as follower:
            assert follower.version == 1
            assert follower.snapshot.sources["gw1"].enterprise == "bz-steel"
            assert follower.documents["source/gw1"]["spec"]["enterprise"] == "bz-steel"

    asyncio.run(story())


def test_a_later_set_is_added_and_told(settings: Settings) -> None:
    async def story() -> None:
        await write_set(settings, 1, STEEL_SET)
        async with following(settings) as follower:
            told: list[int] = []
            follower.on_change.append(lambda snapshot: told.append(snapshot.version))
            await write_set(settings, 2, GW3)
            snapshot = await follower.wait_for(2, 10)
            assert "gw3" in snapshot.sources
            assert "gw1" in snapshot.sources
            assert told == [2]

    asyncio.run(story())


def test_reading_to_the_end_gives_what_was_just_committed(settings: Settings) -> None:
    async def story() -> None:
        async with following(settings) as follower:
            for version in range(1, 6):
                await write_set(settings, version, GW3)
                snapshots = await asyncio.gather(*(follower.read_to_end() for _ in range(5)))
                assert {snapshot.version for snapshot in snapshots} == {version}

    asyncio.run(story())


def test_an_aborted_set_is_never_seen(settings: Settings) -> None:
    async def story() -> None:
        await write_set(settings, 1, STEEL_SET)
        async with following(settings) as follower:
            await write_set(settings, 2, GW3, commit=False)
            snapshot = await follower.read_to_end()
            assert snapshot.version == 1
            assert "gw3" not in snapshot.sources

    asyncio.run(story())


def test_an_invalid_document_is_skipped_and_the_rest_kept(settings: Settings) -> None:
    async def story() -> None:
        broken = {"apiVersion": "qingyu/v1", "kind": "source", "id": "bad", "valid_from": "2018-01-01", "spec": {}}
        await write_set(settings, 1, [*STEEL_SET, broken])
        async with following(settings) as follower:
            assert "gw1" in follower.snapshot.sources
            assert "source/bad" not in follower.documents

    asyncio.run(story())


def test_a_version_that_does_not_come_is_told_in_time(settings: Settings) -> None:
    async def story() -> None:
        async with following(settings) as follower:
            with pytest.raises(RegistryUnavailableError, match="version 7"):
                await follower.wait_for(7, 0.2)

    asyncio.run(story())


@pytest.mark.timeout(600)
def test_a_follower_outlives_a_killed_kafka(tmp_path: Path) -> None:
    async def story(own: LocalKafka, settings: Settings) -> None:
        await write_set(settings, 1, STEEL_SET)
        async with following(settings) as follower:
            # A commit is answered a moment before those who read committed records see it.
            await asyncio.to_thread(until, lambda: follower.version == 1)
            own.kill()
            with pytest.raises(RegistryUnavailableError):
                await follower.read_to_end(1)
            assert follower.version == 1
            await asyncio.to_thread(own.restart)
            await write_set(settings, 2, GW3)
            assert "gw3" in (await follower.read_to_end(30)).sources

    with LocalKafka.start(tmp_path) as own:
        settings = Settings(kafka=own.bootstrap, topic_prefix="k.")
        apply_topics(settings)
        asyncio.run(story(own, settings))


def test_without_kafka_a_follower_starts_but_is_not_ready() -> None:
    async def story() -> None:
        async with following(Settings(kafka="127.0.0.1:9"), 0.5) as follower:
            assert not follower.loaded
            assert not follower.ready
            with pytest.raises(RegistryUnavailableError):
                await follower.read_to_end(0.2)

    asyncio.run(story())
