"""A selectable row is a coefficient or factor of the reference tables that a release may take over by its id.

Ids are paths: `energy_coefficients/fuels/raw_coal`, `emission_factors/fuel_tables/ndrc24/coke`,
`grid_factors/provincial/51/2023`. A row that has no date of its own or above it, or that was written from memory, is
reference only: it enters a release only when the release says `forced`.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from schemas.reference.base import FROM_MEMORY, Confidence
from schemas.reference.coefficients import EnergyCoefficients
from schemas.reference.emissions import EmissionFactors
from schemas.reference.grid import GridFactors

# The fuel tables count gases by ten thousand cubic metres at normal conditions (万标立方米).
_UNIT_AMOUNT = {"10^4 Nm3": ("m3", 10_000)}


class Parts(NamedTuple):
    """What the carbon dioxide of a fuel is computed from: heating value [GJ/unit], carbon [tC/TJ], oxidation [%]."""

    ncv_gj: Fraction
    carbon_tc_per_tj: Decimal
    oxidation_pct: Decimal


class ReferenceRow(NamedTuple):
    """A coefficient [kgce] or factor [kgCO2] for each `unit`; `date` is a day or a year, None when there is none.

    Where a factor has `parts`, it is computed from them; `value` is then what the table prints, rounded.
    """

    id: str
    quantity: Literal["kgce", "kgCO2"]
    value: Fraction
    unit: str
    date: str | None
    confidence: Confidence
    sources: tuple[str, ...]
    parts: Parts | None = None

    @property
    def reference_only(self) -> bool:
        """Whether only a release that says `forced` may take the row over."""
        return self.date is None or self.confidence == FROM_MEMORY


def coefficient_rows(table: EnergyCoefficients) -> Iterator[ReferenceRow]:
    """Yield the rows of `energy_coefficients` that have one value; the standard's day dates those of its edition."""
    name, day = "energy_coefficients", table.effective_from
    for fuel in table.fuels:
        date = day if "2020" in fuel.edition else None
        yield _kgce(f"{name}/fuels/{fuel.id}", fuel.kgce_per_unit, fuel.unit, date, fuel.confidence, fuel.sources)
    for one in table.secondary_energy:
        if one.kgce_per_unit is not None:
            date = day if one.edition is None or "2020" in one.edition else None
            id_ = f"{name}/secondary_energy/{one.id}"
            yield _kgce(id_, one.kgce_per_unit, one.unit, date, one.confidence, one.sources)
        for value in one.series or ():
            # The equivalent value of electricity is of a year: a row for each year that has one.
            year = None if value.year is None else str(value.year)
            id_ = f"{name}/secondary_energy/{one.id}/{year or 'undated-' + value.source.lower()}"
            yield _kgce(id_, value.kgce_per_kwh, one.unit, year, one.confidence, (value.source,))
    for medium in table.energy_consumed_media:
        id_ = f"{name}/energy_consumed_media/{medium.id}"
        yield _kgce(id_, medium.kgce_per_unit, medium.unit, day, medium.confidence, medium.sources)
    for section, rows in (
        ("statistics_extra", table.statistics_extra),
        ("biomass_statistics", table.biomass_statistics),
        ("sector_specific_overrides", table.sector_specific_overrides),
    ):
        for row in rows:
            if row.kgce_per_unit is not None:
                id_ = f"{name}/{section}/{row.id}"
                yield _kgce(id_, row.kgce_per_unit, row.unit, None, row.confidence, row.sources)


def _kgce(
    id_: str, value: Decimal, unit: str, date: str | None, confidence: Confidence, sources: tuple[str, ...]
) -> ReferenceRow:
    return ReferenceRow(id_, "kgce", Fraction(value), unit, date, confidence, sources)


def factor_rows(table: EmissionFactors) -> Iterator[ReferenceRow]:
    """Yield the fuels and the purchased heat of `emission_factors`; none of them says since when it holds."""
    for name, fuels in table.fuel_tables.items():
        for fuel in fuels.fuels:
            unit, amount = _UNIT_AMOUNT.get(fuel.unit, (fuel.unit, 1))
            value = Fraction(fuel.tco2_per_unit) * 1000 / amount
            id_ = f"emission_factors/fuel_tables/{name}/{fuel.id}"
            parts = Parts(Fraction(fuel.ncv_gj_per_unit) / amount, fuel.carbon_tc_per_tj, fuel.oxidation_pct)
            yield ReferenceRow(id_, "kgCO2", value, unit, None, fuel.confidence, fuel.sources, parts)
    for heat in table.purchased_heat:
        id_ = f"emission_factors/purchased_heat/{heat.id}"
        value = Fraction(heat.tco2_per_gj) * 1000
        yield ReferenceRow(id_, "kgCO2", value, "GJ", None, heat.confidence, heat.sources)


def grid_rows(table: GridFactors) -> Iterator[ReferenceRow]:
    """Yield the national, special, regional and provincial rows of `grid_factors`, one for each year."""
    name, unit = "grid_factors", table.unit.partition("/")[2]
    for one in table.national:
        date = one.published or (None if one.data_year is None else str(one.data_year))
        id_ = f"{name}/national/{one.id}"
        yield ReferenceRow(id_, "kgCO2", Fraction(one.factor), unit, date, one.confidence, one.sources)
    for one in table.special:
        id_ = f"{name}/special/{one.id}"
        yield ReferenceRow(id_, "kgCO2", Fraction(one.factor), unit, str(one.data_year), one.confidence, one.sources)
    for section, group in (("regional", table.regional), ("provincial", table.provincial)):
        for year, confidence in group.confidence.items():
            for place in group.values:
                value: Decimal | None = getattr(place, year)
                if value is not None:
                    # Southwest 2023 alone is less sure than its year (confidence_exception of the table).
                    exception = (place.name_en, year) == ("Southwest", "y2023")
                    sure: Confidence = "one-source" if exception else confidence
                    id_ = f"{name}/{section}/{getattr(place, 'gb2260', place.name_en)}/{year[1:]}"
                    sources = group.sources.get(year, ("MEM",))
                    yield ReferenceRow(id_, "kgCO2", Fraction(value), unit, year[1:], sure, sources)
