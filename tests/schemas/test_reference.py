"""The reference tables load strictly, every number exact, and say which rows a release may take over."""

import copy
import datetime as dt
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from schemas import plans
from schemas.reference import load
from schemas.reference.base import read
from schemas.reference.coefficients import EnergyCoefficients
from schemas.reference.emissions import EmissionFactors
from schemas.reference.grid import GridFactors
from schemas.reference.holidays import Holidays, special_days
from schemas.reference.limits import EnergyLimits
from schemas.reference.methods import Methods
from schemas.reference.pollutants import Pollutants
from schemas.reference.sources import SourceTexts
from schemas.units import check_unit

MODELS: dict[str, type[BaseModel]] = {
    "energy_coefficients": EnergyCoefficients,
    "emission_factors": EmissionFactors,
    "grid_factors": GridFactors,
    "energy_limits": EnergyLimits,
    "methods": Methods,
    "pollutants": Pollutants,
    "sources": SourceTexts,
    "holidays": Holidays,
}


def test_every_table_loads_with_all_its_rows() -> None:
    reference = load()
    assert len(reference.energy_coefficients.fuels) == 34
    assert {name: len(table.fuels) for name, table in reference.emission_factors.fuel_tables.items()} == {
        "ndrc24": 27,
        "mee_ets": 20,
    }
    assert len(reference.grid_factors.provincial.values) == 30
    assert len(reference.energy_limits.standards) == 22
    assert sum(len(standard.items) for standard in reference.energy_limits.standards) == 112
    assert len(reference.methods.methods) == 35
    assert (len(reference.pollutants.air), len(reference.pollutants.water)) == (33, 24)
    assert len(reference.sources.sources) == len(read("sources")["sources"])


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of each mapping that has fields of a fixed name; those keyed by ids take any key."""
    keyed = {
        "sources",
        "fuel_tables",
        "values",
        "limits",
        "other",
        "mass_shares",
        "confidence",
        "water_limits",
        "years",
    }
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        if not at or at[-1] not in keyed:
            found.append(at)
        for key, one in value.items():
            found += places(one, (*at, key))
    elif isinstance(value, list) and value:
        found += places(value[0], (*at, 0))
    return found


PLACES = [(name, place) for name in MODELS for place in places(read(name))]


@pytest.mark.parametrize(
    ("name", "place"), PLACES, ids=lambda one: one if isinstance(one, str) else ".".join(map(str, one))
)
def test_an_unknown_field_is_refused_wherever_it_stands(name: str, place: tuple[Any, ...]) -> None:
    table = copy.deepcopy(read(name))
    at = table
    for step in place:
        at = at[step]
    at["colour"] = "red"
    with pytest.raises(ValidationError, match="colour"):
        MODELS[name].model_validate(table)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("energy_coefficients", ("fuels", 0, "kgce_per_unit"), "0.7143"),
        ("energy_coefficients", ("fuels", 0, "kgce_per_unit"), 0.7143),
        ("energy_coefficients", ("fuels", 0, "confidence"), "certain"),
        ("energy_coefficients", ("fuels", 0, "sources"), []),
        ("energy_coefficients", ("version",), "2026"),
        ("grid_factors", ("national", 0, "factor"), None),
        ("emission_factors", ("fuel_tables", "ndrc24", "fuels", 0, "id"), 1),
        ("energy_limits", ("standards", 0, "items", 0, "level3"), True),
    ],
)
def test_a_changed_value_of_another_type_is_refused(name: str, place: tuple[Any, ...], value: object) -> None:
    table = copy.deepcopy(read(name))
    at = table
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(ValidationError):
        MODELS[name].model_validate(table)


def test_numbers_are_read_exactly_as_they_are_written() -> None:
    coal = load().energy_coefficients.fuels[0]
    assert coal.kgce_per_unit == Decimal("0.7143")
    assert load().rows["emission_factors/fuel_tables/ndrc24/coke"].value == Fraction("2851.8")


def test_rows_without_a_date_or_from_memory_are_reference_only() -> None:
    counts: Counter[tuple[str, bool]] = Counter()
    for row in load().rows.values():
        counts[row.id.partition("/")[0], row.reference_only] += 1
    assert counts == {
        ("energy_coefficients", False): 35,
        ("energy_coefficients", True): 40,
        ("emission_factors", True): 48,
        ("grid_factors", False): 121,
        ("grid_factors", True): 21,
    }


@pytest.mark.parametrize(
    ("id_", "value", "unit", "date", "reference_only"),
    [
        ("energy_coefficients/fuels/raw_coal", "0.7143", "kg", "2021-04-01", False),
        ("energy_coefficients/fuels/residual_oil", "1.4286", "kg", None, True),
        ("energy_coefficients/secondary_energy/electricity_equivalent", "0.1229", "kWh", "2021-04-01", False),
        ("energy_coefficients/biomass_statistics/rice_straw", "0.429", "kg", None, True),
        ("emission_factors/fuel_tables/mee_ets/crude_oil", "3017.2", "t", None, True),
        ("grid_factors/national/nat-avg-2021", "0.5568", "kWh", "2024-04-12", False),
        ("grid_factors/national/nat-2015", "0.6101", "kWh", "2015", True),
        ("grid_factors/regional/North/2010", "0.8845", "kWh", "2010", True),
        ("grid_factors/regional/North/2022", "0.6776", "kWh", "2022", False),
    ],
)
def test_a_row_is_found_by_its_id(id_: str, value: str, unit: str, date: str | None, *, reference_only: bool) -> None:
    row = load().rows[id_]
    assert (row.value, row.unit, row.date, row.reference_only) == (Fraction(value), unit, date, reference_only)


def test_every_row_is_for_a_unit_that_is_known() -> None:
    assert {check_unit(row.unit) for row in load().rows.values()} == {"MJ", "GJ", "kWh", "t", "m3", "kg"}


def test_every_source_that_a_row_names_is_described() -> None:
    named = {source for row in load().rows.values() for source in row.sources}
    assert named <= load().sources.sources.keys()


def test_ten_thousand_cubic_metres_become_one() -> None:
    table = load().emission_factors.fuel_tables["ndrc24"]
    gas = next(fuel for fuel in table.fuels if fuel.unit == "10^4 Nm3")
    row = load().rows[f"emission_factors/fuel_tables/ndrc24/{gas.id}"]
    assert (row.unit, row.value) == ("m3", Fraction(gas.tco2_per_unit) / 10)


def test_holidays_are_the_days_off_and_the_worked_weekends_of_their_years() -> None:
    special = special_days()
    # Spring Festival of 2026: 15 to 23 February off, the Saturdays on both sides worked; 24 February is a day like any.
    days = {day for day in special if (day.year, day.month) == (2026, 2)}
    assert {day.day for day in days} == {14, *range(15, 24), 28}
    assert {day.year for day in special} == set(range(2004, 2027))
    worked = Holidays.model_validate(read("holidays")).years
    for year, each in worked.items():
        assert each.holidays[0].startswith("01-01"), year
        for text in each.worked:
            first, _, last = text.partition("..")
            assert all(dt.date.fromisoformat(f"{year}-{day}").weekday() >= 5 for day in (first, last or first)), text


def test_every_target_of_a_packaged_plan_is_found_by_its_reference() -> None:
    for table in sorted(Path(plans.__file__).parent.glob("*.yaml")):
        for target in plans.targets_of(table.stem):
            found = plans.plan_target(f"{table.stem}/{target['id']}")
            assert found is not None
            assert found.decline is None or 0 < found.decline < 1
