"""The lines of an enterprise are what its energy is divided between: each has its own meters' and its part of the rest.

energy of a line = own + its part of the common energy; common = the enterprise's - what the lines' own meters measured.
Only the common energy is shared, by `share_one`, so the lines and what is not allocated add up to the enterprise's
energy exactly. Nothing is divided of an hour in which a meter that it takes is not wholly covered: that stays
unallocated until data come.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.decimals import divide_half_even
from schemas.documents.metric import LINE_TIMES
from schemas.messages import CalendarDocument
from schemas.windows import Window, children_of
from streams.domain.account import MICRO_PER_MS, Metrics
from streams.domain.calendar import total
from streams.domain.energy_views import CoefficientView, Exact
from streams.domain.hour import Ints
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities
from streams.domain.share import share_one
from streams.domain.valuation import Valuation
from streams.domain.views import AllocationView, CarrierView, LineView

VALUES = ("energy.cv", "energy.eq")
LINE, OWN, PRODUCT, COMMON, UNALLOCATED = "line", "own", "product", "common", "unallocated"


class Measured(NamedTuple):
    """The meters of a line that count one carrier: their places, and +1 or -1 for what goes out."""

    carrier: str
    places: Ints
    signs: Ints


class Division:
    """An allocation over the columns of its enterprise's meters."""

    def __init__(self, view: AllocationView, table: MeterTable, carriers: Mapping[str, CarrierView]) -> None:
        self.view = view
        self.from_ms, self.to_ms = view.from_ms, view.to_ms
        self.measured = {line.id: _measured(line, table, carriers) for line in view.lines}
        every = [*(each.places for each in table.boundaries if carriers[each.carrier].energy)]
        every += [each.places for mine in self.measured.values() for each in mine]
        self.places: Ints = np.unique(np.concatenate(every)) if every else np.zeros(0, np.int64)
        self.targets = {f"{LINE}.{line.id}" for line in view.lines}
        self.targets |= {f"{PRODUCT}.{each.id}" for line in view.lines for each in line.products}

    def is_whole(self, measured: Quantities, expected_ms: Ints) -> bool:
        """Tell whether all meters that it takes are wholly covered in an hour, of those in service."""
        covered = measured.measured_ms[self.places] + measured.estimated_ms[self.places]
        expected = expected_ms[self.places]
        return bool((covered >= expected).all()) and int(expected.sum()) > 0

    def times(self, measured: Quantities, expected_ms: Ints, *, whole: bool) -> Metrics:
        """Return for how long all that it takes is expected and was known in an hour [1e-6 meter-seconds]."""
        known = (measured.measured_ms, measured.estimated_ms)
        sums = (expected_ms[self.places].sum(), *(each[self.places].sum() if whole else 0 for each in known))
        return {name: int(each) * MICRO_PER_MS for name, each in zip(LINE_TIMES, sums, strict=True)}

    def own(self, line: str, value: str, measured: Quantities, worth: Valuation | None) -> int | None:
        """Return the energy that a line's own meters measured in an hour [1e-6 kgce]; None without a coefficient.

        Each carrier's is rounded half-even once, as the enterprise's is.
        """
        found = 0
        for carrier, places, signs in self.measured[line]:
            if not int((measured.measured_ms[places] + measured.estimated_ms[places]).sum()):
                continue
            worth_of_unit = coefficient(value, worth.coefficients.get(carrier) if worth else None)
            if worth_of_unit is None:
                return None
            quantity = int((measured.amount[places] * signs).sum())
            found += divide_half_even(quantity * worth_of_unit.numerator, worth_of_unit.denominator)
        return found

    def hour(self, measured: Quantities, metrics: Metrics, expected_ms: Ints, worth: Valuation | None) -> Metrics:
        """Return what of an hour's energy is each line's and product's [1e-6 kgce], and of how long all is known."""
        whole = self.is_whole(measured, expected_ms)
        found = self.times(measured, expected_ms, whole=whole)
        for value in VALUES:
            every = metrics.get(value)
            own = {line.id: self.own(line.id, value, measured, worth) if whole else None for line in self.view.lines}
            known = [each for each in own.values() if each is not None]
            common = every - sum(known) if every is not None and len(known) == len(own) else None
            found |= {f"{value}.{OWN}.{id_}": each if common is not None else None for id_, each in own.items()}
            found[f"{value}.{COMMON}"] = common
            divided: Metrics = {}
            if self.view.unallocated is not None:
                sums = {id_: each for id_, each in own.items() if each is not None}
                divided = dict(self.lines(sums, common, {}))
                divided |= self.products({id_: divided[f"{LINE}.{id_}"] for id_ in own}, {})
                divided = {target: each for target, each in divided.items() if target not in self.at_windows}
                found |= {f"{value}.{target}": each for target, each in divided.items()}
            found[f"{value}.{UNALLOCATED}"] = _rest(every, divided)
        return found

    @property
    def at_windows(self) -> frozenset[str]:
        """The products that only the outputs of a window divide a line's energy between."""
        return frozenset(f"{PRODUCT}.{each.id}" for line in self.view.lines if line.by_output for each in line.products)

    def weights(self, outputs: Mapping[str, int | None]) -> list[int] | None:
        """Return by what the common energy is divided between the lines, and last what is not allocated.

        `outputs` are by product [1e-6 of its unit]. None where one of them is not known, or all are zero.
        """
        if self.view.unallocated is not None:
            return [*(line.weight for line in self.view.lines), self.view.unallocated]
        found: list[int] = []
        for line in self.view.lines:
            mine = _weights(line, outputs)
            if mine is None:
                return None
            found.append(sum(mine))
        return [*found, 0] if any(found) else None

    def lines(
        self, own: Mapping[str, int], common: int | None, outputs: Mapping[str, int | None]
    ) -> Iterator[tuple[str, int | None]]:
        """Yield the energy of each line [1e-6 kgce]: its own and its part of the common; None where not divided."""
        weights = self.weights(outputs)
        if common is None or weights is None:
            yield from ((f"{LINE}.{line.id}", None) for line in self.view.lines)
            return
        for line, part in zip(self.view.lines, divided_by(common, weights), strict=False):
            yield f"{LINE}.{line.id}", own[line.id] + part

    def products(self, lines: Mapping[str, int | None], outputs: Mapping[str, int | None]) -> Metrics:
        """Return the energy of each product [1e-6 kgce], given that of the lines by id; None where not divided."""
        found: Metrics = {}
        for line in self.view.lines:
            energy = lines.get(line.id)
            weights = product_weights(line, outputs)
            parts: Sequence[int | None] = [None] * len(line.products)
            if energy is not None and weights is not None and any(weights):
                parts = divided_by(energy, weights)
            for each, part in zip(line.products, parts, strict=True):
                name = f"{PRODUCT}.{each.id}"
                before = found.get(name, 0)
                found[name] = None if part is None or before is None else before + part
        return found


