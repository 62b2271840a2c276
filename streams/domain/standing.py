"""A standing is what many enterprises say of a period as a whole: what is settled of it, and as of which step."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.messages import STATUSES, CalendarDocument
from schemas.windows import Window, window
from streams.domain.calendar import quarters_of

Input = list[tuple[int, int]]
Rows = npt.NDArray[np.intp]

# Codes of a status; 0 stands for none.
STATUS_CODES: dict[str | None, int] = {None: 0, **{name: code for code, name in enumerate(STATUSES, 1)}}
_FIRST_CAPACITY = 8


class Standing:
    """The documents of one period, a row for each enterprise that has one."""

    def __init__(self, period: str) -> None:
        self._names = tuple(each.name for each in windows_of(window(period)))
        self._rows: dict[str, int] = {}
        self._status = np.zeros((_FIRST_CAPACITY, len(self._names)), np.int8)
        self._steps = np.full((_FIRST_CAPACITY, 1), -1, np.int64)  # by partition

    @property
    def capacity(self) -> int:
        """How many rows there is room for; it only grows."""
        return len(self._status)

    def put(self, document: CalendarDocument) -> tuple[int, bool]:
        """Set an enterprise's document; return its row, and whether the row says something else than before."""
        enterprise = document.entity.partition("/")[2]
        row = self._rows.setdefault(enterprise, len(self._rows))
        if row == self.capacity:
            self._status = grown(self._status, 2 * self.capacity, 0)
            self._steps = grown(self._steps, 2 * len(self._steps), -1)
        widest = max((partition for partition, _ in document.input), default=0)
        if widest >= self._steps.shape[1]:
            wider = np.full((len(self._steps), widest + 1), -1, np.int64)
            wider[:, : self._steps.shape[1]] = self._steps
            self._steps = wider
        before = self._status[row].copy(), self._steps[row].copy()
        self._status[row] = [
            STATUS_CODES[document.own[name].status] if name in document.own else 0 for name in self._names
        ]
        self._steps[row] = -1
        for partition, step in document.input:
            self._steps[row, partition] = step
        same = np.array_equal(before[0], self._status[row]) and np.array_equal(before[1], self._steps[row])
        return row, not same

    def __contains__(self, enterprise: object) -> bool:
        """Tell whether an enterprise (id) has a document of the period."""
        return enterprise in self._rows

    def rows(self, enterprises: Iterable[str]) -> Rows:
        """Return the rows of those enterprises (ids) that have a document; each once, as they stand here."""
        have = self._rows
        return np.array(sorted({have[id_] for id_ in enterprises if id_ in have}), np.intp)

    def places(self, enterprises: Iterable[str]) -> Iterable[tuple[str, int]]:
        """Yield those enterprises (ids) that have a document, each with its row."""
        return ((id_, self._rows[id_]) for id_ in enterprises if id_ in self._rows)

    def statuses(self, rows: Rows) -> dict[str, frozenset[str]]:
        """Return which statuses some rows give each window of the period."""
        return {
            name: frozenset(STATUSES[code - 1] for code in set(ints(self._status[rows, at])) if code)
            for at, name in enumerate(self._names)
        }

    def input(self, rows: Rows) -> Input:
        """Return of each partition the highest step that some rows were made from."""
        if not len(rows):
            return []
        return [(partition, step) for partition, step in enumerate(ints(self._steps[rows].max(axis=0))) if step >= 0]


def windows_of(period: Window) -> tuple[Window, ...]:
    """Return the windows that a period's document speaks for as a whole: its own, and of a year the quarters."""
    if period.kind != "year":
        return (period,)
    return (period, *(quarter for quarter, _ in quarters_of(period.name)))


def highest(steps: Iterable[tuple[int, int]]) -> Input:
    """Return of each partition the highest step, in order of partitions."""
    found: dict[int, int] = {}
    for partition, step in steps:
        found[partition] = max(step, found.get(partition, step))
    return sorted(found.items())


def grown(array: npt.NDArray[Any], capacity: int, fill: int) -> npt.NDArray[Any]:
    """Return an array with room for more rows, filled with a number."""
    larger = np.full((capacity, *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


def ints(array: Any) -> list[int]:
    """Return a one-dimensional array as a list of Python's own numbers."""
    return array.tolist()
