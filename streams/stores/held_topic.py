"""The corrections topic, read: which corrections wait for a second person, folded from its events as they come.

The follower reads the one partition from its beginning and goes on in the background for ever; while Kafka is away it
keeps what it has and tries again.
"""

import asyncio
from contextlib import suppress

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.messages import HeldEvent, decode_held
from schemas.settings import Settings
from schemas.topics import CORRECTIONS
from streams.domain.holding import Held, fold

REQUEST_TIMEOUT_S = 10.0
POLL_MS = 200
BACKOFF_S = 1.0

_log = structlog.get_logger(__name__)


class HeldUnavailableError(Exception):
    """The corrections could not be read in time: Kafka is away or slow. The caller may try again."""


class HeldFollower:
    """Follows the corrections topic; `held` are the corrections by id, in the order in which they came."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic(CORRECTIONS), 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()
        self._position = 0
        self.held: dict[str, Held] = {}

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._task = asyncio.create_task(self._run(), name="held-follower")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * REQUEST_TIMEOUT_S)
            self._task = None

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Held]:
        """Return the corrections with every event acknowledged before this call; raise HeldUnavailableError."""
        try:
            async with asyncio.timeout(timeout_s):
                async with self._moved:
                    await self._moved.wait_for(lambda: self._consumer is not None)
                    consumer = self._consumer
                assert consumer is not None
                end = (await consumer.end_offsets([self._partition]))[self._partition]
                async with self._moved:
                    await self._moved.wait_for(lambda: self._position >= end)
        except (TimeoutError, KafkaError, OSError) as error:
            message = f"the corrections were not read to their end within {timeout_s} s"
            raise HeldUnavailableError(message) from error
        return self.held

    async def _run(self) -> None:
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka,
                client_id=f"{self._settings.topic_prefix}held-follower",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
                # The question for the end waits behind the fetch before it.
                fetch_max_wait_ms=POLL_MS,
                max_partition_fetch_bytes=16 << 20,
            )
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await consumer.start()
                consumer.assign([self._partition])
                consumer.seek(self._partition, self._position)
                async with self._moved:
                    self._consumer = consumer
                    self._moved.notify_all()
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                _log.warning("corrections not read", error=repr(error), again_in_s=BACKOFF_S)
                await asyncio.sleep(BACKOFF_S)
            finally:
                self._consumer = None
                with suppress(TimeoutError, KafkaError, OSError):
                    async with asyncio.timeout(REQUEST_TIMEOUT_S):
                        await consumer.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            found = await consumer.getmany(self._partition, timeout_ms=POLL_MS)
            events: list[HeldEvent] = []
            for record in found.get(self._partition, ()):
                self._position = record.offset + 1
                try:
                    events.append(decode_held(record.value or b""))
                except msgspec.DecodeError as error:
                    _log.error("record of corrections skipped", offset=record.offset, error=str(error))
            fold(self.held, events)
            async with self._moved:
                self._moved.notify_all()
