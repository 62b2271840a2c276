"""A lane is the way to one recipient on one channel: its deliveries wait here, whatever other lanes are doing.

The deliveries of one alarm keep their order. A delivery that fails waits longer each time, as its kind of trouble asks,
while other alarms of the lane are tried; a lane where several alarms fail slows down as a whole, and is quick again
after one success. What the channel refuses, and what it fails to take for long, goes to the recipient's next channel.
On a robot all alarms of the lane stand in one queue, and what the robot's rate does not take is merged into a digest.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import structlog

from schemas.deliveries import DeliveryNote
from schemas.documents import Recipient
from schemas.ids import key_of
from schemas.messages import VERSION
from schemas.settings import Settings
from services.notifier.answer import Answer, Trouble, unreachable
from services.notifier.channels import Channel
from services.notifier.failures import OWN
from services.notifier.memory import NOT_SENT, SENDING, Memory
from services.notifier.message import Message, member_of
from services.notifier.parcel import Item, Parcel, digest_record, note, parcel_of, record, resumed
from services.notifier.robot import Robot
from services.notifier.telling import Figures
from services.notifier.timer import Timer
from services.notifier.wording import Wording
from streams.domain.routing import NOTHING_SAID, Said, Silence, unsaid
from streams.domain.turn import Says
from streams.failpoints import hit

# Times the first wait; see QINGYU_NOTIFY_RETRY_S. A key that is wrong is not put right within seconds, and a channel
# that wants a pause and does not say how long is not asked again at once.
GROWTH = (1, 2, 5, 10, 30, 60)
SLOW_GROWTH = (10, 30, 60)
# On a robot all alarms wait in one queue.
ALL = "~all"

_log = structlog.get_logger(__name__)


class Surroundings(Protocol):
    """What a lane asks the notifier at each attempt, since all of it may change while a delivery waits."""

    def recipient(self, id_: str) -> Recipient | None:
        """Return a recipient that is registered and valid now."""
        ...

    def wording(self, message: Message) -> Wording:
        """Return the words for a message, with today's names."""
        ...

    def robot(self, recipient: str, channel: str) -> Robot | None:
        """Return the robot that a recipient's channel speaks through; None where no rate is known of the channel."""
        ...

    def failing(self, recipient: str, channel: str, message: Message, reason: str) -> None:
        """Learn that a channel does not take a message, at once or for long."""
        ...

    def working(self, recipient: str, channel: str) -> None:
        """Learn that a channel took a message."""
        ...


