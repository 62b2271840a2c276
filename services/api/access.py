"""Access is what a caller may see: an operator all, a viewer a territory with its members, an enterprise its own.

Membership is that of the present moment: who left a territory is no longer seen by its viewers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from schemas.documents import Document, Limit, Meter, Rule, Source, Target
from schemas.ids import ENTITY_KINDS, SOURCE, TERRITORY_KINDS, IdError, enterprise_of, parse_entity, split_meter_id
from services.http.problem import Problem, unauthorized, unavailable
from services.http.tokens import Principal, bearer, principal_of
from streams.domain.registry import Snapshot


@dataclass(frozen=True, slots=True)
class Reader:
    """A caller who may read, with the registry and the instant [epoch ms] that say what is his."""

    principal: Principal
    snapshot: Snapshot
    at_ms: int

    @property
    def sees_all(self) -> bool:
        """True for operators, and for viewers without a territory."""
        return self.principal.role == "operator" or (self.principal.role == "viewer" and self.principal.subject is None)

    def sees(self, entity: str) -> bool:
        """Return whether the numbers of an entity (`kind/id`) may be shown."""
        if self.sees_all:
            return True
        subject = self.principal.subject or ""
        if self.principal.role == "enterprise":
            return enterprise_of(entity) == subject
        return entity == subject or subject in self.snapshot.within(entity, self.at_ms)

    def check(self, text: str) -> str:
        """Return the entity that `text` names; raise the Problem 422 (it is none), 403 (not his), 404 (not there)."""
        try:
            entity = str(parse_entity(text))
        except IdError as error:
            raise Problem(422, "bad_entity", str(error)) from error
        if not self.sees(entity):
            raise forbidden(f"{entity} is not within what this token may read")
        if parse_entity(entity) not in self.snapshot.documents:
            raise Problem(404, "unknown_entity", f"{entity} is not registered")
        return entity

    def check_alarmed(self, text: str) -> str:
        """Return the entity whose alarms `text` asks for: as `check`, and besides a source, which has alarms alone."""
        if not text.startswith(f"{SOURCE}/"):
            return self.check(text)
        try:
            enterprise, id_ = split_meter_id(parse_entity(text).id)
        except IdError as error:
            raise Problem(422, "bad_entity", str(error)) from error
        if not self.sees(text):
            raise forbidden(f"{text} is not within what this token may read")
        source = self.snapshot.sources.get(id_)
        if source is None or source.enterprise != enterprise:
            raise Problem(404, "unknown_entity", f"{text} is not registered")
        return text

    def entities(self) -> set[str] | None:
        """Return all that he may see, None when that is everything."""
        if self.sees_all:
            return None
        subject = self.principal.subject or ""
        root = f"enterprise/{subject}" if self.principal.role == "enterprise" else subject
        found = {root, *within(self.snapshot, root, self.at_ms)}
        sources = self.snapshot.sources.values()
        mine = (f"{SOURCE}/{one.enterprise}.{one.id}" for one in sources if f"enterprise/{one.enterprise}" in found)
        return found.union(mine)

    def sources(self) -> set[str] | None:
        """Return the ids of the sources whose batches and rejects he may see, None when that is everything."""
        if self.sees_all:
            return None
        return {one.id for one in self.snapshot.sources.values() if self.sees(f"enterprise/{one.enterprise}")}

    def sees_document(self, document: Document) -> bool:
        """Return whether a document may be shown; what is not about somebody else's own may.

        Keys, and who is told of what and where (addresses of people), are for operators.
        """
        if document.kind in ("key", "recipient", "route", "roster", "escalation", "sms", "template"):
            return self.principal.role == "operator"
        if self.sees_all:
            return True
        if isinstance(document, Source):
            return self.sees(f"enterprise/{document.spec.enterprise}")
        if isinstance(document, Meter) or document.kind == "enterprise":
            return self.sees(str(document.key))
        if isinstance(document, Target):
            return self.sees(document.spec.entity)
        select = document.spec.select if isinstance(document, Rule | Limit) else None
        if select is not None and select.id and select.kind in ("enterprise", "meter"):
            return any(self.sees(f"{select.kind}/{id_}") for id_ in select.id)
        return True


def within(snapshot: Snapshot, root: str, at_ms: int) -> Iterator[str]:
    """Yield every entity that lies in an entity at an instant [epoch ms]: territories, enterprises, meters."""
    enterprise = enterprise_of(root)
    if enterprise is None:
        for key in snapshot.documents:
            if key.kind in TERRITORY_KINDS and root in snapshot.within(str(key), at_ms):
                yield str(key)
        members = snapshot.members(root, at_ms)
        yield from (f"enterprise/{member}" for member in members)
    else:
        members = (enterprise,) if root.startswith("enterprise/") and enterprise in snapshot.enterprises else ()
    for member in members:
        yield from (meter.entity for meter in snapshot.enterprises[member].meters)


def everything(snapshot: Snapshot) -> Iterator[str]:
    """Yield every registered entity."""
    return (str(key) for key in snapshot.documents if key.kind in ENTITY_KINDS)


def forbidden(detail: str) -> Problem:
    """Return the 403."""
    return Problem(403, "forbidden", detail)


async def reader(request: Request) -> Reader:
    """FastAPI dependency: who is calling; raise the Problem 401, 403 (a source), 503 (no registry yet)."""
    api: Any = request.app.state.api
    token = bearer(request)
    if not api.follower.loaded:
        raise unavailable("the registry has not been read yet: is Kafka there?")
    at_ms = api.clock.now_ms()
    snapshot = api.follower.snapshot
    principal = principal_of(token, snapshot, api.settings.operator_token, at_ms)
    if principal is None:
        raise unauthorized()
    if principal.role == "source":
        raise forbidden("the key of a source sends readings, it does not read")
    return Reader(principal, snapshot, at_ms)


async def operator(request: Request) -> Reader:
    """FastAPI dependency: an operator is calling; raise the Problem 401, 403, 503."""
    found = await reader(request)
    if found.principal.role != "operator":
        raise forbidden("only an operator may do this")
    return found
