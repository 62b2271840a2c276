"""The digest of an enterprise names all of a registry that its numbers and alarms depend on."""

import hashlib

from schemas.documents import Carrier, Document, DocumentKey, Limit, Rule, Settings, Validation
from streams.domain.checks import shipped_digest
from streams.domain.registry import Snapshot


def enterprise_digest(snapshot: Snapshot, enterprise: str) -> str:
    """Return a hash of all that an enterprise's numbers and alarms depend on; "" when it is not registered.

    Two snapshots with the same digest give the same numbers for the same readings. Names, sources and keys, and what is
    only about other enterprises, do not count.
    """
    view = snapshot.enterprises.get(enterprise)
    if view is None:
        return ""
    digest = hashlib.sha256()
    unread = {"level", *(() if snapshot.asks_sources else ("source",)), *(() if snapshot.asks_tags else ("tag",))}
    for meter in view.meters:
        document = snapshot.documents[DocumentKey("meter", f"{view.id}.{meter.id}")]
        digest.update(document.model_dump_json(exclude={"name": True, "spec": unread}).encode())
        if meter.exchanges:
            digest.update(repr((meter.exchanges, meter.multipliers)).encode())
        if meter.outages:
            digest.update(repr(meter.outages).encode())
    if view.stops:
        digest.update(repr(view.stops).encode())
    if view.bought:
        digest.update(repr(view.bought).encode())
    mine = snapshot.certificates.get(view.id, ())
    digest.update(repr(mine).encode())
    if view.id in snapshot.targets:
        digest.update(repr(snapshot.targets[view.id]).encode())
    if view.id in snapshot.allocations:
        digest.update(repr(snapshot.allocations[view.id]).encode())
    used = frozenset((*(meter.carrier for meter in (*view.meters, *view.bought)), *(each.carrier for each in mine)))
    digest.update(snapshot.valuations_of(view.id).text(used).encode())
    entities = {view.id} | {f"{view.id}.{meter.id}" for meter in view.meters}
    sellers = sorted({meter.enterprise for meter in view.bought})
    entities.update(sellers, (meter.entity.removeprefix("meter/") for meter in view.bought))
    for each in (view.id, *sellers):
        digest.update(_number(snapshot.documents[DocumentKey("enterprise", each)]))
    digest.update(shipped_digest())
    for key in snapshot.shared:
        document = snapshot.documents[key]
        if isinstance(document, Settings):
            # What it says of releases is in the valuations.
            digest.update(document.spec.grace.model_dump_json().encode())
            continue
        if isinstance(document, Carrier) and document.id not in used:
            continue
        if isinstance(document, Rule | Limit | Validation):
            select = document.spec.select
            if select is not None and (
                select.kind not in ("enterprise", "meter") or (select.id and not entities.intersection(select.id))
            ):
                continue
        digest.update(_number(document))
        if isinstance(document, Rule):
            for each in (*document.spec.during, *document.spec.except_):
                digest.update(_number(snapshot.documents[DocumentKey("season", each.season)]))
    # A selection's `in` reaches the enterprise through the territories above it.
    for one in (view, *(snapshot.enterprises[each] for each in sellers)):
        for kind, dated in (("park", one.park), ("county", one.county), ("industry", one.industry)):
            for entry in dated:
                digest.update("|".join(snapshot.hierarchy.above(f"{kind}/{entry.id}")).encode())
        digest.update("|".join(snapshot.hierarchy.lists_of(one)).encode())
    return digest.hexdigest()


def _number(document: Document) -> bytes:
    # Who answers for a rule's alarms moves none of them.
    people = {"spec": {"owners", "participants"}} if isinstance(document, Rule) else {}
    return document.model_dump_json(exclude={"name": True, **people}).encode()