class Lane:
    """Runs from `start` to `stop`; `trouble` says what is wrong with the channel, "" when nothing is."""

    def __init__(
        self,
        recipient: str,
        channel: str,
        ways: Mapping[str, Channel],
        memory: Memory,
        around: Surroundings,
        figures: Figures,
        settings: Settings,
        timer: Timer,
        robot: Robot | None = None,
    ) -> None:
        self.recipient = recipient
        self.channel = channel
        self.trouble = ""
        self.waiting = 0
        self._ways = ways
        self._memory = memory
        self._around = around
        self._figures = figures
        self._settings = settings
        self._timer = timer
        self._robot = robot
        self._queues: dict[str, deque[Item | Parcel]] = {}
        self._order: list[tuple[int, int, str]] = []
        self._numbers = itertools.count()
        self._failing: set[str] = set()
        self._paused_until_ms = 0
        self._news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The recipient and the channel."""
        return key_of(self.recipient, self.channel)

    def start(self) -> None:
        """Begin to deliver; first what was on its way when the process before this one ended."""
        for one in self._memory.unfinished(self.recipient, self.channel):
            self.waiting += 1
            self._append(one.group, resumed(one, self._timer.now_ms()))
        self.task = asyncio.create_task(self._run(), name=f"lane {self.name}")

    async def stop(self) -> None:
        """Stop at once; what was not recorded is delivered again, under the same key, after the next start."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task], timeout=self._settings.notify_timeout_s)

    def put(self, item: Item) -> None:
        """Let an event wait for its turn."""
        self.waiting += 1
        self._append(item.group, item)

    def _append(self, group: str, one: Item | Parcel) -> None:
        name = group if self._robot is None else ALL
        queue = self._queues.get(name)
        if queue is None:
            self._queues[name] = deque([one])
            self._push(name, 0)
        else:
            queue.append(one)
        if self._robot is not None:
            self._robot.wait(self.name, len(self._queues[name]), _since(self._queues[name]))

    def _push(self, name: str, due_ms: int) -> None:
        heapq.heappush(self._order, (due_ms, next(self._numbers), name))
        self._news.set()

    async def _run(self) -> None:
        while True:
            name = await self._next()
            queue = self._queues[name]
            due_ms = await self._turn(name, queue)
            if queue:
                self._push(name, due_ms)
            else:
                del self._queues[name]
            if self._robot is not None:
                self._robot.wait(self.name, len(queue), _since(queue))

    async def _next(self) -> str:
        """Return the queue whose turn it is, as soon as one is due and the lane is not paused."""
        while True:
            self._news.clear()
            due_ms = max(self._order[0][0], self._paused_until_ms) if self._order else None
            if due_ms is not None and due_ms <= self._timer.now_ms():
                return heapq.heappop(self._order)[2]
            await self._timer.wait(self._news, due_ms)

    async def _turn(self, name: str, queue: deque[Item | Parcel]) -> int:
        """Say what is due of a queue; return when to ask again [epoch ms]."""
        while await self._pass_over(queue):
            # What came while notes were written was not looked at yet, and must not be said unseen.
            pass
        if not queue:
            return 0
        due_ms = self._compose(queue)
        if due_ms:
            return due_ms
        parcel = queue[0]
        assert isinstance(parcel, Parcel)
        recipient = self._around.recipient(self.recipient)
        if recipient is None or self.channel not in recipient.spec.channels.names:
            gone = Silence.RECIPIENT_NOT_IN_FORCE if recipient is None else Silence.CHANNEL_GONE
            await self._end(queue, parcel, "dropped", gone)
            return 0
        if parcel.channel is not None and self._was_said(parcel, parcel.channel):
            await self._end(queue, parcel, "delivered", "said there before, for another channel")
            return 0
        answer = await self._send(parcel, recipient)
        channel = parcel.channel or self.channel
        if answer.trouble is None:
            if parcel.channel is None:
                self.trouble = ""
                self._failing.clear()
            self._around.working(self.recipient, channel)
            await self._end(queue, parcel, "delivered", answer.reason)
            return 0
        if parcel.channel is None:
            self.trouble = answer.reason
        due_ms = self._again(name, parcel, recipient, answer)
        if due_ms is None:
            await self._end(queue, parcel, "refused", answer.reason)
            return 0
        if self._timer.now_ms() - parcel.taken_ms >= self._settings.notify_give_up_s * 1000:
            self._around.failing(self.recipient, channel, parcel.message, answer.reason)
            await self._end(queue, parcel, "given_up", f"after {parcel.attempts} attempts: {answer.reason}")
            return 0
        return due_ms

    def _was_said(self, parcel: Parcel, channel: str) -> bool:
        """Tell whether a message of one event was passed on to a channel before, by another lane of the recipient."""
        if parcel.message.digest is not None:
            return False
        event = parcel.message.events[0]
        return unsaid(event, self._memory.said(self.recipient, channel, event.id)) is Silence.ALREADY_SAID

    def _again(self, name: str, parcel: Parcel, recipient: Recipient, answer: Answer) -> int | None:
        """Return when and, in the parcel, on which channel to try again [epoch ms]; None where all have refused."""
        channel = parcel.channel or self.channel
        now_ms = self._timer.now_ms()
        parcel.failing_ms = now_ms if parcel.failing_ms is None else parcel.failing_ms
        due_ms = now_ms + self._wait_ms(parcel.tries, answer)
        until_ms = due_ms if answer.retry_after_s is None else now_ms + int(answer.retry_after_s * 1000)
        self._block(channel, answer, until_ms)
        lasts = max(due_ms, until_ms) - parcel.failing_ms >= self._settings.notify_fallback_s * 1000
        if answer.trouble is Trouble.REFUSED:
            parcel.refused.add(channel)
            self._failing.clear()
        if answer.trouble in (Trouble.REFUSED, Trouble.AUTH) or lasts:
            self._around.failing(self.recipient, channel, parcel.message, answer.reason)
            chain = self._chain(parcel, recipient)
            place = chain.index(channel) if channel in chain else 0
            others = [one for one in chain[place + 1 :] + chain[: place + 1] if one not in parcel.refused]
            if not others:
                return None
            if others[0] != channel:
                parcel.move(None if others[0] == self.channel else others[0])
                # Where every channel has had its turn, the first one has it again after the wait.
                return now_ms if chain.index(others[0]) > place else due_ms
        return self._later(name, parcel, answer, due_ms)

    def _chain(self, parcel: Parcel, recipient: Recipient) -> list[str]:
        if parcel.message.events[0].rule in OWN:
            # What is about channels is for this one: the others get their own.
            return [self.channel]
        return [self.channel, *(one for one in recipient.spec.fallback if one != self.channel)]

    def _block(self, channel: str, answer: Answer, until_ms: int) -> None:
        robot = self._robot if channel == self.channel else self._around.robot(self.recipient, channel)
        if robot is not None and answer.retry_after_s is not None:
            robot.allowance.block(until_ms)

    async def _pass_over(self, queue: deque[Item | Parcel]) -> bool:
        """Take out of a queue what there is no need to say, and note why; return whether more came meanwhile."""
        said: dict[str, Said] = {}
        kept: list[Item | Parcel] = []
        notes: list[DeliveryNote] = []
        passed: list[Item] = []
        for one in queue:
            if isinstance(one, Parcel):
                for each in one.message.members:
                    so_far = said.get(each.alarm) or self._said(each.alarm)
                    said[each.alarm] = so_far.after(each.seq, each.condition, each.step)
                kept.append(one)
                continue
            event = one.event
            before = said.get(event.id) or self._said(event.id)
            silence = unsaid(event, before)
            if silence is None:
                said[event.id] = before.after(event.seq, event.condition, member_of(event).step)
                kept.append(one)
                continue
            passed.append(one)
            self._figures.silent(silence)
            if silence is Silence.NOTHING_TO_END:
                at_ms, member = self._timer.now_ms(), (event.id, event.seq)
                notes.append(DeliveryNote(VERSION, at_ms, [member], NOT_SENT, silence, self.recipient, self.channel))
        rest: list[Item | Parcel] = []
        if passed:
            # Nothing is put into the queue while notes are written that would be lost here: it is appended at its end.
            count = len(queue)
            await self._memory.note(notes)
            rest = list(queue)[count:]
            queue.clear()
            queue.extend([*kept, *rest])
            for one in passed:
                one.done()
                self.waiting -= 1
        return bool(rest)

    def _said(self, alarm: str) -> Said:
        return self._memory.said(self.recipient, self.channel, alarm) or NOTHING_SAID

    def _compose(self, queue: deque[Item | Parcel]) -> int:
        """Put a parcel at the head of a queue and return 0, or return when something is due [epoch ms]."""
        now_ms = self._timer.now_ms()
        if isinstance(queue[0], Parcel):
            moved = queue[0].channel
            robot = self._robot if moved is None else self._around.robot(self.recipient, moved)
            free = robot is None or robot.allowance.free(now_ms) > 0
            return 0 if free or robot is None else max(now_ms + 1, robot.allowance.when(1, now_ms))
        units, later_ms = self._units(queue, now_ms)
        if not units:
            return later_ms
        items, group = units[0], units[0][0].group
        if self._robot is not None:
            self._robot.wait(self.name, len(units), units[0][0].taken_ms)
            found = self._robot.turn(self.name, self._memory.last_digest_ms(self.recipient, self.channel), now_ms)
            if found.what is Says.NOTHING_YET:
                return found.at_ms
            if found.what is Says.DIGEST:
                items, group = [one for one in queue if isinstance(one, Item)], ALL
        parcel = parcel_of(self.recipient, self.channel, group, items)
        taken = {id(one) for one in items}
        rest = [one for one in queue if id(one) not in taken]
        queue.clear()
        queue.extend([parcel, *rest])
        return 0

    def _units(self, queue: deque[Item | Parcel], now_ms: int) -> tuple[list[list[Item]], int]:
        """Return what is due, by what is said together, and when the next of the rest is [epoch ms]."""
        units: list[list[Item]] = []
        groups: dict[str, list[Item]] = {}
        later_ms: list[int] = []
        for one in queue:
            if isinstance(one, Parcel):
                continue
            if one.interval_ms is None:
                units.append([one])
            elif one.group in groups:
                groups[one.group].append(one)
            else:
                groups[one.group] = [one]
                last_ms = self._memory.last_ms(self.recipient, self.channel, one.group)
                due_ms = max(one.taken_ms + one.wait_ms, 0 if last_ms is None else last_ms + one.interval_ms)
                if due_ms <= now_ms:
                    units.append(groups[one.group])
                else:
                    later_ms.append(due_ms)
        return units, min(later_ms, default=0)

    async def _send(self, parcel: Parcel, recipient: Recipient) -> Answer:
        """Send a parcel; a digest, and what a robot was sent, are recorded before."""
        parcel.attempts += 1
        parcel.tries += 1
        channel, now_ms = parcel.channel or self.channel, self._timer.now_ms()
        robot = self._robot if parcel.channel is None else self._around.robot(self.recipient, channel)
        if robot is not None:
            robot.allowance.begin()
        try:
            plan = None
            if parcel.message.digest is not None and not parcel.planned:
                plan = digest_record(self.recipient, self.channel, parcel, SENDING, "", now_ms)
            if plan is not None or robot is not None:
                await self._memory.plan(plan, None if robot is None else robot.use(now_ms))
            parcel.planned = True
            hit("notifier.before-send")
            answer = await self._ask(parcel, recipient)
            hit("notifier.after-answer")
        finally:
            if robot is not None:
                robot.allowance.end(self._timer.now_ms())
        self._figures.answered(channel, answer.result)
        return answer

    async def _ask(self, parcel: Parcel, recipient: Recipient) -> Answer:
        try:
            return await self._ways[parcel.channel or self.channel].send(
                recipient, self._around.wording(parcel.message)
            )
        except Exception as error:  # noqa: BLE001  one message that cannot be made must not stop all that follow
            _log.exception("a message could not be sent", lane=self.name, key=parcel.message.key)
            return unreachable(f"internal error: {type(error).__name__}")

    def _later(self, name: str, parcel: Parcel, answer: Answer, due_ms: int) -> int:
        if parcel.attempts == 1:
            _log.warning("not delivered", lane=self.name, key=parcel.message.key, reason=answer.reason)
        if parcel.channel is None:
            now_ms = self._timer.now_ms()
            self._failing.add(name)
            if len(self._failing) > 1:
                self._pause(now_ms + self._wait_ms(len(self._failing) - 1, answer))
            if answer.retry_after_s is not None:
                self._pause(now_ms + int(answer.retry_after_s * 1000))
        return due_ms

    def _pause(self, until_ms: int) -> None:
        self._paused_until_ms = max(self._paused_until_ms, until_ms)

    def _wait_ms(self, count: int, answer: Answer) -> int:
        growth = GROWTH if answer.trouble is Trouble.UNREACHABLE else SLOW_GROWTH
        wait_s = self._settings.notify_retry_s * growth[min(count, len(growth)) - 1] * random.uniform(0.8, 1.0)
        return int(wait_s * 1000)

    async def _end(self, queue: deque[Item | Parcel], parcel: Parcel, outcome: str, reason: str) -> None:
        """Record a parcel that is done with, and take it out of its queue."""
        message, now_ms = parcel.message, self._timer.now_ms()
        before = self._memory.said(self.recipient, self.channel, message.events[0].id)
        hit("notifier.before-record")
        via = parcel.channel if outcome == "delivered" else None
        if via is not None:
            if message.digest is None and not self._was_said(parcel, via):
                # Under the channel that took it too: another one that fails need not have it said there again.
                said = self._memory.said(self.recipient, via, message.events[0].id)
                await self._memory.say(
                    record(self.recipient, via, parcel, outcome, reason, now_ms, said),
                    note(self.recipient, via, parcel, outcome, reason, now_ms),
                )
            reason = f"by {via}: {reason}"
        await self._memory.say(
            record(self.recipient, self.channel, parcel, outcome, reason, now_ms, before),
            note(self.recipient, self.channel, parcel, outcome, reason, now_ms),
        )
        hit("notifier.after-record")
        self._figures.recorded(via or self.channel, outcome)
        if outcome != "delivered":
            _log.warning(
                "not delivered, and not tried again", lane=self.name, key=message.key, outcome=outcome, reason=reason
            )
        queue.popleft()
        for done in parcel.done:
            done()
        self.waiting -= max(1, len(parcel.done))


def _since(queue: deque[Item | Parcel]) -> int:
    return queue[0].taken_ms if queue else 0
