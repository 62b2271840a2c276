"""Exact decimals at a scale."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import DecimalError, at_scale, decimal_text, divide_half_even, micro, parse_decimal, scale_of


@given(st.integers(-(10**20), 10**20), st.integers(0, 9))
def test_text_and_integer_are_the_same_number(number, scale):
    assert at_scale(Decimal(decimal_text(number, scale)), scale) == number


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "", "0x10", "1,5", "1e"])
def test_what_is_no_finite_decimal_is_refused(text):
    with pytest.raises(DecimalError):
        parse_decimal(text)


def test_more_places_than_the_scale_has_are_refused():
    with pytest.raises(DecimalError, match="more than 2"):
        at_scale(Decimal("1.005"), 2)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_division_rounds_half_to_even(numerator, denominator):
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


def test_scale_ignores_trailing_zeros():
    assert [scale_of(Decimal(text)) for text in ("100", "0.10", "1E+3", "0.0625")] == [0, 1, 0, 4]


def test_a_third_is_rounded_at_a_millionth():
    assert micro(Fraction(1, 3)) == 333_333
