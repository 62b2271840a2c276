"""A barometer level (晴雨表预警等级) says how a region stands against its control target: 1 gravest, 3 on schedule.

The two published readings of the dual control of energy are here (reference table `methods`): by the direction of the
change for an intensity, and by the size of the gap for a total. Which colour a level has is for who shows it.
"""

from decimal import Decimal
from typing import Literal

from schemas.decimals import CONTEXT

Level = Literal[1, 2, 3]


class BarometerError(ValueError):
    """A target that nothing can be held against; the message says which."""


def level_of_intensity(change_pct: Decimal, target_decline_pct: Decimal) -> Level:
    """Return the level of an intensity's cumulative change in the year so far [%] (发改办环资〔2021〕629号, NDRC629).

    1: it rose instead of falling (不降反升). 2: it fell by less than the target of the year so far [%]. 3: it fell by
    that or more. A change of exactly 0 has not risen and is level 2, unless 0 is all that is asked for.
    """
    if change_pct > 0:
        return 1
    return 3 if -change_pct >= target_decline_pct else 2


def gap(actual: Decimal, target: Decimal) -> Decimal:
    """Return by which part of its target a quantity exceeds it: `(actual - target) / |target|`; below 0 within it.

    For a decline that must be reached, give both with the opposite sign. Raises BarometerError for a target of 0.
    """
    if not target:
        raise BarometerError("a target of 0 has no gap in parts of itself: judge by the direction of the change")
    return CONTEXT.divide(CONTEXT.subtract(actual, target), abs(target))


def level_of_gap(gap: Decimal, allowed: Decimal) -> Level:
    """Return the level of a gap (CAIXIN, from the notice for the first quarter of 2021): 3 where the target is met.

    2: missed by no more than `allowed` (a fraction, 0.1 in that notice). 1: missed by more.
    """
    if gap <= 0:
        return 3
    return 2 if gap <= allowed else 1
