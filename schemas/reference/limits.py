"""Energy limits (能耗限额): how much energy a product or a building may take, by standard and grade."""

from schemas.reference.base import Confidence, Many, Number, Sourced, Strict, Table


class Grading(Strict):
    """How a value is held against a grade."""

    comparison: str
    rounding: str
    non_monotonic_allowed: bool


class PolicyPair(Strict):
    """The benchmark and the baseline of the policy of the same product."""

    benchmark: Number
    baseline: Number
    confidence: Confidence


class LimitItem(Strict):
    """A product's three grades, the third mandatory for existing plants; null: no such grade."""

    id: str
    name_zh: str
    unit: str
    level1: Number | None
    level2: Number | None
    level3: Number
    table: str | None = None
    page: int | None = None
    correction: str | None = None
    ndrc723: PolicyPair | None = None
    note: str | None = None


class LimitStandard(Sourced):
    """A mandatory standard, since when it is in force, and its products."""

    number: str
    title_zh: str
    title_en: str
    published: str
    effective: str
    replaces: str | None
    status: str
    note: str | None = None
    items: Many[LimitItem]


class OfficeZone(Strict):
    """Constraint and guide value of offices in one climate zone."""

    zone: str
    name_zh: str
    gov_office_A: Many[Number]  # noqa: N815  the building classes A and B of the standard
    commercial_office_A: Many[Number]  # noqa: N815
    gov_office_B: Many[Number]  # noqa: N815
    commercial_office_B: Many[Number]  # noqa: N815


class Offices(Sourced):
    """Offices by climate zone."""

    unit: str
    note: str
    values: Many[OfficeZone]


class InstitutionQuota(Sourced):
    """The quotas of one kind of public institution."""

    institution: str
    standard: str
    non_heating_kgce_m2: Many[Number] | None = None
    routine_power_kwh_m2: Many[Number] | None = None
    per_capita_kgce: Many[Number] | None = None


class InstitutionQuotas(Strict):
    """Quotas of public institutions of a province."""

    order: str
    convention: str
    values: Many[InstitutionQuota]


class Buildings(Strict):
    """Limits of buildings."""

    gbt51161_2016_office: Offices
    public_institution_quotas_shandong: InstitutionQuotas
    not_found: Many[str]


class EnergyLimits(Table):
    """The table `energy_limits`."""

    grading: Grading
    standards: Many[LimitStandard]
    buildings: Buildings
