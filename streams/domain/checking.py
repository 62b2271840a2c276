"""Checking turns what one source sends into accepted columns, and into a rejection with a code for each other item.

What a reading must fit stands in the registry: the meter's resolution, unit and days, and who may send it when. One bad
item never spoils another.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from itertools import repeat
from typing import Any

import msgspec

from schemas.decimals import INT64_MAX
from schemas.instants import InstantError, instant_ms
from schemas.messages import QUALITY_CODE
from schemas.pushed import Row
from schemas.units import UnitError, conversion
from schemas.windows import LATEST_MS, local_datetime
from streams.domain.counting import DECIMAL_TEXT, Code, Fault, count
from streams.domain.views import MeterView

# Clocks of collectors run ahead a little; what is further ahead is a wrong clock.
FUTURE_MS = 5 * 60_000
MAX_REVISION = 2**31 - 1
# What a newer registry may mend: before one of these is said, the registry is read to its end.
REGISTRY_CODES: frozenset[Code] = frozenset({"unknown_meter", "wrong_source", "before_meter", "unit_mismatch"})
_FIELD_CODES: dict[str, Code] = {
    "meter": "unknown_meter",
    "ts": "bad_time",
    "rev": "bad_revision",
    "quality": "bad_quality",
    "unit": "unit_mismatch",
}
# Values of up to 40 digits and 64 bits take the quick way; every other one traps, and is computed with fractions.
_QUICK_LENGTH = 40
_QUICK = Context(prec=40, rounding=ROUND_HALF_EVEN, Emax=30, Emin=-200, traps=[Inexact, InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that cannot be used: its index in the batch, why, and what was sent."""

    index: int | tuple[int, int]
    code: Code
    message: str
    input: Any


@dataclass(slots=True)
class Checked:
    """A checked batch: accepted readings by column as in messages.Batch, and what was rejected, by index."""

    meters: list[str] = field(default_factory=list[str])
    scale: list[int] = field(default_factory=list[int])
    i: list[int] = field(default_factory=list[int])
    t: list[int] = field(default_factory=list[int])
    v: list[int | None] = field(default_factory=list["int | None"])
    revisions: dict[int, int] = field(default_factory=dict[int, int])
    qualities: dict[int, int] = field(default_factory=dict[int, int])
    rejected: list[Rejection] = field(default_factory=list[Rejection])

    @property
    def rev(self) -> list[int] | None:
        """The revision of each reading, None when all are 0."""
        return self._dense(self.revisions)

    @property
    def q(self) -> list[int] | None:
        """The quality of each reading as an index into QUALITIES, None when all are 0."""
        return self._dense(self.qualities)

    def _dense(self, sparse: Mapping[int, int]) -> list[int] | None:
        if not sparse:
            return None
        return [sparse.get(n, 0) for n in range(len(self.v))]

    def doubtful(self) -> bool:
        """Whether something was rejected that a newer registry might accept."""
        return any(rejection.code in REGISTRY_CODES for rejection in self.rejected)


class _Slot:
    """A meter within one batch: its place in the output, and the instants at which this source may send it."""

    __slots__ = ("high_ms", "low_ms", "meter", "place", "power", "quick", "scale", "spans")

    def __init__(self, meter: MeterView, source: str, received_ms: int, place: int) -> None:
        self.meter = meter
        self.place = place
        self.spans = _spans(meter, source)
        low_ms, high_ms = self.spans[-1] if self.spans else (1, 0)
        self.low_ms = max(low_ms, meter.from_ms)
        self.high_ms = min(high_ms, meter.to_ms, received_ms + FUTURE_MS)
        self.scale = meter.scale
        self.power = 10**meter.scale
        self.quick = meter.resolution == 1


def _spans(meter: MeterView, source: str) -> list[tuple[int, int]]:
    # Both ends belong to a span: on the instant of a change either source may send, since a quantity stamped at its
    # end belongs to the one before.
    ends = [since.from_ms for since in meter.sources[1:]] + [LATEST_MS]
    return [(since.from_ms, end) for since, end in zip(meter.sources, ends, strict=False) if since.id == source]


