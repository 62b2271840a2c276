"""A node is a meter with sub-meters below it; what they do not explain of it is its unexplained difference (不明差).

The difference is the node's quantity less the sum of its sub-meters', where all of them are wholly covered; it is
additive, so that days, months, enterprises and territories sum it up.
"""

from typing import NamedTuple

import numpy as np

from streams.domain.hour import Bools, Ints
from streams.domain.views import MeterView

Metrics = dict[str, int | None]


class Node(NamedTuple):
    """A meter's place, and those of the sub-meters of its carrier directly below it."""

    place: int
    below: Ints
    metric: str


class Nodes:
    """The nodes of an enterprise, as columns over its meters; false when there is none."""

    def __init__(self, meters: tuple[MeterView, ...]) -> None:
        self.each = _nodes_of(meters)
        self.places = np.array([node.place for node in self.each], np.int64)
        # Of shape (meters, nodes): what a meter counts in a node's difference, and whether it has to be covered.
        self._signs = np.zeros((len(meters), len(self.each)), np.int64)
        for number, node in enumerate(self.each):
            self._signs[node.place, number] = 1
            self._signs[node.below, number] = -1
        self._together = self._signs != 0

    def __bool__(self) -> bool:
        return bool(self.each)

    def unexplained(self, amount: Ints, covered_ms: Ints, expected_ms: Ints) -> tuple[Ints, Bools]:
        """Return the nodes' unexplained differences by hour [1e-6 of the carrier's unit], and which are known.

        All arrays are of shape (hours, meters), both results of (hours, nodes).
        """
        lacking = covered_ms < expected_ms
        known = ~(lacking @ self._together) & (expected_ms[:, self.places] > 0)
        return amount @ self._signs, known

    def of_enterprise(self, amount: Ints, covered_ms: Ints, expected_ms: Ints) -> Metrics:
        """Return an enterprise's unexplained differences in one hour: by carrier the sum over its nodes that are known.

        All arrays are of shape (meters,).
        """
        (values,), (known,) = self.unexplained(amount[None], covered_ms[None], expected_ms[None])
        found: Metrics = dict.fromkeys((node.metric for node in self.each), None)
        for node, value, here in zip(self.each, values.tolist(), known.tolist(), strict=True):
            if here:
                found[node.metric] = (found[node.metric] or 0) + value
        return found


def covered_together(places: Ints, covered_ms: Ints, expected_ms: Ints) -> Bools:
    """Tell in which hours all meters at some places are wholly covered, of those in service; shape (hours,).

    `covered_ms` and `expected_ms` are of shape (hours, meters). An hour without any in service is none of them.
    """
    expected = expected_ms[:, places]
    return np.logical_and.reduce(covered_ms[:, places] >= expected, axis=1) & (expected.sum(axis=1) > 0)


def _nodes_of(meters: tuple[MeterView, ...]) -> tuple[Node, ...]:
    """Return the meters of an enterprise that have sub-meters, by place."""
    place = {meter.id: meter.index for meter in meters}
    below: dict[int, list[int]] = {}
    for meter in meters:
        above = None if meter.parent is None else place.get(meter.parent)
        # What tells a level, as of a concentration, has no quantity that another one could be a part of.
        both = [meter, meters[above]] if above is not None else []
        counted = all(each.type != "gauge" or each.is_rate for each in both)
        if above is not None and meter.role == "sub" and meters[above].carrier == meter.carrier and counted:
            below.setdefault(above, []).append(meter.index)
    return tuple(
        Node(above, np.array(sorted(subs), np.int64), f"unexplained.{meters[above].carrier}")
        for above, subs in sorted(below.items())
    )
