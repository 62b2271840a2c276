"""A comparison holds two versions of a calendar document against each other, window by window, to the last digit.

A window is compared where one of the two has a value for it: then value and status must be the same. What a document
says of how it was made (step, registry version, touched children) does not count, and an absent metric is one without
a value.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from schemas.messages import CalendarDocument
from schemas.windows import children_of, window


class Range(NamedTuple):
    """Instants `[from_ms, to_ms)` [epoch ms]; a window is in it when all of it is."""

    from_ms: int
    to_ms: int

    def has(self, name: str) -> bool:
        """Tell whether the window of a name lies in the range."""
        each = window(name)
        return self.from_ms <= each.start_ms and each.end_ms <= self.to_ms


class Said(NamedTuple):
    """What a document says of a metric in a window: the value [1e-6 of the metric's unit] and the window's status."""

    value: int | None
    status: str | None


class Difference(NamedTuple):
    """A window of which two sides say different things; `series` and `replay` are their values and statuses."""

    entity: str
    metric: str
    window: str
    series: Said
    replay: Said


class Compared(NamedTuple):
    """How many windows were held against each other, and those that differ."""

    windows: int
    differences: list[Difference]


NOTHING = Said(None, None)


def said_by(document: CalendarDocument | None) -> Iterator[tuple[str, str, Said]]:
    """Yield (metric, window, what is said) for all children and for the windows a document speaks for itself."""
    if document is None:
        return
    names = [child.name for child in children_of(document.period)]
    for metric, values in document.metrics.items():
        for name, value, status in zip(names, values, document.status, strict=True):
            yield metric, name, Said(value, status)
    for name, own in document.own.items():
        for metric, value in own.values.items():
            yield metric, name, Said(value, own.status)


def compare(series: CalendarDocument | None, replay: CalendarDocument | None, within: Range) -> Compared:
    """Return how the document in the series differs from the one a replay gives; None: there is none."""
    found = {(metric, name): said for metric, name, said in said_by(series)}
    expected = {(metric, name): said for metric, name, said in said_by(replay)}
    document = series or replay
    if document is None:
        return Compared(0, [])
    count = 0
    differences: list[Difference] = []
    inside = {name: within.has(name) for name in {name for _, name in (*found, *expected)}}
    for key in sorted({*found, *expected}, key=lambda key: (window(key[1]).start_ms, key[1], key[0])):
        one, other = found.get(key, NOTHING), expected.get(key, NOTHING)
        if not inside[key[1]] or (one.value is None and other.value is None):
            continue
        count += 1
        if one != other:
            differences.append(Difference(document.entity, *key, one, other))
    return Compared(count, differences)


def names_touched(document: CalendarDocument, touched: Collection[int]) -> set[str]:
    """Return the windows that a writing of a document may have changed: children `touched`, and what it is itself."""
    kids = children_of(document.period)
    return {*(kids[at].name for at in touched), *document.own, document.period}
