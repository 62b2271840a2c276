"""The ticker against a real Kafka."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.kafka import LocalKafka
from schemas.messages import Readings, decode_heartbeat, decode_readings
from schemas.settings import Settings
from schemas.topics import ENGINE, READINGS
from services.clock import Clock
from services.ticker import Ticker
from services.topics import apply_topics
from tests.registry_writing import STEEL, documents, write_set
from tests.running import LIMIT_S


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    partitions = [TopicPartition(settings.topic(READINGS), n) for n in range(settings.partitions)]
    async with asyncio.timeout(LIMIT_S):
        await consumer.start()
    try:
        consumer.assign([*partitions, TopicPartition(settings.topic(ENGINE), 0)])
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def ticking(settings: Settings, clock: Clock) -> AsyncIterator[Ticker]:
    ticker, stop = Ticker(settings, clock), asyncio.Event()
    task = asyncio.create_task(ticker.run(stop))
    try:
        yield ticker
    finally:
        stop.set()
        await asyncio.wait_for(task, LIMIT_S)


async def collect(settings: Settings, consumer: AIOKafkaConsumer, rounds: int) -> dict[int, list[Readings]]:
    """Return the ticks of each partition when all have `rounds` of them."""
    found: dict[int, list[Readings]] = {n: [] for n in range(settings.partitions)}
    async with asyncio.timeout(LIMIT_S):
        while min(map(len, found.values())) < rounds:
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                if partition.topic == settings.topic(READINGS):
                    found[partition.partition] += [decode_readings(one.value or b"") for one in records]
    return found


def test_every_partition_gets_ticks_with_the_clocks_time_and_the_registrys_version(
    kafka: LocalKafka, prefix: str
) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, tick_s=0.2)
    apply_topics(settings)
    wall_ms = time.time_ns() // 1_000_000
    clock = Clock.parse("2018-06-01T00:00:00+08:00@60@2026-01-01T00:00:00+08:00")

    async def story() -> None:
        await write_set(settings, 1, documents(STEEL))
        before = clock.now_ms()
        async with ticking(settings, clock) as ticker, reading(settings) as consumer:
            found = await collect(settings, consumer, 3)
            after = clock.now_ms()
            assert ticker.ready()[0]
        for ticks in found.values():
            times = [one.tick or 0 for one in ticks]
            assert times == sorted(times)
            assert before <= times[0] < times[-1] <= after
            assert {(one.v, one.registry, one.enterprise) for one in ticks} == {(1, 1, None)}

    asyncio.run(story())
    assert time.time_ns() // 1_000_000 - wall_ms < 60_000


def test_a_heartbeat_goes_with_each_tick(kafka: LocalKafka, prefix: str) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, tick_s=0.2, instance="ticker-a")
    apply_topics(settings)

    async def story() -> None:
        async with ticking(settings, Clock()), reading(settings) as consumer, asyncio.timeout(LIMIT_S):
            while True:
                found = await consumer.getmany(TopicPartition(settings.topic(ENGINE), 0), timeout_ms=200)
                for records in found.values():
                    beat = decode_heartbeat(records[-1].value or b"")
                    assert (records[-1].key, beat.process) == (b"ticker-a", "ticker-a")
                    if beat.counts["ticks"] >= 2:
                        return

    asyncio.run(story())


def test_without_kafka_a_ticker_waits_and_is_not_ready() -> None:
    settings = Settings(kafka="127.0.0.1:9", tick_s=0.1, ack_timeout_s=0.5)

    async def story() -> None:
        async with ticking(settings, Clock()) as ticker:
            await asyncio.sleep(1)
            assert not ticker.ready()[0]

    asyncio.run(story())


@pytest.mark.timeout(600)
def test_a_ticker_outlives_a_killed_kafka(tmp_path: Path) -> None:
    async def story(own: LocalKafka, settings: Settings) -> None:
        async with ticking(settings, Clock()):
            async with reading(settings) as consumer:
                await collect(settings, consumer, 2)
            own.kill()
            await asyncio.sleep(2)
            await asyncio.to_thread(own.restart)
            back_ms = Clock().now_ms()
            # Another reader than before: what is asked is whether the ticker goes on.
            async with reading(settings) as consumer, asyncio.timeout(LIMIT_S):
                while True:
                    found = await collect(settings, consumer, 1)
                    if min((ticks[-1].tick or 0) for ticks in found.values()) > back_ms:
                        return

    with LocalKafka.start(tmp_path) as own:
        settings = Settings(kafka=own.bootstrap, topic_prefix="k.", tick_s=0.2, ack_timeout_s=5)
        apply_topics(settings)
        asyncio.run(story(own, settings))


def test_a_served_ticker_ends_when_it_is_told(kafka: LocalKafka, prefix: str) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, tick_s=0.2)
    apply_topics(settings)
    code = "from schemas.settings import Settings; from services.ticker import serve; serve(Settings())"
    named = {"QINGYU_KAFKA": kafka.bootstrap, "QINGYU_TOPIC_PREFIX": prefix, "QINGYU_TICK_S": "0.2"}
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **named, "QINGYU_METRICS_PORT": "0"})
    try:

        async def story() -> None:
            async with reading(settings) as consumer:
                await collect(settings, consumer, 1)

        asyncio.run(story())
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait(LIMIT_S)
