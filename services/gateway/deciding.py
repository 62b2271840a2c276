"""Deciding is what a second person does with a correction that waits: look at it, confirm it, or reject it."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from schemas.decimals import decimal_text
from schemas.messages import QUALITIES, Batch
from schemas.windows import local_datetime
from services.gateway.envelope import MAX_NAME_LENGTH, MAX_REASON_LENGTH
from services.gateway.holding import Holding
from services.gateway.receiving import Door
from services.http.problem import CONFLICT, Problem
from streams.domain.holding import Held

PAGE, MAX_PAGE = 100, 1000
READINGS_SHOWN = 1000

router = APIRouter(tags=["corrections"], dependencies=[Depends(HTTPBearer(auto_error=False))])


class Decision(BaseModel):
    """What a second person decides; without a name, the id of the key stands there."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["confirm", "reject"]
    by: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)] | None = None
    reason: Annotated[str, Field(max_length=MAX_REASON_LENGTH)] = ""


@router.get("/v1/corrections", summary="Corrections that wait for a second person, or waited, the first sent first")
async def corrections(
    request: Request,
    state: Annotated[
        Literal["waiting", "confirmed", "rejected", "published"] | None,
        Query(description="Only those that are so now."),
    ] = None,
    rows: Annotated[int, Query(ge=0, le=READINGS_SHOWN, description="So many readings of each come along.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
    cursor: Annotated[str | None, Query(description="`next` of the answer before, to go on from there.")] = None,
) -> dict[str, Any]:
    """Return what the caller may see: an operator all, an enterprise its own."""
    door, holding = _parts(request)
    found = [each for each in await holding.all(await door.principal(request)) if state in (None, each.state)]
    start = 0
    if cursor is not None:
        start = next((at + 1 for at, each in enumerate(found) if each.sent.id == cursor), len(found))
    shown = found[start : start + limit]
    return {
        "items": [{**summary(each), **({"rows": first_rows(each, rows)} if rows else {})} for each in shown],
        "next": shown[-1].sent.id if start + limit < len(found) else None,
    }


@router.get("/v1/corrections/{id}", summary="A correction with its readings")
async def correction(request: Request, id: str) -> dict[str, Any]:
    """Return a correction; its readings stand there until it is decided, the first thousand of them."""
    door, holding = _parts(request)
    found = await holding.one(await door.principal(request), id)
    return {**summary(found), "rows": first_rows(found, READINGS_SHOWN)}


@router.post("/v1/corrections/{id}", summary="Confirm or reject a correction", responses=CONFLICT)
async def decide(request: Request, id: str, body: Decision) -> dict[str, Any]:
    """Decide as a second person; a correction counts from then on, with both names in the cause of what it moves."""
    door, holding = _parts(request)
    for name, text in (("by", body.by), ("reason", body.reason)):
        if text is not None and not text.isprintable():
            raise Problem(422, "invalid_request", f"$.{name}: a line of text says it", path=f"$.{name}")
    name = None if body.by is None else body.by.strip() or None
    principal = await door.principal(request)
    confirm = body.decision == "confirm"
    return summary(await holding.decide(principal, id, confirm=confirm, by=name, reason=body.reason.strip()))


def summary(held: Held) -> dict[str, Any]:
    """Return a held correction as people see it, without its readings."""
    sent, decided = held.sent, held.decided
    first = (sent.batches or [None])[0]
    meters = sorted({meter for each in sent.batches or () for meter in each.meters})
    return {
        "id": sent.id,
        "state": held.state,
        "enterprise": sent.enterprise,
        "source": None if first is None else first.source,
        "batch": None if first is None else first.batch,
        "meters": meters,
        "readings": held.readings,
        "reason": sent.reason,
        "by": sent.by,
        "sent": _instant(sent.at),
        "decided_by": None if decided is None else decided.by,
        "decided": None if decided is None else _instant(decided.at),
        "decision_reason": None if decided is None else decided.reason,
    }


def first_rows(held: Held, count: int) -> list[dict[str, Any]]:
    """Return the first readings of a held correction as people see them; none once it is decided."""
    return list(islice((row for each in held.sent.batches or () for row in _rows(each)), count))


def _rows(batch: Batch) -> Iterator[dict[str, Any]]:
    for place, (i, t, v) in enumerate(zip(batch.i, batch.t, batch.v, strict=True)):
        what: dict[str, Any] = {"void": True} if v is None else {"value": decimal_text(v, batch.scale[i])}
        rev = 0 if batch.rev is None else batch.rev[place]
        quality = QUALITIES[0 if batch.q is None else batch.q[place]]
        yield {"meter": batch.meters[i], "ts": _instant(t), **what, "rev": rev, "quality": quality}


def _instant(at_ms: int) -> str:
    return local_datetime(at_ms).isoformat(timespec="milliseconds")


def _parts(request: Request) -> tuple[Door, Holding]:
    return request.app.state.door, request.app.state.holding
