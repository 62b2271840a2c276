"""Resolving energy turns releases, measurements and certificates into their views; see `resolving`."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from schemas.decimals import CONTEXT, at_scale, micro, scale_of
from schemas.documents import (
    Certificate,
    Coefficient,
    Factor,
    Measurement,
    Release,
)
from schemas.documents.energy import Emitting
from schemas.documents.fields import plain_text
from schemas.reference import load
from schemas.units import conversion
from streams.domain.energy_views import (
    CertificateView,
    CoefficientView,
    Exact,
    FactorView,
    MeasurementView,
    ReleaseView,
    Variant,
)
from streams.domain.resolving import range_ms
from streams.domain.views import CarrierView


def exact(value: Decimal) -> Exact:
    """Return a decimal as an integer at the fewest decimal places that hold it."""
    scale = scale_of(value)
    return Exact(at_scale(value, scale), scale)


def release_view(release: Release, carriers: Mapping[str, CarrierView]) -> ReleaseView:
    """Return the view of a release; raise ValueError when a number in it was never filled in."""
    coefficients: list[CoefficientView] = []
    for row in release.spec.coefficients:
        if row.cv_kgce is None:
            raise ValueError(f"release {release.id}: the coefficient of {row.carrier} has no value")
        coefficients.append(
            _coefficient(row.carrier, row.cv_kgce, row.eq_kgce, carriers, *_said(row))._replace(
                eq_source=row.eq_reference or row.source or row.reference or "",
                province=row.province,
                grid=row.grid,
                purpose=row.purpose,
            )  # fmt: skip
        )
    factors: list[FactorView] = []
    for row in release.spec.factors:
        view = _factor(row.carrier, row, *_said(row))
        if view is None:
            raise ValueError(f"release {release.id}: the factor of {row.carrier} has no value")
        factors.append(view._replace(province=row.province, grid=row.grid, purpose=row.purpose))
    return ReleaseView(
        release.id,
        tuple(coefficients),
        tuple(factors),
        release.spec.gwp,
        _potentials(release.spec.gwp),
        release.spec.restates,
        *range_ms(release),
    )


def _potentials(name: str | None) -> dict[str, Exact]:
    """Return the warming potentials of a set, by gas; the gases are written small in factors."""
    if name is None:
        return {}
    rows = ((row.gas.lower(), getattr(row, name)) for row in load().emission_factors.gwp100.values)
    return {gas: exact(value) for gas, value in rows if value is not None}


def measurement_view(measurement: Measurement, carriers: Mapping[str, CarrierView]) -> MeasurementView:
    """Return the view of what an enterprise measured."""
    spec = measurement.spec
    id_ = measurement.id
    said: tuple[str, str | None, Variant] = (spec.source, spec.confidence, "measured")
    coefficient = None
    if spec.cv_kgce is not None or spec.eq_kgce is not None:
        coefficient = _coefficient(spec.carrier, spec.cv_kgce, spec.eq_kgce, carriers, *said)
        coefficient = coefficient._replace(measurement=id_, eq_measurement=id_)
    views = (_factor(spec.carrier, row, *said) for row in spec.factors)
    factors = tuple(view._replace(measurement=id_) for view in views if view is not None)
    return MeasurementView(measurement.id, spec.enterprise, coefficient, factors, *range_ms(measurement))


def certificate_view(certificate: Certificate, carriers: Mapping[str, CarrierView]) -> CertificateView:
    """Return the view of a certificate; raise UnitError when its unit is none of the carrier's."""
    spec = certificate.spec
    factor = conversion(spec.unit, carriers[spec.carrier].unit)
    return CertificateView(
        certificate.id, spec.enterprise, spec.carrier, spec.period, micro(Fraction(spec.value) * factor)
    )


def _said(row: Coefficient | Factor) -> tuple[str, str | None, Variant]:
    variant: Variant = "province" if row.province is not None else "grid" if row.grid is not None else "national"
    return row.source or row.reference or "", row.confidence, variant


def _coefficient(
    id_: str, cv_kgce: Decimal | None, eq_kgce: Decimal | None, carriers: Mapping[str, CarrierView],
    source: str, confidence: str | None, variant: Variant,
) -> CoefficientView:  # fmt: skip
    cv = None if cv_kgce is None else exact(cv_kgce)
    eq = None if eq_kgce is None else exact(eq_kgce)
    carrier = carriers.get(id_)
    if eq is None and carrier is not None and carrier.medium == "fuel":
        # Nothing was spent to make a primary fuel, so its equivalent value is its calorific value.
        eq = cv
    return CoefficientView(id_, cv, eq, source, confidence, variant, source, confidence, variant)


def _factor(id_: str, row: Emitting, source: str, confidence: str | None, variant: Variant) -> FactorView | None:
    if row.kg is not None:
        return FactorView(id_, row.scope, row.gas, exact(row.kg), source, confidence, variant)
    if row.parts is None:
        return None
    ncv, carbon, oxidation = row.parts
    told = f"{plain_text(ncv)} GJ × {plain_text(carbon)} tC/TJ × {plain_text(oxidation)} % × 44/12"
    return FactorView(
        id_, row.scope, row.gas, carbon_dioxide(ncv, carbon, oxidation), source, confidence, variant, told
    )


def carbon_dioxide(ncv_gj: Decimal, carbon_tc_per_tj: Decimal, oxidation_pct: Decimal) -> Exact:
    """Return the carbon dioxide of one unit of a fuel [kg], exactly: heating value x carbon x oxidation x 44/12.

    A tC/TJ is a kgC/GJ; 44/12 is the mass of carbon dioxide made of a mass of carbon (GB/T 32151.1-2015, 5.2.2).
    """
    product = CONTEXT.multiply(CONTEXT.multiply(ncv_gj, carbon_tc_per_tj), oxidation_pct)
    scale = scale_of(product)
    return Exact(at_scale(product, scale) * 11, scale + 2, 3)
