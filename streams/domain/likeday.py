"""A like day (相似日) is a day before by which one is estimated of which only the total, or nothing, is known.

It is of the same weekday within some weeks before, measured whole, and neither a holiday nor a day that is worked for
one; the nearer come first, up to so many (`schemas/reference/filling.yaml`). Their mean is the shape. What was
estimated is never a like day, so no estimate rests on another.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import islice
from math import lcm
from typing import NamedTuple

from schemas.decimals import divide_half_even
from schemas.reference.filling import filling
from schemas.reference.holidays import special_days
from schemas.windows import DAY_MS, HOUR_MS, SHANGHAI, children_of, window_at
from streams.domain import vicinity
from streams.domain.block import Block
from streams.domain.hour import Ints
from streams.domain.meter_table import MeterTable
from streams.domain.metering import measure
from streams.domain.register_spans import register_spans
from streams.domain.share import Shape
from streams.domain.slot import Slot, slots
from streams.domain.work import Work

LIKE_DAY = "like_day"
WEEK_MS = 7 * DAY_MS


class Mean(NamedTuple):
    """What some like days have of one interval in the mean, and which days [epoch ms] they are, the nearer first."""

    amount: int
    days: tuple[int, ...]
    known_ms: int


class _Whole(NamedTuple):
    """A day of a meter that is measured whole: its amount by hour, and the latest arrival [epoch ms] in it."""

    day_ms: int
    hours: tuple[int, ...]
    known_ms: int


@cache
def _special_ms() -> frozenset[int]:
    midnight = dt.time(tzinfo=SHANGHAI)
    return frozenset(int(dt.datetime.combine(day, midnight).timestamp() * 1000) for day in special_days())


def longest_ms() -> int:
    """Return beyond which time [ms] after a gap's begin no day can have a like day any more."""
    return filling().like_days.weeks * WEEK_MS + DAY_MS


