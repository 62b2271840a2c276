"""Grid factors (电力排放因子): carbon dioxide of a kWh from the grid, by year and by nation, region or province."""

from schemas.reference.base import Confidence, Many, Number, Sourced, Sources, Strict, Table


class National(Sourced):
    """An average of the nation: the year it describes and the day it was published."""

    id: str
    factor: Number
    data_year: int | None
    applied_to: str | None = None
    published: str | None
    notice: str | None = None
    note: str | None = None


class Special(Sourced):
    """A factor of another family: residual or fossil."""

    id: str
    kind: str
    factor: Number
    data_year: int


class Region(Strict):
    """A regional grid, a value a year."""

    name_zh: str
    name_en: str
    y2010: Number | None = None
    y2011: Number | None = None
    y2012: Number | None = None
    y2021: Number
    y2022: Number
    y2023: Number


class Regional(Strict):
    """The regional grids, how sure each year is, and where it comes from."""

    confidence: dict[str, Confidence]
    confidence_exception: str
    sources: dict[str, Sources]
    note: str
    values: Many[Region]


class Province(Strict):
    """A province, a value a year."""

    name_zh: str
    name_en: str
    gb2260: str
    y2021: Number
    y2022: Number
    y2023: Number


class Provincial(Strict):
    """The provinces, how sure each year is, and where it comes from."""

    confidence: dict[str, Confidence]
    sources: dict[str, Sources]
    note: str
    values: Many[Province]


class History(Strict):
    """Earlier values of a province."""

    name_zh: str
    y2010: Number
    y2012: Number
    y2018: Number


class ProvincialHistory(Sourced):
    """Earlier values of some provinces."""

    note: str
    values: Many[History]


class Footprint(Sourced):
    """A life-cycle factor, not for the accounts of organisations [kgCO2e/kWh]."""

    year: int
    kgco2e_per_kwh: Number


class GridFactors(Table):
    """The table `grid_factors`."""

    unit: str
    selection_rule: Many[str]
    national: Many[National]
    special: Many[Special]
    regional: Regional
    provincial: Provincial
    provincial_history_selected: ProvincialHistory
    carbon_footprint_not_for_organisations: Many[Footprint]
    known_errors_in_circulation: Many[str]
