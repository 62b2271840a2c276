"""A fenced producer writes records in one Kafka transaction or not at all, and it is the only one that can.

Its transactional id is the same in every api process, so a second one fences the first: what the first had under way is
aborted by Kafka. Whoever opens it and then reads to the end has therefore seen everything that was ever written by it.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError

from schemas.settings import Settings
from schemas.topics import Topic
from streams.failpoints import hit
from streams.stores.closing import close_client
from streams.stores.commits import REQUEST_MS, Commits, started

# A set of 100,000 documents is sent in some 20 s; nobody but this writer waits for an open transaction.
TRANSACTION_TIMEOUT_S = 120.0
WRITE_LIMIT_S = 100.0
START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0
MAX_REQUEST_BYTES = 2 << 20

_log = structlog.get_logger(__name__)


class NotWrittenError(Exception):
    """Kafka did not take what was written. Read before repeating: a commit may have come through."""


class Record(NamedTuple):
    """A record on its way into partition 0 of a topic."""

    topic: Topic
    key: bytes
    value: bytes


class FencedProducer:
    """The producer of one kind of writer, `name`, of topics with one partition.

    All methods belong to one event loop and are called one at a time.
    """

    def __init__(self, settings: Settings, name: str, *topics: Topic) -> None:
        self._settings = settings
        self._name = name
        self._places = {topic: TopicPartition(settings.topic(topic), 0) for topic in topics}
        self._commits: Commits | None = None
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect, if that is not done, and fence whoever wrote before; raise NotWrittenError."""
        if self._producer is not None:
            return
        kafka, name = self._settings.kafka, f"{self._settings.topic_prefix}{self._name}"
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            client_id=name,
            transactional_id=name,
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
            request_timeout_ms=REQUEST_MS,
            retry_backoff_ms=50,
            max_batch_size=512 << 10,
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            async with asyncio.timeout(START_LIMIT_S):
                self._commits = await started(kafka, producer, name, self._places.values())
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            await close_client(producer, STOP_LIMIT_S)
            raise NotWrittenError(f"Kafka cannot be written to: {error!r}") from error
        except asyncio.CancelledError:
            await close_client(producer, STOP_LIMIT_S)
            raise
        self._producer = producer

    async def commit(self, records: Iterable[Record]) -> None:
        """Write records in one transaction and return when readers see them; raise NotWrittenError. It must be open."""
        producer, commits = self._producer, self._commits
        assert producer is not None and commits is not None
        try:
            async with asyncio.timeout(WRITE_LIMIT_S):
                hit("fenced.before-begin")
                await producer.begin_transaction()
                sent = [
                    await producer.send(self._places[one.topic].topic, one.value, one.key, partition=0)
                    for one in records
                ]
                # A commit succeeds although a record of it was refused: each must have been acknowledged before.
                await asyncio.gather(*sent)
                hit("fenced.sent")
                await producer.commit_transaction()
                hit("fenced.committed")
                commits.add(self._places.values())
                await commits.until_finished()
        # To send to a transaction that has failed meanwhile is illegal to the client, and no KafkaError.
        except (KafkaError, IllegalOperation, OSError, TimeoutError, AssertionError) as error:
            # After an error the client may be in any state; opening it anew aborts what is left of the transaction.
            await self.stop()
            _log.warning("not written", writer=self._name, error=repr(error))
            raise NotWrittenError(f"Kafka did not take it: {error!r}") from error
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Give the connection back."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_client(producer, STOP_LIMIT_S)
