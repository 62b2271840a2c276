"""A verdict is what a validation rule (校验规则) says of values: they pass, they fail, or it does not apply to them.

Each rule is a pure function of values at one scale (counts, or 1e-6 of a unit) and of its figures; nothing is rounded
before it is compared. The figures that a verdict tells are decimal text, percentages at two decimal places.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from schemas.decimals import MICRO_SCALE, decimal_text, divide_half_even

# Below this many values a day has no third highest one to compare with.
THIRD = 3

Figures = tuple[tuple[str, str], ...]


class Outcome(StrEnum):
    """What a rule says."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"


class Verdict(NamedTuple):
    """What a rule says, and the figures it says it from, by name."""

    outcome: Outcome
    figures: Figures = ()

    @property
    def failed(self) -> bool:
        """Whether the values are not as the rule wants them."""
        return self.outcome is Outcome.FAIL


NOT_APPLICABLE = Verdict(Outcome.NOT_APPLICABLE)


class Run(NamedTuple):
    """A stretch of equal values: the place of the first, how many, and the value."""

    first: int
    length: int
    value: int


def within(value: int, low: int | None, high: int | None, scale: int) -> Verdict:
    """Hold a value against a lowest and a highest one, all of them integers at `scale` decimal places."""
    figures = [("value", decimal_text(value, scale))]
    figures += [("min", decimal_text(low, scale))] if low is not None else []
    figures += [("max", decimal_text(high, scale))] if high is not None else []
    failed = (low is not None and value < low) or (high is not None and value > high)
    return _verdict(failed, figures)


def ceiling(amount: int, length_ms: int, highest_per_h: Fraction) -> Verdict:
    """Hold an amount over a time against the most that can be counted in an hour (kVA x 1.1, in the amount's unit)."""
    most = highest_per_h * length_ms / 3_600_000
    return _verdict(amount > most, [("value", decimal_text(amount)), ("max", _decimal(most))])


def spike(values: Sequence[int], max_pct: Fraction) -> Verdict:
    """Hold the highest value against the third highest: (max - third) / third x 100 must not be above `max_pct`.

    Not applicable under three values, or when the third is zero or below.
    """
    if len(values) < THIRD:
        return NOT_APPLICABLE
    highest, _, third = sorted(values, reverse=True)[:THIRD]
    if third <= 0:
        return NOT_APPLICABLE
    above = Fraction((highest - third) * 100, third)
    return _verdict(above > max_pct, [
        ("max", decimal_text(highest)), ("third", decimal_text(third)), ("above_pct", _percent(above)),
        ("max_pct", _percent(max_pct)),
    ])  # fmt: skip


def day_level(
    value: int, references: Sequence[int], least: int, high_pct: Fraction, low_pct: Fraction
) -> Verdict:  # fmt: skip
    """Hold a day's value against the mean of reference days: not above `high_pct`, nor below `low_pct` percent of it.

    Not applicable with fewer reference days than `least`, or when their mean is zero or below.
    """
    whole = sum(references)
    if len(references) < least or whole <= 0:
        return NOT_APPLICABLE
    share = Fraction(value * 100 * len(references), whole)
    return _verdict(not low_pct <= share <= high_pct, [
        ("value", decimal_text(value)), ("mean", _decimal(Fraction(whole, len(references)))),
        ("days", str(len(references))), ("share_pct", _percent(share)),
        ("low_pct", _percent(low_pct)), ("high_pct", _percent(high_pct)),
    ])  # fmt: skip


def runs(values: Sequence[int | None]) -> list[Run]:
    """Return the stretches of equal values; what is None is no value and ends one."""
    found: list[Run] = []
    at = 0
    for value, same in groupby(values):
        length = sum(1 for _ in same)
        if value is not None:
            found.append(Run(at, length, value))
        at += length
    return found


def stuck(run: Run, values: int) -> Verdict:
    """Hold a stretch of one non-zero value against `values`, the number of equal ones that nothing real shows."""
    return _in_a_row(run, values) if run.value else NOT_APPLICABLE


def zeros(run: Run, values: int) -> Verdict:
    """Hold a stretch of zeros against `values`, the number of zeros after which a stop would have been declared."""
    return NOT_APPLICABLE if run.value else _in_a_row(run, values)


def not_above(parts: Sequence[int], main: int, max_pct: Fraction) -> Verdict:
    """Hold the sum of sub-meters against their main meter: not more than `max_pct` percent above it."""
    return _compared(sum(parts), main, max_pct, sum(parts) - main)


def equal(parts: Sequence[int], whole: int, max_pct: Fraction) -> Verdict:
    """Hold a sum (of intervals, of phases, of days) against the whole: |sum - whole| / whole x 100 within `max_pct`."""
    return _compared(sum(parts), whole, max_pct, abs(sum(parts) - whole))


def completeness(measured_ms: int, expected_ms: int, min_pct: Fraction) -> Verdict:
    """Hold the measured time against the expected: at least `min_pct` percent. Not applicable when none is expected."""
    if expected_ms <= 0:
        return NOT_APPLICABLE
    share = Fraction(measured_ms * 100, expected_ms)
    return _verdict(share < min_pct, [("measured_pct", _percent(share)), ("min_pct", _percent(min_pct))])


def off_schedule(place_ms: int, step_ms: int, tolerance_ms: int) -> Verdict:
    """Hold an instant against the grid of a meter's step: not farther off its nearest point than the tolerance.

    `place_ms` counts from the beginning of the local day.
    """
    past = place_ms % step_ms
    off = min(past, step_ms - past)
    return _verdict(
        off > tolerance_ms, [("off_s", decimal_text(off, 3)), ("tolerance_s", decimal_text(tolerance_ms, 3))]
    )


def _in_a_row(run: Run, values: int) -> Verdict:
    figures = [("value", decimal_text(run.value)), ("in_a_row", str(run.length)), ("values", str(values))]
    return _verdict(run.length >= values, figures)


def _compared(part: int, whole: int, max_pct: Fraction, off: int) -> Verdict:
    figures = [("sum", decimal_text(part)), ("against", decimal_text(whole))]
    if whole:
        figures.append(("off_pct", _percent(Fraction(off * 100, abs(whole)))))
    figures.append(("max_pct", _percent(max_pct)))
    # Nothing is divided, so that a sum above a whole of zero fails, too.
    return _verdict(off * 100 > max_pct * abs(whole), figures)


def _verdict(failed: bool, figures: Sequence[tuple[str, str]]) -> Verdict:
    return Verdict(Outcome.FAIL if failed else Outcome.PASS, tuple(figures))


def _percent(value: Fraction) -> str:
    return _decimal(value * 10**MICRO_SCALE, 2)


def _decimal(micro: Fraction, places: int = MICRO_SCALE) -> str:
    scaled = micro / 10 ** (MICRO_SCALE - places)
    return decimal_text(divide_half_even(scaled.numerator, scaled.denominator), places)
