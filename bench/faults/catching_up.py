"""Catching up is the time from the end of a fault until all that had come in by then has come out everywhere.

Kafka is asked where topics end, and then how far workers, sink and notifier have committed; what a process says of
itself is as old as its last look. Under load nothing is ever at the end: what counts are the ends as they were.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from bench.faults.town import Town
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, READINGS, REPORTED, TOTALS, Topic
from tests.running import unread

POLL_S = 0.1
_ASK_S = 15.0
# The last is what aiokafka raises when a broker goes away between its first two answers.
_AWAY = (KafkaError, TimeoutError, OSError, AssertionError)

Ends = Mapping[TopicPartition, int]


class CatchUpError(Exception):
    """What came in did not come out in time; the message says where it stands."""


def catch_up(town: Town, limit_s: float) -> float:
    """Wait until a batch is taken again and all that came in is worked up, stored and told; return the time [s].

    Raises CatchUpError after `limit_s` [s].
    """
    began = time.monotonic()
    end = began + limit_s
    taken = town.sending.batches

    def is_taken() -> bool:
        town.sending.check()
        return town.sending.batches > taken

    _wait(is_taken, end, lambda: "the gateway takes no batch")
    for name in town.running():
        _wait(lambda name=name: town.installation.ready(name)[0], end,
              lambda name=name: f"{name} is not ready: {town.installation.ready(name)[1]}")  # fmt: skip
    asyncio.run(_worked_up(town, end))
    return time.monotonic() - began


async def _worked_up(town: Town, end: float) -> None:
    await _committed(town, "worker", (READINGS, REPORTED), end)
    wanted = await _ends(town, (TOTALS,), end)

    def added_up() -> bool:
        said = town.installation.ready("territory")[1].get("partitions", {})
        reached = {number: each["committed"] for number, each in said.items()}
        return all((reached.get(str(one.partition)) or 0) >= at for one, at in wanted.items())

    await asyncio.to_thread(_wait, added_up, end, lambda: f"the territories are not at {dict(wanted)}")
    await _committed(town, "notifier", (ALARM_EVENTS,), end)
    await _committed(town, "sink", (READINGS, TOTALS, ALARM_CONDITIONS, ALARM_EVENTS), end)


async def _committed(town: Town, group: str, topics: Iterable[Topic], end: float) -> None:
    """Wait until a group has committed as far as topics reach now."""
    wanted = await _ends(town, topics, end)
    behind: dict[TopicPartition, int] = dict(wanted)
    while behind:
        if time.monotonic() > end:
            places = ", ".join(f"{one.topic}/{one.partition} to {at}" for one, at in behind.items())
            raise CatchUpError(f"{group} is behind: {places} are not committed")
        with contextlib.suppress(*_AWAY):
            async with asyncio.timeout(_ASK_S), _asking(town, town.settings.group(group)) as kafka:
                while behind and time.monotonic() <= end:
                    for one, at in list(behind.items()):
                        done = await kafka.committed(one) or 0
                        # Reported values end with marks of the workers' transactions, which nobody takes in.
                        marks = one.topic == town.settings.topic(REPORTED)
                        if done >= at or (marks and not await unread(town.settings, one, done, at)):
                            del behind[one]
                    await asyncio.sleep(POLL_S if behind else 0)


async def _ends(town: Town, topics: Iterable[Topic], end: float) -> Ends:
    names = [town.settings.topic(topic) for topic in topics]
    parts = [TopicPartition(name, number) for name in names for number in range(town.settings.partitions)]
    while True:
        try:
            async with asyncio.timeout(_ASK_S), _asking(town, None) as kafka:
                return await kafka.end_offsets(parts)
        except _AWAY as error:
            if time.monotonic() > end:
                raise CatchUpError(f"Kafka does not say where topics end: {error!r}") from error
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _asking(town: Town, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=town.settings.kafka, group_id=group)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _wait(found: Callable[[], bool], end: float, why: Callable[[], str]) -> None:
    while not found():
        if time.monotonic() > end:
            raise CatchUpError(why())
        time.sleep(POLL_S)
