"""A count is a reading's value as a whole number of steps of its meter: the integer that is stored and computed with.

A JSON number is rounded half-even to the meter's resolution; decimal text must be an exact multiple of it. Nothing
passes through a double.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from schemas.decimals import INT64_MAX, decimal_text, divide_half_even

Code = Literal[
    "unknown_meter",
    "wrong_source",
    "not_a_number",
    "too_precise",
    "out_of_range",
    "bad_time",
    "future",
    "before_meter",
    "unit_mismatch",
    "bad_quality",
    "bad_revision",
    "unknown_entity",
    "unknown_metric",
    "bad_period",
]

DECIMAL_TEXT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,5})?")
# Enough for every number that is meant; what is longer would only cost time.
MAX_DIGITS = 400
_MAX_EXPONENT = 60
_TOO_LARGE = "the value does not fit 64 bits at the meter's resolution"


class Fault(NamedTuple):
    """Why an item cannot be used: a stable code, and what was wrong and what to do."""

    code: Code
    message: str


def exact(value: object) -> tuple[Fraction, bool] | Fault:
    """Return the exact value of a JSON number or of decimal text, and whether it was a number; or the fault.

    A number nearer to zero than 1e-60 is taken as zero.
    """
    is_number = not isinstance(value, str)
    if isinstance(value, bool) or value is None or not isinstance(value, int | str | Decimal):
        said = "null" if value is None else str(value).lower() if isinstance(value, bool) else "no number"
        return Fault("not_a_number", f"the value is {said}: write a JSON number or decimal text")
    if isinstance(value, int):
        if value.bit_length() > 256:
            return Fault("out_of_range", _TOO_LARGE)
        return Fraction(value), True
    if isinstance(value, str):
        if len(value) > MAX_DIGITS or DECIMAL_TEXT.fullmatch(value) is None:
            return Fault("not_a_number", f"{value[:40]!r} is no decimal number")
        value = Decimal(value)
    if not value.is_finite() or (value and value.adjusted() > _MAX_EXPONENT):
        return Fault("out_of_range", _TOO_LARGE)
    if len(value.as_tuple().digits) > MAX_DIGITS:
        return Fault("not_a_number", f"the value has more than {MAX_DIGITS} digits")
    if value and value.adjusted() < -_MAX_EXPONENT:
        return (Fraction(0), True) if is_number else Fault("too_precise", f"{value} is finer than any resolution")
    return Fraction(value), is_number


def count(value: object, resolution: int, scale: int, factor: Fraction = Fraction(1)) -> int | Fault:
    """Return `value` times `factor` as an integer at `scale` decimal places, a multiple of `resolution`; or the fault.

    `resolution` is at `scale` too: 5 at scale 1 is a meter that shows halves.
    """
    read = exact(value)
    if isinstance(read, Fault):
        return read
    amount, is_number = read
    steps = amount * factor * 10**scale / resolution
    if steps.denominator != 1 and not is_number:
        step = decimal_text(resolution, scale)
        return Fault("too_precise", f"{value} is no multiple of the resolution {step}: a number would be rounded")
    whole = divide_half_even(steps.numerator, steps.denominator) * resolution
    if not -INT64_MAX <= whole <= INT64_MAX:
        return Fault("out_of_range", _TOO_LARGE)
    return whole
