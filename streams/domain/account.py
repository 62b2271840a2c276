"""An account is what an enterprise used and emitted in an hour: net quantities by carrier, coal equivalent, emissions.

Net quantity of a carrier = inputs - outputs over the boundary; sub-meters never add to it. Coal equivalent by
calorific value (当量值) and by equivalent value (等价值) are two metrics (GB/T 2589-2020). Each product with a
coefficient or factor is rounded half-even once, after the balance; everything above is integer addition.
"""

from collections.abc import Mapping

from schemas.decimals import divide_half_even
from streams.domain.energy_views import Exact
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities
from streams.domain.valuation import UNVALUED, Valuation
from streams.domain.views import CarrierView

Metrics = dict[str, int | None]

CO2 = "co2"
SCOPES = ("fuel", "process", "power", "heat")
MICRO_PER_MS = 1000  # a millisecond in meter-seconds at 1e-6


def quantities_of_carriers(table: MeterTable, measured: Quantities, start_ms: int, end_ms: int) -> Metrics:
    """Return `qty.*` and `time.*` of the enterprise for one hour, at 1e-6 of their units.

    A carrier whose boundary meters have neither measured nor estimated time has no quantity (None).
    """
    metrics: Metrics = {}
    expected = table.expected_ms(start_ms, end_ms)
    for carrier, places, signs in table.boundaries:
        expected_ms = int(expected[places].sum())
        measured_ms = int(measured.measured_ms[places].sum())
        estimated_ms = int(measured.estimated_ms[places].sum())
        if not expected_ms and not measured_ms and not estimated_ms:
            continue
        some = measured_ms + estimated_ms > 0
        metrics["qty." + carrier] = int((measured.amount[places] * signs).sum()) if some else None
        metrics[f"qty.{carrier}.estimated"] = int((measured.estimated[places] * signs).sum()) if some else None
        if carrier in table.integrated:
            rates = places[table.rate[places]], signs[table.rate[places]]
            metrics[f"qty.{carrier}.integrated"] = int((measured.amount[rates[0]] * rates[1]).sum()) if some else None
        metrics["time.expected." + carrier] = expected_ms * MICRO_PER_MS
        metrics["time.measured." + carrier] = measured_ms * MICRO_PER_MS
        metrics["time.estimated." + carrier] = estimated_ms * MICRO_PER_MS
    return metrics


def account(metrics: Metrics, carriers: Mapping[str, CarrierView], valuation: Valuation | None) -> Metrics:
    """Return `energy.*` and `co2.*` [1e-6 kgce, 1e-6 kgCO2] of one hour from its `qty.*`, and `variant.*` where needed.

    Other gases are `gas.GAS` [1e-6 kg] and `co2e.GAS` [1e-6 kgCO2] by the release's set of warming potentials.

    An energy carrier that has a quantity but no coefficient (no factor) makes that total unknown (None), never smaller;
    one without a quantity is missing, which the time metrics tell. What is no energy counts where it has a factor.
    """
    cv = _Sum()
    cv_estimated = _Sum()
    eq = _Sum()
    emissions = {scope: _Sum() for scope in SCOPES}
    total = _Sum()
    gases: dict[str, _Sum] = {}
    used = False
    found: Metrics = {}
    worth = valuation or UNVALUED
    for name, quantity in metrics.items():
        if not name.startswith("qty.") or "." in name[4:]:
            continue
        carrier = name[4:]
        factors = worth.factors.get(carrier, ())
        energy = carriers[carrier].energy
        if not energy and not factors:
            continue
        used = True
        if quantity is None:
            continue
        if "variant." + carrier in worth.marks:
            found["variant." + carrier] = worth.marks["variant." + carrier]
        if energy:
            coefficient = worth.coefficients.get(carrier)
            cv.add(quantity, coefficient.cv if coefficient else None)
            cv_estimated.add(metrics[name + ".estimated"] or 0, coefficient.cv if coefficient else None)
            eq.add(quantity, coefficient.eq if coefficient else None)
        # What own sun and wind gave is not bought, and feedstock is not burnt.
        emitting = metrics.get(name + ".purchased", quantity) or 0
        emitting -= metrics.get(name + ".feedstock") or 0
        known = False
        for factor in factors:
            if factor.gas == CO2:
                known = True
                emissions[factor.scope].add(emitting, factor.value)
                total.add(emitting, factor.value)
            else:
                gases.setdefault("gas." + factor.gas, _Sum()).add(emitting, factor.value)
                gases.setdefault("co2e." + factor.gas, _Sum()).add(emitting, factor.co2e)
        if energy and not known:
            total.unknown()
    if not used:
        return {}
    found.update(
        {
            "energy.cv": cv.value,
            "energy.cv.estimated": cv_estimated.value,
            "energy.eq": eq.value,
            "co2.total": total.value,
        }
    )
    found.update({"co2." + scope: each.value for scope, each in emissions.items() if each.some})
    found.update({name: each.value for name, each in gases.items()})
    return found


class _Sum:
    """A sum of rounded products that is unknown once a part is, and None while it has no part."""

    __slots__ = ("_known", "_total", "some")

    def __init__(self) -> None:
        self.some = False
        self._known = True
        self._total = 0

    def add(self, quantity: int, value: Exact | None) -> None:
        self.some = True
        if value is None:
            self._known = False
            return
        self._total += divide_half_even(quantity * value.numerator, value.denominator)

    def unknown(self) -> None:
        self.some = True
        self._known = False

    @property
    def value(self) -> int | None:
        return self._total if self.some and self._known else None
