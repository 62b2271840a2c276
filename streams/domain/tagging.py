"""A tag marks a part of what an enterprise used: feedstock (原料用能), renewable, or covered by green certificates.

The totals stay gross; each part is a metric of its own, and what is under control is the gross total less the parts:
E_assess = E_total - E_feedstock - E_nonfossil (发改环资〔2022〕803号; non-fossil energy: rule of 2024). Only what is
known is taken off. What the enterprise makes itself counts once: from sun and wind as an input, from what it burns as
that fuel alone.
"""

from collections.abc import Callable, Iterable, Mapping

from schemas.decimals import divide_half_even
from schemas.documents.metric import TAGS
from schemas.windows import Window, window
from streams.domain.account import CO2, Metrics, account
from streams.domain.energy_views import CertificateView, Exact
from streams.domain.hour import Ints
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities
from streams.domain.valuation import UNVALUED, Valuation, Valuations
from streams.domain.views import CarrierView

CONTROLLED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "energy.cv.controlled": ("energy.cv", tuple(f"energy.cv.{tag}" for tag in TAGS)),
    "energy.eq.controlled": ("energy.eq", tuple(f"energy.eq.{tag}" for tag in TAGS)),
    "co2.controlled": ("co2.total", ("co2.green",)),
}


def hour_account(
    table: MeterTable, hour: Window, measured: Quantities, metrics: Metrics, carriers: Mapping[str, CarrierView],
    valuation: Valuation | None,
) -> Metrics:  # fmt: skip
    """Return all that an hour's `qty.*` and its meters say besides: parts, `energy.*`, `co2.*`."""
    if not table.tagged and not any(carriers[each.carrier].renewable for each in table.boundaries):
        return account(metrics, carriers, valuation)
    parts = quantity_parts(table, hour, measured, metrics)
    for name, quantity in metrics.items():
        carrier = name[4:]
        if name.startswith("qty.") and "." not in carrier and carriers[carrier].renewable and quantity is not None:
            parts[name + ".renewable"] = quantity - (parts.get(name + ".feedstock") or 0)
    whole = {**metrics, **parts}
    found = {**parts, **account(whole, carriers, valuation), **_parts_of_energy(whole, carriers, valuation)}
    return {**found, **controlled(found.get)}


def quantity_parts(table: MeterTable, hour: Window, measured: Quantities, metrics: Metrics) -> Metrics:
    """Return the parts of `qty.*` that meters measure, at 1e-6 of the carrier's unit; what is not known is not there.

    Own generation that is exported as well is not used: self-use = generated - exported. `purchased` is what is bought
    less what is sold (methods.yaml, enterprise_co2).
    """
    found: Metrics = {}
    expected_ms = table.expected_ms(hour.start_ms, hour.end_ms)
    for carrier, _, generation, renewable, output, wholes in table.tagged:
        name = "qty." + carrier
        used = [each for each in (_part(measured, *each, expected_ms) for each in wholes) if each is not None]
        if used:
            found[name + ".feedstock"] = sum(used)
        generated, exported = _sum(measured, generation), _sum(measured, output) or 0
        if generated is not None:
            found[name + ".generated"] = generated
            found[name + ".selfused"] = max(generated - exported, 0)
        whole = metrics.get(name)
        if not len(renewable) or whole is None:
            continue
        own = _sum(measured, renewable)
        found[name + ".purchased"] = whole - (own or 0)
        if own is not None:
            found[name + ".renewable"] = max(own - exported, 0)
    return found


def _part(measured: Quantities, parts: Ints, wholes: Ints, expected_ms: Ints) -> int | None:
    """Return what some meters measured of what others did [1e-6 of the unit]; None where either is not known.

    Where the whole is known for a part of the hour only, no more is taken off it than it has.
    """
    part, whole = _sum(measured, parts), _sum(measured, wholes)
    if part is None or whole is None:
        return None
    covered_ms = (measured.measured_ms + measured.estimated_ms)[wholes]
    return part if (covered_ms >= expected_ms[wholes]).all() else min(part, max(whole, 0))


def _sum(measured: Quantities, places: Ints) -> int | None:
    if not len(places) or not int((measured.measured_ms[places] + measured.estimated_ms[places]).sum()):
        return None
    return int(measured.amount[places].sum())


def _parts_of_energy(metrics: Metrics, carriers: Mapping[str, CarrierView], valuation: Valuation | None) -> Metrics:
    found: Metrics = {}
    worth = valuation or UNVALUED
    for name, quantity in metrics.items():
        _, _, rest = name.partition("qty.")
        carrier, _, tag = rest.partition(".")
        if tag not in TAGS or quantity is None or not carriers[carrier].energy:
            continue
        row = worth.coefficients.get(carrier)
        if row is not None:
            _add(found, f"energy.cv.{tag}", quantity, row.cv)
            _add(found, f"energy.eq.{tag}", quantity, row.eq)
    return found


def _add(found: Metrics, metric: str, quantity: int, value: Exact | None) -> None:
    if value is not None:
        found[metric] = (found.get(metric) or 0) + divide_half_even(quantity * value.numerator, value.denominator)


def certified(
    certificates: Iterable[CertificateView], carriers: Mapping[str, CarrierView], valuations: Valuations
) -> dict[tuple[str, str], int]:
    """Return what certificates cover, by (metric, window name), valued as at the beginning of their period."""
    found: dict[tuple[str, str], int] = {}
    for each in certificates:
        worth = valuations.at(window(each.period).start_ms) or UNVALUED
        one: Metrics = {f"qty.{each.carrier}.green": each.micro}
        one |= _parts_of_energy(one, carriers, worth)
        for factor in worth.factors.get(each.carrier, ()):
            if factor.gas == CO2:
                _add(one, "co2.green", each.micro, factor.value)
        for metric, value in one.items():
            found[metric, each.period] = found.get((metric, each.period), 0) + (value or 0)
    return found


def controlled(value_of: Callable[[str], int | None]) -> Metrics:
    """Return what is under control of the totals of which some part is tagged."""
    found: Metrics = {}
    for metric, (gross, tags) in CONTROLLED.items():
        parts = [part for part in map(value_of, tags) if part is not None]
        if parts:
            whole = value_of(gross)
            found[metric] = None if whole is None else whole - sum(parts)
    return found
