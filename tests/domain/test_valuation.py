"""A carrier's unit is worth what the enterprise measured, else what its province, grid or nation says, by date."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.documents import Document
from schemas.windows import local_ms
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot
from streams.domain.valuation import Valuation, variants_of

MEASURED = Path(__file__).parent.parent / "registry" / "good" / "measured.yaml"


def registry(**changes: dict[str, Any]) -> list[Document]:
    """The documents of the page, with fields of `spec` changed by kind and id (`release_r2024`)."""
    raws = list(yaml.safe_load_all(MEASURED.read_text(encoding="utf-8")))
    for raw in raws:
        raw["spec"] = raw.get("spec", {}) | changes.get(f"{raw['kind']}_{raw['id']}", {})
    found = register((), raws)
    assert isinstance(found, Accepted), found
    return list(found.documents)


def at(year: int, month: int = 1, **changes: dict[str, Any]) -> Valuation:
    found = Snapshot.build(1, registry(**changes)).valuations_of("mill").at(local_ms(year, month))
    assert found is not None
    return found


def power(found: Valuation) -> tuple[Fraction, str]:
    (factor,) = found.factors["electricity"]
    return Fraction(factor.value.numerator, factor.value.denominator), factor.variant


def test_a_province_goes_before_its_grid_and_the_nation() -> None:
    assert power(at(2024)) == (Fraction("0.4671"), "province")


def test_a_grid_goes_before_the_nation() -> None:
    assert power(at(2024, county_nongan={}, release_r2024={"factors": rows(province=False)})) == (
        Fraction("0.5122"),
        "grid",
    )


def test_an_enterprise_elsewhere_gets_the_number_of_the_nation() -> None:
    assert power(at(2024, province_jilin={"grid": None}, release_r2024={"factors": rows(province=False)})) == (
        Fraction("0.5366"),
        "national",
    )


def test_a_row_for_the_purpose_goes_before_those_for_any() -> None:
    assert power(at(2024, settings_default={"purpose": "enterprise"})) == (Fraction("0.5306"), "national")


def test_what_the_enterprise_measured_goes_before_all_on_its_days() -> None:
    def coal(month: int) -> tuple[Fraction, str, Fraction, str]:
        found = at(2024, month)
        (factor,), row = found.factors["raw-coal"], found.coefficients["raw-coal"]
        assert row.cv is not None
        return (
            Fraction(row.cv.numerator, row.cv.denominator),
            row.variant,
            Fraction(factor.value.numerator, factor.value.denominator),
            factor.variant,
        )

    default = Fraction("0.7143"), "national", Fraction("23.204") * Fraction("26.18") * 93 * 11 / 300 / 1000, "national"
    assert coal(2) == default
    assert coal(3) == (
        Fraction("0.69"), "measured", Fraction("0.0202") * Fraction("26.5") * 98 * 11 / 300, "measured",
    )  # fmt: skip
    assert coal(4) == (Fraction("0.7143"), "national", Fraction("1.91234"), "measured")
    assert coal(5) == default


def test_the_equivalent_value_of_a_measured_fuel_is_measured_too() -> None:
    row = at(2024, 3).coefficients["raw-coal"]
    assert (row.eq, row.eq_variant) == (row.cv, "measured")


def test_electricity_has_the_equivalent_value_of_its_year_with_its_source() -> None:
    row = at(2024).coefficients["electricity"]
    assert row.eq is not None
    assert Fraction(row.eq.numerator, row.eq.denominator) == Fraction("0.3024")
    assert row.eq_source == "energy_coefficients/secondary_energy/electricity_primary/2024"


def test_without_an_equivalent_value_electricity_has_none() -> None:
    rows = [{"carrier": "electricity", "cv_kgce": "0.1229", "source": "x"}]
    assert at(2024, release_r2024={"coefficients": rows}).coefficients["electricity"].eq is None


def test_a_reporting_year_has_the_release_that_it_pins() -> None:
    assert [at(year).id for year in (2024, 2025, 2026)] == ["r2024", "r2024-b", "r2024"]


def test_a_mark_says_whose_numbers_a_value_stands_on() -> None:
    march = at(2024, 3).marks
    assert variants_of(march["variant.electricity"]) == ("province", "national")
    assert variants_of(march["variant.raw-coal"]) == ("measured",)
    assert "variant.raw-coal" not in at(2024, 2).marks


def test_a_release_that_restates_another_does_not_overlap_it() -> None:
    assert Snapshot.build(1, registry()).releases_over(local_ms(2024), local_ms(2026)) == "r2024+r2024-b"


@pytest.mark.parametrize(("year", "listed"), [(2020, True), (2021, False), (2022, False), (2023, True)])
def test_an_enterprise_stands_on_a_list_on_its_days(year: int, *, listed: bool) -> None:
    snapshot = Snapshot.build(1, registry())
    assert ("list/key-energy-units" in snapshot.territories_of("mill", local_ms(year))) is listed
    assert snapshot.members("list/key-energy-units", local_ms(year)) == (("mill",) if listed else ())


def rows(*, province: bool) -> list[dict[str, Any]]:
    raws = list(yaml.safe_load_all(MEASURED.read_text(encoding="utf-8")))
    release = next(raw for raw in raws if raw["id"] == "r2024")
    return [row for row in release["spec"]["factors"] if province or "province" not in row]
