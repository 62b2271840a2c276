"""The registry topic, read: a follower folds the documents in it into a Snapshot that switches only at a set's end.

A set of documents is one Kafka transaction that ends with a commit marker. The follower reads committed records only,
keeps what belongs to a set aside until the marker comes, and goes on reading in the background for ever. While Kafka
is away it keeps the last snapshot and tries again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.documents import Document, parse_document
from schemas.messages import COMMIT_KEY, decode_commit, decode_registry
from schemas.settings import Settings
from schemas.topics import REGISTRY
from streams.domain.registry import Snapshot

REQUEST_TIMEOUT_S = 10.0
POLL_MS = 200
# A set is written within a second or so; see where it is used.
PATIENCE_S = 3.0
# How often an idle follower asks for the end, to know whether Kafka still answers.
CONTACT_S = 2.0
LOST_S = 15.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger(__name__)


class RegistryUnavailableError(Exception):
    """The registry could not be read in time: Kafka is away or slow. The caller may try again."""


class RegistryFollower:
    """Follows the registry topic; `snapshot` and `documents` are of the last whole set that was read.

    All methods belong to one event loop. `on_change` holds functions that are called with each new snapshot, in the
    event loop; they must not wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic(REGISTRY), 0)
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
        self._pending: dict[str, dict[str, Any] | None] = {}
        self._raw: dict[str, dict[str, Any]] = {}
        self._parsed: dict[str, Document] = {}
        self.snapshot = Snapshot.build(0, {})
        self.documents: Mapping[str, dict[str, Any]] = {}
        self.on_change: list[Callable[[Snapshot], None]] = []

    @property
    def version(self) -> int:
        """The number of the last set read; 0 while the registry is empty."""
        return self.snapshot.version

    @property
    def loaded(self) -> bool:
        """Whether the topic was read to its end once since the start."""
        return self._loaded

    @property
    def ready(self) -> bool:
        """Whether the snapshot is loaded and Kafka has answered within the last LOST_S seconds."""
        return self._loaded and time.monotonic() - self._contact < LOST_S

    def state(self) -> dict[str, Any]:
        """Return figures for /readyz."""
        return {"registry": self.version, "registry_loaded": self._loaded, "kafka": self.ready or not self._loaded}

    async def start(self, limit_s: float = 30.0) -> bool:
        """Begin to follow; return whether the present end was reached within `limit_s` [s] (0: do not wait).

        When it was not, the follower goes on trying in the background and `loaded` tells when it succeeded.
        """
        self._task = asyncio.create_task(self._run(), name="registry-follower")
        if limit_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s), self._moved:
                    await self._moved.wait_for(lambda: self._loaded)
        return self._loaded

    async def stop(self) -> None:
        """Stop following; the snapshot stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * REQUEST_TIMEOUT_S)
            self._task = None

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> Snapshot:
        """Return a snapshot that holds every set committed before this call; callers at once share one question.

        Raises RegistryUnavailableError when that takes longer than `timeout_s` [s].
        """
        asked_before = self._asked
        try:
            async with asyncio.timeout(timeout_s):
                async with self._asking:
                    # An answer to a question put after this call began is new enough for this call too.
                    if self._answered <= asked_before:
                        self._asked = number = self._asked + 1
                        await self._read_to_end()
                        self._answered = number
                return self.snapshot
        except (TimeoutError, KafkaError, OSError) as error:
            raise RegistryUnavailableError(f"the registry was not read to its end within {timeout_s} s") from error

    async def wait_for(self, version: int, timeout_s: float = REQUEST_TIMEOUT_S) -> Snapshot:
        """Return a snapshot of at least `version`; raise RegistryUnavailableError after `timeout_s` [s]."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self.version >= version)
        except TimeoutError as error:
            message = f"registry version {version} did not come within {timeout_s} s: version {self.version} is here"
            raise RegistryUnavailableError(message) from error
        return self.snapshot

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
            _log.warning("registry has an open transaction", position=self._position, end=end)
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
            client_id=f"{self._settings.topic_prefix}registry-follower",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=isolation_level,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
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
                _log.warning("registry not read", error=repr(error), again_in_s=wait_s, position=self._position)
                await asyncio.sleep(wait_s)
            finally:
                self._consumer = self._asker = None
                for client in (consumer, asker):
                    with suppress(TimeoutError, KafkaError, OSError):
                        async with asyncio.timeout(REQUEST_TIMEOUT_S):
                            await client.stop()

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
            self._take(records.get(self._partition, ()))
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                position = await consumer.position(self._partition)
            async with self._moved:
                self._position = position
                if end is not None and position >= end:
                    self._loaded = True
                self._moved.notify_all()

    def _take(self, records: Iterable[ConsumerRecord[Any, Any]]) -> None:
        version = None
        for record in records:
            try:
                key, value = record.key, record.value
                if key == COMMIT_KEY and value is not None:
                    version = decode_commit(value).version
                    self._fold()
                elif key is not None:
                    self._pending[key.decode()] = None if value is None else decode_registry(value).document
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _log.error("registry record skipped", offset=record.offset, key=record.key, error=str(error))
        if version is not None:
            self._switch(version)

    def _fold(self) -> None:
        for key, raw in self._pending.items():
            parsed = None if raw is None else parse_document(raw)
            if raw is None or parsed is None:
                self._raw.pop(key, None)
                self._parsed.pop(key, None)
            elif isinstance(parsed, Document):
                self._raw[key] = raw
                self._parsed[key] = parsed
            else:
                _log.error("registry document skipped", key=key, faults=[str(fault) for fault in parsed])
        self._pending.clear()

    def _switch(self, version: int) -> None:
        try:
            self.snapshot = Snapshot.build(version, self._parsed)
        except (KeyError, ValueError) as error:
            _log.error("registry set skipped", version=version, error=repr(error), kept=self.version)
            return
        self.documents = dict(self._raw)
        for tell in self.on_change:
            tell(self.snapshot)
