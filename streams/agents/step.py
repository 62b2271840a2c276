"""Steps run an agent's partitions: what Faust hands over is grouped by partition, and each group becomes one step.

Faust gives the assignment and the stream. It may hand over records of an assignment that is over, or again after a
rebalance: the first are dropped by their generation, the second by the partition's cursor.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import READINGS, REPORTED
from streams.agents.partition import Partition, named_version
from streams.agents.stopping import die
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError

# For what a step waits for; how long it computes is its own affair.
STEP_LIMIT_S = 60.0
IDLE_S = 0.05
PAUSE_S = 0.05
# Nobody waits for the last message of a backlog, which is what lay in Kafka for so long: fewer, larger steps cost less.
# While more of it comes in, a step gathers on for at most so long.
BACKLOG_AGE_S = 2.0
LONGEST_GATHER_S = 5.0

_log = structlog.get_logger(__name__)


class Steps:
    """The partitions that this process owns, and the loop that makes their steps."""

    def __init__(self, app: faust.App, settings: Settings, follower: RegistryFollower) -> None:
        self.partitions: dict[int, Partition] = {}
        self.stale = 0  # records of an assignment that was over
        self._app = app
        self._settings = settings
        self._follower = follower
        self._plans = Plans(follower.snapshot)
        self._generation: int | None = None
        self._last_generation: int | None = None
        self._busy = asyncio.Lock()
        self._waiting: list[Any] = []
        self._bytes = 0  # of what waits
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._source = settings.topic(READINGS)
        # Faust calls both with keywords, which its own type of a handler does not say.
        app.on_partitions_revoked.connect(self._revoked, weak=False)  # pyright: ignore[reportArgumentType]
        app.on_partitions_assigned.connect(self._assigned, weak=False)  # pyright: ignore[reportArgumentType]

    async def take(self, stream: Any) -> None:
        """Keep what the stream hands over for the next step, for ever; the whole body of the agent."""
        async for event in stream.noack().events():
            self._waiting.append(event)
            self._bytes += len(event.message.value or b"")
            self._arrived.set()
            if self._full():
                self._room.clear()
                await self._room.wait()

    async def run(self) -> None:
        """Make steps of what has come, of reported values and of queued recomputation, for ever."""
        while True:
            await self._gather()
            events, self._waiting, self._bytes = self._waiting, [], 0
            self._room.set()
            if events or self._asked():
                await self._guarded(events)

    async def _gather(self) -> None:
        """Return when a step is due: its time is up and no backlog is coming in, or it is as large as allowed."""
        self._arrived.clear()
        if not self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), IDLE_S)
            if not self._waiting:
                return
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self._full():
            count = len(self._waiting)
            await asyncio.sleep(min(PAUSE_S, self._settings.step_s / 2))
            gathered_s = loop.time() - began
            backlog = len(self._waiting) > count and _age_s(self._waiting[-1]) > BACKLOG_AGE_S
            if gathered_s >= (LONGEST_GATHER_S if backlog else self._settings.step_s):
                return

    def _full(self) -> bool:
        """Tell whether what waits is as much as a step takes."""
        settings = self._settings
        return len(self._waiting) >= settings.step_messages or self._bytes >= settings.step_mib * (1 << 20)

    def _asked(self) -> bool:
        """Tell whether there is something to do without new readings."""
        return self._plans.snapshot is not self._follower.snapshot or any(
            each.pending or each.waiting or each.is_unfinished for each in self.partitions.values()
        )

    async def _guarded(self, events: list[Any]) -> None:
        try:
            async with self._busy:
                await self._steps(events)
        except Exception as error:  # noqa: BLE001 -- whatever it is, an agent that raised would lose its events
            for each in self.partitions.values():
                await each.abort()
            die(f"a step failed: {type(error).__name__}: {error}")

    async def _steps(self, events: list[Any]) -> None:
        groups: dict[int, list[Record]] = {}
        for event in events:
            message = event.message
            if message.generation_id != self._generation:
                self.stale += 1
                continue
            record = Record("readings", message.partition, message.offset, int(message.timestamp * 1000), message.value)
            groups.setdefault(message.partition, []).append(record)
        if self._generation is not None:
            busy = [each for each in self.partitions.values() if each.number in groups or each.is_open]
            async with asyncio.timeout(STEP_LIMIT_S):
                await self._follow(groups)
                await asyncio.gather(*(each.opening for each in busy))
            # However long all of it is computed, no transaction is open yet and nothing is waited for.
            computed = [(each, each.compute(self._plans, groups.get(each.number, []))) for each in busy]
            async with asyncio.timeout(STEP_LIMIT_S):
                await asyncio.gather(
                    *(each.finish() if effects is None else each.commit(effects) for each, effects in computed)
                )
        for event in events:
            event.ack()

    async def _follow(self, groups: dict[int, list[Record]]) -> None:
        """Have the registry version that the messages name; one that never comes is for the fold to refuse."""
        reports = [each.pending for each in self.partitions.values()]
        named = max(map(named_version, (*groups.values(), *reports)), default=0)
        while named > self._follower.version:
            try:
                await self._follower.read_to_end()
                break
            except RegistryUnavailableError as error:
                _log.warning("waiting for the registry", wanted=named, here=self._follower.version, error=str(error))
        if self._plans.snapshot is not self._follower.snapshot:
            self._plans = Plans(self._follower.snapshot)

    async def _revoked(self, app: Any, revoked: Any, **_: Any) -> None:
        self._generation = None
        async with self._busy:
            pass  # a running step ends first

    async def _assigned(self, app: Any, assigned: Any, **_: Any) -> None:
        generation = self._app.consumer_generation_id
        mine = {tp.partition for tp in assigned if tp.topic == self._source}
        # What is still ours in the very next generation nobody else can have had in between.
        keep = self._last_generation is not None and generation == self._last_generation + 1
        for number in [each for each in self.partitions if each not in mine or not keep]:
            await self.partitions.pop(number).close()
        for number in mine - self.partitions.keys():
            self.partitions[number] = Partition(self._settings, number)
        self._generation = self._last_generation = generation

    async def read_reports(self) -> None:
        """Hand the records of topic `reported` to the partitions they belong to; for ever."""
        topic = self._settings.topic(REPORTED)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await _started(consumer)
        reading: dict[int, Partition] = {}
        while True:
            owned = {number: each for number, each in self.partitions.items() if each.is_open}
            if owned != reading:
                reading = owned
                consumer.assign([TopicPartition(topic, number) for number in sorted(reading)])
                for number, each in reading.items():
                    after = each.pending[-1].offset + 1 if each.pending else 0
                    consumer.seek(TopicPartition(topic, number), max(each.cursor.reported, after))
            if not reading:
                await asyncio.sleep(IDLE_S)
                continue
            try:
                found = await consumer.getmany(timeout_ms=200, max_records=2000)
            except KafkaError as error:
                _log.warning("reported values cannot be read", error=str(error))
                await asyncio.sleep(1)
                continue
            for tp, records in found.items():
                if tp.partition in reading:
                    reading[tp.partition].pending += [
                        Record("reported", tp.partition, each.offset, each.timestamp, each.value or b"")
                        for each in records
                    ]


def _age_s(event: Any) -> float:
    """Return how long ago Kafka took a message [s]."""
    return time.time() - event.message.timestamp


async def _started(consumer: AIOKafkaConsumer) -> None:
    started = False
    while not started:
        try:
            await consumer.start()
            started = True
        except KafkaError as error:
            _log.warning("Kafka is away", error=str(error))
            await asyncio.sleep(1)
