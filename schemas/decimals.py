"""Exact numbers: decimal text as an integer at a scale (the number of decimal places).

Additive quantities are integers at MICRO_SCALE, one millionth of their unit, so that sums do not depend on order.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction

MICRO_SCALE = 6
MICRO = 10**MICRO_SCALE
INT64_MAX = 2**63 - 1
# The largest power of ten that fits 64 bits.
LARGEST_SCALE = 18

# Wide enough for every product of a 64-bit integer with a coefficient; no step below ever rounds by the context.
CONTEXT = Context(prec=80, rounding=ROUND_HALF_EVEN, Emax=999_999, Emin=-999_999)


class DecimalError(ValueError):
    """A text is no finite decimal, or not a whole number of steps at the wanted scale."""


def parse_decimal(text: str) -> Decimal:
    """Return the finite decimal that `text` writes; raise DecimalError for anything else (NaN, Infinity, hex, '')."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise DecimalError(f"{text!r} is no decimal number") from error
    if not value.is_finite():
        raise DecimalError(f"{text!r} is not finite")
    return value


def scale_of(value: Decimal) -> int:
    """Return how many decimal places a finite decimal needs (0 for whole numbers)."""
    exponent = value.normalize(CONTEXT).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def at_scale(value: Decimal, scale: int) -> int:
    """Return `value` as an exact integer at `scale` decimal places; raise DecimalError when it is none."""
    shifted = value.scaleb(scale, CONTEXT)
    whole = shifted.to_integral_value(context=CONTEXT)
    if whole != shifted:
        raise DecimalError(f"{value} has more than {scale} decimal places")
    return int(whole)


def decimal_text(number: int, scale: int = MICRO_SCALE) -> str:
    """Return the plain decimal text of an integer at `scale`, without trailing zeros (`1500000` -> `1.5`)."""
    sign, digits = ("-" if number < 0 else ""), str(abs(number)).rjust(scale + 1, "0")
    if scale == 0:
        return sign + digits
    fraction = digits[-scale:].rstrip("0")
    return sign + digits[:-scale] + ("." + fraction if fraction else "")


def divide_half_even(numerator: int, denominator: int) -> int:
    """Return `numerator / denominator` (denominator > 0) rounded half-even to an integer."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def micro(value: Fraction | Decimal | int) -> int:
    """Return a value as an integer at one millionth of its unit, rounded half-even."""
    exact = Fraction(value)
    return divide_half_even(exact.numerator * MICRO, exact.denominator)
