"""A storm: thousands of alarms in a minute for recipients on one robot, on a clock that a test moves."""

import asyncio
import http.server
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from schemas.deliveries import DIGEST_KEY, DeliveryNote, decode_digest, decode_note
from schemas.documents import Recipient, parse_document
from schemas.messages import AlarmEvent
from schemas.reference.rates import rates
from schemas.settings import Settings
from schemas.topics import DELIVERY_LOG
from services.notifier.answer import Answer, delivered, limited
from services.notifier.lane import Lane
from services.notifier.memory import Memory
from services.notifier.message import Message
from services.notifier.parcel import Item
from services.notifier.robot import Robot
from services.notifier.telling import Figures
from services.notifier.wording import Wording
from services.outbox import Message as Written
from streams.domain.registry import Snapshot
from streams.stores.embedded import EmbeddedStore
from tests.notifier.conftest import document, event

BEGIN_MS = 1_767_225_600_000
MINUTE_MS = 60_000


class HandTimer:
    """Real time that stands still until it is moved; it knows who waits, and for when."""

    def __init__(self) -> None:
        self.at_ms = BEGIN_MS
        self.waiting: dict[asyncio.Event, int | None] = {}
        self._moved = asyncio.Condition()

    def now_ms(self) -> int:
        return self.at_ms

    async def wait(self, news: asyncio.Event, until_ms: int | None) -> None:
        self.waiting[news] = until_ms
        moved = asyncio.create_task(self._until(until_ms))
        told = asyncio.create_task(news.wait())
        await asyncio.wait((moved, told), return_when=asyncio.FIRST_COMPLETED)
        for one in (moved, told):
            one.cancel()
        del self.waiting[news]

    async def _until(self, until_ms: int | None) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: until_ms is not None and until_ms <= self.at_ms)

    async def move(self, to_ms: int) -> None:
        async with self._moved:
            self.at_ms = max(self.at_ms, to_ms)
            self._moved.notify_all()

    async def settle(self, count: int) -> None:
        """Return when so many wait for a later time."""
        for _ in range(100_000):
            later = [at for at in self.waiting.values() if at is None or at > self.at_ms]
            if len(later) == count and not any(one.is_set() for one in self.waiting):
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the lanes do not come to rest")


