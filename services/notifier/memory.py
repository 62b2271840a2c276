"""Memory is what recipients were told last, as it stands in topic `delivery`: the notifier's only state.

By recipient and channel it knows of each alarm and group what was said last, which digests are on their way, and of
each robot what still counts for its limits. It is read to its end at the start and written after each channel's
answer, so a restart neither repeats what was recorded nor forgets what was not.

How far `alarm.events` is done with stands there too: Kafka drops the offsets of a group that commits nothing for a
week, and alarms may be silent for longer.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.deliveries import (
    DIGEST_KEY,
    READ_KEY,
    ROBOT_KEY,
    Delivery,
    DeliveryNote,
    DeliveryRead,
    DigestDelivery,
    RobotUse,
    decode_delivery,
    decode_delivery_read,
    decode_digest,
    decode_robot_use,
)
from schemas.escalation import ESCALATION_KEY, Escalating, decode_escalating
from schemas.ids import key_of
from schemas.messages import UNREADABLE, VERSION, encode
from schemas.settings import Settings
from schemas.topics import DELIVERY, DELIVERY_LOG
from services.notifier.kept import Kept
from services.outbox import Message, NotAcknowledgedError
from streams.domain.routing import ENDINGS, NOTHING_SAID, Said
from streams.stores.closing import close_client

REQUEST_TIMEOUT_S = 10.0
POLL_MS = 200
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
DELIVERED, SENDING, NOT_SENT = "delivered", "sending", "not_sent"

_log = structlog.get_logger(__name__)


class Journal(Protocol):
    """Where what was said is written to."""

    async def send(self, messages: Iterable[Message]) -> None:
        """Return when all messages are acknowledged; raise NotAcknowledgedError otherwise."""
        ...


class Memory:
    """What was said, by recipient, channel and group; writes go through an outbox that others may share."""

    def __init__(self, settings: Settings, outbox: Journal) -> None:
        self._settings = settings
        self._outbox = outbox
        # By recipient, channel and alarm; by recipient, channel and group; by recipient and channel.
        self._said: dict[str, Said] = {}
        self._last_ms: dict[str, int] = {}
        self._digest_ms: dict[str, int] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}
        self._unfinished: dict[str, DigestDelivery] = {}
        self._uses: dict[str, list[int]] = {}
        self.kept = Kept()
        # By alarm; the notifier's escalation goes on with what was read here.
        self.escalating: dict[str, Escalating] = {}
        self.read: DeliveryRead | None = None

    def __len__(self) -> int:
        return len(self._said)

    def said(self, recipient: str, channel: str, group: str) -> Said | None:
        """Return what was said last; None when nothing ever was tried to an end."""
        return self._said.get(key_of(recipient, channel, group))

    def told(self, alarm: str) -> list[tuple[str, str]]:
        """Return the recipients and channels that were told of an alarm and not of its end."""
        return sorted(self._told.get(alarm, ()))

    def last_ms(self, recipient: str, channel: str, group: str) -> int | None:
        """Return when something was said last of a group [epoch ms]."""
        return self._last_ms.get(key_of(recipient, channel, group))

    def last_digest_ms(self, recipient: str, channel: str) -> int | None:
        """Return when the last digest was said [epoch ms]."""
        return self._digest_ms.get(key_of(recipient, channel))

    def unfinished(self, recipient: str, channel: str) -> list[DigestDelivery]:
        """Return the digests that were on their way when they were recorded last, in that order."""
        return [one for one in self._unfinished.values() if (one.recipient, one.channel) == (recipient, channel)]

    def unfinished_lanes(self) -> list[tuple[str, str]]:
        """Return the recipients and channels that have such digests."""
        return sorted({(one.recipient, one.channel) for one in self._unfinished.values()})

    def uses(self, robot: str) -> list[int]:
        """Return when a robot was sent what may still count [epoch ms], as far as was recorded."""
        return self._uses.get(robot, [])

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
            for known in (self._said, self._told, self._last_ms, self._digest_ms, self._unfinished, self._uses):
                known.clear()
            self.kept.clear()
            self.escalating.clear()
            self.read = None
            while True:
                async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                    if await consumer.position(partition) >= end:
                        break
                    for record in (await consumer.getmany(partition, timeout_ms=POLL_MS)).get(partition, ()):
                        self.take(record.key or b"", record.value, record.offset)
        finally:
            await close_client(consumer, REQUEST_TIMEOUT_S)

    async def say(self, delivery: Delivery | DigestDelivery, note: DeliveryNote) -> None:
        """Record what became of a delivery, and note it for others; return when Kafka has it; tries for ever."""
        if isinstance(delivery, DigestDelivery):
            messages = [_digest_message(delivery)]
        else:
            key = key_of(delivery.recipient, delivery.channel, delivery.alarm)
            messages = [Message(DELIVERY, 0, key.encode(), encode(delivery))]
        await self._write([*messages, _note_message(note)])
        self._remember(delivery)

    async def plan(self, digest: DigestDelivery | None, use: RobotUse | None) -> None:
        """Record before it is sent what is about to be; return when Kafka has it; tries for ever."""
        messages: list[Message] = []
        if digest is not None:
            messages.append(_digest_message(digest))
            self._remember(digest)
        if use is not None:
            messages.append(Message(DELIVERY, 0, key_of(ROBOT_KEY, use.robot).encode(), encode(use)))
        await self._write(messages)

    async def note(self, notes: Iterable[DeliveryNote]) -> None:
        """Note for others what was not said, and why; return when Kafka has it; tries for ever."""
        await self.settle([], notes)

    async def settle(self, records: Iterable[Message], notes: Iterable[DeliveryNote]) -> None:
        """Record what is kept for later, and note what was not said; return when Kafka has it; tries for ever."""
        messages = [*records, *(_note_message(one) for one in notes)]
        if messages:
            await self._write(messages)

    def escalated(self, alarm: str) -> list[tuple[str, str]]:
        """Return the recipients and channels that were told a step of an alarm's escalation and not of its end."""
        return [one for one in self.told(alarm) if self._said[key_of(*one, alarm)].steps]

    async def keep_escalations(self, alarms: Mapping[str, Escalating | None]) -> None:
        """Record escalations by alarm, None: done with; return when Kafka has them; tries for ever."""
        await self._write([_escalation_message(alarm, one) for alarm, one in alarms.items()])

    async def done(self, since_ms: int, offsets: Mapping[int, int]) -> None:
        """Record up to which offset of each partition everything is done with; tries for ever."""
        read = DeliveryRead(VERSION, since_ms, dict(offsets))
        await self._write([Message(DELIVERY, 0, READ_KEY, encode(read))])
        self.read = read

    async def _write(self, messages: Sequence[Message]) -> None:
        attempt = 0
        while True:
            try:
                await self._outbox.send(messages)
            except NotAcknowledgedError as error:
                if attempt == 0:
                    _log.warning("what was said is not recorded yet", error=str(error))
            else:
                return
            await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    def take(self, key: bytes, value: bytes | None, offset: int) -> None:
        """Take over a record of the topic; one that cannot be read is told in the log and passed over."""
        try:
            name = key.decode()
            if self.kept.take(name, value):
                return
            if name.startswith(ESCALATION_KEY):
                self.escalating.pop(name.removeprefix(f"{ESCALATION_KEY}|"), None)
                if value is not None:
                    one = decode_escalating(value)
                    self.escalating[one.event.id] = one
            elif value is None:
                self._said.pop(name, None)
            elif key == READ_KEY:
                self.read = decode_delivery_read(value)
            elif name.startswith(DIGEST_KEY):
                self._remember(decode_digest(value))
            elif name.startswith(ROBOT_KEY):
                use = decode_robot_use(value)
                self._uses[use.robot] = use.at
            else:
                self._remember(decode_delivery(value))
        except UNREADABLE as error:
            _log.error("a record of what was said cannot be read", offset=offset, error=str(error))

    def _remember(self, record: Delivery | DigestDelivery) -> None:
        where = (record.recipient, record.channel)
        self._last_ms[key_of(*where, record.group)] = record.at
        if isinstance(record, Delivery):
            self._say(where, record.alarm, Said(record.seq, record.told, frozenset(record.steps)))
            return
        self._digest_ms[key_of(*where)] = record.at
        self._unfinished.pop(record.id, None)
        if record.outcome == SENDING:
            self._unfinished[record.id] = record
            return
        steps = record.steps or [""] * len(record.members)
        for (alarm, seq, condition), step in zip(record.members, steps, strict=True):
            before = self._said.get(key_of(*where, alarm)) or NOTHING_SAID
            told = condition if record.outcome == DELIVERED else before.told
            self._say(where, alarm, before.after(seq, told, step or None))

    def _say(self, where: tuple[str, str], alarm: str, said: Said) -> None:
        self._said[key_of(*where, alarm)] = said
        told = self._told.setdefault(alarm, set())
        if said.told is None or said.told in ENDINGS:
            told.discard(where)
            if not told:
                del self._told[alarm]
        else:
            told.add(where)


def _digest_message(digest: DigestDelivery) -> Message:
    return Message(DELIVERY, 0, key_of(DIGEST_KEY, digest.id).encode(), encode(digest))


def _escalation_message(alarm: str, one: Escalating | None) -> Message:
    return Message(DELIVERY, 0, key_of(ESCALATION_KEY, alarm).encode(), None if one is None else encode(one))


def _note_message(note: DeliveryNote) -> Message:
    return Message(DELIVERY_LOG, 0, note.members[0][0].encode(), encode(note))
