"""A view is a registered thing as the computation needs it: units resolved, days as instants, text as numbers.

Instants are epoch milliseconds, ranges half-open; what never ends ends at `LATEST_MS`. Dated lists hold pairs of the
instant from which something holds and what holds then.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from schemas.decimals import MICRO
from schemas.documents.energy import Scope
from schemas.documents.indicator import Direction, IndicatorType, Severity
from schemas.documents.validity import Validity
from schemas.units import UnitError, conversion
from schemas.windows import WindowKind

# Whose number a coefficient or factor is.
Variant = Literal["measured", "province", "grid", "national"]


class Exact(NamedTuple):
    """An exact number: the integer `numerator` at `scale` decimal places, divided by `divisor`."""

    numerator: int
    scale: int
    divisor: int = 1

    @property
    def denominator(self) -> int:
        """What the numerator is divided by."""
        return self.divisor * 10**self.scale


class Since(NamedTuple):
    """An id that holds from an instant on; None: nothing holds from then on."""

    from_ms: int
    id: str | None


class Listed(NamedTuple):
    """A list that an enterprise stands on in a range."""

    from_ms: int
    to_ms: int
    id: str


class MultiplierSince(NamedTuple):
    """What one count is worth from an instant on [1e-6 of the carrier's unit]."""

    from_ms: int
    micro_per_count: int


def id_at(dated: tuple[Since, ...], at_ms: int) -> str | None:
    """Return what a dated list of ids says at an instant; None when nothing holds then."""
    place = bisect_right(dated, at_ms, key=lambda since: since.from_ms)
    return dated[place - 1].id if place else None


@lru_cache(maxsize=65_536)
def worth_of_count(scale: int, multiplier: Decimal, unit: str, carrier_unit: str) -> Fraction:
    """Return what one count of a meter (one step of its last decimal place) is worth [1e-6 of the carrier's unit].

    A meter is usable only when this is a whole number: every reading is then exact in the carrier's unit. Raises
    UnitError when the units do not convert.
    """
    return Fraction(multiplier) * conversion(unit, carrier_unit) * MICRO / 10**scale


@lru_cache(maxsize=65_536)
def counted_in(type_: str, unit: str, carrier_unit: str) -> str:
    """Return what a meter's readings turn into: the carrier's unit, or of a gauge that tells a rate that unit by hour.

    Raises UnitError when the meter's unit converts to neither.
    """
    try:
        conversion(unit, carrier_unit)
    except UnitError as error:
        if type_ != "gauge":
            raise
        by_hour = f"{carrier_unit}/h"
        try:
            conversion(unit, by_hour)
        except UnitError:
            raise UnitError(f"{error}, nor to {by_hour}, which a gauge could tell as well") from error
        return by_hour
    return carrier_unit


class SharingSince(NamedTuple):
    """Whether a gap that begins from an instant on has the shape of like days; else it is straight."""

    from_ms: int
    by_like_day: bool


class ExchangeView(NamedTuple):
    """An exchange of a register's instrument: the old one's last value and the new one's first [counts]; None: lost."""

    at_ms: int
    final: int | None
    initial: int | None


class PauseView(NamedTuple):
    """A declared time [epoch ms] in which something does not run."""

    from_ms: int
    to_ms: int

    def meets(self, from_ms: int, to_ms: int) -> bool:
        """Tell whether a part of a time lies in the pause."""
        return self.from_ms < to_ms and from_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter: a reading is `count` at `scale` decimal places of `unit`, allowed in steps of `resolution` counts.

    `index` is the place among the enterprise's meters, sorted by id; `step_ms` is 0 for a register that names none. A
    register starts again from 0 at `modulus` [counts], runs at most `max_micro_per_h` [1e-6 of the carrier's unit per
    hour], and may fall by `tolerance` [counts] without having counted; `exchanges` are in order of time.
    `capacity_micro_per_h` is what the transformer carries at a power factor of one [1e-6 of the carrier's unit / h].

    A gauge with `is_rate` tells an amount by hour, of which its quantity is the integral; any other a level. An average
    of it needs `valid_hour_ms` [ms] of an hour, and `valid_day_hours` such hours of a day. Gaps of an interval are
    filled by a straight line up to `longest_gap_ms`; `outages` are in order of time and do not touch each other.
    `counterparty` is the enterprise that what an output measures is sold to.
    """

    index: int
    id: str
    enterprise: str
    entity: str
    carrier: str
    type: Literal["register", "interval", "gauge"]
    role: Literal["input", "output", "generation", "sub"]
    counts_as: Literal["feedstock", "renewable"] | None
    unit: str
    scale: int
    resolution: int
    step_ms: int
    stamp: Literal["start", "end"]
    parent: str | None
    sources: tuple[Since, ...]
    multipliers: tuple[MultiplierSince, ...]
    modulus: int | None
    max_micro_per_h: int | None
    tolerance: int
    exchanges: tuple[ExchangeView, ...]
    is_rate: bool
    valid_hour_ms: int
    valid_day_hours: int
    longest_gap_ms: int
    outages: tuple[PauseView, ...]
    from_ms: int
    to_ms: int
    capacity_micro_per_h: Fraction | None = None
    counterparty: tuple[Since, ...] = ()
    sharing: tuple[SharingSince, ...] = ()

    def like_day_at(self, at_ms: int) -> bool:
        """Tell whether a gap that begins at an instant has the shape of like days."""
        place = bisect_right(self.sharing, at_ms, key=lambda since: since.from_ms)
        return place > 0 and self.sharing[place - 1].by_like_day

    def exchanges_in(self, from_ms: int, to_ms: int) -> tuple[ExchangeView, ...]:
        """Return the exchanges between two readings; a reading at the instant of one is of the new instrument."""
        return tuple(each for each in self.exchanges if from_ms < each.at_ms <= to_ms) if self.exchanges else ()

    def source_at(self, at_ms: int) -> str | None:
        """Return the id of the source that may send readings of an instant; None when none may."""
        return id_at(self.sources, at_ms)

    def micro_per_count_at(self, at_ms: int) -> int:
        """Return what one count is worth at an instant [1e-6 of the carrier's unit]."""
        place = bisect_right(self.multipliers, at_ms, key=lambda since: since.from_ms)
        return self.multipliers[max(place - 1, 0)].micro_per_count


@dataclass(frozen=True, slots=True)
class EnterpriseView:
    """An enterprise, its meters sorted by id, where it belongs, and its stops of production in order of time.

    `bought` are meters of others by which they sell to it, as its own inputs; see `selling`.
    """

    id: str
    entity: str
    meters: tuple[MeterView, ...]
    industry: tuple[Since, ...]
    county: tuple[Since, ...]
    park: tuple[Since, ...]
    lists: tuple[Listed, ...]
    stops: tuple[PauseView, ...]
    from_ms: int
    to_ms: int
    bought: tuple[MeterView, ...] = ()

    @property
    def edges_ms(self) -> set[int]:
        """The instants at which it begins, ends, or belongs elsewhere."""
        edges = {self.from_ms, self.to_ms}
        edges |= {since.from_ms for dated in (self.park, self.county, self.industry) for since in dated}
        return edges | {edge for each in self.lists for edge in (each.from_ms, each.to_ms)}


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source: whose it is and how many readings it may send [1/s]."""

    id: str
    enterprise: str
    rate_limit_per_s: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key: what its holder may do, and about whom."""

    id: str
    role: Literal["source", "enterprise", "viewer", "operator"]
    subject: str | None
    revoked: bool
    from_ms: int
    to_ms: int

    def usable_at(self, at_ms: int) -> bool:
        """Return whether the key opens anything at an instant."""
        return not self.revoked and self.from_ms <= at_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class CarrierView:
    """A carrier: the unit of its quantity, whether it counts as energy and is renewable, its medium.

    `validity` is that of the averages of its gauges, if it says one.
    """

    id: str
    unit: str
    energy: bool
    medium: Literal["fuel", "electricity", "heat", "water", "other"]
    renewable: bool = False
    validity: Validity | None = None


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product: the unit of its output."""

    id: str
    unit: str


class CoefficientView(NamedTuple):
    """Coal equivalent of one unit of a carrier, by calorific and by equivalent value [kgce]; None: there is none.

    `variant` says whose number it is, `measurement` in which document it stands; `eq_source` and its like are said of
    the equivalent value.
    """

    carrier: str
    cv: Exact | None
    eq: Exact | None
    source: str
    confidence: str | None
    variant: Variant
    eq_source: str
    eq_confidence: str | None
    eq_variant: Variant
    measurement: str | None = None
    eq_measurement: str | None = None
    province: str | None = None
    grid: str | None = None
    purpose: str | None = None


class FactorView(NamedTuple):
    """What one unit of a carrier gives off of a gas [kg of it] under a scope; `parts` is how it was computed.

    `co2e` is that as carbon dioxide [kgCO2] by the release's set of warming potentials; None where it has none.
    """

    carrier: str
    scope: Scope
    gas: str
    value: Exact
    source: str
    confidence: str | None
    variant: Variant
    parts: str | None = None
    co2e: Exact | None = None
    measurement: str | None = None
    province: str | None = None
    grid: str | None = None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release of coefficients and factors: all its rows, and its days; one that `restates` counts where pinned."""

    id: str
    coefficients: tuple[CoefficientView, ...]
    factors: tuple[FactorView, ...]
    gwp: str | None
    potentials: Mapping[str, Exact]
    restates: str | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class MeasurementView:
    """What an enterprise measured of one carrier, and when that holds."""

    id: str
    enterprise: str
    coefficient: CoefficientView | None
    factors: tuple[FactorView, ...]
    from_ms: int
    to_ms: int


class CertificateView(NamedTuple):
    """What a certificate covers: a carrier's quantity [1e-6 of its unit] of an enterprise in a month or year."""

    id: str
    enterprise: str
    carrier: str
    period: str
    micro: int


class MadeView(NamedTuple):
    """A product of a line: what a unit of its output weighs, and its part of the line's energy, if that is fixed.

    Both are whole numbers that compare within their allocation, shares within their line.
    """

    id: str
    weight: int
    share: int | None


class LineView(NamedTuple):
    """A product line: the ids of its meters within the enterprise, what it makes, its part of the common energy.

    `weight` counts where shares are fixed; with `by_output` the outputs of its products divide its energy.
    """

    id: str
    meters: tuple[str, ...]
    products: tuple[MadeView, ...]
    weight: int
    by_output: bool


@dataclass(frozen=True, slots=True)
class AllocationView:
    """The lines of an enterprise, sorted by id; `unallocated` compares with their weights; None: by outputs."""

    id: str
    enterprise: str
    lines: tuple[LineView, ...]
    unallocated: int | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class SelectView:
    """Which entities are meant: of a kind, of some ids (None: all), within an entity (None: anywhere)."""

    kind: str
    ids: frozenset[str] | None
    within: str | None


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


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule on `metric`, which is `ind.ID` for an indicator; `version` changes whenever anything of the rule does."""

    id: str
    version: str
    metric: str
    unit: str
    window: WindowKind
    period: Literal["hour", "day", "month", "quarter", "year", "episode"]
    select: SelectView
    raises: BoundView
    clears: BoundView
    severity: Severity
    from_ms: int
    to_ms: int
