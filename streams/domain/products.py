"""A product is a carrier's quantity in an hour times a coefficient or factor: exact first, then rounded once.

These are the parts of an account, for whoever wants to follow a number by hand; `account.account` adds them up.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from schemas.decimals import MICRO, divide_half_even
from schemas.documents.metric import TAGS
from streams.domain.account import CO2, SCOPES, Metrics
from streams.domain.energy_views import CoefficientView, Exact, FactorView
from streams.domain.valuation import Valuation
from streams.domain.views import CarrierView

CV, EQ, CV_ESTIMATED, TOTAL = "energy.cv", "energy.eq", "energy.cv.estimated", "co2.total"
_PARTS = tuple(f"{whole}.{tag}" for whole in (CV, EQ) for tag in TAGS)
OF_ACCOUNT = (CV, EQ, CV_ESTIMATED, *_PARTS, TOTAL, *("co2." + scope for scope in SCOPES))


class Product(NamedTuple):
    """One product of a quantity [1e-6 of the carrier's unit] with what a unit is worth [kgce or kgCO2].

    `value` is None where there is none: then the whole metric has no value. `row` is where the value stands.
    """

    metric: str
    carrier: str
    quantity: int
    scope: str | None
    value: Exact | None
    row: CoefficientView | FactorView | None

    @property
    def exact(self) -> Fraction | None:
        """The product before rounding [kgce or kgCO2]."""
        return (
            None
            if self.value is None
            else Fraction(self.quantity * self.value.numerator, MICRO * self.value.denominator)
        )

    @property
    def rounded(self) -> int | None:
        """The product at 1e-6 of its unit, rounded half-even."""
        return (
            None
            if self.value is None
            else divide_half_even(self.quantity * self.value.numerator, self.value.denominator)
        )


def products(
    metric: str, metrics: Metrics, carriers: Mapping[str, CarrierView], valuation: Valuation | None
) -> Iterator[Product]:
    """Yield the products that an hour's `energy.*` or `co2.*` is the sum of, from the hour's `qty.*`."""
    for name, quantity in metrics.items():
        carrier = name.removeprefix("qty.")
        if carrier == name or "." in carrier or quantity is None:
            continue
        part = part_of(metric)
        if metric.startswith((CV, EQ)):
            used = quantity if part is None else metrics.get(f"{name}.{part}")
            if carriers[carrier].energy and (used is not None or part == "estimated"):
                yield _energy(metric, carrier, used or 0, valuation)
        else:
            emitting = metrics.get(f"{name}.purchased", quantity) or 0
            emitting -= metrics.get(f"{name}.feedstock") or 0
            yield from _emissions(metric, carriers[carrier], emitting, valuation)


def part_of(metric: str) -> str | None:
    """Return the part of a quantity that an `energy.*` is of, None where it is of the whole."""
    return next((part for part in ("estimated", *TAGS) if metric.endswith("." + part)), None)


def _energy(metric: str, carrier: str, quantity: int, valuation: Valuation | None) -> Product:
    found = valuation.coefficients.get(carrier) if valuation else None
    value = None if found is None else found.eq if metric.startswith(EQ) else found.cv
    return Product(metric, carrier, quantity, None, value, found)


def _emissions(metric: str, carrier: CarrierView, quantity: int, valuation: Valuation | None) -> Iterator[Product]:
    lead, _, gas = metric.partition(".")
    every = valuation.factors.get(carrier.id, ()) if valuation else ()
    if lead in ("gas", "co2e"):
        for factor in every:
            if factor.gas == gas:
                value = factor.value if lead == "gas" else factor.co2e
                yield Product(metric, carrier.id, quantity, factor.scope, value, factor)
        return
    factors = [one for one in every if one.gas == CO2]
    if not factors and metric == TOTAL and carrier.energy:
        yield Product(metric, carrier.id, quantity, None, None, None)
    for factor in factors:
        if metric in (TOTAL, "co2." + factor.scope):
            yield Product(metric, carrier.id, quantity, factor.scope, factor.value, factor)


class Origin(NamedTuple):
    """Where a product's coefficient or factor comes from; empty where there is none."""

    source: str = ""
    confidence: str = ""
    variant: str = ""
    parts: str | None = None
    measurements: tuple[str, ...] = ()


def source_of(product: Product) -> Origin:
    """Return where the coefficient or factor of a product comes from."""
    row = product.row
    if row is None or product.value is None:
        return Origin()
    if isinstance(row, FactorView):
        return Origin(row.source, row.confidence or "", row.variant, row.parts, _one(row.measurement))
    if product.metric.startswith(EQ):
        return Origin(row.eq_source, row.eq_confidence or "", row.eq_variant, None, _one(row.eq_measurement))
    return Origin(row.source, row.confidence or "", row.variant, None, _one(row.measurement))


def _one(id_: str | None) -> tuple[str, ...]:
    return () if id_ is None else (id_,)
