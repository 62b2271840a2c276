"""Alarms on the board: the list with its filters, one alarm with its curve and its history, and acting on it.

What a form asks for goes to the same desk as what comes over the api, so all that holds there holds here.
"""

import asyncio
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from schemas.messages import Condition
from schemas.windows import HOUR_MS, Window, WindowKind, window, window_at
from services.api.access import Reader
from services.api.alarms import ActionBody, chosen, do, happened
from services.api.desk import Desk
from services.console.cells import alarm_shown
from services.console.gathering import Gathered, Slow
from services.console.moment import Moment
from services.console.numerals import instant_text, number, window_text
from services.console.routing import BoardRoute, html
from services.console.session import form_of, reader_of, words_of
from services.console.subject import Subject, Thing, thing_of
from services.console.told import told_lines
from services.http.problem import Problem
from streams.domain.handling import State, Visibility

SHOWN = 50
CURVE_POINTS = 36
CONDITIONS = ("firing", "recovering", "pending", "established", "no_data", "error", "ok", "withdrawn")
SEVERITIES = ("critical", "warning", "info")
LASTING = ("30min", "1h", "4h", "1d", "7d")
FIELDS = ("action", "by", "until", "for", "to", "text")

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


@router.get("/board/alarms")
async def alarms(request: Request) -> Response:
    """Show the alarms that the caller may see, by the filters of the address."""
    reader = reader_of(request)
    desk = await _desk(request)
    asked = {name: text for name, text in request.query_params.items() if text}
    wanted: dict[str, Any] = {
        "condition": _among(asked.get("condition"), CONDITIONS),
        "handling": _among(asked.get("handling"), tuple(State)),
        "visibility": _among(asked.get("visibility"), tuple(Visibility)),
        "severity": _among(asked.get("severity"), SEVERITIES),
        "owner": asked.get("owner"),
    }
    entity = asked.get("entity")
    entities = reader.entities() if entity is None else {reader.check_alarmed(entity)}
    store = request.app.state.api.store
    found, following = await asyncio.to_thread(
        chosen, store, desk, reader, entities=entities, cursor=asked.get("cursor"), limit=SHOWN, **wanted
    )
    rows = [(_shown(request, reader, one), *_stands(request, desk, reader, one)) for one in found]
    more = urlencode({**{k: v for k, v in asked.items() if k != "cursor"}, "cursor": following}) if following else None
    return html(
        request,
        "alarms.html",
        rows=rows,
        wanted={name: text or "" for name, text in wanted.items()} | {"entity": entity or ""},
        choices={
            "condition": CONDITIONS,
            "handling": tuple(State),
            "visibility": tuple(Visibility),
            "severity": SEVERITIES,
        },
        more=more,
        who=str(reader.principal),
    )


@router.get("/board/alarm/{id}")
async def alarm(request: Request, id: str) -> Response:
    """Show an alarm, its curve, and what happened to it."""
    reader = reader_of(request)
    return await _page(request, reader, id, {}, None)


@router.post("/board/alarm/{id}")
async def act(request: Request, id: str) -> Response:
    """Do something about an alarm, and show it as it stands then."""
    fields = await form_of(request)
    reader = reader_of(request)
    desk = await _desk(request)
    words = words_of(request)
    given = {name: fields[name].strip() for name in FIELDS if fields.get(name, "").strip()}
    if given.get("until"):
        given.pop("for", None)
    try:
        body = ActionBody.model_validate(given)
    except ValidationError:
        return await _page(request, reader, id, fields, words("act.wrong"))
    try:
        await do(desk, reader, await desk.condition(reader, id), body)
    except Problem as problem:
        if problem.status not in (409, 422, 503):
            raise
        return await _page(request, reader, id, fields, words.known("act.fault", problem.code), problem.status)
    return await _page(request, reader, id, {}, None, done=body.action)


async def _page(
    request: Request,
    reader: Reader,
    id_: str,
    fields: dict[str, str],
    fault: str | None,
    status: int = 422,
    *,
    done: str | None = None,
) -> Response:
    desk = await _desk(request)
    found = await desk.condition(reader, id_)
    words = words_of(request)
    stands, seen = _stands(request, desk, reader, found)
    watched = _watched(reader, found)
    points = [] if watched is None else await asyncio.to_thread(_points, request, found, *watched)
    limit = None if found.limit is None else float(found.limit)
    return html(
        request,
        "alarm.html",
        status if fault else 200,
        alarm=_shown(request, reader, found),
        entity=thing_of(reader.snapshot, found.entity),
        condition=found.condition,
        reason=found.reason,
        start=instant_text(window(found.start).start_ms),
        stands=stands,
        seen=seen,
        history=[_line(words, one) for one in await happened(found, desk, reader)],
        contributors=[
            (
                thing_of(reader.snapshot, one.entity),
                one.id,
                one.start,
                number(None if one.value is None else float(one.value)),
            )
            for one in await asyncio.to_thread(desk.contributors, found, reader)
        ],
        told=told_lines(words, await asyncio.to_thread(request.app.state.api.store.deliveries, found.id)),
        curve=_curve([value for _, value in points], limit),
        points=[(label, number(value)) for label, value in points],
        fields={name: fields.get(name, "") for name in FIELDS},
        lasting=LASTING,
        fault=fault,
        done=done,
        may_close=reader.principal.role == "operator",
        evidence=f"qingyu alarms evidence {found.id} --dir DIR",
        who=str(reader.principal),
    )


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.api.desk
    await desk.read()
    return desk


