"""Consistency is what the documents of a registry must be to each other: what refers to what, and for how long."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from schemas.decimals import scale_of
from schemas.documents import (
    Allocation,
    Carrier,
    Certificate,
    City,
    County,
    DatedId,
    Document,
    DocumentKey,
    Enterprise,
    Entry,
    Exchange,
    Indicator,
    Industry,
    Key,
    Limit,
    Measurement,
    Meter,
    Outage,
    Park,
    Release,
    Route,
    Rule,
    Scope,
    Select,
    Settings,
    Source,
    Stop,
    Target,
    Validation,
    parse_metric,
)
from schemas.ids import parse_entity
from schemas.units import UnitError, conversion
from streams.domain.notification_consistency import named_by

Documents = Mapping[DocumentKey, Document]


class Problem(NamedTuple):
    """A fault between documents: whose it is, which other has part in it, where it is, a stable code, what to do."""

    owner: DocumentKey
    other: DocumentKey | None
    path: str
    code: str
    message: str


class Reference(NamedTuple):
    """That a document names another from a day until a day (None: never ends); `covered`: it must be valid then."""

    path: str
    key: DocumentKey
    from_day: dt.date
    to_day: dt.date | None
    covered: bool = True


def references(document: Document) -> Iterator[Reference]:
    """Yield every other document that a document names."""
    start, end = document.valid_from, document.valid_to

    def always(path: str, kind: str, id_: str | None, *, covered: bool = True) -> Iterator[Reference]:
        if id_ is not None:
            yield Reference(path, DocumentKey(kind, id_), start, end, covered)

    def dated(path: str, kind: str, entries: tuple[DatedId, ...]) -> Iterator[Reference]:
        for place, entry in enumerate(entries):
            until = entries[place + 1].from_ if place + 1 < len(entries) else end
            if entry.id is not None:
                yield Reference(f"spec.{path}.{place}.id", DocumentKey(kind, entry.id), entry.from_, until)

    def metric(path: str, text: str | None) -> Iterator[Reference]:
        if text is not None:
            found = parse_metric(text)
            yield from always(path, "carrier", found.carrier)
            yield from always(path, "product", found.product)
            yield from always(path, "product", found.made)
            yield from always(path, "reported", found.item)

    def select(found: Select | Scope | None) -> Iterator[Reference]:
        if found is not None:
            for place, id_ in enumerate(found.id or ()):
                yield from always(f"spec.select.id.{place}", found.kind or "", id_, covered=False)
            if found.in_ is not None:
                yield from always("spec.select.in", *parse_entity(found.in_), covered=False)

    if isinstance(document, City):
        yield from always("spec.province", "province", document.spec.province)
    elif isinstance(document, County):
        yield from always("spec.city", "city", document.spec.city)
    elif isinstance(document, Park):
        yield from always("spec.county", "county", document.spec.county)
        yield from always("spec.city", "city", document.spec.city)
    elif isinstance(document, Industry):
        yield from always("spec.parent", "industry", document.spec.parent)
    elif isinstance(document, Enterprise):
        yield from dated("industry", "industry", document.spec.industry)
        yield from dated("county", "county", document.spec.county)
        yield from dated("park", "park", document.spec.park)
    elif isinstance(document, Source):
        yield from always("spec.enterprise", "enterprise", document.spec.enterprise)
    elif isinstance(document, Meter):
        yield from always("id", "enterprise", document.enterprise)
        yield from always("spec.carrier", "carrier", document.spec.carrier)
        yield from dated("source", "source", document.spec.source)
        yield from dated("counterparty", "enterprise", document.spec.counterparty)
        if document.spec.parent is not None:
            yield from always("spec.parent", "meter", f"{document.enterprise}.{document.spec.parent}")
    elif isinstance(document, Exchange):
        day = document.spec.at.date()
        yield Reference("spec.meter", DocumentKey("meter", document.spec.meter), day, day, covered=True)
    elif isinstance(document, Outage | Stop):
        day = document.spec.from_.date()
        if isinstance(document, Outage) and document.spec.meter is not None:
            yield Reference("spec.meter", DocumentKey("meter", document.spec.meter), day, day, covered=True)
        if document.spec.enterprise is not None:
            key = DocumentKey("enterprise", document.spec.enterprise)
            yield Reference("spec.enterprise", key, day, day, covered=True)
    elif isinstance(document, Release):
        for path, rows in (("coefficients", document.spec.coefficients), ("factors", document.spec.factors)):
            for place, row in enumerate(rows):
                yield from always(f"spec.{path}.{place}.carrier", "carrier", row.carrier, covered=False)
                yield from always(f"spec.{path}.{place}.province", "province", row.province, covered=False)
        yield from always("spec.restates", "release", document.spec.restates, covered=False)
    elif isinstance(document, Measurement):
        yield from always("spec.enterprise", "enterprise", document.spec.enterprise)
        yield from always("spec.carrier", "carrier", document.spec.carrier, covered=False)
    elif isinstance(document, Certificate):
        yield from always("spec.enterprise", "enterprise", document.spec.enterprise, covered=False)
        yield from always("spec.carrier", "carrier", document.spec.carrier, covered=False)
    elif isinstance(document, Allocation):
        yield from always("spec.enterprise", "enterprise", document.spec.enterprise)
        for number, line in enumerate(document.spec.lines):
            for place, id_ in enumerate(line.meters):
                # A meter may come or go while the line stays.
                yield from always(f"spec.lines.{number}.meters.{place}", "meter", id_, covered=False)
            for place, made in enumerate(line.products):
                yield from always(f"spec.lines.{number}.products.{place}.id", "product", made.id)
    elif isinstance(document, Settings):
        for place, year in enumerate(document.spec.reporting):
            yield from always(f"spec.reporting.{place}.release", "release", year.release, covered=False)
    elif isinstance(document, Indicator):
        yield from metric("spec.total", document.spec.total)
        yield from metric("spec.numerator", document.spec.numerator)
        yield from metric("spec.denominator", document.spec.denominator)
        yield from always("spec.indicator", "indicator", document.spec.indicator)
    elif isinstance(document, Limit):
        yield from always("spec.indicator", "indicator", document.spec.indicator)
        yield from select(document.spec.select)
    elif isinstance(document, Rule):
        yield from metric("spec.metric", document.spec.metric)
        yield from always("spec.indicator", "indicator", document.spec.indicator)
        yield from select(document.spec.select)
        for path, named_seasons in (("during", document.spec.during), ("except", document.spec.except_)):
            for place, each in enumerate(named_seasons):
                yield from always(f"spec.{path}.{place}.season", "season", each.season, covered=False)
        for path, ids in (("owners", document.spec.owners), ("participants", document.spec.participants)):
            for place, id_ in enumerate(ids):
                yield from always(f"spec.{path}.{place}", "recipient", id_, covered=False)
    elif isinstance(document, Target):
        yield from metric("spec.metric", document.spec.metric)
        yield from always("spec.indicator", "indicator", document.spec.indicator, covered=False)
        yield from always("spec.entity", *parse_entity(document.spec.entity), covered=False)
        yield from always("spec.profile", "profile", document.spec.profile, covered=False)
    elif isinstance(document, Validation):
        yield from select(document.spec.select)
        for place, id_ in enumerate(document.spec.meters or ()):
            yield from always(f"spec.meters.{place}", "meter", id_, covered=False)
        yield from always("spec.against", "meter", document.spec.against, covered=False)
    elif isinstance(document, Key) and document.spec.subject is not None:
        role, subject = document.spec.role, document.spec.subject
        kind, id_ = parse_entity(subject) if role == "viewer" else (role, subject)
        yield from always("spec.subject", kind, id_, covered=False)
    elif isinstance(document, Route):
        yield from select(document.spec.select)
    for path, kind, id_ in named_by(document):
        yield from always(path, kind, id_, covered=False)


def check_references(document: Document, documents: Documents, unreadable: frozenset[DocumentKey]) -> Iterator[Problem]:
    """Yield a problem for each reference to a document that is not there, or not valid for as long as it is named."""
    for path, key, from_day, to_day, covered in references(document):
        other = documents.get(key)
        if other is None:
            if key not in unreadable:
                message = f"{key} is not registered: register it first or in the same set"
                yield Problem(document.key, key, path, "missing_reference", message)
        elif covered and (from_day < other.valid_from or _ends_before(other.valid_to, to_day)):
            named = f"from {from_day}" + ("" if to_day is None else f" to {to_day}")
            valid = f"from {other.valid_from}" + ("" if other.valid_to is None else f" to {other.valid_to}")
            message = f"{key} is valid {valid}, but {document.key} names it {named}"
            yield Problem(document.key, key, path, "outside_reference", message)


def _ends_before(end: dt.date | None, wanted: dt.date | None) -> bool:
    return end is not None and (wanted is None or end < wanted)


def check_dated(document: Document) -> Iterator[Problem]:
    """Yield a problem for each entry of a dated list that begins outside the days of its document."""
    lists: dict[str, tuple[Entry, ...]] = {}
    if isinstance(document, Enterprise):
        spec = document.spec
        lists = {"industry": spec.industry, "county": spec.county, "park": spec.park, "lists": spec.lists}
    elif isinstance(document, Meter):
        of_meter = document.spec
        lists = {"source": of_meter.source, "multiplier": of_meter.multiplier, "sharing": of_meter.sharing}
    elif isinstance(document, Outage | Stop):
        day = document.spec.from_.date()
        if day < document.valid_from or (document.valid_to is not None and day >= document.valid_to):
            message = f"{document.spec.from_} is not within the days on which {document.key} is valid"
            yield Problem(document.key, None, "spec.from", "outside_document", message)
    for name, entries in lists.items():
        for place, entry in enumerate(entries):
            if entry.from_ < document.valid_from or (
                document.valid_to is not None and entry.from_ >= document.valid_to
            ):
                message = f"{entry.from_} is not within the days on which {document.key} is valid"
                yield Problem(document.key, None, f"spec.{name}.{place}.from", "outside_document", message)
    if isinstance(document, Meter) and document.spec.multiplier:
        first = document.spec.multiplier[0].from_
        if first > document.valid_from:
            message = f"no multiplier holds from {document.valid_from} to {first}: begin the list on valid_from"
            yield Problem(document.key, None, "spec.multiplier.0.from", "gap", message)


def check_loops(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each loop among the parents of industries and of meters."""
    parent: dict[DocumentKey, DocumentKey] = {}
    for key, document in documents.items():
        if isinstance(document, Meter | Industry) and document.spec.parent is not None:
            id_ = (
                f"{document.enterprise}.{document.spec.parent}" if isinstance(document, Meter) else document.spec.parent
            )
            parent[key] = DocumentKey(key.kind, id_)
    done: set[DocumentKey] = set()
    for start in sorted(parent):
        walked: dict[DocumentKey, None] = {}
        at = start
        while at in parent and at not in walked and at not in done:
            walked[at] = None
            at = parent[at]
        if at in walked:
            ring = list(walked)[list(walked).index(at) :]
            message = f"the parents form a loop: {' -> '.join(one.id for one in (*ring, at))}"
            yield Problem(ring[0], ring[-1], "spec.parent", "loop", message)
        done.update(walked)


