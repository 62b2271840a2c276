"""The notifier tells people and systems of alarms: it reads their events, decides by the routes, and sends.

It can be killed anywhere. What a channel has answered to is recorded before it counts as done, and an event counts as
done when every delivery of it is; so nothing is forgotten, and what is said twice carries the same key.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from aiokafka.errors import KafkaError

from schemas.documents import Recipient
from schemas.messages import AlarmEvent, DeliveryRead, decode_event
from schemas.settings import Settings
from schemas.topics import DELIVERY, ENGINE
from services.clock import Clock
from services.heart import Heart
from services.notifier.lane import Channel, Item, Lane
from services.notifier.mail import MailChannel
from services.notifier.memory import Memory
from services.notifier.reader import Reader, Record
from services.notifier.telling import Figures
from services.notifier.webhook import WebhookChannel
from services.notifier.wording import Wording
from services.outbox import Outbox
from services.secrets import SecretError, Secrets
from streams.domain.registry import Snapshot
from streams.domain.routing import Decision, Routing, Silence
from streams.failpoints import hit
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError

# Deliveries in hand, of all lanes; an event is about 2 KiB. Beyond it nothing is read until some are done.
OUTSTANDING = 20_000
# Offsets are noted this often: what was told is recorded by itself, so a crash costs reading, not repeats.
NOTE_S = 2.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
NOTE_LIMIT_S = 10.0
# How often a start looks whether the registry has been read.
WAIT_S = 0.05

_log = structlog.get_logger(__name__)


class Notifier:
    """Runs until `stop`; `state` says for /readyz whether it can work, and what is wrong with which channel."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = Clock.parse(settings.clock)
        self._secrets = Secrets(settings.secrets)
        self._registry = RegistryFollower(settings)
        self._outbox = Outbox(settings, "notifier", (DELIVERY, ENGINE))
        self._memory = Memory(settings, self._outbox)
        self._reader = Reader(settings)
        self._figures = Figures(self._outstanding)
        name = settings.instance or "notifier"
        self._heart = Heart(name, self._outbox, lambda: self._reader.lag, self._figures.counts)
        self._routing = Routing.of(self._registry.snapshot)
        self._registry.on_change.append(self._switch)
        self._ways: dict[str, Channel] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._board = (settings.public or settings.api).rstrip("/")
        self._stopping = asyncio.Event()
        self._since_ms = 0
        self._loaded = False
        self._noted = 0.0

    def stop(self) -> None:
        """Ask the notifier to end; what is in hand is delivered after the next start."""
        self._stopping.set()

    def state(self) -> tuple[bool, dict[str, Any]]:
        """Return whether events are read and told, and the figures behind that.

        A channel in trouble does not make the notifier unready: a restart would not mend it.
        """
        ready = self._loaded and self._registry.ready and self._reader.ready and self._outbox.ready
        troubles = {lane.name: lane.trouble for lane in list(self._lanes.values()) if lane.trouble}
        waiting = {lane.name: lane.waiting for lane in list(self._lanes.values()) if lane.waiting}
        return ready, {
            **self._registry.state(),
            **self._outbox.state(),
            "events": self._reader.fault or "ok",
            "memory": len(self._memory) if self._loaded else "not read yet",
            "lag": self._reader.lag,
            "outstanding": sum(waiting.values()),
            "waiting": waiting,
            "trouble": troubles,
            "secrets_missing": self._missing_secrets(),
            "mail_server": self._settings.smtp_host or "none",
        }

    async def run(self) -> None:
        """Read and tell until told to stop."""
        self._outbox.start()
        await self._registry.start(limit_s=0)
        self._ways = {
            "webhook": WebhookChannel(self._settings, self._secrets),
            "mail": MailChannel(self._settings, self._secrets),
        }
        beating = asyncio.create_task(self._heart.beat(), name="heartbeat")
        try:
            await self._begin()
            while not self._stopping.is_set():
                await self._once()
        finally:
            for lane in self._lanes.values():
                await lane.stop()
            if self._loaded:
                await self._note()
            beating.cancel()
            await asyncio.wait([beating], timeout=NOTE_LIMIT_S)
            await self._reader.stop()
            await self._registry.stop()
            for way in self._ways.values():
                await way.close()
            await self._outbox.stop()

    # What lanes ask at each attempt.

    def recipient(self, id_: str) -> Recipient | None:
        """Return a recipient that is registered and valid now."""
        return self._routing.recipient(id_, self._clock.now_ms())

    def wording(self, event: AlarmEvent) -> Wording:
        """Return the words for an event, with today's names."""
        return Wording(event, self._registry.snapshot, f"{self._board}/board/alarm/{event.id}")

    def now_ms(self) -> int:
        """Return real time [epoch ms]: a delivery happens in it, whatever clock the numbers live on."""
        return time.time_ns() // 1_000_000

    async def _begin(self) -> None:
        while not (self._registry.loaded and self._outbox.ready) and not self._stopping.is_set():
            await self._pause(WAIT_S)
        attempt = 0
        while not self._stopping.is_set():
            try:
                read = await self._remember()
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
            else:
                self._since_ms = read.since
                await self._connect(read.offsets)
                return
            await self._pause(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    async def _remember(self) -> DeliveryRead:
        await self._memory.load()
        if self._memory.read is None:
            # Written before anything is told: from now on it does not matter when the notifier is started again.
            since_ms = self._clock.now_ms() - int(self._settings.notify_backlog_s * 1000)
            async with asyncio.timeout(NOTE_LIMIT_S):
                await self._memory.done(since_ms, {})
        read = self._memory.read
        assert read is not None
        return read

    async def _connect(self, offsets: Mapping[int, int]) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                await self._reader.start(offsets)
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
            else:
                self._loaded = True
                return
            await self._pause(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
            attempt += 1

    async def _once(self) -> None:
        for lane in self._lanes.values():
            if lane.task is not None and lane.task.done():
                # A lane ends by a fault of ours only; the process ends with it and is started again.
                lane.task.result()
        if self._outstanding() >= OUTSTANDING:
            await self._pause(BACKOFF_S[0])
        else:
            try:
                records = await self._reader.fetch()
            except (KafkaError, TimeoutError, OSError) as error:
                self._reader.lost(error)
                await self._pause(BACKOFF_S[2])
                await self._connect({})
                return
            if records and not await self._take(records):
                return
        if time.monotonic() - self._noted >= NOTE_S:
            await self._note()

    async def _take(self, records: list[Record]) -> bool:
        """Hand the deliveries of events to their lanes; False when told to stop before."""
        # A route that was registered before an alarm must be known here before the alarm is.
        while not self._stopping.is_set():
            try:
                await self._registry.read_to_end()
                break
            except RegistryUnavailableError as error:
                self._reader.lost(error)
                await self._pause(BACKOFF_S[2])
        else:
            return False
        for record in records:
            try:
                event = decode_event(record.value or b"")
            except msgspec.DecodeError as error:
                place = f"{record.topic}/{record.partition}/{record.offset}"
                _log.warning("an event that cannot be read was passed over", place=place, reason=str(error))
                self._figures.took("unreadable")
                self._reader.take(record, 0)
                continue
            self._deliver(record, event)
        return True

    def _deliver(self, record: Record, event: AlarmEvent) -> None:
        if event.known < self._since_ms:
            self._figures.took("old")
            self._figures.silent(Silence.TOO_OLD)
            self._reader.take(record, 0)
            return
        decision = self._routing.decide(event, self._clock.now_ms())
        self._figures.took("told" if decision.targets else "nobody")
        for not_sent in decision.not_sent:
            self._figures.silent(not_sent.reason)
        done = self._reader.take(record, len(decision.targets))
        if not decision.targets:
            _log.info("told to nobody", alarm=event.id, seq=event.seq, entity=event.entity, why=_why(decision))
        hit("notifier.taken")
        for target in decision.targets:
            item = Item(event, done, asyncio.get_running_loop().time())
            self._lane(target.recipient, target.channel).put(item)

    def _lane(self, recipient: str, channel: str) -> Lane:
        lane = self._lanes.get((recipient, channel))
        if lane is None:
            way = self._ways[channel]
            lane = Lane(recipient, channel, way, self._memory, self, self._figures, self._settings)
            self._lanes[recipient, channel] = lane
            lane.start()
        return lane

    async def _note(self) -> None:
        self._noted = time.monotonic()
        offsets = self._reader.done()
        if self._memory.read is not None and offsets == self._memory.read.offsets:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTE_LIMIT_S):
                await self._memory.done(self._since_ms, offsets)
                await self._reader.commit(offsets)
                hit("notifier.after-commit")

    def _switch(self, snapshot: Snapshot) -> None:
        self._routing = Routing.of(snapshot)

    def _outstanding(self) -> int:
        return sum(lane.waiting for lane in list(self._lanes.values()))

    def _missing_secrets(self) -> dict[str, str]:
        missing: dict[str, str] = {}
        hooks = (one.spec.channels.webhook for one in self._routing.recipients)
        wanted = {hook.secret for hook in hooks if hook is not None}
        if self._settings.smtp_user:
            wanted.add(self._settings.smtp_password)
        for reference in sorted(wanted):
            try:
                self._secrets.resolve(reference)
            except SecretError as error:
                missing[reference] = str(error)
        return missing

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _why(decision: Decision) -> dict[str, int]:
    return dict(Counter(str(one.reason) for one in decision.not_sent)) or {"no_route": 1}