class Checker:
    """Checks one batch of `source`, received at `received_ms` [epoch ms].

    `meter` returns the view of the meter of that id of the source's enterprise, None when it has none. When
    `correcting`, a reading must be able to replace another: it is a void, or of a revision above 0.
    """

    def __init__(
        self, meter: Callable[[str], MeterView | None], source: str, received_ms: int, *, correcting: bool = False
    ) -> None:
        self._correcting = correcting
        self._meter = meter
        self._source = source
        self._received_ms = received_ms
        self._slots: dict[str, _Slot | None] = {}
        self._instants: dict[str | int, int | Fault] = {}
        self.checked = Checked()

    def rows(self, rows: Iterable[Row | Any]) -> Checked:
        """Check readings in rows; an item that is no Row is rejected for what its shape lacks."""
        checked, slots, instants = self.checked, self._slots, self._instants
        places, times, values = checked.i, checked.t, checked.v
        with localcontext(_QUICK):
            for index, row in enumerate(rows):
                if type(row) is not Row:
                    row = _row(row)
                    if isinstance(row, Rejection):
                        checked.rejected.append(replace(row, index=index))
                        continue
                try:
                    slot = slots[row.meter]
                except KeyError:
                    slot = self._slot(row.meter)
                try:
                    at = instants[row.ts]
                except KeyError:
                    at = self._instant(row.ts)
                value = row.value
                if (
                    slot is not None
                    and slot.quick
                    and not self._correcting
                    and type(at) is int
                    and slot.low_ms <= at <= slot.high_ms
                    and not row.rev
                    and (row.quality is None or row.quality == "ok")
                    and not row.void
                    and row.unit is None
                    and (whole := _quick_count(value, slot)) is not None
                ):
                    places.append(slot.place)
                    times.append(at)
                    values.append(whole)
                    continue
                fault = self._add(slot, row.meter, at, value, row.rev, row.quality, row.void, row.unit)
                if fault is not None:
                    checked.rejected.append(Rejection(index, fault.code, fault.message, row))
        return checked

    def columns(
        self,
        meters: Sequence[str],
        ts: Sequence[Any],
        values: Sequence[Sequence[Any]],
        revisions: Sequence[Sequence[Any]] | None = None,
        qualities: Sequence[Sequence[Any]] | None = None,
    ) -> Checked:
        """Check readings in columns, as in pushed.ColumnBatch; the shapes must agree."""
        instants = [self._instant(at) if isinstance(at, str | int) else _no_instant(at) for at in ts]
        whole_times = [at for at in instants if type(at) is int]
        all_good = len(whole_times) == len(instants) and bool(instants)
        low_ms, high_ms = (min(whole_times), max(whole_times)) if all_good else (0, 0)
        plain = revisions is None and qualities is None and all_good and not self._correcting
        with localcontext(_QUICK):
            for i, meter in enumerate(meters):
                slot = self._slot(meter)
                row = values[i]
                if plain and slot is not None and self._quick_row(slot, low_ms, high_ms, whole_times, row):
                    continue
                for j, value in enumerate(row):
                    if value is None:
                        continue
                    rev = None if revisions is None else revisions[i][j]
                    quality = None if qualities is None else qualities[i][j]
                    fault = self._add(slot, meter, instants[j], value, rev, quality, None, None)
                    if fault is not None:
                        sent = {"meter": meter, "ts": ts[j], "value": value, "rev": rev, "quality": quality}
                        kept = {name: given for name, given in sent.items() if given is not None}
                        self.checked.rejected.append(Rejection((i, j), fault.code, fault.message, kept))
        return self.checked

    def _quick_row(self, slot: _Slot, low_ms: int, high_ms: int, times: list[int], row: Sequence[Any]) -> bool:
        """Take a whole row of one meter at once, when all of it is JSON numbers with a fraction, or none of it."""
        if not slot.quick or low_ms < slot.low_ms or high_ms > slot.high_ms:
            return False
        try:
            # Decimal's methods refuse ints and None, so a mixed row falls back to one value after the other.
            scaled = map(Decimal.scaleb, row, repeat(slot.scale))
            whole = list(map(int, map(Decimal.to_integral_value, scaled)))
        except (TypeError, ArithmeticError):
            return False
        if not whole or max(whole) > INT64_MAX or min(whole) < -INT64_MAX:
            return False
        checked = self.checked
        checked.i.extend(repeat(slot.place, len(whole)))
        checked.t.extend(times)
        checked.v.extend(whole)
        return True

    def _slot(self, meter: str) -> _Slot | None:
        if meter in self._slots:
            return self._slots[meter]
        view = self._meter(meter)
        slot = None
        if view is not None:
            slot = _Slot(view, self._source, self._received_ms, len(self.checked.meters))
            self.checked.meters.append(meter)
            self.checked.scale.append(view.scale)
        self._slots[meter] = slot
        return slot

    def _instant(self, ts: str | int) -> int | Fault:
        if type(ts) is bool:
            return _no_instant(ts)
        if ts not in self._instants:
            try:
                self._instants[ts] = instant_ms(ts)
            except InstantError as error:
                self._instants[ts] = Fault("bad_time", str(error))
        return self._instants[ts]

    def _add(
        self,
        slot: _Slot | None,
        meter: str,
        at: int | Fault,
        value: object,
        rev: object,
        quality: object,
        void: bool | None,
        unit: str | None,
    ) -> Fault | None:
        """Take one reading into the output, or say why not."""
        if slot is None:
            return Fault("unknown_meter", f"the source's enterprise has no meter {meter[:80]!r}")
        if isinstance(at, Fault):
            return at
        if not slot.low_ms <= at <= slot.high_ms:
            fault = self._time_fault(slot, at)
            if fault is not None:
                return fault
        revision = 0 if rev is None else rev
        if type(revision) is not int or not 0 <= revision <= MAX_REVISION:
            return Fault("bad_revision", f"rev is a whole number from 0 to {MAX_REVISION}")
        if self._correcting and not revision and not void:
            return Fault("bad_revision", "a reading of a correction is a void, or has a rev above what is there")
        q = 0 if quality is None else QUALITY_CODE.get(quality) if isinstance(quality, str) else None
        if q is None:
            return Fault("bad_quality", f"quality is one of {', '.join(QUALITY_CODE)}")
        whole = None if void else self._count(slot, value, unit)
        if isinstance(whole, Fault):
            return whole
        checked = self.checked
        if revision:
            checked.revisions[len(checked.v)] = revision
        if q:
            checked.qualities[len(checked.v)] = q
        checked.i.append(slot.place)
        checked.t.append(at)
        checked.v.append(whole)
        return None

    def _count(self, slot: _Slot, value: object, unit: str | None) -> int | Fault:
        meter = slot.meter
        if unit is None and slot.quick and (whole := _quick_count(value, slot)) is not None:
            return whole
        factor = Fraction(1)
        if unit is not None and unit != meter.unit:
            try:
                factor = conversion(unit, meter.unit)
            except UnitError as error:
                return Fault("unit_mismatch", f"meter {meter.id} counts {meter.unit}: {error}")
        return count(value, meter.resolution, meter.scale, factor)

    def _time_fault(self, slot: _Slot, at: int) -> Fault | None:
        meter = slot.meter
        if at > self._received_ms + FUTURE_MS:
            now = local_datetime(self._received_ms).isoformat(timespec="seconds")
            return Fault("future", f"the reading is of more than 5 minutes after its arrival at {now}: check the clock")
        if at < meter.from_ms:
            return Fault("before_meter", f"meter {meter.id} is registered from {_day(meter.from_ms)} on")
        if at > meter.to_ms:
            return Fault("unknown_meter", f"meter {meter.id} ended on {_day(meter.to_ms)}")
        if not any(low_ms <= at <= high_ms for low_ms, high_ms in slot.spans):
            return Fault("wrong_source", f"meter {meter.id} is not read by {self._source} on {_day(at)}")
        return None


