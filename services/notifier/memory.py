"""Memory is what recipients were told last, as it stands in topic `delivery`: the notifier's only state.

It is read to its end at the start and written after each channel's answer, so a restart neither repeats what was
recorded nor forgets what was not. How far `alarm.events` is done with stands there too: Kafka drops the offsets of a
group that commits nothing for a week, and alarms may be silent for longer.
"""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.ids import key_of
from schemas.messages import READ_KEY, VERSION, Delivery, DeliveryRead, decode_delivery, decode_delivery_read, encode
from schemas.settings import Settings
from schemas.topics import DELIVERY
from services.outbox import Message, NotAcknowledgedError, Outbox
from streams.domain.routing import Said

REQUEST_TIMEOUT_S = 10.0
POLL_MS = 200
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger(__name__)


class Memory:
    """What was said, by recipient, channel and group; writes go through an outbox that others may share."""

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._said: dict[str, Said] = {}
        self.read: DeliveryRead | None = None

    def __len__(self) -> int:
        return len(self._said)

    def said(self, recipient: str, channel: str, group: str) -> Said | None:
        """Return what was said last; None when nothing ever was tried to an end."""
        return self._said.get(key_of(recipient, channel, group))

    async def load(self) -> None:
        """Read the topic to its present end; raises KafkaError, TimeoutError or OSError when that fails."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=f"{self._settings.topic_prefix}notifier-memory",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        )
        try:
            partition = TopicPartition(self._settings.topic(DELIVERY), 0)
            async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                await consumer.start()
                consumer.assign([partition])
                await consumer.seek_to_beginning(partition)
                end = (await consumer.end_offsets([partition]))[partition]
            self._said.clear()
            self.read = None
            while True:
                async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                    if await consumer.position(partition) >= end:
                        break
                    for record in (await consumer.getmany(partition, timeout_ms=POLL_MS)).get(partition, ()):
                        self._take(record.key or b"", record.value, record.offset)
        finally:
            await asyncio.wait([asyncio.ensure_future(consumer.stop())], timeout=REQUEST_TIMEOUT_S)

    async def say(self, delivery: Delivery) -> None:
        """Record what became of a delivery, and return when Kafka has it; tries for ever."""
        key = key_of(delivery.recipient, delivery.channel, delivery.group)
        await self._write(key.encode(), encode(delivery))
        self._said[key] = Said(delivery.seq, delivery.told)

    async def done(self, since_ms: int, offsets: Mapping[int, int]) -> None:
        """Record up to which offset of each partition everything is done with; tries for ever."""
        read = DeliveryRead(VERSION, since_ms, dict(offsets))
        await self._write(READ_KEY, encode(read))
        self.read = read

    async def _write(self, key: bytes, value: bytes) -> None:
        attempt = 0
        while True:
            try:
                await self._outbox.send([Message(DELIVERY, 0, key, value)])
            except NotAcknowledgedError as error:
                if attempt == 0:
                    _log.warning("what was said is not recorded yet", error=str(error))
            else:
                return
            await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    def _take(self, key: bytes, value: bytes | None, offset: int) -> None:
        try:
            if value is None:
                self._said.pop(key.decode(), None)
            elif key == READ_KEY:
                self.read = decode_delivery_read(value)
            else:
                found = decode_delivery(value)
                self._said[key.decode()] = Said(found.seq, found.told)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("a record of what was said cannot be read", offset=offset, error=str(error))
