"""Alarms over HTTP: what they are now, where people are with them, what happened to them, and acting on them."""

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.handling import Did, Silence
from schemas.messages import Condition
from schemas.windows import DAY_MS, HOUR_MS, window
from services.api.access import Reader, reader
from services.api.answers import AlarmAnswer, AlarmsAnswer, HistoryAnswer, SilenceAnswer, SilencesAnswer
from services.api.asking import MAX_PAGE, PAGE, Cursor, From, Limit, To, json_answer, page, time_of, time_range
from services.api.desk import Desk, Quiet, Wish
from services.http.problem import CONFLICT, Problem
from streams.domain.handling import State, Visibility, in_force
from streams.stores.series import Store

# So many alarms are looked through for one page of those that are wanted; `next` goes on behind them.
LOOKED_THROUGH = 20_000
_LASTING = re.compile(r"(\d{1,5})\s*(min|h|d)")
_UNIT_MS = {"min": 60_000, "h": HOUR_MS, "d": DAY_MS}
_DOES: dict[str, Did] = {
    "acknowledge": "acknowledged",
    "assign": "assigned",
    "comment": "commented",
    "close": "closed",
}

router = APIRouter()

Name = Annotated[str | None, Field(max_length=100, description="Who acts; without it, the holder of the token.")]
Text = Annotated[str | None, Field(max_length=500)]
Once = Annotated[str | None, Field(max_length=60, pattern=r"^[A-Za-z0-9._-]+$", description="Sent twice, done once.")]
Until = Annotated[str | None, Field(max_length=40, description="A window (its start) or an instant.")]
For = Annotated[str | None, Field(alias="for", max_length=10, description="Instead of `until`: 30min, 4h, 2d.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, populate_by_name=True)


class ActionBody(_Body):
    """What is to be done about an alarm: `until` or `for` with acknowledge and silence, `to` with assign."""

    action: Literal["acknowledge", "assign", "comment", "silence", "close"]
    by: Name = None
    until: Until = None
    for_: For = None
    to: Annotated[str | None, Field(max_length=100, description="To whom it is assigned.")] = None
    text: Text = None
    id: Once = None


class SilenceBody(_Body):
    """What is to be silent: an alarm, or all alarms of an entity with what lies in it, of a rule, or of both."""

    kind: Literal["silence", "maintenance"] = "silence"
    alarm: Annotated[str | None, Field(max_length=40)] = None
    entity: Annotated[str | None, Field(max_length=100, description="kind/id; with all that lies in it.")] = None
    rule: Annotated[str | None, Field(max_length=40)] = None
    from_: Annotated[str | None, Field(alias="from", max_length=40, description="Without it: now.")] = None
    until: Until = None
    for_: For = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    by: Name = None
    id: Once = None


async def desk(request: Request) -> Desk:
    """FastAPI dependency: the desk, with what people did read once; raise the Problem 503."""
    found: Desk = request.app.state.api.desk
    await found.read()
    return found


Caller = Annotated[Reader, Depends(reader)]
AtDesk = Annotated[Desk, Depends(desk)]


@router.get("/v1/alarms", tags=["alarms"], summary="Alarms, the newest start first", response_model=AlarmsAnswer)
def list_alarms(
    request: Request,
    caller: Caller,
    desk: AtDesk,
    entity: Annotated[str | None, Query(description="Only of this entity (kind/id).")] = None,
    rule: Annotated[str | None, Query(description="Only of this rule or limit.")] = None,
    condition: Annotated[
        Literal["ok", "pending", "firing", "recovering", "no_data", "error", "established", "withdrawn"] | None,
        Query(description="Only those that are so now.", examples=["firing"]),
    ] = None,
    handling: Annotated[State | None, Query(description="Only those with which people are so far.")] = None,
    visibility: Annotated[Visibility | None, Query(description="Only those that are so to be seen.")] = None,
    severity: Annotated[str | None, Query(description="Only of this severity.", examples=["critical"])] = None,
    owner: Annotated[str | None, Query(description="Only those assigned to this person.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return what the alarms that the caller may see are now; those that are over stand there too."""
    entities = caller.entities() if entity is None else {caller.check_alarmed(entity)}
    start_ms, end_ms = time_range(from_, to)
    items, following = chosen(
        request.app.state.api.store,
        desk,
        caller,
        entities=entities,
        rule=rule,
        condition=condition,
        from_ms=None if from_ is None else start_ms,
        to_ms=None if to is None else end_ms,
        handling=handling,
        visibility=visibility,
        severity=severity,
        owner=owner,
        cursor=cursor,
        limit=limit,
    )
    return json_answer({"items": [alarm_fields(one, desk, caller) for one in items], "next": following})


def chosen(
    store: Store,
    desk: Desk,
    caller: Reader,
    *,
    entities: set[str] | None,
    handling: str | None,
    visibility: str | None,
    severity: str | None,
    owner: str | None,
    cursor: str | None,
    limit: int,
    **filters: Any,
) -> tuple[list[Condition], str | None]:
    """Return a page of the alarms of some entities that are wanted, and the cursor to go on from."""

    def wanted(one: Condition) -> bool:
        stands = desk.stand(one, caller.at_ms)
        return (
            severity in (None, one.severity)
            and handling in (None, stands.state)
            and owner in (None, stands.owner)
            and (visibility is None or desk.seen(one, caller).visibility == visibility)
        )

    def ask(after: str | None, size: int) -> tuple[list[Condition], str | None]:
        found = store.conditions(entities=entities, after=after, limit=size, **filters)
        return found.items, found.next

    choosy = any(each is not None for each in (handling, visibility, severity, owner))
    return _looked_for(ask, wanted, cursor, limit) if choosy else ask(cursor, limit)


def _looked_for(
    ask: Callable[[str | None, int], tuple[list[Condition], str | None]],
    wanted: Callable[[Condition], bool],
    after: str | None,
    limit: int,
) -> tuple[list[Condition], str | None]:
    found: list[Condition] = []
    looked = 0
    while True:
        several, following = ask(after, MAX_PAGE)
        for n, one in enumerate(several):
            if wanted(one):
                found.append(one)
            if len(found) == limit:
                last = n == len(several) - 1
                # The place of an alarm in the list is its start and its id.
                return found, following if last else f"{window(one.start).start_ms}~{one.id}"
        looked += len(several)
        if following is None or looked >= LOOKED_THROUGH:
            return found, following
        after = following


@router.get("/v1/alarms/{id}", tags=["alarms"], summary="An alarm with its events", response_model=AlarmAnswer)
async def get_alarm(caller: Caller, desk: AtDesk, id: str) -> Response:
    """Return an alarm as it is now, where people are with it, and all its transitions, by `seq`.

    `evidence` is the command that packs what proves the alarm; `history` is where everything that happened stands.
    """
    found = await desk.condition(caller, id)
    return json_answer(await _whole(found, desk, caller))


@router.get(
    "/v1/alarms/{id}/history", tags=["alarms"], summary="Everything that happened to an alarm",
    response_model=HistoryAnswer,
)  # fmt: skip
async def get_history(caller: Caller, desk: AtDesk, id: str) -> Response:
    """Return the engine's transitions, people's actions, and the silences about it, by when they became known."""
    found = await desk.condition(caller, id)
    return json_answer({"items": await happened(found, desk, caller), "next": None})


@router.post(
    "/v1/alarms/{id}/handling", tags=["alarms"], summary="Acknowledge, assign, comment, silence or close an alarm",
    response_model=AlarmAnswer, responses=CONFLICT,
)  # fmt: skip
async def act(caller: Caller, desk: AtDesk, id: str, body: ActionBody) -> Response:
    """Do something about an alarm, in the name that the body or the token says; answered when Kafka has it.

    Who may see an alarm may acknowledge, assign and comment on it; only an operator silences and closes. 409 says why
    it cannot be done as the alarm stands.
    """
    found = await desk.condition(caller, id)
    await do(desk, caller, found, body)
    return json_answer(await _whole(found, desk, caller))


async def do(desk: Desk, caller: Reader, alarm: Condition, body: ActionBody) -> None:
    """Do what a body asks for; raise the Problem 403, 409, 422 or 503."""
    until_ms = _end(body.until, body.for_, caller.at_ms)
    if body.action == "silence":
        if until_ms is None:
            raise Problem(422, "no_end", "a silence has an end: give `until` or `for`", path="$.until")
        if not body.text:
            raise Problem(422, "no_reason", "a silence has a reason: give it as `text`", path="$.text")
        quiet = Quiet("silence", caller.at_ms, until_ms, body.text, body.by, alarm=alarm.id, id=body.id)
        await desk.quiet(caller, quiet)
    else:
        _check_fields(body, until_ms)
        await desk.act(caller, alarm.id, Wish(_DOES[body.action], body.by, until_ms, body.to, body.text, body.id))


def _check_fields(body: ActionBody, until_ms: int | None) -> None:
    """Raise the Problem 422 where an action lacks what it needs, or brings what does not belong to it."""
    if body.action == "assign" and not body.to:
        raise Problem(422, "no_owner", "say to whom it is assigned: `to`", path="$.to")
    if body.action == "comment" and not body.text:
        raise Problem(422, "no_text", "a comment has a text: give it as `text`", path="$.text")
    if until_ms is not None and body.action != "acknowledge":
        raise Problem(422, "no_end_here", f"{body.action} has no end: only acknowledge and silence do", path="$.until")
    if body.to is not None and body.action != "assign":
        raise Problem(422, "no_owner_here", f"{body.action} names nobody: only assign does", path="$.to")


@router.get("/v1/silences", tags=["alarms"], summary="Silences and maintenance", response_model=SilencesAnswer)
async def list_silences(
    caller: Caller,
    desk: AtDesk,
    state: Annotated[
        Literal["in_force", "coming", "over"] | None, Query(description="Only those that are so now.")
    ] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return what is silent, was or will be, what ends last first."""
    found = [_silence(one, caller.at_ms) for one in desk.silences(caller)]
    chosen = [one for one in found if state in (None, one["state"])]
    keys = [f"{10**15 - one['end']:016}~{one['id']}" for one in chosen]
    items, following = page(chosen, keys, cursor, limit)
    return json_answer({"items": items, "next": following})


@router.post(
    "/v1/silences", tags=["alarms"], summary="Silence alarms, or announce maintenance", response_model=SilenceAnswer,
)  # fmt: skip
async def silence(caller: Caller, desk: AtDesk, body: SilenceBody) -> Response:
    """Tell nobody of some alarms for a time; the alarms themselves go on, and are listed. Operators only."""
    start_ms = caller.at_ms if body.from_ is None else time_of(body.from_, "from")
    end_ms = _end(body.until, body.for_, start_ms)
    if end_ms is None:
        raise Problem(422, "no_end", "a silence has an end: give `until` or `for`", path="$.until")
    made = await desk.quiet(
        caller,
        Quiet(body.kind, start_ms, end_ms, body.reason, body.by, body.alarm, body.entity, body.rule, body.id),
    )
    return json_answer(_silence(made, caller.at_ms))


@router.delete(
    "/v1/silences/{id}", tags=["alarms"], summary="End a silence before its time", response_model=SilenceAnswer,
    responses=CONFLICT,
)  # fmt: skip
async def end_silence(
    caller: Caller, desk: AtDesk, id: str, by: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """End a silence now; it stays listed as over. Operators only."""
    return json_answer(_silence(await desk.end(caller, id, by), caller.at_ms))


def alarm_fields(condition: Condition, desk: Desk, reader: Reader) -> dict[str, Any]:
    """Return an alarm with all its fields and where people are with it."""
    stands, shown = desk.stand(condition, reader.at_ms), desk.seen(condition, reader)
    return {
        **fields(condition),
        "handling": stands.state,
        "owner": stands.owner,
        "handled_by": stands.by,
        "until": stands.until,
        "visibility": shown.visibility,
        "because": shown.because,
    }


async def happened(condition: Condition, desk: Desk, reader: Reader) -> list[dict[str, Any]]:
    """Return everything that happened to an alarm, by when it became known [epoch ms]."""
    handling = desk.handling(condition.id)
    events = [{"at": one.known, "kind": "event", **fields(one)} for one in await desk.events(condition.id)]
    actions = [{"kind": "action", **fields(one)} for one in (handling.actions if handling is not None else ())]
    silences = [{"at": one.made, **_silence(one, reader.at_ms)} for one in desk.about(condition, reader)]
    order = {"event": 0, "action": 1}
    return sorted([*events, *actions, *silences], key=lambda one: (one["at"], order.get(one["kind"], 2)))


def fields(message: msgspec.Struct) -> dict[str, Any]:
    """Return a message with every field, also those that it leaves out when they have their default."""
    names = zip(message.__struct_fields__, message.__struct_encode_fields__, strict=True)
    return {shown: getattr(message, name) for name, shown in names}


async def _whole(condition: Condition, desk: Desk, reader: Reader) -> dict[str, Any]:
    events = await desk.events(condition.id)
    return {
        **alarm_fields(condition, desk, reader),
        "evidence": f"qingyu alarms evidence {condition.id}",
        "history": f"/v1/alarms/{condition.id}/history",
        "events": [fields(event) for event in events],
        "contributors": [
            {"id": one.id, "entity": one.entity, "rule": one.rule, "start": one.start, "value": one.value}
            for one in await asyncio.to_thread(desk.contributors, condition, reader)
        ],
    }


def _silence(one: Silence, now_ms: int) -> dict[str, Any]:
    coming = now_ms < one.start and one.ended_by is None
    state = "in_force" if in_force(one, now_ms) else "coming" if coming else "over"
    return {**fields(one), "state": state}


def _end(until: str | None, lasting: str | None, start_ms: int) -> int | None:
    """Return the end [epoch ms] that `until` or `for` says; raise the Problem 422."""
    if until and lasting:
        raise Problem(422, "bad_time", "give `until` or `for`, not both", path="$.until")
    if until:
        return time_of(until, "until")
    if not lasting:
        return None
    found = _LASTING.fullmatch(lasting)
    if found is None or int(found[1]) == 0:
        raise Problem(422, "bad_time", f"for={lasting!r} is no duration such as 30min, 4h, 2d", path="$.for")
    return start_ms + int(found[1]) * _UNIT_MS[found[2]]
