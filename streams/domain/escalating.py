"""Escalating (升级) is what becomes due of an alarm that nobody takes in hand: which step, when, and why.

Time counts from the event that began it, but not while the alarm is acknowledged, closed or silenced: when an
acknowledgement ends, the count goes on where it stood. All of it is a function of the alarm's events, of what people
did, of the documents and of the instant that is asked about.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from schemas.documents import Escalation
from schemas.documents.escalation import EscalationStep
from schemas.escalation import Began, Escalating, StepEvent, StepTaken
from schemas.handling import Handling
from schemas.ids import key_of
from schemas.messages import VERSION, AlarmEvent
from streams.domain.attention import Attention
from streams.domain.handling import State, Visibility, apply, is_about, seen, stand
from streams.domain.routing import ENDINGS, Routing
from streams.domain.working_time import reach, unknown_years

ESCALATED = "escalated"
OWNER = "owner"
_UNITS = {"s": ("second", "秒"), "min": ("minute", "分钟"), "h": ("hour", "小时"), "d": ("day", "天")}
_IN_HAND = (State.ACKNOWLEDGED, State.CLOSED)


class Span(NamedTuple):
    """Half-open [epoch ms]; without an end it goes on as long as nobody does anything."""

    start_ms: int
    end_ms: int | None


class Due(NamedTuple):
    """A step that is or becomes due at an instant [epoch ms]; `owner`: it is for the one whom the alarm is assigned to.

    `number` counts the document's steps from 1; `step` tells it from all else that is told of the alarm.
    """

    step: str
    number: int
    owner: bool
    at_ms: int
    because: str
    because_zh: str


def taken_up(
    before: Escalating | None, event: AlarmEvent, named: Iterable[str], people: Attention, now_ms: int
) -> Escalating | None:
    """Return an alarm's escalation after an event that routes with escalations lead on; None where there is none.

    `named` are the escalations of those routes. Each counts from the instant [epoch ms] at which the first event that
    names it is told. What fires again after its end, or after it was closed, is counted anew.
    """
    if before is not None and event.seq <= before.event.seq:
        return before
    if event.condition in ENDINGS:
        return None if before is None else Escalating(VERSION, event, [], before.steps)
    if before is not None and _is_new(before, event, people):
        before = None
    began = list(before.began) if before is not None else []
    began += [
        Began(id_, event.seq, now_ms) for id_ in sorted(named) if not event.mute and all(b.id != id_ for b in began)
    ]
    if not began and before is None:
        return None
    return Escalating(VERSION, event, began, [] if before is None else before.steps)


def _is_new(before: Escalating, event: AlarmEvent, people: Attention) -> bool:
    closed = getattr(people.handled.get(event.id), "closed", None)
    return before.event.condition in ENDINGS or (
        closed is not None and before.event.seq <= closed.alarm_seq < event.seq and closed.at < event.known
    )


def unattended(people: Attention, event: AlarmEvent, places: Collection[str], start_ms: int) -> list[Span]:
    """Return when nobody has an alarm in hand from an instant on [epoch ms], as far as is known now.

    `places` are its entity and all that this lies in. It is in hand while it is acknowledged or closed, and silent
    while a silence or maintenance holds.
    """
    handling = people.handled.get(event.id)
    silences = [one for one in people.silences.values() if is_about(one, event.id, event.rule, places)]
    edges = {start_ms}
    for one in silences:
        edges |= {one.start, one.end}
    for action in () if handling is None else handling.actions:
        edges |= {action.at} if action.until is None else {action.at, action.until}
    inside = sorted(edge for edge in edges if edge >= start_ms)
    found: list[Span] = []
    for place, edge in enumerate(inside):
        if stand(_at(handling, event, edge), event, edge).state in _IN_HAND:
            continue
        if seen(event, places, silences, edge).visibility is not Visibility.SHOWN:
            continue
        end = inside[place + 1] if place + 1 < len(inside) else None
        if found and found[-1].end_ms == edge:
            found[-1] = Span(found[-1].start_ms, end)
        else:
            found.append(Span(edge, end))
    return found


def _at(handling: Handling | None, event: AlarmEvent, at_ms: int) -> Handling | None:
    """Return what had been done about an alarm up to an instant [epoch ms]."""
    if handling is None or handling.known <= at_ms:
        return handling
    found = None
    for action in handling.actions:
        if action.at <= at_ms:
            found = apply(found, event, action)
    return found


def schedule(began: Began, escalation: Escalation, spans: Collection[Span], owned: bool) -> Iterator[Due]:
    """Yield an escalation's steps that become due in the spans that count, in their order.

    `owned`: the alarm is assigned to a recipient, who is told before the others of each step.
    """
    spec = escalation.spec
    before_ms = began.at
    for number, step in enumerate(spec.steps, 1):
        hours = spec.spans_ms if step.working else None
        parts = [(False, 0)]
        if owned and spec.owner_first is not None:
            parts = [(True, 0), (False, spec.length_ms(spec.owner_first, step.working))]
        for owner, more_ms in parts:
            at_ms = _reached(spec.length_ms(step.after, step.working) + more_ms, spans, hours)
            if at_ms is None:
                return
            before_ms = max(before_ms, at_ms)
            name = key_of(str(began.seq), "escalation", escalation.id, str(number), *((OWNER,) if owner else ()))
            yield Due(name, number, owner, before_ms, *_because(number, step, began, before_ms))


def _reached(need_ms: int, spans: Iterable[Span], hours_ms: tuple[tuple[int, int], ...] | None) -> int | None:
    for start_ms, end_ms in spans:
        at_ms, need_ms = reach(need_ms, start_ms, end_ms, hours_ms)
        if at_ms is not None:
            return at_ms
    return None


def _because(number: int, step: EscalationStep, began: Began, at_ms: int) -> tuple[str, str]:
    """Return in English and in Chinese why a step is due."""
    short = step.after.lstrip("0123456789")
    count = step.after.removesuffix(short)
    unit, unit_zh = _UNITS[short]
    within = f"{count} {'working ' if step.working else ''}{unit}{'' if count == '1' else 's'}"
    said = f"escalated: step {number}, nobody acknowledged within {within}"
    said_zh = f"升级第 {number} 级：{count} {'个工作' if step.working else ''}{unit_zh}内无人确认"
    unknown = unknown_years(began.at, at_ms) if step.working else []
    if unknown:
        years = ", ".join(str(year) for year in unknown)
        said += f" (the holidays of {years} are not known: Monday to Friday were counted)"
        said_zh += f"（{years} 年放假安排未知，按周一至周五计）"
    return said, said_zh


def event_of(alarm: AlarmEvent, step: StepTaken) -> StepEvent:
    """Return a step as it is told: the alarm's last event, with the step as its cause."""
    fields = {name: getattr(alarm, name) for name in AlarmEvent.__struct_fields__}
    fields |= {"cause": ESCALATED, "actor": "notifier", "mute": False, "known": step.at}
    return StepEvent(**fields, step=step.step, because=step.because, because_zh=step.because_zh)


