"""The stored side is the series store: points of the folded documents against what the store has, to the double.

The hours of an entity are taken a month at a time, its larger windows a year at a time, so memory stays bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from schemas.series import Point
from schemas.windows import Window, WindowKind, window, window_at
from services.replay.findings import Differing, Findings
from services.replay.held import Held
from streams.domain.comparison import Range, said_by
from streams.domain.points import points_of
from streams.stores.series import SeriesStore, WindowPoint, window_point

_AT_ONCE = 5000
_LARGER: tuple[WindowKind, ...] = ("day", "month", "quarter", "year")
_MONTH, _YEAR = len("2026-11"), len("2026")


class _Part(NamedTuple):
    """Some kinds of windows of an entity in a stretch of time: the fold's points by (kind, metric) and start.

    `metrics` are all that either side knows, `moving` the windows that were written again since the cut.
    """

    kinds: tuple[WindowKind, ...]
    span: Window
    metrics: frozenset[str]
    points: dict[tuple[str, str], dict[int, Point]]
    moving: frozenset[str]


class Stored:
    """The series store beside what the fold says of the entities held."""

    def __init__(self, store: SeriesStore, held: Held, within: Range) -> None:
        self._store = store
        self._held = held
        self._within = within

    def compare(self, entity: str, findings: Findings) -> list[Differing]:
        """Hold every window of an entity against the store's point, and every point against its window.

        What is compared is counted in `findings`; the differences are returned.
        """
        differing: list[Differing] = []
        for part in self._parts(entity):
            for kind in part.kinds:
                for metric in sorted(part.metrics):
                    points = part.points.get((kind, metric), {})
                    stored = self._store.series(entity, metric, kind, part.span.start_ms, part.span.end_ms)
                    differing += self._hold(entity, metric, kind, points, stored, part.moving, findings)
        return differing

    def _hold(
        self, entity: str, metric: str, kind: WindowKind, expected: Mapping[int, Point], stored: Sequence[WindowPoint],
        moving: frozenset[str], findings: Findings,
    ) -> Iterator[Differing]:  # fmt: skip
        found = {point.start_ms: point for point in stored}
        for start_ms in sorted({*expected, *found}):
            name = window_at(start_ms, kind).name
            mine, point = found.get(start_ms), expected.get(start_ms)
            theirs = None if point is None else window_point(start_ms, *point.fields)
            values = mine and mine.value, theirs and theirs.value
            if not self._within.has(name) or values == (None, None):
                continue
            if name in moving:
                findings.moving += 1
                continue
            findings.windows["store"] = findings.windows.get("store", 0) + 1
            if mine != theirs:
                yield Differing(
                    "store", entity, metric, name, _text(values[0]), _text(values[1]), _standing(mine),
                    _standing(theirs),
                )  # fmt: skip

    def write(self, entity: str, findings: Findings) -> None:
        """Write every window of an entity anew; a point that no window stands behind any more loses its value."""
        for part in self._parts(entity):
            points = [point for of in part.points.values() for point in of.values()]
            for kind in part.kinds:
                for metric in sorted(part.metrics):
                    known = part.points.get((kind, metric), {})
                    points += [
                        Point(kind, (entity, metric), each.start_ms, (None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
                        for each in self._store.series(entity, metric, kind, part.span.start_ms, part.span.end_ms)
                        if each.start_ms not in known and each.value is not None
                    ]
            points = [point for point in points if self._is_wanted(point, part.moving)]
            for first in range(0, len(points), _AT_ONCE):
                self._store.write(points[first : first + _AT_ONCE])
            findings.written += len(points)

    def _is_wanted(self, point: Point, moving: frozenset[str]) -> bool:
        name = window_at(point.time_ms, cast("WindowKind", point.measurement)).name
        return self._within.has(name) and name not in moving

    def _parts(self, entity: str) -> Iterator[_Part]:
        """Yield what an entity has, stretch by stretch."""
        periods = sorted(self._held.periods(entity))
        metrics = set[str]()
        for _, series, fold in self._held.pairs(f"{entity}|"):
            metrics.update(metric for metric, _, _ in (*said_by(series), *said_by(fold)))
        for month in sorted({each[:_MONTH] for each in periods if len(each) > _MONTH}):
            yield self._part(entity, window(month), ("hour",), frozenset(metrics))
        for year in sorted({each[:_YEAR] for each in periods}):
            yield self._part(entity, window(year), _LARGER, frozenset(metrics))

    def _part(self, entity: str, span: Window, kinds: tuple[WindowKind, ...], metrics: frozenset[str]) -> _Part:
        points: dict[tuple[str, str], dict[int, Point]] = {}
        moving = set[str]()
        for key, document in self._held.fold(f"{entity}|{span.name}"):
            if kinds == ("hour",) and document.of != "hour":
                continue
            moving |= self._held.moving(key)
            for point in points_of(document, everything=True):
                if point.measurement in kinds:
                    points.setdefault((point.measurement, point.tags[1]), {})[point.time_ms] = point
        return _Part(kinds, span, metrics, points, frozenset(moving))


def _text(value: float | None) -> str | None:
    return None if value is None else repr(value)


def _standing(point: WindowPoint | None) -> str | None:
    """Return what a point says beside its value, as text in which two of them can be told apart."""
    if point is None:
        return None
    status = "revised" if point.revised else "settled" if point.settled else "provisional"
    shares = point.measured, point.estimated, point.missing
    return status if None in shares else f"{status} {point.measured:.9g}/{point.estimated:.9g}/{point.missing:.9g}"