def check_releases(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each two releases that would be in force on the same day."""
    releases = sorted(
        (one for one in documents.values() if isinstance(one, Release) and one.spec.restates is None),
        key=lambda one: (one.valid_from, one.id),
    )
    for earlier, later in pairwise(releases):
        if earlier.valid_to is None or earlier.valid_to > later.valid_from:
            until = "for ever" if earlier.valid_to is None else f"until {earlier.valid_to}"
            message = (
                f"{earlier.key} is in force {until}, so it overlaps {later.key} from {later.valid_from}: end it there"
            )
            yield Problem(later.key, earlier.key, "valid_from", "overlap", message)


def check_measurements(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each two measurements of one enterprise that give the same number for the same days."""
    said: defaultdict[tuple[str, ...], list[Measurement]] = defaultdict(list)
    for one in documents.values():
        if isinstance(one, Measurement):
            spec = one.spec
            what = [("cv_kgce",)] if spec.cv_kgce is not None else []
            what += [("eq_kgce",)] if spec.eq_kgce is not None else []
            for each in (*what, *((factor.scope, factor.gas) for factor in spec.factors)):
                said[spec.enterprise, spec.carrier, *each].append(one)
    for what, group in said.items():
        for earlier, later in pairwise(sorted(group, key=lambda one: (one.valid_from, one.id))):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                message = f"{earlier.key} says {' '.join(what)} on {later.valid_from} too: end it there"
                yield Problem(later.key, earlier.key, "valid_from", "overlap", message)


def check_certificates(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each certificate whose number another one has, or whose unit is none of its carrier's."""
    by_number: dict[str, DocumentKey] = {}
    for key, document in sorted(documents.items()):
        if not isinstance(document, Certificate):
            continue
        first = by_number.setdefault(document.spec.number, key)
        if first != key:
            message = f"{first} has number {document.spec.number} already: a certificate is used once"
            yield Problem(key, first, "spec.number", "duplicate", message)
        carrier = documents.get(DocumentKey("carrier", document.spec.carrier))
        if isinstance(carrier, Carrier):
            try:
                conversion(document.spec.unit, carrier.spec.unit)
            except UnitError as error:
                yield Problem(key, carrier.key, "spec.unit", "unit_mismatch", str(error))


def check_keys(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each hash that stands in two keys, since a token could then mean either."""
    by_hash: defaultdict[str, list[DocumentKey]] = defaultdict(list)
    for key, document in documents.items():
        if isinstance(document, Key):
            by_hash[document.spec.hash].append(key)
    for first, *others in by_hash.values():
        for other in others:
            yield Problem(other, first, "spec.hash", "duplicate", f"{first} has the same hash: make a new key")


def check_change(before: Document, after: Document) -> Iterator[Problem]:
    """Yield a problem for what may not change in a document that is there already."""
    if isinstance(before, Meter) and isinstance(after, Meter):
        old, new = before.spec.resolution, after.spec.resolution
        if scale_of(new) < scale_of(old):
            message = (
                f"resolution {new} is coarser than {old}: stored readings have more digits, so it may only grow finer"
            )
            yield Problem(after.key, None, "spec.resolution", "resolution_coarser", message)


def check_document(document: Document, documents: Documents, unreadable: frozenset[DocumentKey]) -> Iterable[Problem]:
    """Yield every problem of one document within a set."""
    yield from check_references(document, documents, unreadable)
    yield from check_dated(document)
