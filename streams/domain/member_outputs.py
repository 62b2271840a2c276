"""Member outputs are what the enterprises of a territory made (`output.*`), as far as each of them says so.

A sum over members stands only when every member that makes the product in that year has a value for the window: what
one of them has not told yet is not zero.
"""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.messages import CalendarDocument
from schemas.windows import Window
from streams.domain.membership import Members


class OutputChange(NamedTuple):
    """What a document changed: a value that it reports, and which products the enterprise makes in that year."""

    values: bool
    products: bool


class MemberOutputs:
    """The outputs of all enterprises, by window and metric."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, int]] = {}  # (window, metric) -> enterprise id -> 1e-6
        self._said: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}  # (enterprise id, period) -> its keys above
        self._makers: dict[tuple[str, str], dict[str, set[str]]] = {}  # (year, metric) -> enterprise id -> periods

    def put(self, document: CalendarDocument) -> OutputChange:
        """Take an enterprise's document in; return what that changed."""
        enterprise = document.entity.partition("/")[2]
        place = enterprise, document.period
        before = {key: self._values[key].pop(enterprise) for key in self._said.pop(place, ())}
        found = {
            (name, metric): value
            for name, own in document.own.items()
            for metric, value in own.values.items()
            if value is not None and metric.startswith("output.")
        }
        for key, value in found.items():
            self._values.setdefault(key, {})[enterprise] = value
        if found:
            self._said[place] = tuple(found)
        products = self._put_makers(document, enterprise, {metric for _, metric in found})
        return OutputChange(found != before, products)

    def _put_makers(self, document: CalendarDocument, enterprise: str, made: set[str]) -> bool:
        year = document.period[:4]
        made = made | {
            metric
            for metric, values in document.metrics.items()
            if metric.startswith("output.") and any(value is not None for value in values)
        }
        changed = False
        for metric in made | {metric for of, metric in self._makers if of == year}:
            periods = self._makers.setdefault((year, metric), {}).setdefault(enterprise, set())
            before = bool(periods)
            (periods.add if metric in made else periods.discard)(document.period)
            if not periods:
                del self._makers[year, metric][enterprise]
            changed |= before != bool(periods)
        return changed

    def sums(self, each: Window, members: Members) -> Iterator[tuple[str, int]]:
        """Yield each product's metric and the sum [1e-6] over the members in a window, where it stands."""
        for (year, metric), makers in sorted(self._makers.items()):
            if year != each.name[:4]:
                continue
            mine = members.ever.intersection(makers)
            values = self._values.get((each.name, metric), {})
            # Of who belongs here for a part of the window only, nobody knows how much was made in that part.
            if mine and mine <= members.always and mine <= values.keys():
                yield metric, sum(values[enterprise] for enterprise in mine)
