"""Figures are what is known of one entity: its windows' values, whether they are over, and what came of its meters."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from schemas.decimals import MICRO, decimal_text, divide_half_even
from schemas.windows import Window
from streams.domain.alarm import Value
from streams.domain.flaw import Flaw
from streams.domain.views import PauseView

_SHOWN = 3  # decimal places that a reader of a reason looks at


class Figures(Protocol):
    """What is known of one entity, as far as something is observed of it."""

    @property
    def entity(self) -> str:
        """Whose figures these are."""
        ...

    def value(self, metric: str, window: Window) -> Value:
        """Return what is known of a metric in a window."""
        ...

    def over(self, window: Window) -> bool:
        """Tell whether the last hour of a window has passed."""
        ...

    def last_ms(self) -> int:
        """Return the end [epoch ms] of the last window that can have a value."""
        ...

    def silent_ms(self, window: Window) -> int | None:
        """Return the longest time [ms] without a reading that reaches into a window; None where none is expected."""
        ...

    def findings(self, window: Window) -> Sequence[Flaw]:
        """Return what is found wrong with the entity's readings in a window."""
        ...

    def stops(self) -> Sequence[PauseView]:
        """Return the times in which the entity's enterprise stands still, in order."""
        ...


def none(told: str, coverage: float | None = None) -> Value:
    """Return that there is no value, and why."""
    return Value(None, coverage, told)


def percent(part: Fraction | int, whole: Fraction | int) -> int:
    """Return a part of a whole in percent, at 1e-6, rounded half-even."""
    share = Fraction(part) / whole * 100 * MICRO
    return divide_half_even(share.numerator, share.denominator)


def amount(micro: int | Fraction, unit: str) -> str:
    """Return an amount at 1e-6 as text for people: at most three decimal places, and its unit."""
    exact = Fraction(micro) * 10**_SHOWN / MICRO
    return f"{decimal_text(divide_half_even(exact.numerator, exact.denominator), _SHOWN)} {unit}"


def share_text(coverage: float | None) -> str:
    """Return what has to be said of a coverage: nothing where all is there or none is expected."""
    return "" if coverage is None or coverage >= 1 else f", of {coverage:.1%} of the time"


def least(*coverages: float | None) -> float | None:
    """Return the least of some coverages, passing over what has none."""
    return min((each for each in coverages if each is not None), default=None)
