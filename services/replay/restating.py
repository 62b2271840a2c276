"""A restatement values reporting years with another release: what would move is computed beside the installation first.

The readings are folded under a registry that pins the years to the release, and held against the documents that stand.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.documents import DocumentKey, Release, canonical
from schemas.messages import CalendarDocument
from schemas.settings import Settings
from schemas.windows import children_of, window
from services.replay.errors import AskedWrongError
from services.replay.held import Held
from services.replay.reading import Tell
from services.replay.replay import Asked, Replay
from services.replay.topics import Topics
from streams.domain.comparison import Range
from streams.domain.indicator import window_value
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot

# What follows from coefficients and factors; quantities and times do not.
_VALUED = ("energy.", "co2.", "gas.", "co2e.", "ind.")
SETTINGS = DocumentKey("settings", "default")


class Move(NamedTuple):
    """A number of a month or year that a restatement changes [1e-6 of the metric's unit]; None: no value."""

    entity: str
    window: str
    metric: str
    now: int | None
    then: int | None


class Restatement(NamedTuple):
    """The settings that pin the years, as `apply` takes them, and the registry as it would then be."""

    settings: dict[str, Any]
    snapshot: Snapshot


def years_of(snapshot: Snapshot, release: str, this_year: int) -> tuple[int, ...]:
    """Return the reporting years that a release's days touch, up to this one; AskedWrongError: there is no such one."""
    found = _release(snapshot, release)
    last = this_year
    if found.valid_to is not None:
        last = min(last, found.valid_to.year if (found.valid_to.month, found.valid_to.day) > (1, 1)
                   else found.valid_to.year - 1)  # fmt: skip
    years = tuple(range(found.valid_from.year, last + 1))
    if not years:
        raise AskedWrongError(f"release {release} begins in {found.valid_from.year}: name a year with --year")
    return years


def pinned(snapshot: Snapshot, release: str, years: Collection[int]) -> Restatement:
    """Return the registry in which reporting years pin a release; AskedWrongError: it cannot be."""
    _release(snapshot, release)
    before = snapshot.documents.get(SETTINGS)
    if before is None:
        first = min(one.valid_from for one in snapshot.documents.values()).isoformat()
        raw: dict[str, Any] = {"apiVersion": "qingyu/v1", "kind": "settings", "id": "default", "valid_from": first}
    else:
        raw = json.loads(canonical(before))
    spec = raw.setdefault("spec", {})
    kept = [one for one in spec.get("reporting", []) if one["year"] not in years]
    spec["reporting"] = sorted(
        [*kept, *({"year": year, "release": release} for year in years)], key=lambda one: one["year"]
    )
    accepted = register(snapshot.documents, [raw])
    if not isinstance(accepted, Accepted):
        raise AskedWrongError("; ".join(f"{each.path}: {each.message}" for each in accepted.errors))
    documents = {**snapshot.documents, **{one.key: one for one in accepted.documents}}
    return Restatement(raw, Snapshot.build(snapshot.version, documents))


async def moves(
    settings: Settings, restated: Snapshot, entities: Sequence[str], years: Collection[int], held: Held, tell: Tell
) -> list[Move]:
    """Return what would move in these years, by entity and period; ReplayError: it cannot be computed."""
    ranges = [window(str(year)) for year in years]
    within = Range(min(each.start_ms for each in ranges), max(each.end_ms for each in ranges))
    asked = Asked(entities, within, ("totals",), rewrite=False, limit=1)
    async with Topics(settings) as topics:
        await Replay(settings, restated, asked, held, None, tell).gather(topics)
    names = {str(year) for year in years}
    return [
        move
        for key, now, then in held.pairs()
        if key.decode().partition("|")[2] in names and not key.startswith(b"meter/")
        for move in moves_of(now, then)
    ]


def moves_of(now: CalendarDocument | None, then: CalendarDocument | None) -> Iterator[Move]:
    """Yield what two documents of one year say differently of the year and its months, the year first."""
    document = now or then
    assert document is not None
    metrics = {name for one in (now, then) if one is not None for name in _metrics(one)}
    kids = children_of(document.period)
    parts = [(document.period, slice(0, len(kids))), *((kid.name, slice(at, at + 1)) for at, kid in enumerate(kids))]
    for name, part in parts:
        for metric in sorted(each for each in metrics if each.startswith(_VALUED)):
            one, other = (_value(each, name, part, metric) for each in (now, then))
            if one != other:
                yield Move(document.entity, name, metric, one, other)


def _metrics(document: CalendarDocument) -> set[str]:
    own = document.own.get(document.period)
    return {*document.metrics, *(own.values if own is not None else ())}


def _value(document: CalendarDocument | None, name: str, part: slice, metric: str) -> int | None:
    if document is None:
        return None
    if name != document.period:
        return document.metrics.get(metric, [None] * len(document.status))[part.start]
    own = document.own.get(name)
    return window_value(document, part, own.values if own is not None else {}, metric)


def _release(snapshot: Snapshot, id_: str) -> Release:
    found = snapshot.documents.get(DocumentKey("release", id_))
    if not isinstance(found, Release):
        raise AskedWrongError(f"release/{id_} is not registered: apply it first, with restates: if its days overlap")
    return found
