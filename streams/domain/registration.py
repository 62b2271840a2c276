"""A registration takes a set of documents into the registry as a whole, or names every fault and takes none.

The set is checked together with what is registered already: documents of one set may refer to each other in any order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from schemas.documents import (
    KINDS,
    Allocation,
    Document,
    DocumentKey,
    Exchange,
    Indicator,
    Limit,
    Meter,
    Release,
    Target,
    Validation,
    canonical,
    parse_document,
)
from streams.domain.allocation_consistency import check_allocation, check_allocations
from streams.domain.consistency import (
    Problem,
    check_certificates,
    check_change,
    check_document,
    check_keys,
    check_loops,
    check_measurements,
    check_releases,
    references,
)
from streams.domain.formula_consistency import check_indicator
from streams.domain.grading import graded
from streams.domain.idle_selection import idle_selections
from streams.domain.meter_consistency import check_exchange, check_exchanges, check_meter
from streams.domain.planned import planned
from streams.domain.releasing import check_forced, filled_in
from streams.domain.target_consistency import check_observations, check_target, check_targets
from streams.domain.validation_consistency import check_capacity, check_validation

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True, order=True)
class SetFault:
    """A fault of the set: the place of the document in it, the path inside, a stable code, and what to do.

    `document` is None only when no document of the set has part in the fault.
    """

    document: int | None
    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A set that may be written: what it creates, changes and ends, as `kind/id`, and those documents.

    A document that stands in the registry just as it came is in none of them. `warnings` are what is right, but may not
    be what was meant.
    """

    created: tuple[str, ...]
    changed: tuple[str, ...]
    ended: tuple[str, ...]
    documents: tuple[Document, ...]
    warnings: tuple[SetFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A set that may not be written, with all its faults in the order of its documents."""

    errors: tuple[SetFault, ...]


def register(current: Mapping[KeyT, Document] | Iterable[Document], incoming: Sequence[object]) -> Accepted | Rejected:
    """Return what a set of documents (parsed, or as read from YAML or JSON) does to the registry, or all its faults.

    `current` are the documents registered now. Nothing is written here.
    """
    registered: Iterable[Document] = (
        cast("Mapping[KeyT, Document]", current).values() if isinstance(current, Mapping) else current
    )
    before = {document.key: document for document in registered}
    faults: list[SetFault] = []
    place: dict[DocumentKey, int] = {}
    unreadable: set[DocumentKey] = set()
    arrived: dict[DocumentKey, Document] = {}
    for index, raw in enumerate(incoming):
        found = raw if isinstance(raw, Document) else parse_document(raw)
        key = _key(raw) if isinstance(found, list) else found.key
        if isinstance(found, list):
            faults += (SetFault(index, *fault) for fault in found)
        if key is None:
            continue
        if key in place:
            message = f"{key} stands in the set already, as its document {place[key]}: keep one"
            faults.append(SetFault(index, "id", "duplicate", message))
            continue
        place[key] = index
        if isinstance(found, list):
            unreadable.add(key)
        else:
            arrived[key] = found
    after = {key: document for key, document in before.items() if key not in unreadable} | arrived
    for key, document in arrived.items():
        if isinstance(document, Release):
            release, problems = filled_in(document, after)
            arrived[key] = after[key] = release
            faults += (_fault(problem, place) for problem in problems)
        elif isinstance(document, Limit):
            limit, problems = graded(document, after)
            arrived[key] = after[key] = limit
            faults += (_fault(problem, place) for problem in problems)
        elif isinstance(document, Target):
            target, problems = planned(document)
            arrived[key] = after[key] = target
            faults += (_fault(problem, place) for problem in problems)
    touched = {
        key: document
        for key, document in arrived.items()
        if key not in before or canonical(before[key]) != canonical(document)
    }
    faults += (_fault(problem, place) for problem in _problems(before, after, touched, frozenset(unreadable)))
    if faults:
        return Rejected(tuple(sorted(dict.fromkeys(faults), key=_order)))
    return replace(
        _accepted(before, touched),
        warnings=tuple(sorted((_fault(each, place) for each in idle_selections(after, touched)), key=_order)),
    )


def _key(raw: object) -> DocumentKey | None:
    if not isinstance(raw, Mapping):
        return None
    fields = cast("Mapping[str, object]", raw)
    kind, id_ = fields.get("kind"), fields.get("id")
    return DocumentKey(kind, id_) if isinstance(kind, str) and kind in KINDS and isinstance(id_, str) else None


def _problems(
    before: Mapping[DocumentKey, Document],
    after: Mapping[DocumentKey, Document],
    touched: Mapping[DocumentKey, Document],
    unreadable: frozenset[DocumentKey],
) -> Iterator[Problem]:
    for key, document in after.items():
        # What neither changed nor names anything that did was right before and still is.
        if key in touched or any(reference.key in touched for reference in references(document)):
            yield from check_document(document, after, unreadable)
            if isinstance(document, Meter):
                yield from check_meter(document, after)
                yield from check_capacity(document, after)
            elif isinstance(document, Exchange):
                yield from check_exchange(document, after)
            elif isinstance(document, Validation):
                yield from check_validation(document, after)
            elif isinstance(document, Allocation):
                yield from check_allocation(document, after)
            elif isinstance(document, Target):
                yield from check_target(document, after)
            elif isinstance(document, Indicator):
                yield from check_indicator(document, after)
    for key, document in touched.items():
        if key in before:
            yield from check_change(before[key], document)
        if isinstance(document, Release):
            yield from check_forced(document)
    yield from check_loops(after)
    yield from check_releases(after)
    yield from check_measurements(after)
    yield from check_certificates(after)
    yield from check_keys(after)
    yield from check_exchanges(after)
    yield from check_allocations(after)
    yield from check_targets(after)
    yield from check_observations(after)


def _fault(problem: Problem, place: Mapping[DocumentKey, int]) -> SetFault:
    owner, other, path, code, message = problem
    if owner in place:
        return SetFault(place[owner], path, code, message)
    # The document at fault was registered before: the sender is told at the document of the set that clashes with it.
    return SetFault(None if other is None else place.get(other), "", code, f"{owner} at {path}: {message}")


def _order(fault: SetFault) -> tuple[int, str, str, str]:
    return (-1 if fault.document is None else fault.document, fault.path, fault.code, fault.message)


def _accepted(before: Mapping[DocumentKey, Document], touched: Mapping[DocumentKey, Document]) -> Accepted:
    created: list[str] = []
    changed: list[str] = []
    ended: list[str] = []
    for key, document in touched.items():
        earlier = before.get(key)
        if earlier is None:
            created.append(str(key))
        elif earlier.valid_to is None and document.valid_to is not None:
            ended.append(str(key))
        else:
            changed.append(str(key))
    return Accepted(tuple(created), tuple(changed), tuple(ended), tuple(touched.values()))
