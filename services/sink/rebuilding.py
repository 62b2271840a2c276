"""A rebuilding drops the series store and sees to it that it is filled again from the topics.

A sink that runs notices that its store was dropped and begins again; where none runs, one runs here until the end.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from services.sink.sink import Sink
from services.sink.step import SOURCES
from streams.stores.closing import close_client
from streams.stores.series import Store, StoreError

# A running sink has something to write at every heartbeat, and finds out then.
NOTICED_S = 30.0
# Nothing moves for so long: whoever fills the store cannot.
STALLED_S = 60.0
# A sink may be in a long write, and one that writes keeps all others out.
DROP_S = 90.0
ASK_S = 30.0
LOOK_S = 0.3

By = Literal["the running sink", "this command"]


class RebuildError(Exception):
    """The store could not be rebuilt; the text says whether it was dropped and what to do."""


class Extent(NamedTuple):
    """What a partition holds: offsets from `first` to before `end`; `gone` when earlier records were deleted."""

    first: int
    end: int
    gone: bool


class Filled(NamedTuple):
    """How far the store is, in offsets of all partitions."""

    done: int
    total: int


async def extents(settings: Settings) -> dict[TopicPartition, Extent]:
    """Return what stands in the topics that the store is filled from; raise RebuildError when Kafka does not say."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, isolation_level="read_committed"
    )
    compacted = {settings.topic(topic): topic.cleanup == "compact" for topic in SOURCES}
    try:
        async with asyncio.timeout(ASK_S):
            await consumer.start()
            missing = sorted(compacted.keys() - await consumer.topics())
            if missing:
                raise RebuildError(f"nothing was dropped: topic {missing[0]} is not there; see QINGYU_TOPIC_PREFIX")
            every = [
                TopicPartition(settings.topic(topic), number)
                for topic in SOURCES
                for number in range(settings.partitions if topic.partitioned else 1)
            ]
            firsts = await consumer.beginning_offsets(every)
            ends = await consumer.end_offsets(every)
    except (KafkaError, TimeoutError, OSError) as error:
        raise RebuildError(f"nothing was dropped: Kafka at {settings.kafka} cannot be read: {error!r}") from error
    finally:
        await close_client(consumer)
    return {one: Extent(firsts[one], ends[one], firsts[one] > 0 and not compacted[one.topic]) for one in every}


class Rebuilding:
    """One rebuilding of `store`; `tell` hears how far it is, again and again."""

    def __init__(self, settings: Settings, store: Store, tell: Callable[[Filled], None]) -> None:
        self._settings = settings
        self._store = store
        self._tell = tell

    async def run(self, held: Mapping[TopicPartition, Extent], *, sink_runs: bool) -> By:
        """Drop the store and wait until what the topics `held` is in it; raise RebuildError."""
        await self._drop()
        if sink_runs and await self._watch(held, NOTICED_S, until_begun=True):
            filled = await self._watch(held, STALLED_S)
            if not filled:
                raise RebuildError(
                    f"the store was dropped and is partly filled, but the sink has not moved for {STALLED_S:.0f} s: "
                    "see its /readyz; it goes on when that is mended"
                )
            return "the running sink"
        await self._fill(held)
        return "this command"

    async def _drop(self) -> None:
        end = time.monotonic() + DROP_S
        while True:
            try:
                await asyncio.to_thread(self._store.drop_all)
            except StoreError as error:
                if error.code != "store_busy" or time.monotonic() > end:
                    raise RebuildError(f"the store was not dropped: {error.code}: {error}") from error
                await asyncio.sleep(LOOK_S)
            else:
                return

    async def _fill(self, held: Mapping[TopicPartition, Extent]) -> None:
        sink = Sink(self._settings, self._store, tells=False)
        running = asyncio.create_task(sink.run(), name="sink")
        watching = asyncio.create_task(self._watch(held, STALLED_S), name="watch")
        try:
            await asyncio.wait([running, watching], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            if not (watching.done() and await watching):
                raise RebuildError(
                    f"the store was dropped and is partly filled: nothing moved for {STALLED_S:.0f} s: "
                    f"{sink.state()[1]}; a sink goes on when that is mended"
                )
        finally:
            sink.stop()
            watching.cancel()
            await asyncio.wait([running, watching])

    async def _watch(
        self, held: Mapping[TopicPartition, Extent], patience_s: float, *, until_begun: bool = False
    ) -> bool:
        """Return True when the store is filled (or has begun to be), False when nothing moved for a while [s]."""
        before, moved_at = -1, time.monotonic()
        while time.monotonic() - moved_at < patience_s:
            filled = await asyncio.to_thread(self._filled, held)
            self._tell(filled)
            if filled.done >= filled.total or (until_begun and filled.done > 0):
                return True
            if filled.done != before:
                before, moved_at = filled.done, time.monotonic()
            await asyncio.sleep(LOOK_S)
        return False

    def _filled(self, held: Mapping[TopicPartition, Extent]) -> Filled:
        read = self._store.offsets()
        done = 0
        for one, extent in held.items():
            if (found := read.get((one.topic, one.partition))) is not None:
                done += max(min(found.offset, extent.end) - extent.first, 0)
        return Filled(done, sum(extent.end - extent.first for extent in held.values()))
