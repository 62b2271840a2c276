"""A rule view is what figures are made of and held against (items, indicators, limits, rules); see `views`."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from schemas.decimals import MICRO
from schemas.documents.indicator import IndicatorType, Severity
from schemas.documents.rule import Direction
from schemas.windows import WindowKind
from streams.domain.observation_views import ObservationView
from streams.domain.season import During


@dataclass(frozen=True, slots=True)
class SelectView:
    """Which entities are meant: of a kind, of some ids (None: all), within an entity (None: anywhere), of a tag."""

    kind: str
    ids: frozenset[str] | None
    within: str | None
    tag: str | None = None


class BaseSince(NamedTuple):
    """The year whose prices money is counted in from an instant on; None: the prices of the day."""

    from_ms: int
    year: int | None


def base_at(dated: tuple[BaseSince, ...], at_ms: int) -> BaseSince | None:
    """Return the price base that holds at an instant; None where none is said."""
    place = bisect_right(dated, at_ms, key=lambda since: since.from_ms)
    return dated[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class ItemView:
    """A reported item: its unit, whether the parts of a window add up to it, and in whose prices it is counted."""

    id: str
    unit: str
    additive: bool
    bases: tuple[BaseSince, ...]


@dataclass(frozen=True, slots=True)
class IndicatorView:
    """An indicator; `factor` turns a total, or a quotient of two metrics each in its own unit, into `unit`.

    `over` is what an average is the mean of. The `numerator` of a growth may be another indicator, `ind.ID`; `bases`
    are the price bases of all that it rests on, and `metered` tells whether any of that is measured as time passes.
    """

    id: str
    type: IndicatorType
    numerator: str
    denominator: str | None
    unit: str
    factor: Fraction
    from_ms: int
    to_ms: int
    over: WindowKind | None = None
    bases: tuple[tuple[BaseSince, ...], ...] = ()
    metered: bool = True

    def value(self, numerator_micro: int, denominator_micro: int | None = None) -> Fraction | None:
        """Return the indicator's value [unit] from sums at 1e-6; None for a denominator that is absent or 0."""
        if self.denominator is None:
            return Fraction(numerator_micro, MICRO) * self.factor
        return Fraction(numerator_micro, denominator_micro) * self.factor if denominator_micro else None


@dataclass(frozen=True, slots=True)
class TierView:
    """One step of a limit: a value above `max` has passed it; `text` is what the document says."""

    id: str
    max: Fraction
    text: str
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class LimitView:
    """The tiers of an indicator from the lowest up; `version` changes whenever anything of the limit does."""

    id: str
    version: str
    indicator: str
    unit: str
    tiers: tuple[TierView, ...]
    select: SelectView | None
    source: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class BoundView:
    """One comparison with a value; `text` is what the document says."""

    direction: Direction
    value: Fraction
    text: str

    def holds(self, value: Fraction | int) -> bool:
        """Return whether `value` is above (gt), from (ge), below (lt) or up to (le) the bound."""
        if self.direction == "gt":
            return value > self.value
        if self.direction == "ge":
            return value >= self.value
        if self.direction == "lt":
            return value < self.value
        return value <= self.value


class StepView(NamedTuple):
    """A tier of a rule (None for its only one), where it begins, and how grave it is."""

    id: str | None
    raises: BoundView
    severity: Severity


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule on `metric`, which is `ind.ID` for an indicator; `version` changes whenever anything of the rule does.

    Where it observes more than that metric's value, `unit` is the unit of what is `observed`. `need` windows running
    fire, or `need` of the last `among`; `keep` windows running end an episode.
    """

    id: str
    version: str
    metric: str
    unit: str
    window: WindowKind
    period: Literal["hour", "day", "month", "quarter", "year", "episode"]
    select: SelectView
    steps: tuple[StepView, ...]
    clears: BoundView
    need: int
    among: int | None
    keep: int
    no_data: Literal["keep", "no_data", "raise"]
    during: During
    from_ms: int
    to_ms: int
    observed: ObservationView | None = None

    @property
    def raises(self) -> BoundView:
        """Where its mildest tier begins."""
        return self.steps[0].raises
