"""Handling (处置) is what people have made of an alarm: new, acknowledged, assigned or closed; and whether it is shown.

It is an axis of its own beside the condition: the engine knows nothing of people, and people change no condition. Where
an alarm stands is a pure function of its condition, of what people did, and of the time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from schemas.handling import Action, Handling, Silence
from schemas.messages import VERSION, Condition

# While one of these holds, the alarm goes on by itself: there is nothing to close yet.
GOING_ON = frozenset({"pending", "firing", "recovering"})
WITHDRAWN = "withdrawn"
# What a record must not outgrow; far above what is ever said about one alarm.
MOST_ACTIONS = 500


class State(StrEnum):
    """Where people are with an alarm."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    CLOSED = "closed"


class Visibility(StrEnum):
    """Whether an alarm is shown to be told of, and if not, why."""

    SHOWN = "shown"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    MAINTENANCE = "maintenance"


class Refusal(StrEnum):
    """Why something cannot be done from the present state."""

    GOING_ON = "still_going_on"
    ACKNOWLEDGED = "already_acknowledged"
    CLOSED = "already_closed"
    OVER = "over"
    FULL = "too_many_actions"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where people are with an alarm now: `until` [epoch ms] is the end of an acknowledgement that has one."""

    state: State
    owner: str | None = None
    by: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An alarm's visibility, and what it comes of: the id of the silence, or of the alarm that inhibits it."""

    visibility: Visibility
    because: str | None = None


def stand(handling: Handling | None, condition: Condition, now_ms: int) -> Stand:
    """Return where people are with an alarm at an instant [epoch ms].

    An acknowledgement ends at its end. A closed alarm to which anything has happened since is new again, with nothing
    left of what was done before; only when it was withdrawn it stays closed, since nothing is left to be done.
    """
    if handling is None or _again(handling, condition):
        return Stand(State.NEW)
    if handling.closed is not None:
        return Stand(State.CLOSED, handling.owner, handling.closed.by)
    held = handling.acknowledged
    if held is not None and (held.until is None or now_ms < held.until):
        return Stand(State.ACKNOWLEDGED, handling.owner, held.by, held.until)
    if handling.owner is not None:
        return Stand(State.ASSIGNED, handling.owner)
    return Stand(State.NEW)


def _again(handling: Handling, condition: Condition) -> bool:
    closed = handling.closed
    return closed is not None and condition.seq > closed.alarm_seq and condition.condition != WITHDRAWN


def refusal(handling: Handling | None, condition: Condition, action: Action) -> Refusal | None:
    """Return why an action cannot follow from where people are with an alarm; None when it can.

    The same person may acknowledge again, with another end; what is closed takes comments only.
    """
    now = stand(handling, condition, action.at)
    if handling is not None and len(handling.actions) >= MOST_ACTIONS:
        return Refusal.FULL
    if action.what == "commented":
        return None
    if now.state is State.CLOSED:
        return Refusal.CLOSED
    if action.what == "closed" and condition.condition in GOING_ON:
        return Refusal.GOING_ON
    if action.what == "acknowledged":
        if condition.condition == WITHDRAWN:
            return Refusal.OVER
        held = handling.acknowledged if handling is not None and now.state is State.ACKNOWLEDGED else None
        if held is not None and (held.key, held.by, held.until) == (action.key, action.by, action.until):
            return Refusal.ACKNOWLEDGED
    return None


def apply(handling: Handling | None, condition: Condition, action: Action) -> Handling:
    """Return an alarm's handling after an action; one that is in it already changes nothing."""
    if handling is not None and any(each.id == action.id for each in handling.actions):
        return handling
    if handling is None:
        before = Handling(VERSION, condition.id, condition.rule, condition.entity, 0, action.at, action.by, [])
    elif _again(handling, condition):
        before = replace(handling, acknowledged=None, owner=None, closed=None)
    else:
        before = handling
    return replace(
        before,
        seq=before.seq + 1,
        known=action.at,
        actor=action.by,
        actions=[*before.actions, action],
        acknowledged=action if action.what == "acknowledged" else before.acknowledged,
        owner=action.to if action.what == "assigned" else before.owner,
        closed=action if action.what == "closed" else before.closed,
    )


def is_about(silence: Silence, alarm: str, rule: str, places: Collection[str]) -> bool:
    """Tell whether a silence is about an alarm: `places` are its entity and all that this lies in (`kind/id`)."""
    if silence.alarm is not None:
        return silence.alarm == alarm
    return silence.rule in (None, rule) and (silence.entity is None or silence.entity in places)


def in_force(silence: Silence, now_ms: int) -> bool:
    """Tell whether a silence holds at an instant [epoch ms]."""
    return silence.start <= now_ms < silence.end


def seen(
    condition: Condition,
    places: Collection[str],
    silences: Iterable[Silence],
    now_ms: int,
    inhibited_by: str | None = None,
) -> Seen:
    """Return an alarm's visibility at an instant [epoch ms]: maintenance before inhibition before silence.

    Of several silences the one that ends last is named; `inhibited_by` is the alarm that inhibits this one.
    """
    holding = [
        each for each in silences if in_force(each, now_ms) and is_about(each, condition.id, condition.rule, places)
    ]
    work = [each for each in holding if each.kind == "maintenance"]
    if work:
        return Seen(Visibility.MAINTENANCE, _longest(work).id)
    if inhibited_by is not None:
        return Seen(Visibility.INHIBITED, inhibited_by)
    return Seen(Visibility.SILENCED, _longest(holding).id) if holding else Seen(Visibility.SHOWN)


def _longest(silences: Iterable[Silence]) -> Silence:
    return max(silences, key=lambda one: (one.end, one.id))
