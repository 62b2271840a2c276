"""A sheet holds one day of many enterprises by column, so that any group of them is added up by array operations.

It is a cache made from the enterprises' day documents: rows are enterprises, columns the 24 hours, for each metric.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.messages import STATUSES, CalendarDocument
from streams.domain.account import Metrics
from streams.domain.calendar import PROVISIONAL, REVISED, SETTLED, additive

Input = list[tuple[int, int]]

# Codes of a status; 0 stands for none.
_CODES: dict[str | None, int] = {None: 0, **{name: code for code, name in enumerate(STATUSES, 1)}}
_PROVISIONAL, _REVISED = _CODES[PROVISIONAL], _CODES[REVISED]
_INT64_LIMIT = 2**63


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
        self.values = _grown(self.values, capacity)
        self.present = _grown(self.present, capacity)

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

    def add_up(self, rows: npt.NDArray[np.intp]) -> list[int | None]:
        """Return the sums over some rows, None where none of them has a value."""
        part = self.values[rows]
        if self.largest * len(rows) >= _INT64_LIMIT and part.dtype != object:
            part = part.astype(object)
        sums = _ints(part.sum(axis=0))
        some = _ints(self.present[rows].any(axis=0))
        return [number if is_ else None for number, is_ in zip(sums, some, strict=True)]


class Sheet:
    """The hours of one day; `put` each enterprise's document, then `add_up` groups."""

    def __init__(self, documents: Iterable[CalendarDocument] = ()) -> None:
        every = list(documents)
        self._rows: dict[str, int] = {}
        self._capacity = max(8, len(every))
        self._columns: dict[str, _Column] = {}
        self._status = np.zeros((self._capacity, 24), np.int8)
        self._known = np.zeros((self._capacity, 24), np.int64)
        self._own = np.zeros(self._capacity, np.int8)
        self._inputs: list[Input] = []
        self._releases: list[str | None] = []
        for document in every:
            self.put(document)

    def put(self, document: CalendarDocument) -> None:
        """Set an enterprise's day."""
        enterprise = document.entity.partition("/")[2]
        row = self._rows.get(enterprise)
        if row is None:
            row = self._rows[enterprise] = len(self._rows)
            self._inputs.append([])
            self._releases.append(None)
            if row == self._capacity:
                self._grow()
        for name, column in self._columns.items():
            if name not in document.metrics:
                column.clear(row)
        for name, values in document.metrics.items():
            if additive(name):
                column = self._columns.get(name)
                if column is None:
                    column = self._columns[name] = _Column(self._capacity)
                column.put(row, values)
        self._status[row] = [_CODES[status] for status in document.status]
        self._known[row] = [known or 0 for known in document.known] or 0
        own = document.own.get(document.period)
        self._own[row] = _CODES[own.status] if own is not None else 0
        self._inputs[row] = document.input
        self._releases[row] = document.release

    def add_up(self, enterprises: Iterable[str]) -> GroupHours | None:
        """Return the day of a group of enterprises (ids), each counted once; None when none has a document."""
        places = sorted({self._rows[id_] for id_ in enterprises if id_ in self._rows})
        if not places:
            return None
        rows = np.array(places, np.intp)
        metrics: list[Metrics] = [{} for _ in range(24)]
        for name, column in sorted(self._columns.items()):
            for hour, value in enumerate(column.add_up(rows)):
                metrics[hour][name] = value
        status = self._status[rows]
        own = self._own[rows]
        said = zip(
            _ints((status == _PROVISIONAL).any(axis=0)),
            _ints((status == _REVISED).any(axis=0)),
            _ints((status > 0).any(axis=0)),
            strict=True,
        )
        return GroupHours(
            metrics,
            [
                PROVISIONAL if is_open else REVISED if late else SETTLED if some else None
                for is_open, late, some in said
            ],
            [value or None for value in _ints(self._known[rows].max(axis=0))],
            frozenset(STATUSES[code - 1] for code in set(_ints(own)) if code),
            frozenset(self._releases[place] for place in places),
            highest(step for place in places for step in self._inputs[place]),
        )

    def _grow(self) -> None:
        self._capacity *= 2
        for column in self._columns.values():
            column.grow(self._capacity)
        self._status = _grown(self._status, self._capacity)
        self._known = _grown(self._known, self._capacity)
        self._own = _grown(self._own, self._capacity)


def highest(steps: Iterable[tuple[int, int]]) -> Input:
    """Return of each partition the highest step, in order of partitions."""
    found: dict[int, int] = {}
    for partition, step in steps:
        if step > found.get(partition, -1):
            found[partition] = step
    return sorted(found.items())


def _grown(array: npt.NDArray[Any], capacity: int) -> npt.NDArray[Any]:
    larger = np.zeros((capacity, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _ints(array: Any) -> list[int]:
    return array.tolist()
