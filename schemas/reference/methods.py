"""Methods (核算方法): the formulae of the field with their sources, some with vectors to test them by."""

from schemas.reference.base import Many, Number, Sourced, Strict, Table

Texts = str | Many[str]


class Vector(Strict):
    """One worked case of a formula: its inputs, its result, and how close is close enough."""

    case: str | None = None
    kind: str | None = None
    energy_growth_pct: Number | None = None
    gdp_growth_pct: Number | None = None
    published_intensity_change_pct: Number | None = None
    formula_gives: Number | None = None
    tolerance: Number | None = None
    d: Many[Number] | None = None
    cumulative: Number | None = None
    D: Number | None = None
    n: int | None = None
    d_bar: Number | None = None
    D_target: Number | None = None
    D_cum: Number | None = None
    D_rem: Number | None = None
    per_year_over_2: Number | None = None
    years_earned: Number | None = None
    progress: Number | None = None
    Y: Number | None = None
    elapsed: int | None = None
    total: int | None = None
    c: Number | None = None
    change_pct: Number | None = None
    target_decline_pct: Number | None = None
    level: int | None = None
    actual_pct: Number | None = None
    target_pct: Number | None = None
    gap: Number | None = None
    result_tco2: Number | None = None
    result: Number | None = None
    result_kg: Number | None = None


class PublishedExample(Strict):
    """The levels of provinces as one notice printed them."""

    document: str
    intensity_level1: Many[str]
    intensity_level2: Many[str]
    total_level1: Many[str]
    total_level2: Many[str]


class Substitution(Strict):
    """What stands in for lost hours at a capture rate."""

    capture_rate: str
    hours_lost: str
    value: str | None


class Method(Sourced):
    """One formula, its symbols and its source."""

    id: str
    title: str
    formula: Texts
    symbols: str
    notes: Texts | None = None
    hj75_equation: int | str | None = None
    table: Many[Substitution] | None = None
    test_vectors: Many[Vector] | None = None
    published_example: PublishedExample | None = None


class QualityRule(Sourced):
    """A check of data quality and its threshold."""

    id: str
    formula: str
    threshold: str
    note: str | None = None


class Methods(Table):
    """The table `methods`."""

    methods: Many[Method]
    data_quality: Many[QualityRule]
