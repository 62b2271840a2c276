"""A selection is what a replay is asked about: entities to compare, and the enterprises to fold for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.ids import IdError, enterprise_of, parse_entity
from schemas.windows import EARLIEST_MS, LATEST_MS, Window
from services.replay.errors import AskedWrongError
from streams.domain.membership import Membership
from streams.domain.registry import Snapshot

_ALWAYS = Window("year", "", EARLIEST_MS, LATEST_MS)


@dataclass(frozen=True, slots=True)
class Selection:
    """`folded` are enterprises by id, all others entities; an enterprise brings its meters along."""

    folded: frozenset[str]
    enterprises: frozenset[str]
    meters: frozenset[str]
    territories: frozenset[str]

    @property
    def entities(self) -> frozenset[str]:
        """All that are named, without the meters that enterprises bring along."""
        return self.enterprises | self.meters | self.territories

    def has(self, entity: str) -> bool:
        """Tell whether an entity is to be compared."""
        if entity.startswith("meter/"):
            return entity in self.meters or f"enterprise/{enterprise_of(entity)}" in self.enterprises
        return entity in self.enterprises or entity in self.territories


def select(snapshot: Snapshot, entities: Sequence[str]) -> Selection:
    """Return the selection of some entities, of all when none is named; AskedWrongError: one is not there."""
    membership = Membership(snapshot)
    if not entities:
        every = frozenset(snapshot.enterprises)
        return Selection(every, frozenset(map("enterprise/{}".format, every)), frozenset(), membership.territories)
    for entity in entities:
        _check(snapshot, membership, entity)
    territories = frozenset(membership.territories.intersection(entities))
    enterprises = frozenset(each for each in entities if each.startswith("enterprise/"))
    meters = frozenset(each for each in entities if each.startswith("meter/"))
    folded = {found for each in (*enterprises, *meters) if (found := enterprise_of(each)) is not None}
    return Selection(
        frozenset(folded) | members_ever(membership, snapshot.enterprises, territories),
        enterprises,
        meters,
        territories,
    )


def members_ever(membership: Membership, enterprises: Iterable[str], territories: frozenset[str]) -> frozenset[str]:
    """Return the ids of the enterprises that ever belong to one of these territories."""
    return frozenset(each for each in enterprises if not territories.isdisjoint(membership.of(each, _ALWAYS)))


def _check(snapshot: Snapshot, membership: Membership, entity: str) -> None:
    try:
        kind, id_ = parse_entity(entity)
    except IdError as error:
        raise AskedWrongError(str(error)) from error
    there = {
        "enterprise": id_ in snapshot.enterprises,
        "meter": entity in snapshot.meters,
    }.get(kind, entity in membership.territories)
    if not there:
        raise AskedWrongError(f"{entity} is not registered; `qingyu get {kind}` shows what is")
