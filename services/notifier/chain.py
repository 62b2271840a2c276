"""The chain is the way of an event from its topic to its lanes: each stage may hold it back, and says why.

Routes choose who is told; inhibition and silences hide an alarm from all of them; quiet hours hold it back from one.
What is held back is the alarm's newest event, recorded before it counts as taken, and looked at again when its reason
may have ended; then it is told as it stands. What is not sent is noted with its reason, for all who ask later.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from schemas.deliveries import DeliveryNote
from schemas.messages import VERSION, AlarmEvent
from services.clock import Clock
from services.notifier.kept import cause_message, held_message
from services.notifier.memory import NOT_SENT, Memory
from services.notifier.telling import Figures
from services.notifier.timer import Timer
from services.outbox import Message
from streams.domain.alarm import QUIET_CAUSES, WITHDRAWN
from streams.domain.attention import Attention
from streams.domain.handling import Visibility
from streams.domain.inhibiting import Causes, may_be_inhibited
from streams.domain.quieting import quiet_until
from streams.domain.routing import ENDINGS, Routing, Silence, unsaid
from streams.failpoints import hit

Done = Callable[[], None]
To = tuple[str, str]
# A silence and what explains it are told in one transaction, which may be read in parts; an explanation that ends may
# end before what it explains.
CAUSE_WAIT_MS = 2_000
AFTER_CAUSE_MS = 5_000
# What is held is looked at so often, and so much of it at once: reading goes on in between.
LOOK_MS = 1_000
AT_ONCE = 500

_log = structlog.get_logger(__name__)
_HIDDEN = {
    Visibility.INHIBITED: Silence.INHIBITED,
    Visibility.SILENCED: Silence.SILENCED,
    Visibility.MAINTENANCE: Silence.MAINTENANCE,
}


class Ways(Protocol):
    """All ways to recipients, by the routes of today."""

    routing: Routing
    timer: Timer

    def put(self, event: AlarmEvent, targets: Iterable[To], done: Done) -> None:
        """Let an event wait for its turn in the lane of each (recipient, channel); each calls `done` in the end."""
        ...


class Steps(Protocol):
    """What hears of events to tell others of alarms that nobody takes in hand."""

    def take(self, event: AlarmEvent, routing: Routing, now_ms: int) -> list[To]:
        """Hear of an event; return the (recipient, channel) that an ending must be told to because of steps."""
        ...

    async def save(self) -> None:
        """Record what has changed since the last time; return when Kafka has it."""
        ...


class Why(NamedTuple):
    """Why an event is held back: from whom (None: from all), until when on the numbers' clock [epoch ms], if known."""

    recipient: str | None
    reason: Silence
    by: str | None = None
    until_ms: int | None = None


@dataclass(slots=True)
class Held:
    """An alarm's event that is held back, and why; `due_ms` [epoch ms, real time] is when to look at it at the latest.

    `left` counts the deliveries that were let go and are not done with; `steps` are those who must hear of an ending
    because of an escalation; `told` are the reasons that were noted.
    """

    event: AlarmEvent
    why: tuple[Why, ...] = ()
    due_ms: int | None = None
    left: int = 0
    waited: bool = False
    steps: tuple[To, ...] = ()
    told: set[tuple[str | None, str, str | None]] = field(default_factory=set[tuple[str | None, str, str | None]])

    def is_due(self, now_ms: int, real_ms: int) -> bool:
        """Tell whether something that holds it back may have ended, on the numbers' clock and in real time."""
        if self.due_ms is not None and self.due_ms <= real_ms:
            return True
        return any(one.until_ms is not None and one.until_ms <= now_ms for one in self.why)


