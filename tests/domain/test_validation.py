"""Each validation rule says pass, fail or not applicable, with the figures, and fails just above what it allows."""

from fractions import Fraction

import pytest

from schemas.documents.validation import CHECKS, FIGURES, CheckName
from schemas.reference import load
from schemas.reference.validation import shipped
from streams.domain.validation import (
    NOT_APPLICABLE,
    Outcome,
    Run,
    ceiling,
    completeness,
    day_level,
    equal,
    not_above,
    off_schedule,
    runs,
    spike,
    stuck,
    within,
    zeros,
)

MICRO = 10**6
PASS, FAIL = Outcome.PASS, Outcome.FAIL


def kwh(*values: float) -> list[int]:
    return [round(value * MICRO) for value in values]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (kwh(10, 10, 28), PASS),  # 180 %
        (kwh(10, 28.000001, 10), FAIL),
        (kwh(28.1, 28.1, 10, 9), FAIL),  # the third highest is 10
        (kwh(28.1, 28.1, 28.1, 10), PASS),
        (kwh(10, 99), Outcome.NOT_APPLICABLE),
        (kwh(0, 5, 99), Outcome.NOT_APPLICABLE),
        ([], Outcome.NOT_APPLICABLE),
    ],
)
def test_a_spike_is_the_highest_against_the_third_highest(values: list[int], outcome: Outcome) -> None:
    assert spike(values, Fraction(180)).outcome is outcome


def test_a_verdict_tells_its_figures() -> None:
    assert spike(kwh(10, 30, 10), Fraction(180)).figures == (
        ("max", "30"), ("third", "10"), ("above_pct", "200"), ("max_pct", "180"),
    )  # fmt: skip
    assert dict(not_above(kwh(60, 46), kwh(100)[0], Fraction(5)).figures)["off_pct"] == "6"
    assert dict(within(-1, 0, None, 2).figures) == {"value": "-0.01", "min": "0"}


@pytest.mark.parametrize(
    ("day", "outcome"), [(200, PASS), (200.000001, FAIL), (20, PASS), (19.999999, FAIL), (0, FAIL), (100, PASS)]
)
def test_a_day_is_held_against_the_mean_of_its_reference_days(day: float, outcome: Outcome) -> None:
    assert day_level(kwh(day)[0], kwh(50, 100, 150), 3, Fraction(200), Fraction(20)).outcome is outcome


def test_a_day_without_enough_reference_days_or_with_zeros_is_not_judged() -> None:
    assert day_level(1, kwh(50, 100), 3, Fraction(200), Fraction(20)) == NOT_APPLICABLE
    assert day_level(1, kwh(0, 0, 0), 3, Fraction(200), Fraction(20)) == NOT_APPLICABLE


def test_runs_are_of_equal_values_that_nothing_interrupts() -> None:
    assert runs([1, 1, None, 1, 0, 0]) == [Run(0, 2, 1), Run(3, 1, 1), Run(4, 2, 0)]
    assert runs([]) == []


def test_stuck_is_of_values_and_zeros_are_of_zero() -> None:
    assert stuck(Run(0, 6, 7), 6).outcome is FAIL
    assert stuck(Run(0, 5, 7), 6).outcome is PASS
    assert stuck(Run(0, 6, 0), 6) == NOT_APPLICABLE
    assert zeros(Run(0, 6, 0), 6).outcome is FAIL
    assert zeros(Run(0, 6, 7), 6) == NOT_APPLICABLE


@pytest.mark.parametrize(("parts", "outcome"), [((60, 45), PASS), ((60, 45.000001), FAIL), ((1, 1), PASS)])
def test_sub_meters_may_be_five_percent_above_their_main_meter(parts: tuple[float, ...], outcome: Outcome) -> None:
    assert not_above(kwh(*parts), kwh(100)[0], Fraction(5)).outcome is outcome


def test_a_sum_above_a_whole_of_zero_fails_and_two_zeros_agree() -> None:
    assert not_above(kwh(1), 0, Fraction(5)).outcome is FAIL
    assert equal(kwh(0, 0), 0, Fraction(2)).outcome is PASS


@pytest.mark.parametrize(("total", "outcome"), [(102, PASS), (98, PASS), (102.1, FAIL), (97.9, FAIL)])
def test_phases_may_differ_from_the_total_by_two_percent_both_ways(total: float, outcome: Outcome) -> None:
    assert equal(kwh(total - 60, 30, 30), kwh(100)[0], Fraction(2)).outcome is outcome


def test_a_ceiling_is_the_capacity_over_the_time() -> None:
    most = Fraction(400 * MICRO) * Fraction("1.1")  # 400 kVA
    assert ceiling(kwh(110)[0], 900_000, most).outcome is PASS
    assert ceiling(kwh(110)[0] + 1, 900_000, most).outcome is FAIL


def test_an_instant_may_be_a_minute_off_its_grid() -> None:
    assert off_schedule(900_000 + 60_000, 900_000, 60_000).outcome is PASS
    assert off_schedule(900_000 - 60_001, 900_000, 60_000).outcome is FAIL


def data_quality(id_: str) -> str:
    (row,) = (each for each in load().methods.data_quality if each.id == id_)
    return row.threshold


def test_completeness_is_that_of_the_reference() -> None:
    assert data_quality("completeness") == ">= 90 %"
    least = Fraction(shipped()["completeness"].spec.min_pct or 0)
    assert least == 90
    # An hourly point: 24 values a day are expected.
    assert completeness(22, 24, least).outcome is PASS
    assert completeness(21, 24, least).outcome is FAIL
    assert completeness(9, 10, least).outcome is PASS
    assert completeness(0, 0, least) == NOT_APPLICABLE


def test_day_against_month_and_the_offset_of_a_day_are_those_of_the_reference() -> None:
    assert data_quality("day_month_consistency") == "<= 5 %"
    most = Fraction(shipped()["day-month"].spec.max_pct or 0)
    assert most == 5
    assert equal(kwh(*[10] * 28), kwh(280 / 1.05)[0] + 1, most).outcome is PASS
    assert equal(kwh(95), kwh(100)[0], most).outcome is PASS
    assert equal(kwh(94.999999), kwh(100)[0], most).outcome is FAIL
    assert data_quality("day_time_offset") == "<= 1 min"
    assert shipped()["schedule"].spec.tolerance == "1min"


@pytest.mark.parametrize("check", CHECKS)
def test_of_every_check_a_rule_with_all_its_figures_is_shipped(check: CheckName) -> None:
    rule = shipped()[check]
    own = {"min", "max", "unit", "meters", "against"}  # what only a document of one's own can know
    assert rule.id == rule.spec.check == check
    assert FIGURES[check] - own <= rule.spec.model_fields_set
    assert rule.spec.source
    assert rule.name.zh and rule.name.en
    # What is on without being asked for changes no number.
    assert rule.spec.effect == "flag"
