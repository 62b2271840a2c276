"""Deliveries over HTTP: who was told of an alarm, who was not and why, and all events that stand in a digest."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.api.access import Reader, forbidden, reader
from services.api.answers import DeliveriesAnswer, DigestAnswer
from services.api.asking import PAGE, Cursor, Limit, json_answer
from services.http.problem import Problem
from streams.stores.deliveries import Delivered

router = APIRouter()


@router.get(
    "/v1/alarms/{id}/deliveries", tags=["alarms"], summary="Who was told of an alarm, and who was not, and why",
    response_model=DeliveriesAnswer,
)  # fmt: skip
def list_deliveries(request: Request, caller: Annotated[Reader, Depends(reader)], id: str) -> Response:
    """Return what became of each of the alarm's events on its way to each recipient, by `seq`."""
    store = request.app.state.api.store
    alarm = store.condition(id)
    if alarm is None:
        raise Problem(404, "unknown_alarm", f"no alarm has the id {id[:60]!r}")
    if not caller.sees(alarm.entity):
        raise forbidden(f"alarm {id} is not within what this token may read")
    return json_answer({"items": [one._asdict() for one in store.deliveries(id)]})


@router.get("/v1/digests/{id}", tags=["alarms"], summary="The events in a digest", response_model=DigestAnswer)
def get_digest(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    id: str,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return all events that a digest tells, by alarm; `event` is null where the caller may not read it.

    An event that the store has not read yet is null too. `total` counts the digest's events.
    """
    store = request.app.state.api.store
    page = store.digest(id, after=cursor, limit=limit)
    if not page.total:
        raise Problem(404, "unknown_digest", f"no digest {id[:60]!r} was sent, or it is not read yet: ask again")
    items = [_item(request, caller, one) for one in page.items]
    first: Delivered | None = page.items[0] if page.items else None
    head = {name: getattr(first, name, None) for name in ("recipient", "channel", "outcome", "at")}
    return json_answer({"id": id, **head, "total": page.total, "items": items, "next": page.next})


def _item(request: Request, caller: Reader, one: Delivered) -> dict[str, Any]:
    found = next((event for event in request.app.state.api.store.events(one.alarm) if event.seq == one.seq), None)
    event = found if found is not None and caller.sees(found.entity) else None
    return {"alarm": one.alarm, "seq": one.seq, "event": event}