class RobotServer:
    """A robot's server: 20 messages in any minute; who sends more is not heard for ten minutes, and it is counted."""

    def __init__(self, timer: HandTimer) -> None:
        self.taken: list[tuple[int, dict[str, Any]]] = []
        self.broken = 0
        self.most = 0
        self._timer = timer
        self._blocked_ms = 0
        rate = rates().robots["dingtalk"]
        self._limit, self._block_ms = rate.limits[0], rate.blocked_seconds * 1000
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/robot/send"
        self._lock = threading.Lock()

    def take(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            now_ms = self._timer.now_ms()
            lately = sum(1 for at_ms, _ in self.taken if at_ms >= now_ms - self._limit.seconds * 1000)
            if now_ms < self._blocked_ms or lately >= self._limit.messages:
                self.broken += 1
                self._blocked_ms = now_ms + self._block_ms
                return {"errcode": 130101, "errmsg": "send too fast"}
            self.taken.append((now_ms, body))
            self.most = max(self.most, lately + 1)
            return {"errcode": 0, "errmsg": "ok"}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        robot = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(robot.take(body)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


class Poster:
    """Posts what a message says of itself to the robot's server, and reads the code in its answer."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._http = httpx.AsyncClient(trust_env=False)

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        message = wording.message
        body = {
            "recipient": recipient.id,
            "key": message.key,
            "title": wording.title("en"),
            "shown": len(message.events),
            "counts": dict(message.counts),
            "link": wording.board,
        }
        said = (await self._http.post(self._address, json=body)).json()
        return delivered("errcode 0") if not said["errcode"] else limited(said["errmsg"], 600)

    async def close(self) -> None:
        await self._http.aclose()


class Shelf:
    """What is written to topics, in order."""

    def __init__(self) -> None:
        self.written: list[Written] = []

    async def send(self, messages: Iterable[Written]) -> None:
        self.written += messages
        await asyncio.sleep(0)

    def notes(self) -> list[DeliveryNote]:
        return [decode_note(one.value or b"") for one in self.written if one.topic is DELIVERY_LOG]

    def restored(self, settings: Settings) -> Memory:
        """Return the memory of a notifier that starts now."""
        memory = Memory(settings, self)
        for one in self.written:
            if one.topic is not DELIVERY_LOG:
                memory.take(one.key or b"", one.value, 0)
        return memory


@dataclass(slots=True)
class Around:
    """What lanes ask: the recipients, and words with no names."""

    recipients: dict[str, Recipient]
    failures: list[str] = field(default_factory=list[str])

    def recipient(self, id_: str) -> Recipient | None:
        return self.recipients.get(id_)

    def wording(self, message: Message) -> Wording:
        digest = message.digest
        return Wording(message, Snapshot.build(1, []), f"https://board.city.example/v1/digests/{digest}")

    def robot(self, recipient: str, channel: str) -> Robot | None:
        return None

    def working(self, recipient: str, channel: str) -> None:
        return

    def failing(self, recipient: str, channel: str, message: Message, reason: str) -> None:
        self.failures.append(reason)


CHANNEL = "webhook"


def recipient(name: str) -> Recipient:
    found = parse_document(
        document("recipient", name, {"channels": {CHANNEL: {"url": "http://127.0.0.1:1", "secret": "secret:hook"}}})
    )
    assert isinstance(found, Recipient)
    return found


@dataclass(slots=True)
class Storm:
    """Lanes of some recipients on one robot, and the events that were put into them."""

    timer: HandTimer
    server: RobotServer
    shelf: Shelf
    way: Poster
    lanes: list[Lane]
    done: Counter[str] = field(default_factory=Counter[str])

    async def put(self, events: Iterable[AlarmEvent]) -> None:
        for one in events:
            for lane in self.lanes:
                key = f"{lane.recipient}|{one.id}|{one.seq}"
                lane.put(Item(one, lambda key=key: self.done.update([key]), self.timer.now_ms()))
        await self.timer.settle(len(self.lanes))

    async def end(self) -> None:
        for lane in self.lanes:
            await lane.stop()
        await self.way.close()
        self.server.stop()

    async def calm(self, limit_ms: int) -> None:
        """Move the clock from moment to moment until nothing waits any more."""
        end_ms = self.timer.at_ms + limit_ms
        while any(lane.waiting for lane in self.lanes):
            await self.timer.settle(len(self.lanes))
            due = [at for at in self.timer.waiting.values() if at is not None]
            if not due:
                break
            assert min(due) <= end_ms, "the storm does not calm down"
            await self.timer.move(min(due))
            await asyncio.sleep(0)
        await self.timer.settle(len(self.lanes))


def build(settings: Settings, recipients: int, *, shelf: Shelf | None = None) -> Storm:
    timer = HandTimer()
    server = RobotServer(timer)
    kept = shelf or Shelf()
    memory = kept.restored(settings)
    names = [f"duty{number}" for number in range(recipients)]
    around = Around({name: recipient(name) for name in names})
    robot = Robot("dingtalk|secret:robot", rates().robots["dingtalk"], memory.uses("dingtalk|secret:robot"))
    way, figures = Poster(server.address), Figures(lambda: 0)
    lanes = [Lane(name, CHANNEL, {CHANNEL: way}, memory, around, figures, settings, timer, robot) for name in names]
    return Storm(timer, server, kept, way, lanes)


def raised(number: int) -> AlarmEvent:
    """Return the alarm of one enterprise of a storm."""
    gravity = ("critical", "warning", "info")[number % 3]
    return event(f"works-{number}", severity=gravity, known=BEGIN_MS + number)


async def rage(storm: Storm, alarms: int, parts: int = 60) -> dict[str, Any]:
    """Let so many alarms come within a minute, until all are told; return the counts."""
    for lane in storm.lanes:
        lane.start()
    try:
        size = max(1, alarms // parts)
        for first in range(0, alarms, size):
            await storm.put(raised(number) for number in range(first, min(alarms, first + size)))
            await storm.timer.move(storm.timer.at_ms + MINUTE_MS // parts)
        await storm.calm(60 * MINUTE_MS)
    finally:
        await storm.end()
    return counts(storm, alarms)


def counts(storm: Storm, alarms: int) -> dict[str, Any]:
    """Return what a storm came to."""
    listed: dict[str, Counter[str]] = defaultdict(Counter)
    for one in storm.shelf.notes():
        assert one.recipient is not None
        listed[one.recipient].update(f"{alarm}|{seq}" for alarm, seq in one.members)
    expected = {f"{one.id}|{one.seq}" for one in (raised(number) for number in range(alarms))}
    digests = [(at_ms, body) for at_ms, body in storm.server.taken if body["key"].startswith("digest|")]
    by_recipient: dict[str, list[int]] = defaultdict(list)
    for at_ms, body in digests:
        by_recipient[body["recipient"]].append(at_ms)
    gaps = [b - a for times in by_recipient.values() for a, b in zip(times, times[1:], strict=False)]
    planned = [
        decode_digest(one.value or b"")
        for one in storm.shelf.written
        if (one.key or b"").startswith(DIGEST_KEY.encode())
    ]
    return {
        "alarms": alarms,
        "recipients": len(storm.lanes),
        "to_be_told": alarms * len(storm.lanes),
        "messages": len(storm.server.taken),
        "digests": len(digests),
        "single": len(storm.server.taken) - len(digests),
        "most_in_a_minute": storm.server.most,
        "limit_broken": storm.server.broken,
        "shortest_between_digests_s": min(gaps, default=0) / 1000,
        "most_shown_in_a_digest": max((body["shown"] for _, body in digests), default=0),
        "largest_digest": max((len(one.members) for one in planned), default=0),
        "missing": sum(len(expected - set(listed[lane.recipient])) for lane in storm.lanes),
        "twice": sum(count - 1 for found in listed.values() for count in found.values()),
        "not_done": alarms * len(storm.lanes) - sum(storm.done.values()),
        "calm_after_s": (storm.timer.at_ms - BEGIN_MS) / 1000,
    }


def listed(storm: Storm, folder: Path) -> dict[str, set[str]]:
    """Return, by recipient, the keys of all events that a store lists under the digests that were sent."""
    store = EmbeddedStore(folder / "storm.sqlite")
    store.keep([], storm.shelf.notes(), [])
    found: dict[str, set[str]] = defaultdict(set)
    for _, body in storm.server.taken:
        _, _, id_ = body["key"].partition("digest|")
        cursor = None
        while id_ and (page := store.digest(id_, after=cursor, limit=100)).total:
            found[body["recipient"]].update(f"{one.alarm}|{one.seq}" for one in page.items)
            cursor = page.next
            if cursor is None:
                break
    store.close()
    return found


def settings_for(folder: Path) -> Settings:
    return Settings(secrets=folder, data=folder, notify_retry_s=1.0, notify_timeout_s=10.0)
