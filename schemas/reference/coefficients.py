"""Energy coefficients (折标系数): what a unit of a fuel or medium is worth in standard coal, and its heating value."""

from typing import Annotated

from pydantic import Field

from schemas.reference.base import Many, Number, Sourced, Strict, Table

NumberOrRange = Number | Many[Number]


class Constants(Strict):
    """The definition of standard coal and the two calories in use."""

    kgce_kj: Number
    kgce_kcal: Number
    kj_per_kcal_2020: Number
    kj_per_kcal_2008: Number
    tce_per_kgce: Number
    note: str


class Fuel(Sourced):
    """A fuel of GB/T 2589, Appendix A; where a range is given, `kgce_per_unit` is its customary end."""

    id: str
    name_zh: str
    name_en: str
    class_: str = Field(alias="class")
    unit: str
    ncv_kcal_per_unit: NumberOrRange | None = None
    ncv_kj_per_unit: NumberOrRange
    ncv_kj_per_unit_2008ed: NumberOrRange | None = None
    kgce_per_unit: Number
    kgce_per_unit_range: Many[Number] | None = None
    default_basis: str | None = None
    edition: str
    note: str | None = None


class PrimaryValue(Strict):
    """One value of electricity by the coal that power plants used for it [kgce/kWh]."""

    scope: str
    year: int | None
    kgce_per_kwh: Number
    source: str


class SecondaryEnergy(Sourced):
    """Electricity, heat, cooling or steam; `kgce_per_unit` is null where no fixed value exists."""

    id: str
    name_zh: str
    name_en: str
    unit: str
    ncv_kj_per_unit: Number | None
    ncv_kj_per_unit_2008ed: Number | None = None
    kgce_per_unit: Number | None
    edition: str | None = None
    series: Many[PrimaryValue] | None = None
    note: str | None = None


class Medium(Sourced):
    """An energy-consumed medium (耗能工质) of GB/T 2589, Appendix B."""

    id: str
    name_zh: str
    name_en: str
    unit: str
    mj_per_unit: Number
    kgce_per_unit: Number
    kgce_per_unit_2008ed: Number
    note: str | None = None


class StatisticsValue(Sourced):
    """A coefficient of the energy statistics that GB/T 2589 does not have."""

    id: str
    name_zh: str
    name_en: str
    unit: str
    kgce_per_unit: Number


class SectorOverride(Sourced):
    """A value that the standard of one sector puts in place of the general one."""

    id: str
    unit: str
    mj_per_unit: Number | None = None
    kgce_per_unit: Number | None = None
    standard: str


class EnergyCoefficients(Table):
    """The table `energy_coefficients`."""

    standard: str
    effective_from: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    replaces: str
    constants: Constants
    fuels: Many[Fuel]
    secondary_energy: Many[SecondaryEnergy]
    energy_consumed_media: Many[Medium]
    media_note: str
    statistics_extra: Many[StatisticsValue]
    biomass_statistics: Many[StatisticsValue]
    sector_specific_overrides: Many[SectorOverride]
