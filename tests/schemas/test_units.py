"""Units convert exactly or not at all."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import units
from schemas.units import UnitError, check_unit, conversion

ENERGY = ["Wh", "kWh", "MWh", "GWh", "J", "kJ", "MJ", "GJ", "TJ"]


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "factor"),
    [
        ("Wh", "kWh", Fraction(1, 1000)),
        ("MJ", "kWh", Fraction(5, 18)),
        ("GJ", "kWh", Fraction(2500, 9)),
        ("t", "kg", Fraction(1000)),
        ("tce", "kgce", Fraction(1000)),
        ("tCO2", "kgCO2", Fraction(1000)),
        ("m3", "l", Fraction(1000)),
        ("m3", "m**3", Fraction(1)),
        ("km2", "m2", Fraction(1_000_000)),
        ("kgce/t", "tce/t", Fraction(1, 1000)),
        ("mg/m3", "g/m3", Fraction(1, 1000)),
        ("kWh", "kWh", Fraction(1)),
    ],
)
def test_a_factor_is_exact(from_unit: str, to_unit: str, factor: Fraction) -> None:
    assert conversion(from_unit, to_unit) == factor


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "factor"),
    [
        ("kgce", "t", "kgce/t", Fraction(1)),
        ("kgce", "t", "tce/t", Fraction(1, 1000)),
        ("kgce", "kg", "tce/t", Fraction(1)),
        ("kWh", "m2", "MJ/m2", Fraction(18, 5)),
        ("kgCO2", "kWh", "kgCO2/MWh", Fraction(1000)),
    ],
)
def test_an_intensity_has_the_unit_of_its_quotient(
    numerator: str, denominator: str, unit: str, factor: Fraction
) -> None:
    assert conversion(numerator, unit, per=denominator) == factor


@pytest.mark.parametrize(
    ("from_unit", "to_unit"), [("kgce", "kWh"), ("kgCO2", "kg"), ("kgce", "kgCO2"), ("kW", "kWh"), ("m3", "kg")]
)
def test_what_measures_different_things_does_not_convert(from_unit: str, to_unit: str) -> None:
    with pytest.raises(UnitError, match="measure different things"):
        conversion(from_unit, to_unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "kwh",
        "kilowhats",
        "度",
        "10 kWh",
        "kWh**999999999",
        "kWh**10",
        "kWh+kWh",
        "kWh/",
        "(kWh)",
        "a" * 50,
        "Nm3",
    ],
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="is no unit"):
        check_unit(text)


@pytest.mark.parametrize("text", ["degC", "degF", "dBm"])
def test_a_unit_that_does_not_count_from_zero_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        check_unit(text)


@pytest.mark.parametrize(
    "text", ["kWh", "m3", "t", "kg", "GJ", "kgce/t", "mg/m3", "kWh/m2", "tCO2", "kg/h", "m^2", "s"]
)
def test_a_unit_of_the_field_is_known(text: str) -> None:
    assert check_unit(text) == text


@given(st.sampled_from(ENERGY), st.sampled_from(ENERGY), st.sampled_from(ENERGY))
def test_converting_by_way_of_a_third_unit_gives_the_same(one: str, two: str, three: str) -> None:
    assert conversion(one, two) * conversion(two, three) == conversion(one, three)
    assert conversion(one, two) * conversion(two, one) == 1


@given(st.text(alphabet="kWhm3/*^0gcetCO2.() -µ%", max_size=45))
def test_whatever_text_comes_is_a_unit_or_a_unit_error(text: str) -> None:
    try:
        assert check_unit(text) == text
    except UnitError as error:
        assert str(error)


def test_threads_that_ask_at_the_same_time_get_the_same_answer() -> None:
    for cached in (units.conversion, units.check_unit, units._parse, units._registry):
        cached.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: conversion("kgce", "tce/t", per=("kg", "t")[n % 2]), range(64))
    assert set(found) == {Fraction(1), Fraction(1, 1000)}
