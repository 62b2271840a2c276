"""Lists over HTTP: revisions, inputs that could not be used, and the receipt of a batch."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.decimals import decimal_text
from schemas.messages import QUALITIES, Revision
from schemas.windows import DAY_MS, WindowKind, local_datetime
from services.api.access import Reader, forbidden, reader
from services.api.alarms import fields
from services.api.answers import (
    ReadingsAnswer,
    ReceiptAnswer,
    RejectedAnswer,
    RevisionsAnswer,
)
from services.api.asking import PAGE, Cursor, Limit, json_answer, time_of, time_range
from services.http.problem import Problem
from streams.stores.series import ReadingPoint

# A meter of one reading a minute has some 14,000 in ten days.
READ_AT_ONCE_MS = 10 * DAY_MS

router = APIRouter()


@router.get(
    "/v1/revisions", tags=["series"], summary="Changes of settled windows, the last first",
    response_model=RevisionsAnswer,
)  # fmt: skip
def list_revisions(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    entity: Annotated[str, Query(description="kind/id", examples=["enterprise/bz-steel"])],
    metric: Annotated[str | None, Query(description="Only of this metric.", examples=["qty.electricity"])] = None,
    window: Annotated[WindowKind | None, Query(description="Only of this kind of window.")] = None,
    from_: Annotated[str | None, Query(alias="from", description="Known from this time on.")] = None,
    to: Annotated[str | None, Query(description="Known before this time.")] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return what changed after it had settled: from what to what, when that became known, and what caused it.

    Values are decimal text in the metric's unit, null where nothing was known.
    """
    entity = caller.check(entity)
    start_ms, end_ms = time_range(from_, to)
    found = request.app.state.api.store.revisions(
        entity,
        metric=metric,
        window=window,
        from_ms=None if from_ is None else start_ms,
        to_ms=None if to is None else end_ms,
        after=cursor,
        limit=limit,
    )
    return json_answer({"items": [_revision(item) for item in found.items], "next": found.next})


@router.get(
    "/v1/rejected", tags=["input"], summary="Inputs that could not be used, the newest first",
    response_model=RejectedAnswer,
)  # fmt: skip
def list_rejected(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    source: Annotated[str | None, Query(description="Only of this source; `-` where none is known.")] = None,
    code: Annotated[str | None, Query(description="Only for this reason.", examples=["unknown_meter"])] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return each input as it came, with why it could not be used and where it stood."""
    sources = caller.sources()
    if source is not None:
        if sources is not None and source not in sources:
            raise forbidden(f"source {source[:60]!r} is not within what this token may read")
        sources = {source}
    found = request.app.state.api.store.rejected(sources=sources, code=code, after=cursor, limit=limit)
    return json_answer({"items": [fields(item) for item in found.items], "next": found.next})


@router.get("/v1/batches/{id:path}", tags=["input"], summary="The receipt of a batch", response_model=ReceiptAnswer)
def get_batch(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    id: str,
    source: Annotated[str | None, Query(description="The source, where several used this batch id.")] = None,
) -> Response:
    """Return what became of a batch when its source sent it last."""
    visible = caller.sources()
    for receipt in request.app.state.api.store.receipts(id):
        if (visible is None or receipt.source in visible) and source in (None, receipt.source):
            rejected = [refusal._asdict() for refusal in receipt.rejected]
            return json_answer({**receipt._asdict(), "rejected": rejected})
    raise Problem(
        404, "unknown_batch", f"no batch {id[:60]!r} has arrived, or it is not read yet: ask again in a second"
    )


@router.get("/v1/readings", tags=["input"], summary="The readings of a meter", response_model=ReadingsAnswer)
def list_readings(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    entity: Annotated[str, Query(description="meter/ENTERPRISE.METER", examples=["meter/bz-steel.e01"])],
    from_: Annotated[str, Query(alias="from", description="The first instant to show, or a window: its start.")],
    to: Annotated[str, Query(description="Readings of this instant and later are not shown.")],
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return the readings as accepted, by time, of each instant the highest revision, as far as the store has them."""
    entity = caller.check(entity)
    kind, _, meter = entity.partition("/")
    if kind != "meter":
        raise Problem(422, "bad_entity", f"{entity} is no meter: only meters have readings")
    start_ms, end_ms = time_range(from_, to)
    at_ms = start_ms if cursor is None else max(start_ms, time_of(cursor, "cursor"))
    found: list[ReadingPoint] = []
    while at_ms < end_ms and len(found) <= limit:
        next_ms = min(at_ms + READ_AT_ONCE_MS, end_ms)
        found += request.app.state.api.store.readings(meter, at_ms, next_ms)
        at_ms = next_ms
    following = _instant(found[limit].time_ms) if len(found) > limit else None
    return json_answer({"items": [_reading(one) for one in found[:limit]], "next": following})


def _reading(one: ReadingPoint) -> dict[str, Any]:
    quality = QUALITIES[one.quality] if 0 <= one.quality < len(QUALITIES) else str(one.quality)
    return {"ts": _instant(one.time_ms), "value": one.value, "rev": one.rev, "quality": quality, "void": one.void}


def _instant(at_ms: int) -> str:
    return local_datetime(at_ms).isoformat(timespec="milliseconds")


def _revision(revision: Revision) -> dict[str, Any]:
    values = {"before": revision.before, "after": revision.after}
    texts = {name: None if micro is None else decimal_text(micro) for name, micro in values.items()}
    return {**fields(revision), **texts}
