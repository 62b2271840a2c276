"""An hour holds the readings of an enterprise's meters whose place in time falls into one local hour.

Putting readings in is commutative, associative and idempotent, so neither order nor repetition can change an hour:
of an instant's readings the highest revision counts; in it a void removes the instant; of distinct values the first
received stands (received at once: the smaller) and the second is kept as a conflict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.messages import QUALITY_CODE

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

VOID = 255  # stands in the quality column of a void, whose value is 0
EXCLUDED = 254  # likewise of a reading that a validation rule takes out; only where it is computed with, never kept
_USABLE = np.zeros(256, bool)
_USABLE[[QUALITY_CODE[name] for name in ("ok", "suspect", "stopped", "estimated", "substituted")]] = True
_GUESSED = np.zeros(256, bool)
_GUESSED[[QUALITY_CODE[name] for name in ("estimated", "substituted")]] = True
_INSTANT_BITS = 24  # an hour has 3.6 million milliseconds, which 22 bits hold; two more for safety


class Rows:
    """Readings by column, held as one array of shape (6, rows), so that choosing rows is one operation.

    The columns are `meter` (index into a list of meter ids), `t` [epoch ms], `v` (integer at the meter's scale), `rev`,
    `q` (quality, or VOID) and `received` [epoch ms].
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Ints) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return self.columns.shape[1]

    @property
    def meter(self) -> Ints:
        """Index of the meter of each row."""
        return self.columns[0]

    @property
    def t(self) -> Ints:
        """Instant of each row [epoch ms]."""
        return self.columns[1]

    @property
    def v(self) -> Ints:
        """Value of each row, an integer at its meter's scale."""
        return self.columns[2]

    @property
    def rev(self) -> Ints:
        """Revision of each row."""
        return self.columns[3]

    @property
    def q(self) -> Ints:
        """Quality of each row as an index into QUALITIES, VOID for a void."""
        return self.columns[4]

    @property
    def received(self) -> Ints:
        """Arrival of each row [epoch ms]."""
        return self.columns[5]

    def take(self, which: Ints | Bools) -> "Rows":
        """Return the rows that an index or mask chooses."""
        # Thrice as fast as indexing, and each column of what comes out is contiguous.
        return Rows(self.columns.take(which.nonzero()[0] if which.dtype == bool else which, axis=1))

    def replaced(self, *, meter: Ints | None = None, v: Ints | None = None) -> "Rows":
        """Return the rows with other meters, other values, or both."""
        columns = self.columns.copy()
        if meter is not None:
            columns[0] = meter
        if v is not None:
            columns[2] = v
        return Rows(columns)


def rows_of(columns: Sequence[Sequence[int]]) -> Rows:
    """Return rows from six sequences of integers in the order of the columns of Rows."""
    return Rows(np.array(columns, np.int64).reshape(6, -1))


NO_ROWS = Rows(np.zeros((6, 0), np.int64))


