"""A view is a registered thing as the computation needs it: units resolved, days as instants, text as numbers.

Instants are epoch milliseconds, ranges half-open; what never ends ends at `LATEST_MS`. Dated lists hold pairs of the
instant from which something holds and what holds then.
"""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from schemas.decimals import MICRO
from schemas.documents.validity import Validity
from schemas.units import UnitError, conversion


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
