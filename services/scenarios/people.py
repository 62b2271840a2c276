"""People (人) are who act in a story and who is told, by the same decisions that the api and the notifier take.

Everybody can be reached at once: what the story tells is who is to be told what and when, not how a channel takes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from schemas.escalation import Escalating, StepEvent
from schemas.handling import Action, Did, Handling, Silence
from schemas.messages import VERSION, AlarmEvent, Condition
from schemas.scenarios import Deed, Moment, parse_instant, parse_window
from schemas.windows import LATEST_MS
from streams.domain.alarm import QUIET_CAUSES, WITHDRAWN
from streams.domain.attention import Attention
from streams.domain.escalating import event_of, taken_up, watch
from streams.domain.handling import Visibility, apply, refusal
from streams.domain.inhibiting import Causes
from streams.domain.quieting import quiet_until
from streams.domain.registry import Snapshot
from streams.domain.routing import ENDINGS, NOTHING_SAID, Routing, Said, unsaid

_DID: Mapping[str, Did] = {
    "acknowledge": "acknowledged", "assign": "assigned", "comment": "commented", "close": "closed",
}  # fmt: skip


class Told(NamedTuple):
    """That a recipient was told of an alarm at an instant [epoch ms]: an event, or a step of an escalation."""

    to: str
    rule: str
    entity: str
    start: str
    condition: str
    step: int | None
    at_ms: int


class People:
    """Everybody in a story; `told` is what they were told since it was taken last."""

    def __init__(self) -> None:
        self._told: list[Told] = []
        self._handled: dict[str, Handling] = {}
        self._silences: dict[str, Silence] = {}
        self._attention = Attention(self._handled, self._silences)
        self._routing = Routing.of(Snapshot.build(0, {}))
        self._open: dict[str, Escalating] = {}
        self._said: dict[tuple[str, str], Said] = {}
        self._causes = Causes()
        # Of each alarm what nobody, or somebody, was not told yet.
        self._held: dict[str, AlarmEvent] = {}
        self._now_ms = 0

    def follow(self, snapshot: Snapshot) -> None:
        """Switch to a registry."""
        self._routing = Routing.of(snapshot)

    def told(self) -> list[Told]:
        """Return what was told since the last time, in order."""
        found, self._told = self._told, []
        return found

    def pass_time(self, at_ms: int) -> None:
        """Let the time pass up to an instant [epoch ms], and every step be told when it is due."""
        while (due := self._earliest(at_ms)) is not None:
            self._now_ms, alarm, is_held = due
            if is_held:
                self._look(alarm)
                continue
            one = self._open[alarm]
            steps = watch(one, self._routing, self._attention, self._now_ms).steps
            self._open[alarm] = replace(one, steps=[*one.steps, *steps])
            for step in steps:
                for id_ in step.to:
                    self._say(id_, event_of(one.event, step))
        self._now_ms = at_ms

    def hear(self, events: Sequence[AlarmEvent]) -> None:
        """Learn of what happened to alarms, now; what explains others among it counts for all."""
        for event in events:
            self._causes.take(self._routing.snapshot, event)
        for event in events:
            held = self._tell(event)
            on_the_way = event.cause in QUIET_CAUSES or (event.mute and event.condition not in ENDINGS)
            if held and not on_the_way:
                self._held[event.id] = event
            elif not on_the_way:
                self._held.pop(event.id, None)
            self._take_up(event)
        # What ended among it may have explained what was held back before.
        for alarm in list(self._held):
            self._look(alarm)

    def _look(self, alarm: str) -> None:
        """Tell what was held back, as far as nothing holds it back any more."""
        event = self._held[alarm]
        if not self._tell(event):
            del self._held[alarm]
        self._take_up(event)

    def _tell(self, event: AlarmEvent) -> bool:
        """Tell an event to whom it is for; return whether it is held back from somebody."""
        reached = self._reached(event)
        ready = [id_ for id_ in reached if self._until(event, id_) is None]
        for id_ in ready:
            self._say(id_, event)
        return len(ready) < len(reached)

    def _reached(self, event: AlarmEvent) -> list[str]:
        """Return whom an event is for: by routes, and since they were told before."""
        reached = {one.recipient: None for one in self._routing.decide(event, self._now_ms).targets}
        before = self._open.get(event.id)
        if event.condition == WITHDRAWN:
            reached |= {to: None for (to, alarm), said in self._said.items() if alarm == event.id and said.told}
        if event.condition in ENDINGS and before is not None:
            reached |= {to: None for step in before.steps for to in step.to}
        return list(reached)

    def _until(self, event: AlarmEvent, to: str) -> int | None:
        """Return until when an event is held back from a recipient, as far as is known [epoch ms]; None: it is not."""
        if event.condition != WITHDRAWN:
            cause = self._cause(event)
            places = (event.entity, *self._routing.snapshot.within(event.entity, event.known))
            seen = self._attention.seen(event, places, self._now_ms, cause)
            if seen.visibility is Visibility.INHIBITED:
                return LATEST_MS
            if seen.visibility is not Visibility.SHOWN:
                return self._silences[seen.because or ""].end
        recipient = self._routing.recipient(to, self._now_ms)
        return None if recipient is None else quiet_until(recipient.spec.quiet, event, self._now_ms)

    def _cause(self, event: AlarmEvent) -> str | None:
        """Return the alarm that inhibits the one of an event; None: none does."""
        return None if event.condition in ENDINGS else self._causes.of(self._routing.snapshot, event)

    def _take_up(self, event: AlarmEvent) -> None:
        """Let an event count towards steps, unless another alarm stands for it."""
        if self._cause(event) is not None:
            return
        before = self._open.get(event.id)
        named = () if event.condition in ENDINGS else self._routing.escalations(event, self._now_ms)
        found = taken_up(before, event, named, self._attention, self._now_ms)
        if found is not None:
            self._open[event.id] = found

    def act(self, moment: Moment, of: Mapping[str, str], conditions: Iterable[Condition]) -> list[str]:
        """Do what people do at a moment; return what cannot be done. `of` are entities by what the story calls them."""
        alarms = {(one.rule, one.entity, one.start): one for one in conditions}
        refused: list[str] = []
        for place, deed in enumerate(moment.people):
            if deed.do in _DID:
                start = parse_window(deed.start or "", moment.of_day).name
                alarm = alarms.get((deed.rule or "", of[deed.of or ""], start))
                refused += self._handle(moment, deed, alarm, place)
            elif deed.do == "end":
                before = self._silences.get(deed.id or "")
                if before is None:
                    refused.append(f"unknown_silence {deed.id}")
                else:
                    self._silences[before.id] = replace(before, end=self._now_ms, ended_by=deed.by)
            else:
                self._quiet(moment, deed, None if deed.of is None else of[deed.of])
        return refused

    def _handle(self, moment: Moment, deed: Deed, alarm: Condition | None, place: int) -> list[str]:
        if alarm is None:
            return [f"unknown_alarm {deed.rule} {deed.start}"]
        until = None if deed.until is None else parse_instant(deed.until, moment.of_day)
        action = Action(
            f"{self._now_ms}-{place}", _DID[deed.do], self._now_ms, deed.by, "scenario", alarm.seq, until, deed.to,
            deed.text,
        )  # fmt: skip
        why = refusal(self._handled.get(alarm.id), alarm, action)
        if why is not None:
            return [f"{why} {deed.rule} {deed.start}"]
        self._handled[alarm.id] = apply(self._handled.get(alarm.id), alarm, action)
        return []

    def _quiet(self, moment: Moment, deed: Deed, entity: str | None) -> None:
        day = moment.of_day
        start = self._now_ms if deed.from_ is None else parse_instant(deed.from_, day)
        self._silences[deed.id or ""] = Silence(
            VERSION, deed.id or "", "maintenance" if deed.do == "maintenance" else "silence", 1, self._now_ms, deed.by,
            start, parse_instant(deed.until or "", day), deed.text or "", deed.by, "scenario", self._now_ms,
            entity=entity, rule=deed.rule,
        )  # fmt: skip

    def _earliest(self, until_ms: int) -> tuple[int, str, bool] | None:
        """Return when, of which alarm something is to be told next, and whether it was held back."""
        found: list[tuple[int, str, bool]] = []
        for alarm, event in self._held.items():
            ends = [self._until(event, id_) for id_ in self._reached(event)]
            end_ms = min((end for end in ends if end is not None), default=self._now_ms)
            if end_ms <= until_ms:
                found.append((end_ms, alarm, True))
        for alarm, one in self._open.items():
            steps, next_ms = watch(one, self._routing, self._attention, self._now_ms)
            if steps:
                found.append((self._now_ms, alarm, False))
            elif next_ms is not None and next_ms <= until_ms:
                found.append((next_ms, alarm, False))
        return min(found, default=None)

    def _say(self, to: str, event: AlarmEvent) -> None:
        before = self._said.get((to, event.id), NOTHING_SAID)
        if unsaid(event, before) is not None:
            return
        step = event.step if isinstance(event, StepEvent) else None
        self._said[to, event.id] = before.after(event.seq, event.condition, step)
        number = None if step is None else int(step.split("|")[3])
        self._told.append(Told(to, event.rule, event.entity, event.start, event.condition, number, self._now_ms))
