"""Entities over HTTP: `GET /v1/entities` lists what numbers can be asked about, of a kind or within a territory."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from schemas.ids import parse_entity
from services.api.access import Reader, everything, reader, within
from services.api.answers import EntitiesAnswer
from services.api.asking import PAGE, Cursor, Limit, json_answer, page

Kind = Literal["meter", "enterprise", "park", "county", "city", "province", "industry", "list"]

router = APIRouter(tags=["entities"])


@router.get("/v1/entities", summary="Entities of a kind or within an entity", response_model=EntitiesAnswer)
def list_entities(
    caller: Annotated[Reader, Depends(reader)],
    kind: Annotated[Kind | None, Query(description="Only entities of this kind.")] = None,
    in_: Annotated[str | None, Query(alias="in", description="Only what lies in this entity now (kind/id).")] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return the entities that the caller may see, by `kind/id`."""
    snapshot = caller.snapshot
    found = within(snapshot, caller.check(in_), caller.at_ms) if in_ is not None else everything(snapshot)
    visible = caller.entities()
    keys = sorted(
        entity
        for entity in found
        if (kind is None or entity.startswith(f"{kind}/")) and (visible is None or entity in visible)
    )
    shown, following = page(keys, keys, cursor, limit)
    items = []
    for entity in shown:
        document = snapshot.documents[parse_entity(entity)]  # type: ignore[index]
        items.append(
            {
                "entity": entity,
                "name": document.name.model_dump(exclude_none=True),
                "valid_from": document.valid_from,
                "valid_to": document.valid_to,
            }
        )
    return json_answer({"items": items, "next": following})
