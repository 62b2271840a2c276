"""Every test vector of the reference table `methods` is computed by the function of the domain that is bound to it."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest

from schemas.decimals import MICRO, micro
from schemas.documents.energy import Scope
from schemas.reference import load
from schemas.reference.methods import Vector
from streams.domain.account import account
from streams.domain.barometer import BarometerError, gap, level_of_gap, level_of_intensity
from streams.domain.decline import (
    DeclineError,
    average_decline,
    cumulative_decline,
    intensity_change_pct,
    plan_progress,
    progress_coefficient,
    remaining_decline,
    years_earned,
)
from streams.domain.energy_resolving import carbon_dioxide, exact
from streams.domain.energy_views import Exact, FactorView
from streams.domain.pollutant import at_reference_oxygen, flue_gas_mass_kg, waste_water_mass_kg
from streams.domain.valuation import Valuation
from streams.domain.views import CarrierView

# What a vector says must come out, what the function gives, and how far the two may be apart.
Held = tuple[Decimal | int | None, Decimal | Fraction | int | None, Decimal]
EXACTLY = Decimal(0)


def given(value: Decimal | int | None) -> Decimal:
    assert value is not None
    return Decimal(value)


def figures(text: str | None) -> list[Decimal]:
    """Return the numbers that stand in the words of a case, in order."""
    return [Decimal(each) for each in re.findall(r"(?<![A-Za-z\d])\d+(?:\.\d+)?", text or "")]


def last_digit(value: Decimal | None) -> Decimal:
    """Return half a unit of a printed figure's last digit: how far rounding may have moved it."""
    return Decimal(5).scaleb(given(value).as_tuple().exponent - 1)  # type: ignore[operator]


def gdp_intensity(vector: Vector) -> Iterator[Held]:
    change = intensity_change_pct(given(vector.energy_growth_pct), given(vector.gdp_growth_pct))
    yield vector.formula_gives, change, last_digit(vector.formula_gives)
    yield vector.published_intensity_change_pct, change, given(vector.tolerance)


def cumulative(vector: Vector) -> Iterator[Held]:
    yield vector.cumulative, cumulative_decline(vector.d or ()), given(vector.tolerance)


def average(vector: Vector) -> Iterator[Held]:
    assert vector.n is not None
    yield vector.d_bar, average_decline(given(vector.D), vector.n), given(vector.tolerance)


def remaining(vector: Vector) -> Iterator[Held]:
    left = remaining_decline(given(vector.D_target), given(vector.D_cum))
    yield vector.D_rem, left, given(vector.tolerance)
    yield vector.per_year_over_2, average_decline(left, 2), given(vector.tolerance)


def progress(vector: Vector) -> Iterator[Held]:
    target, done = given(vector.D_target), given(vector.D_cum)
    yield vector.progress, plan_progress(target, done), given(vector.tolerance)
    yield vector.years_earned, years_earned(target, done, int(figures(vector.case)[-1])), given(vector.tolerance)


def coefficient(vector: Vector) -> Iterator[Held]:
    assert vector.elapsed is not None
    assert vector.total is not None
    found = progress_coefficient(given(vector.Y), vector.elapsed, vector.total)
    yield vector.c, found, last_digit(vector.c)


def intensity_level(vector: Vector) -> Iterator[Held]:
    yield vector.level, level_of_intensity(given(vector.change_pct), given(vector.target_decline_pct)), EXACTLY


def gap_level(vector: Vector) -> Iterator[Held]:
    found = gap(given(vector.actual_pct), given(vector.target_pct))
    if vector.gap is not None:
        yield vector.gap, found, last_digit(vector.gap)
    yield vector.level, level_of_gap(found, Decimal("0.1")), EXACTLY


def oxygen(vector: Vector) -> Iterator[Held]:
    _, concentration, _, measured, reference = figures((vector.case or "").replace("SO2", "SO 2").replace("O2", "O 2"))
    yield vector.result, at_reference_oxygen(concentration, measured, reference), EXACTLY


def flue_gas(vector: Vector) -> Iterator[Held]:
    concentration, flow = figures((vector.case or "").replace("m3", ""))
    yield vector.result_kg, flue_gas_mass_kg(concentration, flow), EXACTLY


def waste_water(vector: Vector) -> Iterator[Held]:
    concentration, volume = figures((vector.case or "").replace("m3", ""))
    yield vector.result_kg, waste_water_mass_kg(concentration, volume), EXACTLY


def enterprise_co2(vector: Vector) -> Iterator[Held]:
    tables = load().emission_factors
    amount, *more = figures((vector.case or "").replace("10 t", "10"))
    if "diesel" in (vector.case or ""):
        fuel = next(each for each in tables.fuel_tables["mee_ets"].fuels if each.id == "diesel")
        worth = carbon_dioxide(fuel.ncv_gj_per_unit, fuel.carbon_tc_per_tj, fuel.oxidation_pct)
        found = emitted_t("fuel", "t", amount, worth)
    elif "electricity" in (vector.case or ""):
        found = emitted_t("power", "kWh", amount * 1000, exact(more[0]))
    else:
        (heat,) = tables.purchased_heat
        found = emitted_t("heat", "GJ", amount, exact(heat.tco2_per_gj * 1000))
    yield vector.result_tco2, found, last_digit(vector.result_tco2)


