"""Escalation (升级) in the notifier: alarms that count towards a step, and steps that are due, told and recorded.

What is due is decided in `streams.domain.escalating`. A step is recorded with whom it is for before it is told, and
again once all its deliveries are; so whoever is restarted tells the very same, under the same key, or nothing.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog
from msgspec.structs import replace

from schemas.escalation import Escalating, StepEvent, StepTaken
from schemas.messages import AlarmEvent
from services.notifier.known import Known
from services.notifier.memory import Memory
from streams.domain.escalating import event_of, taken_up, watch
from streams.domain.routing import ENDINGS, Routing
from streams.stores.following import FollowingError

# So many alarms are looked at before others have their turn.
TOGETHER = 200

_log = structlog.get_logger(__name__)


class Teller(Protocol):
    """Puts an event into the lanes of recipients."""

    def put(self, event: AlarmEvent, targets: Iterable[tuple[str, str]], done: Callable[[], None]) -> None:
        """Let an event wait for its turn in the lane of each (recipient, channel); each calls `done` in the end."""
        ...


class Escalation:
    """Escalations under way; `routing` is of the registry as it stands. `take` hears of events, `turn` of time."""

    def __init__(self, known: Known, memory: Memory, teller: Teller) -> None:
        self._known = known
        self._memory = memory
        self._teller = teller
        self._open = memory.escalating
        # When the next step of an alarm becomes due [epoch ms], None: none does. Who is not in it is looked at anew.
        self._next_ms: dict[str, int | None] = {}
        self._changed: set[str] = set()
        # Steps that are recorded and stand in no lane of this process yet; None: not known yet.
        self._untold: list[tuple[str, StepTaken]] | None = None
        known.on_handling.append(self._next_ms.clear)
        known.registry.on_change.append(lambda _: self._next_ms.clear())

    def __len__(self) -> int:
        return len(self._open)

    def take(self, event: AlarmEvent, routing: Routing, now_ms: int) -> list[tuple[str, str]]:
        """Hear of an event; return the (recipient, channel) that an ending must be told to because of steps."""
        before = self._open.get(event.id)
        ending = event.condition in ENDINGS
        named = () if ending else routing.escalations(event, now_ms)
        if before is not None or named:
            found = taken_up(before, event, named, self._known.attention, now_ms)
            if found is not None and found is not before:
                self._set(event.id, found)
        if not ending:
            return []
        steps = () if before is None else before.steps
        told = [one for step in steps for one in self._channels(step, routing, now_ms)]
        return list(dict.fromkeys((*told, *self._memory.escalated(event.id))))

    async def turn(self, routing: Routing, now_ms: int) -> None:
        """Tell what is due at an instant [epoch ms], once it is recorded; what is cut short goes on next time."""
        if self._untold is None:
            # Of the process before this one; lanes pass over what was recorded as delivered.
            self._untold = [(alarm, step) for alarm, one in self._open.items() for step in one.steps if not step.done]
        await self._look(self._untold, routing, now_ms)
        await self.save()
        untold, self._untold = self._untold, []
        for alarm, step in untold:
            self._tell(alarm, step, routing, now_ms)
        await self.save()

    async def _look(self, untold: list[tuple[str, StepTaken]], routing: Routing, now_ms: int) -> None:
        """Take the steps that are due."""
        fresh = False
        for place, (alarm, one) in enumerate(list(self._open.items())):
            if place % TOGETHER == TOGETHER - 1:
                await asyncio.sleep(0)
            next_ms = self._next_ms.get(alarm, now_ms)
            if next_ms is None or next_ms > now_ms or self._open.get(alarm) is not one:
                continue
            found = watch(one, routing, self._known.attention, now_ms)
            if found.steps and not fresh:
                # Who acknowledged just before must not see it escalated all the same.
                try:
                    await self._known.read_to_end()
                except FollowingError as error:
                    _log.warning("steps that are due wait until it is known what people did", error=str(error))
                    return
                fresh = True
                one = self._open[alarm]
                found = watch(one, routing, self._known.attention, now_ms)
            if found.steps:
                self._set(alarm, replace(one, steps=[*one.steps, *found.steps]))
                untold += [(alarm, step) for step in found.steps]
            self._next_ms[alarm] = found.next_ms

    async def save(self) -> None:
        """Record what has changed since the last time; return when Kafka has it, however often that is tried."""
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        over = {alarm for alarm in changed if _is_over(self._open[alarm])}
        kept = {alarm: None if alarm in over else self._open[alarm] for alarm in sorted(changed)}
        try:
            await self._memory.keep_escalations(kept)
        except asyncio.CancelledError:
            self._changed |= changed
            raise
        for alarm in over - self._changed:
            del self._open[alarm]
            self._next_ms.pop(alarm, None)

    def _set(self, alarm: str, one: Escalating) -> None:
        self._open[alarm] = one
        self._changed.add(alarm)
        self._next_ms.pop(alarm, None)

    def _tell(self, alarm: str, step: StepTaken, routing: Routing, now_ms: int) -> None:
        event = event_of(self._open[alarm].event, step)
        targets = self._channels(step, routing, now_ms)
        _log.info("escalated", alarm=alarm, step=step.step, to=step.to, because=step.because)
        if targets:
            self._teller.put(event, targets, self._counter(alarm, event, len(targets)))
        else:
            self._finish(alarm, step.step)

    def _counter(self, alarm: str, event: StepEvent, deliveries: int) -> Callable[[], None]:
        left = deliveries

        def done() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._finish(alarm, event.step)

        return done

    def _finish(self, alarm: str, step: str) -> None:
        one = self._open.get(alarm)
        if one is not None:
            steps = [replace(each, done=True) if each.step == step else each for each in one.steps]
            next_ms = self._next_ms.get(alarm)
            known = alarm in self._next_ms
            self._set(alarm, replace(one, steps=steps))
            if known:
                # That a step was delivered changes nothing of what becomes due next.
                self._next_ms[alarm] = next_ms

    def _channels(self, step: StepTaken, routing: Routing, now_ms: int) -> list[tuple[str, str]]:
        found = (routing.recipient(id_, now_ms) for id_ in step.to)
        return [(one.id, channel) for one in found if one is not None for channel in one.spec.first]


def _is_over(one: Escalating) -> bool:
    return one.event.condition in ENDINGS and all(step.done for step in one.steps)
