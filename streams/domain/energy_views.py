"""An energy view is what energy is worth, and what it emits, as the computation needs it; see `views`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from schemas.documents.energy import Scope

# Whose number a coefficient or factor is.
Variant = Literal["measured", "province", "grid", "national"]


class Exact(NamedTuple):
    """An exact number: the integer `numerator` at `scale` decimal places, divided by `divisor`."""

    numerator: int
    scale: int
    divisor: int = 1

    @property
    def denominator(self) -> int:
        """What the numerator is divided by."""
        return self.divisor * 10**self.scale


class CoefficientView(NamedTuple):
    """Coal equivalent of one unit of a carrier, by calorific and by equivalent value [kgce]; None: there is none.

    `variant` says whose number it is, `measurement` in which document it stands; `eq_source` and its like are said of
    the equivalent value.
    """

    carrier: str
    cv: Exact | None
    eq: Exact | None
    source: str
    confidence: str | None
    variant: Variant
    eq_source: str
    eq_confidence: str | None
    eq_variant: Variant
    measurement: str | None = None
    eq_measurement: str | None = None
    province: str | None = None
    grid: str | None = None
    purpose: str | None = None


class FactorView(NamedTuple):
    """What one unit of a carrier gives off of a gas [kg of it] under a scope; `parts` is how it was computed.

    `co2e` is that as carbon dioxide [kgCO2] by the release's set of warming potentials; None where it has none.
    """

    carrier: str
    scope: Scope
    gas: str
    value: Exact
    source: str
    confidence: str | None
    variant: Variant
    parts: str | None = None
    co2e: Exact | None = None
    measurement: str | None = None
    province: str | None = None
    grid: str | None = None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release of coefficients and factors: all its rows, and its days; one that `restates` counts where pinned."""

    id: str
    coefficients: tuple[CoefficientView, ...]
    factors: tuple[FactorView, ...]
    gwp: str | None
    potentials: Mapping[str, Exact]
    restates: str | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class MeasurementView:
    """What an enterprise measured of one carrier, and when that holds."""

    id: str
    enterprise: str
    coefficient: CoefficientView | None
    factors: tuple[FactorView, ...]
    from_ms: int
    to_ms: int


class CertificateView(NamedTuple):
    """What a certificate covers: a carrier's quantity [1e-6 of its unit] of an enterprise in a month or year."""

    id: str
    enterprise: str
    carrier: str
    period: str
    micro: int