def _quick_count(value: object, slot: _Slot) -> int | None:
    if type(value) is Decimal:
        try:
            whole = int(value.scaleb(slot.scale).to_integral_value())
        except ArithmeticError:
            return None
    elif type(value) is int:
        whole = value * slot.power
    elif type(value) is str and len(value) <= _QUICK_LENGTH and DECIMAL_TEXT.fullmatch(value) is not None:
        try:
            scaled = Decimal(value).scaleb(slot.scale)
            whole = int(scaled)
        except ArithmeticError:
            return None
        if whole != scaled:
            return None
    else:
        return None
    return whole if -INT64_MAX <= whole <= INT64_MAX else None


def _row(item: Any) -> Row | Rejection:
    try:
        return msgspec.convert(item, Row)
    except msgspec.ValidationError as error:
        message = str(error)
    if not isinstance(item, dict) or "meter" not in item:
        return Rejection(0, "unknown_meter", "a reading is an object with meter, ts and value", item)
    if "ts" not in item:
        return Rejection(0, "bad_time", "the reading has no ts", item)
    name = message.rpartition("$.")[2].strip("`")
    return Rejection(0, _FIELD_CODES.get(name, "not_a_number"), message, item)


def _no_instant(value: object) -> Fault:
    return Fault("bad_time", f"{str(value)[:40]} is no instant: write RFC 3339 text or epoch milliseconds")


def _day(ms: int) -> str:
    return f"{local_datetime(ms):%Y-%m-%d}"
