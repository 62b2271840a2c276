"""A follower reads the one partition of a topic from its beginning and goes on for ever, in the background.

It reads committed records only and hands them on in their order. While Kafka is away, whoever uses it keeps what he
has, and the follower tries again; asked for the present end, it says when everything up to there has been handed on.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import Topic
from streams.stores.closing import close_client

REQUEST_TIMEOUT_S = 10.0
POLL_MS = 200
# What one transaction holds is written within a second or so; see where it is used.
PATIENCE_S = 3.0
# How often an idle follower asks for the end, to know whether Kafka still answers.
CONTACT_S = 2.0
LOST_S = 15.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
# A record may be as large as the topics take.
FETCH_BYTES = 16 << 20

Record = ConsumerRecord[Any, Any]
_log = structlog.get_logger(__name__)


class FollowingError(Exception):
    """A topic could not be read in time: Kafka is away or slow. The caller may try again."""


class Follower:
    """Follows a topic of one partition: `take` is called with what came, in the event loop, and must not wait.

    All methods belong to one event loop. `name` tells in logs and errors what is read.
    """

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        name: str,
        take: Callable[[Sequence[Record]], None],
        error: type[FollowingError] = FollowingError,
    ) -> None:
        self._settings = settings
        self._name = name
        self._partition = TopicPartition(settings.topic(topic), 0)
        self._hand_on = take
        self._error = error
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()
        self._asking = asyncio.Lock()
        self._asked = 0
        self._answered = 0
        self._failures = 0
        self._position = 0
        self._contact = float("-inf")
        self._loaded = False

    @property
    def loaded(self) -> bool:
        """Whether the topic was read to its end once since the start."""
        return self._loaded

    @property
    def ready(self) -> bool:
        """Whether the topic was read once and Kafka has answered within the last LOST_S seconds."""
        return self._loaded and time.monotonic() - self._contact < LOST_S

    async def start(self, limit_s: float = 0.0) -> bool:
        """Begin to follow; return whether the present end was reached within `limit_s` [s] (0: do not wait).

        When it was not, the follower goes on trying in the background and `loaded` tells when it succeeded.
        """
        self._task = asyncio.create_task(self._run(), name=f"{self._name}-follower")
        if limit_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s), self._moved:
                    await self._moved.wait_for(lambda: self._loaded)
        return self._loaded

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * REQUEST_TIMEOUT_S)
            self._task = None

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Return when everything committed before this call was handed on; callers at once share one question.

        Raises the follower's error when that takes longer than `timeout_s` [s].
        """
        asked_before = self._asked
        try:
            async with asyncio.timeout(timeout_s), self._asking:
                # An answer to a question put after this call began is new enough for this call too.
                if self._answered <= asked_before:
                    self._asked = number = self._asked + 1
                    await self._read_to_end()
                    self._answered = number
        except (TimeoutError, KafkaError, OSError) as error:
            raise self._error(f"the {self._name} could not be read to the end within {timeout_s} s") from error

    async def wait_until(self, so: Callable[[], bool], timeout_s: float) -> bool:
        """Return True as soon as `so` holds after something was handed on, False after `timeout_s` [s]."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(so)
        except TimeoutError:
            return False
        return True

    async def _read_to_end(self) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._asker is not None)
            assert self._asker is not None
            asker = self._asker
        # A transaction's commit is acknowledged before its end is seen by readers of committed records, so the end to
        # reach is that of all records, open transactions included.
        end = (await asker.end_offsets([self._partition]))[self._partition]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._reach(end)
        except TimeoutError:
            # What is still open now was left open by a writer that died: nobody was told that it is committed.
            _log.warning("open transaction", topic=self._partition.topic, position=self._position, end=end)
            consumer = self._consumer
            if consumer is None:
                raise
            await self._reach((await consumer.end_offsets([self._partition]))[self._partition])

    async def _reach(self, end: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._position >= end)

    def _client(self, isolation_level: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=f"{self._settings.topic_prefix}{self._name}-follower",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=isolation_level,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def _run(self) -> None:
        while True:
            consumer = self._client("read_committed")
            # A broker answers the requests of one connection in order, so a question for the end would wait behind
            # the fetch before it.
            asker = self._client("read_uncommitted")
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await consumer.start()
                    await asker.start()
                    consumer.assign([self._partition])
                    consumer.seek(self._partition, self._position)
                async with self._moved:
                    self._consumer, self._asker = consumer, asker
                    self._moved.notify_all()
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                wait_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
                self._failures += 1
                _log.warning(f"{self._name} not read", error=repr(error), again_in_s=wait_s, position=self._position)
                await asyncio.sleep(wait_s)
            finally:
                self._consumer = self._asker = None
                for client in (consumer, asker):
                    await close_client(client, REQUEST_TIMEOUT_S)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        end = None
        while True:
            if end is None or time.monotonic() - self._contact > CONTACT_S:
                try:
                    async with asyncio.timeout(REQUEST_TIMEOUT_S):
                        end = (await consumer.end_offsets([self._partition]))[self._partition]
                    self._contact = time.monotonic()
                    self._failures = 0
                except TimeoutError:
                    # The client reconnects by itself; only a follower that never had an end cannot go on.
                    if end is None:
                        raise
            records = await consumer.getmany(self._partition, timeout_ms=POLL_MS)
            self._hand_on(records.get(self._partition, ()))
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                position = await consumer.position(self._partition)
            async with self._moved:
                self._position = position
                if end is not None and position >= end:
                    self._loaded = True
                self._moved.notify_all()
