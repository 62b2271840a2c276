"""A correction on the board is one reading of a meter sent again, or taken away, with a reason and a name.

The form goes to the gateway with the token of who is logged in, so all that holds of pushed corrections holds here.
"""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request, Response

from schemas.decimals import decimal_text
from schemas.instants import InstantError, instant_ms
from services.api.access import Reader, forbidden
from services.console.routing import BoardRoute, html
from services.console.session import TOKEN, form_of, reader_of, words_of
from services.console.subject import thing_of
from services.http.problem import Problem
from streams.domain.views import MeterView

ROLES = ("operator", "enterprise")
GATEWAY_S = 15.0
ROWS_SHOWN = 20
FIELDS = ("ts", "value", "reason", "by")

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


def may_correct(reader: Reader) -> bool:
    """Tell whether a caller's token may send corrections."""
    return reader.principal.role in ROLES


@router.get("/board/correct/{id}")
async def form(request: Request, id: str) -> Response:
    """Ask which reading of a meter is to be corrected, to what, and why."""
    reader, meter = _meter(request, id)
    return _page(request, reader, meter, {}, None)


@router.post("/board/correct/{id}")
async def correct(request: Request, id: str) -> Response:
    """Send the correction to the gateway and say what became of it."""
    fields = await form_of(request)
    reader, meter = _meter(request, id)
    try:
        at_ms = instant_ms(fields.get("ts", "").strip())
    except InstantError as error:
        return _page(request, reader, meter, fields, str(error))
    source = meter.source_at(at_ms)
    if source is None:
        return _page(request, reader, meter, fields, words_of(request)("correct.no_source"))
    store = request.app.state.api.store
    there = await asyncio.to_thread(store.readings, f"{meter.enterprise}.{meter.id}", at_ms, at_ms + 1)
    rev = there[0].rev + 1 if there else 1
    what = {"void": True} if fields.get("void") else {"value": fields.get("value", "").strip()}
    body: dict[str, Any] = {
        "source": source,
        "batch": f"board-{meter.id}-{at_ms}-{rev}",
        "correction": {"reason": fields.get("reason", "").strip(), "by": fields.get("by", "").strip()},
        "readings": [{"meter": meter.id, "ts": at_ms, "rev": rev, **what}],
    }
    answer = await _asked(request, "POST", "/v1/readings", body)
    fault = answer.get("detail") or next((one["message"] for one in answer.get("rejected", [])), None)
    waits = "correction" in answer and answer["correction"]["state"] == "waiting"
    return _page(request, reader, meter, fields, fault, done="waits" if waits else "done" if fault is None else None)


@router.get("/board/corrections")
async def waiting(request: Request) -> Response:
    """Show the corrections that wait for a second person."""
    return await _waiting(request, reader_of(request), None)


@router.post("/board/corrections/{id}")
async def decide(request: Request, id: str) -> Response:
    """Confirm or reject a correction as a second person."""
    fields = await form_of(request)
    reader = reader_of(request)
    body = {"decision": fields.get("decision", ""), "reason": fields.get("reason", "").strip()}
    name = fields.get("by", "").strip()
    path = f"/v1/corrections/{quote(id, safe='')}"
    answer = await _asked(request, "POST", path, {**body, **({"by": name} if name else {})})
    return await _waiting(request, reader, answer.get("detail"), answer.get("state"))


async def _waiting(request: Request, reader: Reader, fault: str | None, done: str | None = None) -> Response:
    if not may_correct(reader):
        raise forbidden("this token looks and does not correct")
    answer = await _asked(request, "GET", f"/v1/corrections?state=waiting&limit=100&rows={ROWS_SHOWN}")
    return html(
        request,
        "corrections.html",
        422 if fault else 200,
        here="/board/corrections",
        items=answer.get("items", []),
        fault=fault or answer.get("detail"),
        done=done,
        who=str(reader.principal),
    )


def _meter(request: Request, id: str) -> tuple[Reader, MeterView]:
    reader = reader_of(request)
    entity = reader.check(f"meter/{id}")
    if not may_correct(reader):
        raise forbidden("this token looks and does not correct")
    found = reader.snapshot.meters.get(entity)
    if found is None:
        raise Problem(404, "unknown_entity", f"{entity} is not in service")
    return reader, found


async def _asked(request: Request, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the gateway's answer, as JSON: what was asked for, or a problem."""
    address: str = request.app.state.api.settings.gateway.rstrip("/")
    headers = {"Authorization": f"Bearer {request.cookies.get(TOKEN, '')}"}
    try:
        async with httpx.AsyncClient(timeout=GATEWAY_S) as client:
            answer = await client.request(method, f"{address}{path}", json=body, headers=headers)
            found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Problem(503, "gateway_away", "the gateway (QINGYU_GATEWAY) does not answer: nothing was sent") from error
    return found if isinstance(found, dict) else {"detail": f"the gateway answered {answer.status_code}"}


def _page(
    request: Request,
    reader: Reader,
    meter: MeterView,
    fields: dict[str, str],
    fault: str | None,
    *,
    done: str | None = None,
) -> Response:
    return html(
        request,
        "correct.html",
        422 if fault else 200,
        thing=thing_of(reader.snapshot, meter.entity),
        unit=meter.unit,
        step=decimal_text(meter.resolution, meter.scale),
        fields={name: fields.get(name, "") for name in FIELDS},
        void=bool(fields.get("void")),
        fault=fault,
        done=done,
        who=str(reader.principal),
    )
