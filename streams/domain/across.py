"""A value across windows is an indicator of a window that other windows go into: year to date, and growth.

Whenever a window changes, those after it that rest on it are computed again, so such a value is a function of the facts
as every other is, whatever came first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from schemas.decimals import MICRO, divide_half_even
from schemas.windows import Window, children_of, window, window_at
from streams.domain.calendar import PROVISIONAL, additive, quarters_of, total, whole
from streams.domain.indicator import indicator_value
from streams.domain.looking import Documents, home_of
from streams.domain.rule_views import IndicatorView, base_at
from streams.domain.tagging import CONTROLLED

CUMULATIVE, GROWTH = "cumulative", "growth"
# Who rests on whom: a growth may be of a year to date, never the other way round.
ORDER = (CUMULATIVE, GROWTH)

Over = Callable[[Window], bool]  # whether the last hour of a window has passed
Value = Callable[[str, str], int | None]  # of a metric in the window of a name, at 1e-6 of its unit


def resting_on(period: str) -> Iterator[str]:
    """Yield the months or years after a month or year that values across windows may take from it."""
    each = window(period)
    if each.kind == "month":
        yield from (month.name for month in children_of(period[:4]) if month.start_ms > each.start_ms)
    yield year_after(period)


def year_after(name: str) -> str:
    """Return the same window of the year after."""
    return f"{int(name[:4]) + 1:04}{name[4:]}"


def year_before(name: str) -> str:
    """Return the same window of the year before."""
    return f"{int(name[:4]) - 1:04}{name[4:]}"


def across_value(indicator: IndicatorView, each: Window, value: Value, over: Over) -> int | None:
    """Return an indicator of a month, quarter or year at 1e-6 of its unit, from this and other windows.

    None where one of the values is not known, the denominator is zero, the value of the year before is not above zero,
    or the two years are counted in prices of different years; and where what is metered is `over` for one of them only,
    since a part of a window does not compare with the whole of the other.
    """
    if indicator.type == GROWTH:
        return _growth(indicator, each, value, over)
    metrics = (indicator.numerator, indicator.denominator)
    return indicator_value(indicator, {name: _to_date(name, each, value) for name in metrics if name is not None})


def _to_date(metric: str, each: Window, value: Value) -> int | None:
    """Return the sum of a metric from 1 January to a window's end; of what is reported only the whole."""
    year = each.name[:4]
    if each.kind == "year":
        return value(metric, each.name)
    if value(metric, each.name) is None:
        return None
    parts: Sequence[Window]
    parts = [quarter for quarter, _ in quarters_of(year)] if each.kind == "quarter" else children_of(year)
    values = [value(metric, part.name) for part in parts if part.start_ms <= each.start_ms]
    return total(values) if additive(metric) or metric in CONTROLLED else whole(values)


def _growth(indicator: IndicatorView, each: Window, value: Value, over: Over) -> int | None:
    name = year_before(each.name)
    before = window(name)
    for bases in indicator.bases:
        if base_at(bases, each.start_ms) != base_at(bases, before.start_ms):
            return None
    old, new = value(indicator.numerator, name), value(indicator.numerator, each.name)
    if old is None or new is None or old <= 0:
        return None
    if indicator.metered and not (over(each) and over(before)):
        return None
    factor = indicator.factor
    return divide_half_even((new - old) * factor.numerator * MICRO, old * factor.denominator)


def is_over(documents: Documents, statuses: Mapping[str, Iterable[str]], each: Window) -> bool:
    """Tell by an entity's documents, for one that has no clock, whether the last hour of a window has passed.

    `statuses` are what is said now of some windows; of the others the documents tell it.
    """
    last = documents(window_at(each.end_ms - 1, "day").name)
    if last is not None and last.status[-1] is not None:
        return True
    said = statuses.get(each.name)
    if said is None:
        home = documents(home_of(each))
        own = home.own.get(each.name) if home is not None else None
        said = () if own is None else (own.status,)
    said = frozenset(said)
    return bool(said) and PROVISIONAL not in said
