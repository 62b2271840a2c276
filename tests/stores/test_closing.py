"""A Kafka client that cannot reach its broker is closed without a word of its own troubles."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from schemas.topics import ALARM_EVENTS
from services.topics import apply_topics
from streams.stores.closing import close_client
from tests.running import until


def sleeps(task: asyncio.Task[Any]) -> bool:
    """Whether a task is in a break of its own choice."""
    awaited: Any = task.get_coro()
    while awaited is not None and getattr(awaited, "__name__", "") != "sleep":
        awaited = getattr(awaited, "cr_await", None)
    return awaited is not None


@pytest.mark.timeout(300)
def test_a_consumer_that_waits_to_try_again_is_closed_and_nobody_else_is_cancelled(tmp_path: Path) -> None:
    with LocalKafka.start(tmp_path) as own:
        settings = Settings(kafka=own.bootstrap, partitions=1)
        apply_topics(settings)

        async def closed() -> tuple[bool, bool]:
            # Breaks that are long beside the time between looking and closing.
            consumer = AIOKafkaConsumer(bootstrap_servers=own.bootstrap, retry_backoff_ms=1_000)
            await consumer.start()
            partition = TopicPartition(settings.topic(ALARM_EVENTS), 0)
            consumer.assign([partition])
            await consumer.position(partition)
            # What it asks for from now on fails; how it is asked is the client's own affair.
            await asyncio.to_thread(own.kill)
            fetcher = consumer._fetcher
            assert fetcher is not None
            await asyncio.to_thread(until, lambda: any(sleeps(task) for task in list(fetcher._pending_tasks)), 60)
            await close_client(consumer, 10)
            task = asyncio.current_task()
            assert task is not None
            return bool(task.cancelling()), bool(consumer._client._conns)

        assert asyncio.run(closed()) == (False, False)