def join(parts: Sequence[Rows]) -> Rows:
    """Return all rows of `parts` one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Rows(np.concatenate([part.columns for part in parts], axis=1)) if parts else NO_ROWS


def usable(rows: Rows) -> Bools:
    """Tell which rows count: not voids, nor what its source marks as maintenance or fault; shape (rows,)."""
    return _USABLE[rows.q]


def guessed(rows: Rows) -> Bools:
    """Tell which rows their source marks as estimated or substituted; shape (rows,)."""
    return _GUESSED[rows.q]


@dataclass(frozen=True, slots=True, eq=False)
class Hour:
    """The readings kept of one local hour.

    `start_ms` is its first instant; `meters` the sorted ids of the meters that have rows; `scales` the decimal places
    of their values; `rows` are sorted by (meter, t), one for each instant; `conflicts` likewise, at most one each.
    """

    start_ms: int
    meters: tuple[str, ...]
    scales: tuple[int, ...]
    rows: Rows
    conflicts: Rows
    memo: list[Any] = field(default_factory=list[Any], repr=False)  # what others derived from it, kept beside it

    @staticmethod
    def empty(start_ms: int) -> "Hour":
        """Return an hour without readings."""
        return Hour(start_ms, (), (), NO_ROWS, NO_ROWS)

    def of(self, meter: str) -> Rows:
        """Return the rows of one meter, in order of time."""
        if meter not in self.meters:
            return NO_ROWS
        return self.rows.take(self.rows.meter == self.meters.index(meter))


def merge(hour: Hour, meters: Sequence[str], scales: Sequence[int], rows: Rows) -> tuple[Hour, frozenset[str]]:
    """Put readings into an hour; return the new hour and the ids of the meters whose kept readings changed.

    `rows.meter` indexes `meters`; `rows` need no order and may repeat. A scale finer than the kept one makes the kept
    values finer; a coarser one is made as fine as the kept.
    """
    hour, rows = _on_one_list(hour, meters, scales, rows)
    kept = len(hour.rows)
    both = join([hour.rows, hour.conflicts, rows]) if len(hour.conflicts) else join([hour.rows, rows])
    key = (both.meter << _INSTANT_BITS) + (both.t - hour.start_ms)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    again = np.concatenate((np.zeros(1, bool), ordered[1:] == ordered[:-1]))[: len(ordered)]
    if not again.any():
        come: list[int] = np.flatnonzero(np.bincount(rows.meter)).tolist()
        changed = frozenset(hour.meters[m] for m in come)
        return Hour(hour.start_ms, hour.meters, hour.scales, both.take(order), NO_ROWS), changed
    # Only where several readings stand at one instant is there anything to choose; a conflict has the one that stands.
    several = again | np.append(again[1:], False)
    stand, conflicts = _resolve(key, both, order[several])
    chosen = order[~again]
    chosen[several[~again]] = stand
    old = kept + len(hour.conflicts)
    come: list[int] = np.flatnonzero(np.bincount(both.meter[chosen[chosen >= kept]])).tolist()
    touched = {*come, *both.meter[conflicts[conflicts >= old]].tolist()}
    if len(conflicts) != len(hour.conflicts) or (conflicts < kept).any():
        touched |= set(np.setxor1d(both.meter[conflicts], hour.conflicts.meter).tolist())
        touched |= set(both.meter[conflicts[conflicts < kept]].tolist())
    changed = frozenset(hour.meters[m] for m in touched)
    return Hour(hour.start_ms, hour.meters, hour.scales, both.take(chosen), both.take(conflicts)), changed


def _on_one_list(hour: Hour, meters: Sequence[str], scales: Sequence[int], rows: Rows) -> tuple[Hour, Rows]:
    """Return hour and rows with both on the union of the meters that have rows, at the finer of their scales."""
    if hour.meters == tuple(meters) and hour.scales == tuple(scales):
        return hour, rows
    had = dict(zip(hour.meters, hour.scales, strict=True))
    # Who sends many hours at once names meters that have nothing in this one.
    present: list[int] = np.flatnonzero(np.bincount(rows.meter)).tolist()
    come = {meters[at]: scales[at] for at in present}
    finest = {meter: max(had.get(meter, 0), come.get(meter, 0)) for meter in had.keys() | come.keys()}
    names = tuple(sorted(finest))
    place = {meter: index for index, meter in enumerate(names)}
    new_rows = _moved(rows, meters, scales, place, finest)
    if names == hour.meters and all(finest[meter] == had[meter] for meter in names):
        return hour, new_rows
    return Hour(
        hour.start_ms,
        names,
        tuple(finest[meter] for meter in names),
        _moved(hour.rows, hour.meters, hour.scales, place, finest),
        _moved(hour.conflicts, hour.meters, hour.scales, place, finest),
    ), new_rows


def _moved(
    rows: Rows, meters: Sequence[str], scales: Sequence[int], place: dict[str, int], finest: dict[str, int]
) -> Rows:
    if not len(rows):
        return rows
    new_meter = np.array([place.get(meter, -1) for meter in meters], np.int64)[rows.meter]
    powers = [10 ** (finest.get(meter, scale) - scale) for meter, scale in zip(meters, scales, strict=True)]
    if any(power != 1 for power in powers):
        return rows.replaced(meter=new_meter, v=rows.v * np.array(powers, np.int64)[rows.meter])
    return rows.replaced(meter=new_meter)


def _resolve(key: Ints, both: Rows, among: Ints) -> tuple[Ints, Ints]:
    """Return the places of the rows that stand, and of those kept as conflicts, each sorted by (meter, t).

    `among` are the places of the rows to choose from.
    """
    some = both.take(among)
    order = np.lexsort((some.q, some.v, some.received, some.q != VOID, -some.rev, key[among]))
    k = key[among][order]
    first = np.flatnonzero(np.concatenate(([True], k[1:] != k[:-1])))
    head = np.repeat(first, np.diff(np.append(first, len(k))))
    rev, v, q = some.rev[order], some.v[order], some.q[order]
    rival = (rev == rev[head]) & (v != v[head]) & (q[head] != VOID)
    if not rival.any():
        return among[order[first]], among[:0]
    places = rival.nonzero()[0]
    _, second = np.unique(k[places], return_index=True)
    return among[order[first]], among[order[places[second]]]
