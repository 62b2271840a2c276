"""A sheet holds one day of many enterprises by column, so that any group of them is added up by array operations.

It is a cache made from the enterprises' day documents: rows are enterprises, columns the 24 hours, for each metric.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.decimals import MICRO
from schemas.documents.metric import BY_LINE
from schemas.messages import CalendarDocument
from streams.domain.account import Metrics
from streams.domain.calendar import PROVISIONAL, REVISED, SETTLED, additive
from streams.domain.standing import STATUS_CODES, Input, Rows, Standing, grown, ints

_PROVISIONAL, _REVISED = STATUS_CODES[PROVISIONAL], STATUS_CODES[REVISED]
_INT64_LIMIT = 2**63
MARK = "variant."


class GroupHours(NamedTuple):
    """A day of a group: of each hour the metrics, status and latest arrival [epoch ms]; then what speaks for the day.

    `own` are the statuses that the members give the day itself; `input` is the highest step of each partition.
    """

    metrics: list[Metrics]
    status: list[str | None]
    known: list[int | None]
    own: frozenset[str]
    releases: frozenset[str | None]
    input: Input


class _Column:
    """One metric: `values` [1e-6] of shape (enterprises, 24), 0 where `present` is false."""

    __slots__ = ("largest", "present", "values")

    def __init__(self, capacity: int) -> None:
        self.values: npt.NDArray[Any] = np.zeros((capacity, 24), np.int64)
        self.present = np.zeros((capacity, 24), np.bool_)
        self.largest = 0

    def grow(self, capacity: int) -> None:
        self.values = grown(self.values, capacity, 0)
        self.present = grown(self.present, capacity, 0)

    def put(self, row: int, values: list[int | None]) -> None:
        numbers = [0 if value is None else value for value in values]
        self.present[row] = [value is not None for value in values] if None in values else True
        self.largest = max(self.largest, max(numbers), -min(numbers))
        if self.largest >= _INT64_LIMIT and self.values.dtype != object:
            self.values = self.values.astype(object)
        self.values[row] = numbers

    def clear(self, row: int) -> None:
        self.values[row] = 0
        self.present[row] = False

    def add_up(self, rows: Rows) -> list[int | None]:
        """Return the sums over some rows, None where none of them has a value."""
        part = self.values[rows]
        if self.largest * len(rows) >= _INT64_LIMIT and part.dtype != object:
            part = part.astype(object)
        sums = ints(part.sum(axis=0))
        some = ints(self.present[rows].any(axis=0))
        return [number if is_ else None for number, is_ in zip(sums, some, strict=True)]

    def join(self, rows: Rows) -> list[int | None]:
        """Return the marks of variants that any of some rows has, None where none has one."""
        joined = np.bitwise_or.reduce(self.values[rows] // MICRO, axis=0)
        return [number * MICRO or None for number in ints(joined)]


class Sheet:
    """The hours of one day; `put` each enterprise's document, then `add_up` groups."""

    def __init__(self, day: str, documents: Iterable[CalendarDocument] = ()) -> None:
        self._standing = Standing(day)
        self._day = day
        self._columns: dict[str, _Column] = {}
        self._status = np.zeros((self._standing.capacity, 24), np.int8)
        self._known = np.zeros((self._standing.capacity, 24), np.int64)
        self._releases: list[str | None] = []
        for document in documents:
            self.put(document)

    def put(self, document: CalendarDocument) -> None:
        """Set an enterprise's day."""
        row, _ = self._standing.put(document)
        if row == len(self._releases):
            self._releases.append(None)
            if row == len(self._status):
                self._grow(self._standing.capacity)
        for name, column in self._columns.items():
            if name not in document.metrics:
                column.clear(row)
        for name, values in document.metrics.items():
            # The lines of an enterprise are its own: another's of the same name is another line.
            if (additive(name) and not name.startswith(BY_LINE)) or name.startswith(MARK):
                column = self._columns.get(name)
                if column is None:
                    column = self._columns[name] = _Column(len(self._status))
                column.put(row, values)
        self._status[row] = [STATUS_CODES[status] for status in document.status]
        self._known[row] = [known or 0 for known in document.known] or 0
        self._releases[row] = document.release

    def add_up(self, enterprises: Iterable[str]) -> GroupHours | None:
        """Return the day of a group of enterprises (ids), each counted once; None when none has a document."""
        rows = self._standing.rows(enterprises)
        if not len(rows):
            return None
        metrics: list[Metrics] = [{} for _ in range(24)]
        for name, column in sorted(self._columns.items()):
            for hour, value in enumerate(column.join(rows) if name.startswith(MARK) else column.add_up(rows)):
                metrics[hour][name] = value
        status = self._status[rows]
        said = zip(
            ints((status == _PROVISIONAL).any(axis=0)),
            ints((status == _REVISED).any(axis=0)),
            ints((status > 0).any(axis=0)),
            strict=True,
        )
        return GroupHours(
            metrics,
            [
                PROVISIONAL if is_open else REVISED if late else SETTLED if some else None
                for is_open, late, some in said
            ],
            [value or None for value in ints(self._known[rows].max(axis=0))],
            self._standing.statuses(rows)[self._day],
            frozenset(map(self._releases.__getitem__, ints(rows))),
            self._standing.input(rows),
        )

    def later(self, enterprises: Iterable[str], hour: int, known_ms: int) -> list[tuple[str, int]]:
        """Return those of some enterprises (ids) with a reading in an hour that came after an instant, and when."""
        found = [(id_, int(self._known[row, hour])) for id_, row in self._standing.places(enterprises)]
        return [(id_, at_ms) for id_, at_ms in found if at_ms > known_ms]

    def _grow(self, capacity: int) -> None:
        for column in self._columns.values():
            column.grow(capacity)
        self._status = grown(self._status, capacity, 0)
        self._known = grown(self._known, capacity, 0)
