"""A subject is what a page is about, a territory, an enterprise or a meter, with all that the registry says of it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from schemas.documents import Document, DocumentKey
from schemas.ids import enterprise_of, parse_entity
from schemas.windows import HOUR_MS
from services.console.standing import Tier, tiers_of
from streams.domain.registry import Snapshot
from streams.domain.views import MeterView

DISTRICT_KINDS = ("city", "county", "park")
ENERGY, EQUIVALENT, CARBON = "energy.cv", "energy.eq", "co2.total"


@dataclass(frozen=True, slots=True)
class Thing:
    """A registered thing by its names; `key` is `kind/id`."""

    key: str
    zh: str
    en: str

    def name(self, language: str) -> str:
        """Return the name in a language."""
        return self.zh if language == "zh" else self.en

    @property
    def kind(self) -> str:
        """The kind of thing."""
        return self.key.partition("/")[0]

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/board/{self.key}"


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """A meter: the metric of its hours and days, its carrier and unit, and how it is read.

    `unit` is the metric's; `read_unit` and `decimals` those of its readings; `step_ms` is 0 where none is registered.
    """

    thing: Thing
    carrier: Thing
    metric: str
    unit: str
    read_unit: str
    decimals: int
    type: str
    role: str
    step_ms: int


@dataclass(frozen=True, slots=True)
class Member:
    """An enterprise of a territory, the park or else the county it lies in, and all territories it is part of."""

    thing: Thing
    place: Thing | None
    territories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What holds an entity: the limit on one of its indicators."""

    entity: Thing
    indicator: Thing
    limit: Thing
    unit: str
    tiers: tuple[Tier, ...]

    @property
    def metric(self) -> str:
        """The metric that is held."""
        return "ind." + self.indicator.key.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about; `trail` is what it lies in, from the widest.

    `districts` are the territories within a territory, `members` its enterprises, `meters` all meters within;
    `rules` are the rules and limits that an alarm may name.
    """

    thing: Thing
    trail: tuple[Thing, ...]
    districts: tuple[Thing, ...]
    members: tuple[Member, ...]
    meters: tuple[MeterFacts, ...]
    held: tuple[Held, ...]
    rules: tuple[Thing, ...]

    @property
    def kind(self) -> str:
        """The sort of page: territory, enterprise or meter."""
        kind = self.thing.kind
        return kind if kind in ("enterprise", "meter") else "territory"

    @property
    def entities(self) -> list[str]:
        """All entities that the page shows figures of, but for meters."""
        if self.kind == "meter":
            return []
        return [self.thing.key, *(one.key for one in self.districts), *(one.thing.key for one in self.members)]

    def within(self) -> list[str]:
        """Return all entities whose alarms are shown."""
        return list(dict.fromkeys([self.thing.key, *self.entities, *(one.thing.key for one in self.meters)]))

    def digest(self) -> str:
        """Return a text that changes when what the page stands on does: then it must be loaded anew."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Said:
    """What pages say of a snapshot's things and meters, by `kind/id`."""

    things: dict[str, Thing] = field(default_factory=dict[str, Thing])
    meters: dict[str, MeterFacts] = field(default_factory=dict[str, MeterFacts])


# Each is made once for all pages and days: a city's page names all its meters, its counties' pages name them again, and
# to make them anew every midnight would leave the memory of those before in pieces.
_SAID: WeakKeyDictionary[Snapshot, _Said] = WeakKeyDictionary()


def _said(snapshot: Snapshot) -> _Said:
    found = _SAID.get(snapshot)
    return _SAID.setdefault(snapshot, _Said()) if found is None else found


def thing_of(snapshot: Snapshot, key: str) -> Thing:
    """Return what is registered under `kind/id`; what has no name is called by its id."""
    said = _said(snapshot).things
    if key in said:
        return said[key]
    kind, _, id_ = key.partition("/")
    document: Document | None = snapshot.documents.get(DocumentKey(kind, id_))
    if document is None:
        return Thing(key, id_, id_)
    name = document.name
    return said.setdefault(key, Thing(key, name.zh or name.en or id_, name.en or name.zh or id_))


