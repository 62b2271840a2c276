"""A decline (下降率) is by which part an intensity falls from one year to another, as a fraction; a rise is below 0.

Declines of years multiply, they do not add up: what remains of the intensity after each year is what the next one
starts from. So progress towards a plan's decline is counted in logarithms (reference table `methods`; QH-STATS: the
five-year plans' energy per GDP as statistics offices publish it). Everything is computed in decimals of 80 digits and
rounded by nobody but who shows it.
"""

from collections.abc import Iterable
from decimal import Decimal

from schemas.decimals import CONTEXT

_ONE = Decimal(1)
_HUNDRED = Decimal(100)


class DeclineError(ValueError):
    """A figure for which the formula has no result; the message names the figure."""


def intensity_change_pct(energy_growth_pct: Decimal, output_growth_pct: Decimal) -> Decimal:
    """Return the change [%] of energy per output: `((1 + g_E) / (1 + g_GDP) - 1) x 100`; a fall is below 0.

    Both growths [%] are against the same period of the year before, the output's at constant prices of one base year
    (NBS-2020, HN-2016). Raises DeclineError where the output vanished.
    """
    output = _remains(-output_growth_pct / _HUNDRED, "output_growth_pct")
    energy = CONTEXT.add(_ONE, CONTEXT.divide(energy_growth_pct, _HUNDRED))
    return CONTEXT.multiply(CONTEXT.subtract(CONTEXT.divide(energy, output), _ONE), _HUNDRED)


def cumulative_decline(yearly: Iterable[Decimal]) -> Decimal:
    """Return the decline over several years: `1 - prod(1 - d_k)`, fractions (QH-STATS, AVG-QA)."""
    remains = _ONE
    for decline in yearly:
        remains = CONTEXT.multiply(remains, CONTEXT.subtract(_ONE, decline))
    return CONTEXT.subtract(_ONE, remains)


def average_decline(total: Decimal, years: int) -> Decimal:
    """Return the equal yearly decline that yields `total` in so many years: `1 - (1 - D)^(1/n)` (QH-STATS, AVG-QA)."""
    if years < 1:
        raise DeclineError(f"{years} years: a decline needs one at least")
    root = CONTEXT.divide(_log(total, "total"), Decimal(years))
    return CONTEXT.subtract(_ONE, CONTEXT.exp(root))


def remaining_decline(target: Decimal, done: Decimal) -> Decimal:
    """Return the decline still needed: `1 - (1 - D_target) / (1 - D_cum)` (QH-STATS); below 0 once the plan is done."""
    left = CONTEXT.divide(_remains(target, "target"), _remains(done, "done"))
    return CONTEXT.subtract(_ONE, left)


def plan_progress(target: Decimal, done: Decimal) -> Decimal:
    """Return which part of a plan is done: `ln(1 - D_cum) / ln(1 - D_target)` (目标完成进度, QH-STATS).

    The plain ratio of the two declines is close to it, and is not the official form. Raises DeclineError for a target
    of zero, of which nothing is a part.
    """
    whole = _log(target, "target")
    if not whole:
        raise DeclineError("target 0: no progress can be made towards a decline of zero")
    return CONTEXT.divide(_log(done, "done"), whole)


def years_earned(target: Decimal, done: Decimal, years: int) -> Decimal:
    """Return how many of the plan's years the decline so far is worth at the plan's equal yearly decline (QH-STATS)."""
    return CONTEXT.divide(_log(done, "done"), _log(average_decline(target, years), "target"))


def progress_coefficient(progress: Decimal, elapsed: int, total: int) -> Decimal:
    """Return progress against time (进度系数): the part done over the part of the time gone; 1 and more is on schedule.

    No published definition was found; this is its plain reading (reference `methods/progress_coefficient`).
    """
    if not 0 < elapsed <= total:
        raise DeclineError(f"{elapsed} of {total} periods: some must have passed, and no more than there are")
    return CONTEXT.divide(CONTEXT.multiply(progress, Decimal(total)), Decimal(elapsed))


def _remains(decline: Decimal, name: str) -> Decimal:
    left = CONTEXT.subtract(_ONE, decline)
    if left <= 0:
        raise DeclineError(f"{name} {decline}: nothing would be left to compare with")
    return left


def _log(decline: Decimal, name: str) -> Decimal:
    return CONTEXT.ln(_remains(decline, name))