class Lines:
    """The divisions of an enterprise in order of time; false where it has none."""

    def __init__(self, views: Iterable[AllocationView], table: MeterTable, carriers: Mapping[str, CarrierView]) -> None:
        self.each = tuple(Division(view, table, carriers) for view in views)
        self._table = table

    def __bool__(self) -> bool:
        return bool(self.each)

    def at(self, at_ms: int) -> Division | None:
        """Return the division in force at an instant [epoch ms]."""
        return next(iter(self.over(at_ms, at_ms + 1)), None)

    def over(self, from_ms: int, to_ms: int) -> list[Division]:
        """Return the divisions in force in a part of a time [epoch ms]."""
        return [each for each in self.each if each.from_ms < to_ms and from_ms < each.to_ms]

    def of_hour(self, measured: Quantities, metrics: Metrics, hour: Window, worth: Valuation | None) -> Metrics:
        """Return what an hour has of lines, given its `energy.*`."""
        division = self.at(hour.start_ms)
        if division is None:
            return {}
        return division.hour(measured, metrics, self._table.expected_ms(hour.start_ms, hour.end_ms), worth)

    def unseen(self, each: Window) -> Metrics:
        """Return the time expected [1e-6 meter-seconds] of a day or month of which nothing came."""
        found: Metrics = {}
        for division in self.over(each.start_ms, each.end_ms):
            low, high = max(each.start_ms, division.from_ms), min(each.end_ms, division.to_ms)
            expected = int(self._table.expected_ms(low, high)[division.places].sum()) * MICRO_PER_MS
            found[LINE_TIMES[0]] = (found.get(LINE_TIMES[0]) or 0) + expected
        return found | dict.fromkeys(LINE_TIMES[1:], 0) if found else found

    def of_window(self, document: CalendarDocument, part: slice, each: Window, own: Metrics) -> Metrics:
        """Return what a window of some children of a document has of lines, given its own outputs.

        Where all parts of a window of which there is something to divide have been divided, it is their sum; else, by
        outputs that are known for the window itself, what they divide of it; else it has no value.
        """
        divisions = self.over(each.start_ms, each.end_ms)
        found: Metrics = {}
        if not divisions:
            return found
        for value in VALUES:
            if f"{value}.{COMMON}" not in document.metrics:
                continue
            divided: Metrics = {}
            anew = _anew(divisions, each, document, part, value, own)
            for target in sorted({target for division in divisions for target in division.targets}):
                column = document.metrics.get(f"{value}.{target}", [])[part]
                divided[target] = total(column) if self.is_sum(document, part, value, target) else anew.get(target)
            found |= {f"{value}.{target}": energy for target, energy in divided.items()}
            found[f"{value}.{UNALLOCATED}"] = _rest(total(document.metrics.get(value, [])[part]), divided)
        return found

    def is_sum(self, document: CalendarDocument, part: slice, value: str, target: str) -> bool:
        """Tell whether all children of which there is something to divide have a line's or product's energy."""
        kids, none = children_of(document.period), [None] * len(document.status)
        pool, column = (document.metrics.get(f"{value}.{name}", none) for name in (COMMON, target))
        return all(
            column[at] is not None or pool[at] is None or not self._has(target, kids[at])
            for at in range(part.start, part.stop)
        )

    def _has(self, target: str, kid: Window) -> bool:
        return any(target in division.targets for division in self.over(kid.start_ms, kid.end_ms))


