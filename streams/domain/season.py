"""A season (时段) is a time in which rules hold, by the calendar of Asia/Shanghai or in dated periods."""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar, get_args

from schemas.documents.season import Season, Weekday, month_day
from schemas.windows import LATEST_MS, local_datetime
from streams.domain.resolving import range_ms

PlaceT = TypeVar("PlaceT", int, tuple[int, int])
_WEEKDAYS: tuple[str, ...] = get_args(Weekday)


class PeriodView(NamedTuple):
    """A dated period [epoch ms], and its level if it has one."""

    from_ms: int
    to_ms: int
    level: str | None


@dataclass(frozen=True, slots=True)
class SeasonView:
    """What a season asks of an instant; None: nothing. Of days and hours begin and end, which may lie before it."""

    months: frozenset[int] | None
    days: tuple[tuple[tuple[int, int], tuple[int, int]], ...] | None
    weekdays: frozenset[int] | None
    hours: tuple[tuple[int, int], ...] | None
    periods: tuple[PeriodView, ...] | None
    from_ms: int
    to_ms: int

    def holds(self, at_ms: int, levels: frozenset[str] | None = None) -> bool:
        """Tell whether it is this season at an instant [epoch ms], and in a period of one of `levels`, if given."""
        if not self.from_ms <= at_ms < self.to_ms:
            return False
        at = local_datetime(at_ms)
        day = at.month, at.day
        return (
            (self.months is None or at.month in self.months)
            and (self.weekdays is None or at.weekday() in self.weekdays)
            and (self.days is None or any(_between(day, *each) for each in self.days))
            and (self.hours is None or any(_between(at.hour, *each) for each in self.hours))
            and (
                self.periods is None
                or any(
                    each.from_ms <= at_ms < each.to_ms and (levels is None or each.level in levels)
                    for each in self.periods
                )
            )
        )


def _between(at: PlaceT, begin: PlaceT, end: PlaceT) -> bool:
    return begin <= at < end if begin < end else at >= begin or at < end


class Named(NamedTuple):
    """A season that a rule names, and the levels of its periods that count (None: all)."""

    season: SeasonView
    levels: frozenset[str] | None

    def holds(self, at_ms: int) -> bool:
        """Tell whether it is that season at an instant [epoch ms]."""
        return self.season.holds(at_ms, self.levels)


@dataclass(frozen=True, slots=True)
class During:
    """When a rule holds: in all of some seasons and in none of others."""

    within: tuple[Named, ...] = ()
    outside: tuple[Named, ...] = ()

    def holds(self, at_ms: int) -> bool:
        """Tell whether the rule holds at an instant [epoch ms]."""
        return all(each.holds(at_ms) for each in self.within) and not any(each.holds(at_ms) for each in self.outside)


ALWAYS = During()


def season_view(season: Season) -> SeasonView:
    """Return the view of a season."""
    spec = season.spec
    periods = None
    if spec.periods is not None:
        periods = tuple(
            PeriodView(
                int(each.from_.timestamp() * 1000),
                LATEST_MS if each.to is None else int(each.to.timestamp() * 1000),
                each.level,
            )
            for each in spec.periods
        )
    return SeasonView(
        None if spec.months is None else frozenset(spec.months),
        None if spec.days is None else tuple((month_day(each.from_), month_day(each.to)) for each in spec.days),
        None if spec.weekdays is None else frozenset(_WEEKDAYS.index(each) for each in spec.weekdays),
        None if spec.hours is None else tuple((each.from_, each.to) for each in spec.hours),
        periods,
        *range_ms(season),
    )
