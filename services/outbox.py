"""The outbox is the way into Kafka: a message counts as sent when all replicas in sync have acknowledged it.

Every wait has a limit, since the client itself waits for ever while the broker is away. What was not acknowledged in
time may still arrive later; senders repeat, and a reading that arrives twice counts once.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.settings import Settings
from schemas.topics import Topic
from streams.failpoints import hit
from streams.stores.closing import close_client

CONNECT_S = 10.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
# A message may be as large as the topics take; batches on the wire are cut at the usual size of a message.
MAX_REQUEST_BYTES = 16 << 20
MAX_BATCH_BYTES = 1 << 20

_log = structlog.get_logger(__name__)


class NotAcknowledgedError(Exception):
    """Kafka did not acknowledge in time: the message may be lost or may arrive later; the sender must repeat it."""


class Message(NamedTuple):
    """A message on its way: its topic, its partition there, key and value (None: nothing is left of the key)."""

    topic: Topic
    partition: int
    key: bytes | None
    value: bytes | None


class Outbox:
    """Sends messages idempotently and waits for their acknowledgement; connects, and connects again, by itself.

    It is ready once each of `topics` is there with as many partitions as the settings say.
    """

    def __init__(self, settings: Settings, name: str, topics: Iterable[Topic]) -> None:
        self._settings = settings
        self._name = name
        self._topics = tuple(topics)
        self._producer: AIOKafkaProducer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._fault = "connecting"

    @property
    def ready(self) -> bool:
        """Whether a producer is connected and the topics are as the settings say."""
        return self._producer is not None

    def state(self) -> dict[str, Any]:
        """Return what /readyz says of the outbox."""
        return {"producer": "connected" if self.ready else self._fault}

    def start(self) -> None:
        """Begin to connect, in the background, until it succeeds."""
        self._connecting = asyncio.create_task(self._connect(), name="outbox")

    async def stop(self) -> None:
        """Send what is under way and disconnect, within the limit of an acknowledgement."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting], timeout=CONNECT_S)
        if self._producer is not None:
            await self._close(self._producer)
            self._producer = None
        if self._closing:
            await asyncio.wait(self._closing, timeout=self._settings.ack_timeout_s)

    async def send(self, messages: Iterable[Message]) -> None:
        """Send messages and return when all are acknowledged; raise NotAcknowledgedError otherwise."""
        producer = self._producer
        if producer is None:
            raise NotAcknowledgedError(f"Kafka is not connected: {self._fault}")
        try:
            async with asyncio.timeout(self._settings.ack_timeout_s):
                hit("outbox.before-send")
                futures = [
                    await producer.send(
                        self._settings.topic(message.topic), message.value, message.key, message.partition
                    )
                    for message in messages
                ]
                hit("outbox.sent")
                await asyncio.gather(*futures)
                hit("outbox.acknowledged")
        except TimeoutError as error:
            raise NotAcknowledgedError(f"no answer within {self._settings.ack_timeout_s} s") from error
        except KafkaError as error:
            # What can be retried the client retries for ever; after any other refusal its sequence has a hole and
            # nothing that follows would be taken.
            if not isinstance(error, MessageSizeTooLargeError):
                self._renew(producer, error)
            raise NotAcknowledgedError(f"Kafka refused: {error!r}") from error

    def _renew(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        if self._producer is not producer:
            return
        _log.error("producer given up", error=repr(error))
        self._producer = None
        self._fault = f"connecting again after {error!r}"
        closing = asyncio.create_task(self._close(producer), name="outbox-close")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self.start()

    async def _connect(self) -> None:
        failures = 0
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka,
                client_id=f"{self._settings.topic_prefix}{self._name}",
                enable_idempotence=True,
                acks="all",
                max_request_size=MAX_REQUEST_BYTES,
                max_batch_size=MAX_BATCH_BYTES,
                request_timeout_ms=int(self._settings.ack_timeout_s * 1000),
            )
            try:
                async with asyncio.timeout(CONNECT_S):
                    await producer.start()
                    fault = await self._topic_fault(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                fault = f"Kafka at {self._settings.kafka} does not answer: {error!r}"
            except asyncio.CancelledError:
                await self._close(producer)
                raise
            if fault is None:
                self._producer = producer
                return
            await self._close(producer)
            wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            if fault != self._fault:
                _log.warning("not connected", fault=fault, again_in_s=wait_s)
            self._fault = fault
            await asyncio.sleep(wait_s)

    async def _topic_fault(self, producer: AIOKafkaProducer) -> str | None:
        for topic in self._topics:
            name = self._settings.topic(topic)
            found = len(await producer.partitions_for(name))
            wanted = self._settings.partitions if topic.partitioned else 1
            if found != wanted:
                return f"topic {name} has {found} partitions, the settings want {wanted}: QINGYU_PARTITIONS is wrong"
        return None

    async def _close(self, producer: AIOKafkaProducer) -> None:
        await close_client(producer, self._settings.ack_timeout_s)