def _among(text: str | None, names: tuple[str, ...]) -> str | None:
    return text if text in names else None


def _shown(request: Request, reader: Reader, found: Condition) -> dict[str, object]:
    entity = thing_of(reader.snapshot, found.entity)
    rules: tuple[Thing, ...] = tuple(thing_of(reader.snapshot, f"{kind}/{found.rule}") for kind in ("rule", "limit"))
    # A rule and a limit never share an id of an alarm: the one that is registered has the name.
    named = tuple(one for one in rules if tuple(one.key.split("/")) in reader.snapshot.documents)
    subject = Subject(entity, (), (), (), (), (), named)
    nothing = Gathered(reader.at_ms, reader.at_ms, reader.at_ms, (), {}, {}, Slow(), (), False, ())
    shown = alarm_shown(Moment(subject, nothing, words_of(request)), found)
    return {**shown, "condition": found.condition, "entity_path": entity.path}


def _stands(request: Request, desk: Desk, reader: Reader, found: Condition) -> tuple[dict[str, Any], dict[str, Any]]:
    stands, seen = desk.stand(found, reader.at_ms), desk.seen(found, reader)
    until = None if stands.until is None else instant_text(stands.until)
    return (
        {"state": str(stands.state), "owner": stands.owner, "by": stands.by, "until": until},
        {"visibility": str(seen.visibility), "because": seen.because},
    )


def _watched(reader: Reader, found: Condition) -> tuple[str, WindowKind] | None:
    """Return the metric and the kind of window that an alarm's rule looks at; None where it is no such number."""
    rule, limit = reader.snapshot.rules.get(found.rule), reader.snapshot.limits.get(found.rule)
    if rule is not None:
        return (rule.metric, rule.window) if rule.observed is None else None
    if limit is None:
        return None
    kind = window(found.start).kind
    return f"ind.{limit.indicator}", kind


def _points(request: Request, found: Condition, metric: str, kind: WindowKind) -> list[tuple[str, float | None]]:
    """Return the windows around the alarm's start, with their values."""
    first = window_at(window(found.start).start_ms, kind)
    several: list[Window] = [first]
    for _ in range(CURVE_POINTS // 3):
        several.insert(0, window_at(several[0].start_ms - 1, kind))
    now_ms = request.app.state.api.clock.now_ms()
    while len(several) < CURVE_POINTS and several[-1].end_ms < now_ms + HOUR_MS:
        several.append(window_at(several[-1].end_ms, kind))
    store = request.app.state.api.store
    at = {
        one.start_ms: one.value
        for one in store.series(found.entity, metric, kind, several[0].start_ms, several[-1].end_ms)
    }
    shown = [(window_text(one), at.get(one.start_ms)) for one in several]
    # What lies before everything that is known would only squeeze the rest.
    first_known = next((n for n, (_, value) in enumerate(shown) if value is not None), len(shown))
    return shown[first_known:]


def _curve(values: list[float | None], limit: float | None) -> dict[str, Any] | None:
    """Return the course of values in a box of 100 by 40 as runs of points, with the height of the limit in it."""
    known = [one for one in (*values, limit) if one is not None]
    if not values or not known:
        return None
    low, high = min(0.0, *known), max(*known, 0.0) * 1.08
    if high <= low:
        return None
    step = 100 / max(1, len(values) - 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((n * step, 40 - 40 * (value - low) / (high - low)))
    # A window that stands alone is a short stroke.
    drawn = [run if len(run) > 1 else [*run, (run[0][0] + step / 2, run[0][1])] for run in runs if run]
    lines = [" ".join(f"{x:.2f},{y:.2f}" for x, y in run) for run in drawn]
    at = None if limit is None else f"{40 - 40 * (limit - low) / (high - low):.2f}"
    return {"lines": lines, "limit": at}


def _line(words: Any, each: dict[str, Any]) -> dict[str, Any]:
    """Return what happened once as it is written: when, what, by whom, and what was said."""
    at = instant_text(each["at"])
    if each["kind"] == "event":
        value = number(None if each["value"] is None else float(each["value"]))
        what = f"{words.known('condition', each['condition'])} · {words.known('cause', each['cause'])} · {value}"
        return {"at": at, "what": what, "by": words.known("actor", each["actor"]), "text": each["reason"]}
    if each["kind"] == "action":
        until = f" · {words('act.until_time', time=instant_text(each['until']))}" if each["until"] else ""
        to = f" · {each['to']}" if each["to"] else ""
        return {
            "at": at,
            "what": words("did." + each["what"]) + to + until,
            "by": each["by"],
            "text": each["text"] or "",
        }
    until = words("act.until_time", time=instant_text(each["end"]))
    ended = f" · {words('act.ended_by', name=each['ended_by'])}" if each["ended_by"] else ""
    what = f"{words.known('visibility', 'silenced' if each['kind'] == 'silence' else 'maintenance')} · {until}{ended}"
    return {"at": at, "what": what, "by": each["by"], "text": each["reason"]}