class Watch(NamedTuple):
    """What is due now, what to record of it, and when the next step becomes due by what is known [epoch ms]."""

    steps: tuple[StepTaken, ...]
    next_ms: int | None


def watch(one: Escalating, routing: Routing, people: Attention, now_ms: int) -> Watch:
    """Return which steps of an alarm are due at an instant [epoch ms] and were not taken yet, and whom they are for."""
    event = one.event
    if event.condition in ENDINGS:
        return Watch((), None)
    places = (event.entity, *routing.snapshot.within(event.entity, now_ms))
    owner = people.stand(event, now_ms).owner
    owning = None if owner is None else routing.named(owner, now_ms)
    taken = {each.step for each in one.steps}
    due: list[StepTaken] = []
    later: list[int] = []
    for began in one.began:
        escalation = routing.escalation(began.id, now_ms)
        if escalation is None:
            continue
        spans = unattended(people, event, places, began.at)
        for each in schedule(began, escalation, spans, owning is not None):
            if each.step in taken or each.step.removesuffix(f"|{OWNER}") in taken:
                continue
            if each.at_ms > now_ms:
                later.append(each.at_ms)
                break
            step = escalation.spec.steps[each.number - 1]
            if each.owner and owning is not None:
                to = [owning.id]
            else:
                first = (owning.id,) if owning is not None and escalation.spec.owner_first is None else ()
                ids = dict.fromkeys((*first, *step.recipients, *routing.rostered(step.on_call, now_ms)))
                to = [id_ for id_ in ids if routing.recipient(id_, now_ms) is not None]
            due.append(StepTaken(each.step, each.at_ms, to, each.because, each.because_zh, done=not to))
    return Watch(tuple(sorted(due, key=lambda each: each.at)), min(later, default=None))