class Chain:
    """Takes events one by one, and lets go of held ones; what is to be recorded is written by `settle`, all at once."""

    def __init__(
        self, clock: Clock, memory: Memory, ways: Ways, figures: Figures, attention: Attention, escalation: Steps
    ) -> None:
        self._clock = clock
        self._memory = memory
        self._ways = ways
        self._figures = figures
        self._attention = attention
        self._escalation = escalation
        self._causes = Causes()
        self._held: dict[str, Held] = {}
        self._in_hand: dict[str, Counter[To]] = {}
        self._records: list[Message] = []
        self._notes: list[DeliveryNote] = []
        self._settled: list[Done] = []
        self._to_look: dict[str, None] = {}
        self._looked_ms = 0
        self._changes = -1

    @property
    def held(self) -> int:
        """How many alarms are held back from somebody."""
        return len(self._held)

    def begin(self) -> None:
        """Go on with what was held back when the process before this one ended."""
        for cause in self._memory.kept.causes.values():
            self._causes.put(cause)
        due_ms = self._ways.timer.now_ms() + AFTER_CAUSE_MS
        for alarm, event in self._memory.kept.held.items():
            self._held[alarm] = Held(event, due_ms=due_ms)

    def take(self, event: AlarmEvent, since_ms: int, hold: Callable[[int], Done]) -> None:
        """Decide who is told of an event, and hand it to their lanes.

        What was known before `since_ms` [epoch ms] is told to nobody. `hold` is told how many parts have to be done
        with, and returns what each calls.
        """
        self._note_cause(event)
        if event.known < since_ms:
            self._figures.took("old")
            self._settled.append(hold(1))
            self._not_said(event, Why(None, Silence.TOO_OLD))
            return
        before = self._held.get(event.id)
        held = Held(event)
        if event.condition in ENDINGS:
            held.steps = tuple(self._escalation.take(event, self._ways.routing, self._clock.now_ms()))
        targets = self._targets(held)
        self._figures.took("told" if targets else "nobody")
        now = self._pass(held, targets)
        self._escalate(held)
        # A step on the way is told to who asks for it; what is held is what began, and stands until it ends.
        if before is None or not (event.cause in QUIET_CAUSES or (event.mute and event.condition not in ENDINGS)):
            self._hold(event.id, held, before)
        done = hold(len(now) + 1)
        self._settled.append(done)
        hit("notifier.taken")
        self._hand_over(event, now, done)

    async def settle(self) -> None:
        """Return when all that was decided until now is recorded; tries for ever."""
        records, self._records = self._records, []
        notes, self._notes = self._notes, []
        settled, self._settled = self._settled, []
        if records:
            # What is held back no more may count towards a step from now on.
            await self._escalation.save()
        await self._memory.settle(records, notes)
        for done in settled:
            done()

    def look(self, changes: int) -> None:
        """Let go of what nothing holds back any more; `changes` grows whenever silences or the registry did."""
        real_ms = self._ways.timer.now_ms()
        if changes != self._changes:
            self._changes = changes
            self._to_look.update(dict.fromkeys(self._held))
        elif real_ms - self._looked_ms >= LOOK_MS:
            now_ms = self._clock.now_ms()
            self._to_look.update(dict.fromkeys(id_ for id_, one in self._held.items() if one.is_due(now_ms, real_ms)))
        else:
            return
        self._looked_ms = real_ms
        for alarm in list(self._to_look)[:AT_ONCE]:
            del self._to_look[alarm]
            held = self._held.get(alarm)
            if held is not None and not held.left and (held.due_ms is None or held.due_ms <= real_ms):
                self._look_at(alarm, held)

    def _look_at(self, alarm: str, held: Held) -> None:
        held.waited = held.waited or held.due_ms is not None
        held.due_ms = None
        now = self._pass(held, self._targets(held, again=True))
        self._escalate(held)
        held.left = len(now)

        def done() -> None:
            held.left -= 1
            self._end(alarm, held)

        self._end(alarm, held)
        self._hand_over(held.event, now, done)

    def _end(self, alarm: str, held: Held) -> None:
        if not held.why and held.due_ms is None and not held.left and self._held.get(alarm) is held:
            del self._held[alarm]
            self._records.append(held_message(alarm, None))

    def _hold(self, alarm: str, held: Held, before: Held | None) -> None:
        if held.why or held.due_ms is not None:
            self._held[alarm] = held
            self._records.append(held_message(alarm, held.event))
        elif before is not None:
            del self._held[alarm]
            self._records.append(held_message(alarm, None))

    def _escalate(self, held: Held) -> None:
        """Let an event count towards steps, unless another alarm stands for it."""
        if held.event.condition in ENDINGS or held.due_ms is not None:
            return
        if all(one.reason is not Silence.INHIBITED for one in held.why):
            self._escalation.take(held.event, self._ways.routing, self._clock.now_ms())

    def _targets(self, held: Held, *, again: bool = False) -> list[To]:
        """Return whom an event is for, but for those whom nothing is left to say to; why not, is noted once."""
        event = held.event
        decision = self._ways.routing.decide(event, self._clock.now_ms())
        found = [(one.recipient, one.channel) for one in decision.targets]
        found += [one for one in held.steps if one not in found]
        if again and event.condition in ENDINGS:
            found += [one for one in self._memory.escalated(event.id) if one not in found]
        if event.condition == WITHDRAWN:
            # Who was told of what is wrong is told so, or is about to be told it, wherever routes lead by now.
            others = [*self._memory.told(event.id), *sorted(self._in_hand.get(event.id, ()))]
            found += [one for one in dict.fromkeys(others) if one not in found]
        if not again:
            for one in decision.not_sent:
                self._figures.silent(one.reason)
            for one in decision.stored:
                if one.route is not None or not found:
                    self._note(event, one.reason, one.recipient, None, one.route)
            if not found:
                why = dict(Counter(str(one.reason) for one in decision.stored))
                _log.info("told to nobody", alarm=event.id, seq=event.seq, entity=event.entity, why=why)
        return [one for one in found if self._is_left(event, one)]

    def _is_left(self, event: AlarmEvent, to: To) -> bool:
        if self._in_hand.get(event.id, {}).get(to):
            # What is before it in the lane decides there.
            return True
        silence = unsaid(event, self._memory.said(*to, event.id))
        if silence is not None:
            self._figures.silent(silence)
        if silence is Silence.NOTHING_TO_END:
            self._note(event, silence, *to, None)
        return silence is None

    def _pass(self, held: Held, targets: Iterable[To]) -> list[To]:
        """Return which targets an event is told to now; what holds it back from the others is put down, and noted."""
        event, waiting = held.event, list(targets)
        hidden = self._hidden(held) if waiting else None
        if hidden is not None or held.due_ms is not None:
            held.why = () if hidden is None else (hidden,)
            now: list[To] = []
        else:
            quiet = {to: self._quiet(event, to[0]) for to in waiting}
            held.why = tuple(dict.fromkeys(one for one in quiet.values() if one is not None))
            now = [to for to in waiting if quiet[to] is None]
        for one in held.why:
            key = one.recipient, one.reason, one.by
            if key not in held.told:
                held.told.add(key)
                self._not_said(event, one)
        return now

    def _hidden(self, held: Held) -> Why | None:
        """Return why an event is held back from everybody; a withdrawal is not, an end not by another alarm."""
        event, snapshot = held.event, self._ways.routing.snapshot
        if event.condition == WITHDRAWN:
            return None
        cause = None
        if event.condition not in ENDINGS:
            cause = self._causes.of(snapshot, event)
            if cause is None and not held.waited and may_be_inhibited(snapshot, event):
                held.due_ms = self._ways.timer.now_ms() + CAUSE_WAIT_MS
        places = (event.entity, *snapshot.within(event.entity, event.known))
        seen = self._attention.seen(event, places, self._clock.now_ms(), cause)
        if seen.visibility is Visibility.SHOWN:
            return None
        silence = self._attention.silences.get(seen.because or "")
        until_ms = None if silence is None else silence.end
        return Why(None, _HIDDEN[seen.visibility], seen.because, until_ms)

    def _quiet(self, event: AlarmEvent, id_: str) -> Why | None:
        now_ms = self._clock.now_ms()
        recipient = self._ways.routing.recipient(id_, now_ms)
        until_ms = None if recipient is None else quiet_until(recipient.spec.quiet, event, now_ms)
        return None if until_ms is None else Why(id_, Silence.QUIET_HOURS, None, until_ms)

    def _note_cause(self, event: AlarmEvent) -> None:
        if not self._causes.take(self._ways.routing.snapshot, event):
            return
        cause = self._causes.open.get(event.id)
        self._records.append(cause_message(event.id, cause))
        if cause is None:
            due_ms = self._ways.timer.now_ms() + AFTER_CAUSE_MS
            for held in self._held.values():
                if any(one.by == event.id for one in held.why):
                    held.due_ms = due_ms

    def _hand_over(self, event: AlarmEvent, targets: Iterable[To], done: Done) -> None:
        for to in targets:
            self._in_hand.setdefault(event.id, Counter())[to] += 1
            self._ways.put(event, [to], self._put_down(event.id, to, done))

    def _put_down(self, alarm: str, to: To, done: Done) -> Done:
        def finished() -> None:
            count = self._in_hand[alarm]
            count[to] -= 1
            if not count[to]:
                del count[to]
                if not count:
                    del self._in_hand[alarm]
            done()

        return finished

    def _not_said(self, event: AlarmEvent, why: Why) -> None:
        self._figures.silent(why.reason)
        self._note(event, why.reason, why.recipient, None, why.by)

    def _note(
        self, event: AlarmEvent, reason: Silence, recipient: str | None, channel: str | None, by: str | None
    ) -> None:
        at_ms, member = self._ways.timer.now_ms(), (event.id, event.seq)
        self._notes.append(DeliveryNote(VERSION, at_ms, [member], NOT_SENT, reason, recipient, channel, by=by))
