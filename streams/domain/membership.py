"""Membership says which enterprises make up a territory in a window, and which territories an enterprise is in.

What the registry dates, it dates by local days, so all hours of a day have the same members.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable
from typing import NamedTuple

from schemas.ids import TERRITORY_KINDS
from schemas.windows import DAY_MS, Window, window, window_at
from streams.domain.registry import Snapshot
from streams.domain.tagging import certified
from streams.domain.views import EnterpriseView


class Members(NamedTuple):
    """The ids of the enterprises that belong to a territory at some time in a window, and all through it."""

    ever: frozenset[str]
    always: frozenset[str]


class Membership:
    """The memberships of one snapshot; answers are kept, since the same windows are asked for again and again."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.territories = frozenset(str(key) for key in snapshot.documents if key.kind in TERRITORY_KINDS)
        self._sets: dict[tuple[str, ...], frozenset[str]] = {}
        self._over: dict[tuple[str, str], Members] = {}
        self._edges_ms: dict[str, tuple[int, ...]] = {}
        self._certified: dict[str, list[tuple[str, dict[str, int]]]] | None = None
        self._of: dict[tuple[str, int], frozenset[str]] = {}

    def on(self, territory: str, day: Window) -> tuple[str, ...]:
        """Return the ids of the members of a territory on a day, sorted."""
        return self.snapshot.members(territory, day.start_ms)

    def over(self, territory: str, each: Window) -> Members:
        """Return the members of a territory in a window of whole days."""
        if each.kind == "day":
            found = self._set(self.on(territory, each))
            return Members(found, found)
        key = territory, each.name
        kept = self._over.get(key)
        if kept is None:
            days = range(each.start_ms, each.end_ms, DAY_MS)
            lists = [self.snapshot.members(territory, at) for at in days]
            sets = [self._set(members) for members in {id(members): members for members in lists}.values()]
            first = sets[0]
            kept = Members(first, first) if len(sets) == 1 else Members(first.union(*sets), first.intersection(*sets))
            self._over[key] = kept
        return kept

    def of(self, enterprise: str, each: Window) -> frozenset[str]:
        """Return the territories that an enterprise belongs to at some time in a window."""
        edges_ms = self._edges_ms.get(enterprise)
        if edges_ms is None:
            view = self.snapshot.enterprises.get(enterprise)
            if view is None:
                return frozenset()
            edges_ms = self._edges_ms[enterprise] = tuple(sorted(view.edges_ms))
        first, last = bisect_right(edges_ms, each.start_ms), bisect_right(edges_ms, each.end_ms - 1)
        if first == last:
            return self._of_stretch(enterprise, edges_ms, first)
        return frozenset[str]().union(
            *(self._of_stretch(enterprise, edges_ms, stretch) for stretch in range(first, last + 1))
        )

    def _of_stretch(self, enterprise: str, edges_ms: tuple[int, ...], stretch: int) -> frozenset[str]:
        key = enterprise, stretch
        found = self._of.get(key)
        if found is None:
            territories = self.snapshot.territories_of(enterprise, edges_ms[stretch - 1]) if stretch else ()
            found = self._of[key] = frozenset(territories)
        return found

    def moved(self, other: "Membership") -> list[str]:
        """Return the ids of the enterprises that belong elsewhere, or at other times, in another registry."""
        mine, theirs = self.snapshot.enterprises, other.snapshot.enterprises
        return [id_ for id_ in sorted({*mine, *theirs}) if _belonging(mine.get(id_)) != _belonging(theirs.get(id_))]

    def _set(self, members: tuple[str, ...]) -> frozenset[str]:
        found = self._sets.get(members)
        if found is None:
            found = self._sets[members] = frozenset(members)
        return found

    def certified(self, territory: str, windows: Iterable[Window], known: Container[str]) -> dict[tuple[str, str], int]:
        """Return what certificates of its enterprises cover, by (metric, window name), as the enterprises have it.

        One of a period counts where the enterprise is at its end, or at its own if that is sooner, so it is used once.
        `known` are the ids of those that
        have a document of the period: of others the certificates do not count anywhere.
        """
        found: dict[tuple[str, str], int] = {}
        for each in windows:
            for enterprise, covered in self._green().get(each.name, ()):
                if enterprise in known and territory in self._at_end(enterprise, each):
                    for metric, value in covered.items():
                        found[metric, each.name] = found.get((metric, each.name), 0) + value
        return found

    def green_changes(self, other: "Membership") -> set[tuple[str, str]]:
        """Return the territories and windows whose certificates are others in another registry."""
        found: set[tuple[str, str]] = set()
        for name in {*self._green(), *other._green()}:
            mine, theirs = self._green().get(name, []), other._green().get(name, [])
            if mine != theirs:
                each = window(name)
                for one, rows in ((self, mine), (other, theirs)):
                    found |= {(territory, name) for id_, _ in rows for territory in one._at_end(id_, each)}
        return found

    def _at_end(self, enterprise: str, each: Window) -> frozenset[str]:
        """Return the territories that an enterprise belongs to on the last day of a window on which there is one."""
        view = self.snapshot.enterprises.get(enterprise)
        last_ms = (each.end_ms if view is None else min(each.end_ms, view.to_ms)) - 1
        return self.of(enterprise, window_at(last_ms, "day")) if last_ms >= each.start_ms else frozenset()

    def _green(self) -> dict[str, list[tuple[str, dict[str, int]]]]:
        """Return by window name what is covered of which enterprise."""
        if self._certified is None:
            self._certified = {}
            snapshot = self.snapshot
            for id_, views in sorted(snapshot.certificates.items()):
                each = certified(views, snapshot.carriers, snapshot.valuations_of(id_))
                for name in sorted({name for _, name in each}):
                    covered = {metric: value for (metric, of), value in each.items() if of == name}
                    self._certified.setdefault(name, []).append((id_, covered))
        return self._certified

    def chains(self) -> dict[str, tuple[str, ...]]:
        """Return what each territory lies in."""
        return {territory: self.snapshot.within(territory, 0) for territory in self.territories}


def _belonging(view: EnterpriseView | None) -> tuple[object, ...] | None:
    return view and (view.from_ms, view.to_ms, view.park, view.county, view.industry, view.lists)
