"""A node is a meter with sub-meters below it; what they do not explain of it is its unexplained difference (不明差).

The difference is the node's quantity less the sum of its sub-meters', where all of them are wholly covered; it is
additive, so that days, months, enterprises and territories sum it up.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.domain.hour import Ints
from streams.domain.views import MeterView

Metrics = dict[str, int | None]


class Node(NamedTuple):
    """A meter's place, and those of the sub-meters of its carrier directly below it."""

    place: int
    below: Ints
    metric: str


def nodes_of(meters: tuple[MeterView, ...]) -> tuple[Node, ...]:
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


def covered_together(places: Ints, covered_ms: Ints, expected_ms: Ints) -> npt.NDArray[np.bool_]:
    """Tell in which hours all meters at some places are wholly covered, of those in service; shape (hours,).

    `covered_ms` and `expected_ms` are of shape (hours, meters). An hour without any in service is none of them.
    """
    expected = expected_ms[:, places]
    return np.logical_and.reduce(covered_ms[:, places] >= expected, axis=1) & (expected.sum(axis=1) > 0)


def unexplained(node: Node, amount: Ints, covered_ms: Ints, expected_ms: Ints) -> list[int | None]:
    """Return a node's unexplained difference by hour [1e-6 of the carrier's unit], None where it is not known.

    All arrays are of shape (hours, meters).
    """
    places = np.append(node.below, node.place)
    known = covered_together(places, covered_ms, expected_ms) & (expected_ms[:, node.place] > 0)
    difference = amount[:, node.place] - amount[:, node.below].sum(axis=1)
    return [value if here else None for value, here in zip(difference.tolist(), known.tolist(), strict=True)]


def of_enterprise(nodes: tuple[Node, ...], amount: Ints, covered_ms: Ints, expected_ms: Ints) -> Metrics:
    """Return an enterprise's unexplained differences in one hour: by carrier the sum over its nodes that are known.

    All arrays are of shape (meters,).
    """
    found: Metrics = {}
    for node in nodes:
        (value,) = unexplained(node, amount[None], covered_ms[None], expected_ms[None])
        before = found.get(node.metric)
        found[node.metric] = value if before is None else before + (value or 0)
    return found