class LikeDays:
    """The like days of an enterprise's meters, as `work` has them; `digest` names the registry of the table.

    It remembers what it found, so it must be made anew once readings change.
    """

    def __init__(self, table: MeterTable, digest: str, work: Work) -> None:
        self._table = table
        self._digest = digest
        self._work = work
        self._blocks: dict[int, Block | None] = {}
        self._wholes: dict[tuple[int, int], _Whole | None] = {}
        self._slots: dict[tuple[int, int], list[Slot]] = {}
        self._shapes: dict[tuple[int, int, int], Shape | None] = {}

    def shape(self, place: int, from_ms: int, to_ms: int) -> Shape | None:
        """Return the shape of a gap of a register [epoch ms]; None where it is straight.

        It is straight where the registry says so, where one of its days has no like day, and where nothing was
        counted on any of them.
        """
        key = place, from_ms, to_ms
        if key not in self._shapes:
            self._shapes[key] = self._shape(*key)
        return self._shapes[key]

    def days(self, place: int, at_ms: int, from_ms: int) -> tuple[int, ...]:
        """Return the like days [epoch ms] of the day of an instant in a gap from `from_ms` on, the nearer first."""
        day_ms = window_at(at_ms, "day").start_ms
        return tuple(each.day_ms for each in self._of(place, day_ms, from_ms))

    def mean(self, place: int, at_ms: int, from_ms: int) -> Mean | None:
        """Return what like days have of the slot that begins at an instant [epoch ms] in a gap from `from_ms` on.

        None without a like day.
        """
        day_ms = window_at(at_ms, "day").start_ms
        found: list[tuple[int, _Whole]] = []
        for each in self._before(place, day_ms, from_ms):
            same_ms = at_ms - day_ms + each.day_ms
            # Where slots have moved since, a day does not tell of this one.
            found += [(slot.amount, each) for slot in self.slots(place, each.day_ms) if slot.from_ms == same_ms]
            if len(found) == filling().like_days.days:
                break
        if not found:
            return None
        amount = divide_half_even(sum(amount for amount, _ in found), len(found))
        return Mean(amount, tuple(each.day_ms for _, each in found), max(each.known_ms for _, each in found))

    def slots(self, place: int, day_ms: int) -> list[Slot]:
        """Return the slots of a meter with a reading that begin on a day."""
        key = place, day_ms
        if key not in self._slots:
            self._slots[key] = slots(self._work, self._table, place, day_ms, day_ms + DAY_MS)
        return self._slots[key]

    def _shape(self, place: int, from_ms: int, to_ms: int) -> Shape | None:
        if not self._table.meters[place].like_day_at(from_ms) or to_ms - from_ms > longest_ms():
            return None
        weights: list[int] = []
        known_ms = 0
        whole = lcm(*range(1, filling().like_days.days + 1))
        for day_ms in range(window_at(from_ms, "day").start_ms, to_ms, DAY_MS):
            likes = self._of(place, day_ms, from_ms)
            if not likes:
                return None
            known_ms = max(known_ms, *(each.known_ms for each in likes))
            # The means of three days and of two must weigh alike, and stay whole.
            part = whole // len(likes)
            low = max(from_ms // HOUR_MS * HOUR_MS - day_ms, 0) // HOUR_MS
            high = min(-(-(to_ms - day_ms) // HOUR_MS), 24)
            weights += [sum(each.hours[hour] for each in likes) * part for hour in range(low, high)]
        found = Shape(from_ms, to_ms, weights, known_ms)
        return found if found.weighs else None

    def _of(self, place: int, day_ms: int, from_ms: int) -> list[_Whole]:
        return list(islice(self._before(place, day_ms, from_ms), filling().like_days.days))

    def _before(self, place: int, day_ms: int, from_ms: int) -> Iterator[_Whole]:
        """Yield the like days of a day in a gap from `from_ms` on, the nearer first, of however many there are."""
        for week in range(1, filling().like_days.weeks + 1):
            before_ms = day_ms - week * WEEK_MS
            # No day in the gap is whole, and what is later than the gap's begin may still have to be computed.
            if before_ms + DAY_MS > from_ms or before_ms in _special_ms():
                continue
            key = place, before_ms
            if key not in self._wholes:
                self._wholes[key] = self._whole(place, before_ms)
            found = self._wholes[key]
            if found is not None:
                yield found

    def _whole(self, place: int, day_ms: int) -> _Whole | None:
        block = self._block(day_ms)
        if block is None:
            return None
        amount, estimated, measured_ms, estimated_ms, known = block.cells[:, :, place]
        if (measured_ms < HOUR_MS).any() or estimated.any() or estimated_ms.any():
            return None
        return _Whole(day_ms, tuple(amount.tolist()), int(known.max()))

    def _block(self, day_ms: int) -> Block | None:
        """Return the block of a day; where it is not at hand, or of another registry, it is made for this once."""
        if day_ms not in self._blocks:
            day = window_at(day_ms, "day").name
            block = self._work.block(day)
            if (block is None or block.digest != self._digest) and self._work.document(day) is not None:
                block = Block.empty(self._digest, len(self._table.ids))
                for index, hour in enumerate(children_of(day)):
                    # What is measured whole does not depend on estimates, so none are made here.
                    rows, odd = vicinity.rows_of_hour(self._work, self._table, hour.start_ms)
                    if len(rows):
                        block.put(index, measure(self._table, hour.start_ms, rows, odd))
            self._blocks[day_ms] = block
        return self._blocks[day_ms]


def hours_depending(work: Work, table: MeterTable, hours: Collection[int], places: Ints) -> set[int]:
    """Return the hours [epoch ms] that may be estimated by the days of some hours: of gaps in the weeks after.

    `places` are the meters of which something changed in these hours. What else changes is reached by itself.
    """
    mine: list[int] = places[table.like[places]].tolist()
    found: set[int] = set()
    if not mine:
        return found
    days = {window_at(hour_ms, "day").start_ms for hour_ms in hours}
    weeks = range(WEEK_MS, (filling().like_days.weeks + 1) * WEEK_MS, WEEK_MS)
    for day_ms in sorted({day_ms + week_ms for day_ms in days for week_ms in weeks}):
        if work.next_hour(day_ms - HOUR_MS, after=True) is None:
            break
        name = window_at(day_ms, "day").name
        if work.document(name) is None:
            continue
        block = work.block(name)
        for place in mine:
            # Beyond the last reading there is no gap.
            if work.hour_with(table.ids[place], day_ms - HOUR_MS, after=True) is None:
                continue
            short = _not_measured(block, place, day_ms)
            if table.register[place]:
                found.update(_of_gaps(work, table, place, short))
            else:
                found.update(short)
                next_ms = day_ms + DAY_MS
                if work.document(window_at(next_ms, "day").name) is not None:
                    # A slot that begins on the day can end on the next one.
                    found.update(range(next_ms, next_ms + int(table.step_ms[place]), HOUR_MS))
    return found


def _not_measured(block: Block | None, place: int, day_ms: int) -> list[int]:
    """Return the hours of a day that are not all measured, as far as there is something to tell it from."""
    each = range(day_ms, day_ms + DAY_MS, HOUR_MS)
    if block is None or place >= block.cells.shape[2]:
        return list(each)
    return [hour_ms for hour_ms, ms in zip(each, block.cells[2, :, place].tolist(), strict=True) if ms < HOUR_MS]


def _of_gaps(work: Work, table: MeterTable, place: int, hours: Iterable[int]) -> set[int]:
    """Return the hours [epoch ms] of all spans of a register that reach into some hours and go on beyond them."""
    found: set[int] = set()
    for hour_ms in hours:
        if hour_ms in found:
            continue
        rows, _ = vicinity.rows_of_hour(work, table, hour_ms)
        for span in register_spans(table, place, rows.take(rows.meter == place)):
            if span.from_ms < hour_ms + HOUR_MS and span.to_ms > hour_ms:
                found.update(range(span.from_ms // HOUR_MS * HOUR_MS, span.to_ms, HOUR_MS))
    return found
