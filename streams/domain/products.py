"""A product is a carrier's quantity in an hour times a coefficient or factor: exact first, then rounded once.

These are the parts of an account, for whoever wants to follow a number by hand; `account.account` adds them up.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.decimals import divide_half_even
from streams.domain.account import SCOPES, Metrics
from streams.domain.registry import CarrierView, ReleaseView

CV, EQ, CV_ESTIMATED, TOTAL = "energy.cv", "energy.eq", "energy.cv.estimated", "co2.total"
OF_ACCOUNT = (CV, EQ, CV_ESTIMATED, TOTAL, *("co2." + scope for scope in SCOPES))


class Product(NamedTuple):
    """One product: `exact` is at `scale` + 6 decimal places, `rounded` at 1e-6 of kgce or kgCO2.

    `coefficient` is at `scale` decimal places of kgce or kgCO2 a unit of the carrier, None where the release has none:
    then the whole metric has no value.
    """

    metric: str
    carrier: str
    quantity: int
    scope: str | None
    coefficient: int | None
    scale: int
    source: str | None

    @property
    def exact(self) -> int | None:
        """The product before rounding."""
        return None if self.coefficient is None else self.quantity * self.coefficient

    @property
    def rounded(self) -> int | None:
        """The product, rounded half-even."""
        return None if self.exact is None else divide_half_even(self.exact, 10**self.scale)


def products(
    metric: str, metrics: Metrics, carriers: Mapping[str, CarrierView], release: ReleaseView | None
) -> Iterator[Product]:
    """Yield the products that an hour's `energy.*` or `co2.*` is the sum of, from the hour's `qty.*`."""
    for name, quantity in metrics.items():
        carrier = name.removeprefix("qty.")
        if carrier == name or carrier.endswith(".estimated") or quantity is None or not carriers[carrier].energy:
            continue
        if metric in (CV, EQ, CV_ESTIMATED):
            yield _energy(metric, carrier, metrics, quantity, release)
        else:
            yield from _emissions(metric, carrier, quantity, release)


def _energy(metric: str, carrier: str, metrics: Metrics, quantity: int, release: ReleaseView | None) -> Product:
    if metric == CV_ESTIMATED:
        quantity = metrics[f"qty.{carrier}.estimated"] or 0
    found = release.coefficients.get(carrier) if release else None
    value = None if found is None else found.eq if metric == EQ else found.cv
    if found is None or value is None:
        return Product(metric, carrier, quantity, None, None, 0, found.source if found else None)
    return Product(metric, carrier, quantity, None, value.numerator, value.scale, found.source)


def _emissions(metric: str, carrier: str, quantity: int, release: ReleaseView | None) -> Iterator[Product]:
    factors = release.factors.get(carrier, ()) if release else ()
    if not factors and metric == TOTAL:
        yield Product(metric, carrier, quantity, None, None, 0, None)
    for factor in factors:
        if metric in (TOTAL, "co2." + factor.scope):
            yield Product(
                metric, carrier, quantity, factor.scope, factor.value.numerator, factor.value.scale, factor.source
            )
