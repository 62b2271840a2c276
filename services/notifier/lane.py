"""A lane is the way to one recipient on one channel: its deliveries wait here, whatever other lanes are doing.

The deliveries of one alarm keep their order. A delivery that fails waits longer each time, while other alarms of the
lane are tried; a lane where several alarms fail slows down as a whole, and is quick again after one success.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from schemas.documents import Recipient
from schemas.ids import key_of
from schemas.messages import VERSION, AlarmEvent, Delivery
from schemas.settings import Settings
from services.notifier.answer import Answer, failed
from services.notifier.memory import Memory
from services.notifier.telling import Figures
from services.notifier.wording import Wording
from streams.domain.routing import Silence, unsaid
from streams.failpoints import hit

# Times the first wait; see QINGYU_NOTIFY_RETRY_S.
GROWTH = (1, 2, 5, 10, 30, 60)

_log = structlog.get_logger(__name__)


class Channel(Protocol):
    """A way out of the house."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one event and return what the other side said."""
        ...

    async def close(self) -> None:
        """End."""
        ...


@dataclass(slots=True)
class Item:
    """One event for one lane; `done` is called when nothing is left to do with it."""

    event: AlarmEvent
    done: Callable[[], None]
    taken_s: float
    attempts: int = 0


class Surroundings(Protocol):
    """What a lane asks the notifier at each attempt, since all of it may change while a delivery waits."""

    def recipient(self, id_: str) -> Recipient | None:
        """Return a recipient that is registered and valid now."""
        ...

    def wording(self, event: AlarmEvent) -> Wording:
        """Return the words for an event, with today's names."""
        ...

    def now_ms(self) -> int:
        """Return real time [epoch ms]."""
        ...


class Lane:
    """Runs from `start` to `stop`; `trouble` says what is wrong with the channel, "" when nothing is."""

    def __init__(
        self,
        recipient: str,
        channel: str,
        way: Channel,
        memory: Memory,
        around: Surroundings,
        figures: Figures,
        settings: Settings,
    ) -> None:
        self.recipient = recipient
        self.channel = channel
        self.trouble = ""
        self.waiting = 0
        self._way = way
        self._memory = memory
        self._around = around
        self._figures = figures
        self._settings = settings
        self._alarms: dict[str, deque[Item]] = {}
        self._order: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._failing: set[str] = set()
        self._paused_until_s = 0.0
        self._news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The recipient and the channel."""
        return key_of(self.recipient, self.channel)

    def start(self) -> None:
        """Begin to deliver."""
        self.task = asyncio.create_task(self._run(), name=f"lane {self.name}")

    async def stop(self) -> None:
        """Stop at once; what was not recorded is delivered again, under the same key, after the next start."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task], timeout=self._settings.notify_timeout_s)

    def put(self, item: Item) -> None:
        """Let an event wait for its turn."""
        self.waiting += 1
        items = self._alarms.get(item.event.id)
        if items is None:
            self._alarms[item.event.id] = deque([item])
            self._push(item.event.id, 0.0)
        else:
            items.append(item)

    def _push(self, alarm: str, due_s: float) -> None:
        heapq.heappush(self._order, (due_s, next(self._numbers), alarm))
        self._news.set()

    async def _run(self) -> None:
        while True:
            alarm = await self._next()
            items = self._alarms[alarm]
            due_s = await self._turn(items[0])
            if due_s is None:
                items.popleft().done()
                self.waiting -= 1
                due_s = 0.0
            if items:
                self._push(alarm, due_s)
            else:
                del self._alarms[alarm]

    async def _next(self) -> str:
        """Return the alarm whose turn it is, as soon as one is due and the lane is not paused."""
        while True:
            self._news.clear()
            now_s = self._loop_s()
            due_s = max(self._order[0][0], self._paused_until_s) if self._order else None
            if due_s is not None and due_s <= now_s:
                return heapq.heappop(self._order)[2]
            try:
                async with asyncio.timeout_at(due_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _turn(self, item: Item) -> float | None:
        """Try one delivery; return when to try again [loop time], None when it is done with."""
        event = item.event
        before = self._memory.said(self.recipient, self.channel, event.id)
        silence = unsaid(event, before)
        if silence is not None:
            self._figures.silent(silence)
            return None
        recipient = self._around.recipient(self.recipient)
        if recipient is None or self.channel not in recipient.spec.channels.names:
            gone = Silence.RECIPIENT_NOT_IN_FORCE if recipient is None else Silence.CHANNEL_GONE
            await self._record(item, "dropped", gone)
            return None
        item.attempts += 1
        hit("notifier.before-send")
        answer = await self._send(recipient, event)
        hit("notifier.after-send")
        self._figures.answered(self.channel, answer.outcome)
        if answer.outcome != "failed":
            self.trouble = "" if answer.outcome == "delivered" else answer.reason
            self._failing.clear()
            await self._record(item, answer.outcome, answer.reason)
            return None
        self.trouble = answer.reason
        if self._loop_s() - item.taken_s >= self._settings.notify_give_up_s:
            await self._record(item, "given_up", f"after {item.attempts} attempts: {answer.reason}")
            return None
        return self._later(item, answer)

    async def _send(self, recipient: Recipient, event: AlarmEvent) -> Answer:
        try:
            return await self._way.send(recipient, self._around.wording(event))
        except Exception as error:  # noqa: BLE001  one message that cannot be made must not stop all that follow
            _log.exception("a message could not be sent", lane=self.name, alarm=event.id, seq=event.seq)
            return failed(f"internal error: {type(error).__name__}")

    def _later(self, item: Item, answer: Answer) -> float:
        if item.attempts == 1:
            _log.warning("not delivered", lane=self.name, key=_key(item.event), reason=answer.reason)
        self._failing.add(item.event.id)
        now_s = self._loop_s()
        if len(self._failing) > 1:
            self._pause(now_s + self._wait_s(len(self._failing) - 1))
        if answer.retry_after_s is not None:
            self._pause(now_s + answer.retry_after_s)
        return now_s + self._wait_s(item.attempts)

    def _pause(self, until_s: float) -> None:
        self._paused_until_s = max(self._paused_until_s, until_s)

    def _wait_s(self, count: int) -> float:
        return self._settings.notify_retry_s * GROWTH[min(count, len(GROWTH)) - 1] * random.uniform(0.8, 1.0)

    async def _record(self, item: Item, outcome: str, reason: str) -> None:
        event = item.event
        before = self._memory.said(self.recipient, self.channel, event.id)
        told = event.condition if outcome == "delivered" else before.told if before else None
        await self._memory.say(
            Delivery(
                v=VERSION,
                recipient=self.recipient,
                channel=self.channel,
                group=event.id,
                alarm=event.id,
                seq=event.seq,
                key=_key(event),
                condition=event.condition,
                outcome=outcome,
                reason=reason,
                attempts=item.attempts,
                at=self._around.now_ms(),
                told=told,
            )
        )
        hit("notifier.after-record")
        self._figures.recorded(self.channel, outcome)
        if outcome != "delivered":
            _log.warning(
                "not delivered, and not tried again", lane=self.name, key=_key(event), outcome=outcome, reason=reason
            )

    @staticmethod
    def _loop_s() -> float:
        return asyncio.get_running_loop().time()


def _key(event: AlarmEvent) -> str:
    return key_of(event.id, str(event.seq))