def subject_of(snapshot: Snapshot, entity: str, at_ms: int) -> Subject:
    """Return what the registry says of an entity at an instant [epoch ms]; the entity is registered."""
    kind = parse_entity(entity).kind
    enterprise = enterprise_of(entity)
    trail = tuple(thing_of(snapshot, one) for one in _trail(snapshot, entity, at_ms))
    districts: tuple[Thing, ...] = ()
    members: tuple[Member, ...] = ()
    if enterprise is None:
        inside = [
            str(key)
            for key in snapshot.documents
            if key.kind in DISTRICT_KINDS and entity in snapshot.within(str(key), at_ms)
        ]
        inside.sort(key=lambda one: (DISTRICT_KINDS.index(one.partition("/")[0]), one))
        districts = tuple(thing_of(snapshot, one) for one in inside)
        members = tuple(_member(snapshot, id_, entity, at_ms) for id_ in snapshot.members(entity, at_ms))
        meters = tuple(one for id_ in snapshot.members(entity, at_ms) for one in _meters(snapshot, id_, at_ms))
    elif kind == "enterprise":
        meters = tuple(_meters(snapshot, enterprise, at_ms))
    else:
        view = snapshot.meters.get(entity)
        meters = () if view is None else (_facts(snapshot, view),)
    holders = [entity, *(one.key for one in districts), *(one.thing.key for one in members)]
    held = tuple(one for holder in holders for one in _held(snapshot, holder, at_ms))
    rules = (*(f"rule/{one}" for one in sorted(snapshot.rules)), *(f"limit/{one}" for one in sorted(snapshot.limits)))
    named = tuple(thing_of(snapshot, one) for one in rules)
    return Subject(thing_of(snapshot, entity), trail, districts, members, meters, held, named)


def _trail(snapshot: Snapshot, entity: str, at_ms: int) -> list[str]:
    order = ("province", "city", "county", "park", "enterprise")
    found = [one for one in snapshot.within(entity, at_ms) if one.partition("/")[0] in order]
    return sorted(found, key=lambda one: order.index(one.partition("/")[0]))


def _member(snapshot: Snapshot, id_: str, territory: str, at_ms: int) -> Member:
    territories = snapshot.territories_of(id_, at_ms)
    # The narrowest place says most, but not when the page is about that very place.
    place = next((one for kind in ("park/", "county/") for one in territories if one.startswith(kind)), None)
    shown = None if place is None or place == territory else thing_of(snapshot, place)
    return Member(thing_of(snapshot, f"enterprise/{id_}"), shown, tuple(territories))


def _meters(snapshot: Snapshot, enterprise: str, at_ms: int) -> Iterator[MeterFacts]:
    view = snapshot.enterprises.get(enterprise)
    for meter in view.meters if view else ():
        # A meter that began within the hour has no whole hour yet.
        if meter.from_ms + HOUR_MS <= at_ms < meter.to_ms:
            yield _facts(snapshot, meter)


def _facts(snapshot: Snapshot, view: MeterView) -> MeterFacts:
    said = _said(snapshot).meters
    if view.entity not in said:
        said[view.entity] = MeterFacts(
            thing=thing_of(snapshot, view.entity),
            carrier=thing_of(snapshot, f"carrier/{view.carrier}"),
            metric=f"qty.{view.carrier}",
            unit=snapshot.carriers[view.carrier].unit,
            read_unit=view.unit,
            decimals=view.scale,
            type=view.type,
            role=view.role,
            step_ms=view.step_ms,
        )
    return said[view.entity]


def _held(snapshot: Snapshot, entity: str, at_ms: int) -> Iterator[Held]:
    for indicator in sorted(snapshot.indicators):
        for limit in snapshot.limits_for(entity, indicator, at_ms):
            # A limit that selects nothing is about enterprises only: that is how it is watched.
            if limit.select is not None or entity.startswith("enterprise/"):
                yield Held(
                    thing_of(snapshot, entity),
                    thing_of(snapshot, f"indicator/{indicator}"),
                    thing_of(snapshot, f"limit/{limit.id}"),
                    limit.unit,
                    tiers_of(limit),
                )