def _anew(
    divisions: Sequence[Division], each: Window, document: CalendarDocument, part: slice, value: str, own: Metrics
) -> Metrics:
    """Return what a window's own outputs divide of it; nothing where no one division holds over all of it."""
    (division, *others) = divisions
    if others or division.from_ms > each.start_ms or division.to_ms < each.end_ms:
        return {}

    def sum_of(name: str) -> int | None:
        return total(document.metrics.get(f"{value}.{name}", [])[part])

    outputs = {made.id: own.get(f"output.{made.id}") for line in division.view.lines for made in line.products}
    if division.view.unallocated is None:
        mine = {line.id: sum_of(f"{OWN}.{line.id}") or 0 for line in division.view.lines}
        lines = dict(division.lines(mine, sum_of(COMMON), outputs))
    else:
        lines = {f"{LINE}.{line.id}": sum_of(f"{LINE}.{line.id}") for line in division.view.lines}
    return lines | division.products({line.id: lines[f"{LINE}.{line.id}"] for line in division.view.lines}, outputs)


def divided_by(amount: int, weights: Sequence[int]) -> list[int]:
    """Return the parts of an amount by weights that are not all 0, in their order; they add up to it exactly."""
    whole, below = sum(weights), 0
    found: list[int] = []
    for weight in weights:
        found.append(share_one(amount, whole, below, below + weight))
        below += weight
    return found


def coefficient(value: str, row: CoefficientView | None) -> Exact | None:
    """Return what a unit of a carrier is worth by `energy.cv` or `energy.eq` [kgce]; None where that is not known."""
    return None if row is None else row.eq if value == VALUES[1] else row.cv


def parts_of_metric(metric: str) -> tuple[str, str, str]:
    """Return the value (one of VALUES), the kind and the id in `VALUE.KIND.ID`; the id is empty where there is none."""
    value = next(each for each in VALUES if metric.startswith(f"{each}."))
    kind, _, id_ = metric.removeprefix(f"{value}.").partition(".")
    return value, kind, id_


def product_weights(line: LineView, outputs: Mapping[str, int | None]) -> list[int] | None:
    """Return by what a line's energy is divided between its products; None where an output of them is not known."""
    return _weights(line, outputs) if line.by_output else [each.share or 0 for each in line.products]


def _weights(line: LineView, outputs: Mapping[str, int | None]) -> list[int] | None:
    known = [outputs.get(each.id) for each in line.products]
    weights = [output * each.weight for output, each in zip(known, line.products, strict=True) if output is not None]
    return weights if len(weights) == len(known) else None


def _rest(every: int | None, divided: Metrics) -> int | None:
    lines = [energy for target, energy in divided.items() if energy is not None and target.startswith(LINE + ".")]
    return None if every is None else every - sum(lines)


def _measured(line: LineView, table: MeterTable, carriers: Mapping[str, CarrierView]) -> tuple[Measured, ...]:
    found: dict[str, list[tuple[int, int]]] = {}
    for id_ in line.meters:
        meter = table.meters[table.place[id_]]
        if carriers[meter.carrier].energy:
            pair = table.place[id_], -1 if meter.role == "output" else 1
            found.setdefault(meter.carrier, []).append(pair)
    return tuple(
        Measured(carrier, np.array([p for p, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64))
        for carrier, pairs in sorted(found.items())
    )
