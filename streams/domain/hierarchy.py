"""What lies in what: enterprises in parks, counties, industries and lists, by day, and these in each other."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping

from schemas.documents import City, County, Document, EnterpriseList, Industry, Park
from schemas.ids import TERRITORY_KINDS
from streams.domain.views import EnterpriseView, id_at

# Groups change on few days; a query over many years touches each stretch between two such days once.
KEPT_STRETCHES = 64


class Hierarchy:
    """What lies in what by the `documents` of a registry, and by what its `enterprises` say, each by its id."""

    def __init__(self, documents: Iterable[Document], enterprises: Mapping[str, EnterpriseView]) -> None:
        self._enterprises = enterprises
        self._parents: dict[str, tuple[str, ...]] = {}
        self._lists: set[str] = set()
        for one in documents:
            if isinstance(one, EnterpriseList):
                self._lists.add(one.id)
            elif parents := _parents(one):
                self._parents[str(one.key)] = parents
        self._edges_ms = sorted({edge for one in enterprises.values() for edge in one.edges_ms})
        self._members: dict[int, Mapping[str, tuple[str, ...]]] = {}

    def above(self, entity: str) -> tuple[str, ...]:
        """Return the territories that one lies in, the nearest first."""
        found: dict[str, None] = {}
        waiting = list(self._parents.get(entity, ()))
        while waiting:
            parent = waiting.pop(0)
            if parent not in found:
                found[parent] = None
                waiting += self._parents.get(parent, ())
        return tuple(found)

    def of(self, enterprise: str, at_ms: int) -> tuple[str, ...]:
        """Return the territories (`park/..` and so on) an enterprise lies in at an instant; none outside its days.

        A city comes from the county, a province from the city, an industry brings the industries it is part of. A
        park tells the county or city only of an enterprise that names no county. Registered lists stand beside
        all that.
        """
        view = self._enterprises.get(enterprise)
        if view is None or not view.from_ms <= at_ms < view.to_ms:
            return ()
        park, county, industry = (id_at(dated, at_ms) for dated in (view.park, view.county, view.industry))
        first = [f"{kind}/{id_}" for kind, id_ in (("county", county), ("industry", industry)) if id_ is not None]
        if park is not None and county is None:
            first.append(f"park/{park}")
        found = dict.fromkeys(first)
        for entity in first:
            found.update(dict.fromkeys(self.above(entity)))
        if park is not None:
            found[f"park/{park}"] = None
        for each in view.lists:
            if each.from_ms <= at_ms < each.to_ms and each.id in self._lists:
                found[f"list/{each.id}"] = None
        return tuple(sorted(found, key=lambda entity: (TERRITORY_KINDS.index(entity.partition("/")[0]), entity)))

    def lists_of(self, view: EnterpriseView) -> list[str]:
        """Return the ids of the registered lists that an enterprise is on at any time, sorted."""
        return sorted({each.id for each in view.lists if each.id in self._lists})

    def members(self, entity: str, at_ms: int) -> tuple[str, ...]:
        """Return the ids of the enterprises that lie in a territory at an instant, sorted."""
        stretch = bisect_right(self._edges_ms, at_ms)
        groups = self._members.get(stretch)
        if groups is None:
            grouped: defaultdict[str, list[str]] = defaultdict(list)
            for enterprise in sorted(self._enterprises):
                for territory in self.of(enterprise, at_ms):
                    grouped[territory].append(enterprise)
            groups = {territory: tuple(ids) for territory, ids in grouped.items()}
            if len(self._members) >= KEPT_STRETCHES:
                self._members.clear()
            self._members[stretch] = groups
        return groups.get(entity, ())


def _parents(one: Document) -> tuple[str, ...]:
    if isinstance(one, City):
        above = (("province", one.spec.province),)
    elif isinstance(one, County):
        above = (("city", one.spec.city),)
    elif isinstance(one, Park):
        above = (("county", one.spec.county), ("city", one.spec.city))
    elif isinstance(one, Industry):
        above = (("industry", one.spec.parent),)
    else:
        return ()
    return tuple(f"{kind}/{id_}" for kind, id_ in above if id_ is not None)