def emitted_t(scope: Scope, unit: str, quantity: Decimal, kg: Exact) -> Fraction:
    """Return what an account says of a quantity with a factor [kg]: tonnes of carbon dioxide."""
    carriers = {"it": CarrierView("it", unit, energy=True, medium="other")}
    factor = FactorView("it", scope, "co2", kg, "vector", None, "national")
    found = account(
        {"qty.it": micro(quantity), "qty.it.estimated": 0},
        carriers,
        Valuation("vector", {}, {"it": (factor,)}, None, {}),
    )
    total = found["co2.total"]
    assert total is not None
    assert total == found[f"co2.{scope}"]
    return Fraction(total, 1000 * MICRO)


# Which function of the domain is held to the vectors of a method. A method with vectors that stands neither here nor
# below fails.
BOUND: Mapping[str, Callable[[Vector], Iterator[Held]]] = {
    "gdp_intensity": gdp_intensity,
    "cumulative_decline": cumulative,
    "average_decline": average,
    "remaining_requirement": remaining,
    "plan_progress": progress,
    "progress_coefficient": coefficient,
    "barometer_intensity_ndrc": intensity_level,
    "barometer_gap10": gap_level,
    "enterprise_co2": enterprise_co2,
    "cems_oxygen": oxygen,
    "cems_mass": flue_gas,
    "water_mass": waste_water,
}

VECTORS = [
    pytest.param(method.id, vector, id=f"{method.id}-{place}")
    for method in load().methods.methods
    for place, vector in enumerate(method.test_vectors or ())
]


@pytest.mark.parametrize(("method", "vector"), VECTORS)
def test_the_vector_comes_out(method: str, vector: Vector) -> None:
    assert method in BOUND, f"no function of the domain is bound to the vectors of {method}"
    some = False
    for wanted, found, tolerance in BOUND[method](vector):
        assert found is not None
        assert abs(Fraction(found) - Fraction(given(wanted))) <= Fraction(tolerance), (wanted, found)
        some = True
    assert some


def test_no_function_is_bound_to_a_method_without_vectors() -> None:
    assert set(BOUND) <= {method.id for method in load().methods.methods if method.test_vectors}


def test_digits_do_not_depend_on_the_context_of_the_thread() -> None:
    with localcontext() as context:
        context.prec = 3
        context.rounding = ROUND_HALF_UP
        narrow = plan_progress(Decimal("0.17"), Decimal("0.0487"))
    assert narrow == plan_progress(Decimal("0.17"), Decimal("0.0487"))
    assert len(narrow.as_tuple().digits) > 70


def test_equal_yearly_declines_make_the_whole_again() -> None:
    each = average_decline(Decimal("0.2"), 5)
    assert abs(cumulative_decline([each] * 5) - Decimal("0.2")) < Decimal("1e-70")


def test_what_is_done_and_what_remains_make_the_target() -> None:
    target, done = Decimal("0.17"), Decimal("0.0487")
    assert abs(cumulative_decline([done, remaining_decline(target, done)]) - target) < Decimal("1e-70")


@pytest.mark.parametrize(
    ("compute", "says"),
    [
        (lambda: intensity_change_pct(Decimal(1), Decimal(-100)), "output_growth_pct"),
        (lambda: average_decline(Decimal(1), 5), "total 1"),
        (lambda: average_decline(Decimal("0.1"), 0), "0 years"),
        (lambda: remaining_decline(Decimal("0.1"), Decimal(1)), "done 1"),
        (lambda: plan_progress(Decimal(0), Decimal("0.1")), "target 0"),
        (lambda: progress_coefficient(Decimal(1), 6, 5), "6 of 5"),
    ],
)
def test_a_figure_without_a_result_is_named(compute: Callable[[], Decimal], says: str) -> None:
    with pytest.raises(DeclineError, match=says):
        compute()


def test_a_gap_to_a_target_of_zero_is_refused() -> None:
    with pytest.raises(BarometerError, match="target of 0"):
        gap(Decimal(1), Decimal(0))


def test_the_air_itself_has_no_concentration_at_reference_oxygen() -> None:
    assert at_reference_oxygen(Decimal(20), Decimal(21), Decimal(6)) is None


@pytest.mark.parametrize(
    ("change", "target", "level"),
    [("0", "3", 2), ("0", "0", 3), ("0.000001", "0", 1), ("-2.999999", "3", 2), ("-3", "3", 3)],
)
def test_the_level_turns_exactly_at_its_edges(change: str, target: str, level: int) -> None:
    assert level_of_intensity(Decimal(change), Decimal(target)) == level


def test_a_gap_of_just_what_is_allowed_is_level_two() -> None:
    assert level_of_gap(gap(Decimal("3.3"), Decimal(3)), Decimal("0.1")) == 2
