"""Pacing (进度) says which part of a period's quota may be used by when, and where the period ends at the present pace.

What has come counts up to the end of the last day that is over, so that the course of a day does not move it. What is
missing is not filled: the coverage is told beside every figure.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from schemas.windows import DAY_MS, Window, children_of, window, window_at
from streams.domain.across import year_before
from streams.domain.alarm import Value
from streams.domain.figures import Figures, amount, least, none, percent, share_text
from streams.domain.observation_views import ObservationView, TargetView


class Pace(NamedTuple):
    """How a period stands at an instant: used up to then and allowed up to then [1e-6 of the unit].

    `part` is which part of the period's quota its pacing allows by then; `coverage` the share of time of which there
    are data, in this period and in the one that paces it.
    """

    at_ms: int
    used: int
    quota: int
    part: Fraction
    coverage: float | None
    told: str

    @property
    def allowed(self) -> Fraction:
        """What may be used up to now."""
        return self.quota * self.part


def quota_share(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return what of a quota is used, used of what pacing allows, or will be used by the period's end [1e-6 %]."""
    target = observed.target(figures.entity, each)
    if target is None:
        return none(f"no quota is registered for {each.name}")
    pace = pace_of(observed, target, each, figures)
    if isinstance(pace, Value):
        return pace
    period = window(target.period)
    if observed.of == "used":
        return Value(percent(pace.used, pace.quota), pace.coverage, f"{pace.told}{_run_rate(pace, period, observed)}")
    if not pace.part:
        return none(f"{target.id} allows nothing yet by its pacing; {pace.told}", pace.coverage)
    if observed.of == "pace":
        told = f"{pace.told}, {amount(pace.allowed, observed.unit)} allowed until then by pacing {target.pacing}"
        return Value(percent(pace.used, pace.allowed), pace.coverage, f"{told}{_run_rate(pace, period, observed)}")
    if pace.at_ms - period.start_ms < observed.after_ms and pace.at_ms < period.end_ms:
        return none(f"too little of {period.name} has passed to project its end; {pace.told}", pace.coverage)
    end = pace.used / pace.part
    told = f"{period.name} ends with {amount(end, observed.unit)} at this pace; {pace.told}"
    return Value(percent(end, pace.quota), pace.coverage, f"{told}{_run_rate(pace, period, observed)}")


def pace_of(observed: ObservationView, target: TargetView, each: Window, figures: Figures) -> Pace | Value:
    """Return how a target's period stands at the end of a window, or of the last day that is over; or why unknown."""
    period = window(target.period)
    at_ms = min(each.end_ms, period.end_ms, window_at(figures.last_ms(), "day").start_ms)
    if at_ms <= period.start_ms:
        return none(f"no day of {period.name} is over yet")
    used = _sum(observed.metric, period.start_ms, at_ms, figures)
    if used.micro is None:
        return none(f"no value in {period.name} up to now", used.coverage)
    part, coverage, why = _part(observed, target, period, at_ms, figures)
    if part is None:
        return none(why, least(used.coverage, coverage))
    assert target.quota is not None
    last = window_at(at_ms - DAY_MS, "day").name
    told = (
        f"{amount(used.micro, observed.unit)} of {amount(target.quota, observed.unit)} used up to {last}"
        f"{share_text(used.coverage)}{why}"
    )
    return Pace(at_ms, used.micro, target.quota, part, least(used.coverage, coverage), told)


def _run_rate(pace: Pace, period: Window, observed: ObservationView) -> str:
    days = (period.end_ms - pace.at_ms) // DAY_MS
    left = pace.quota - pace.used
    if not days:
        return ""
    if left <= 0:
        return "; the quota is used up"
    return f"; {amount(Fraction(left, days), observed.unit)} a day for {days} days would still keep it"


def _part(
    observed: ObservationView, target: TargetView, period: Window, at_ms: int, figures: Figures
) -> tuple[Fraction | None, float | None, str]:
    """Return which part of a quota may be used by an instant, the coverage of what that is taken from, and why."""
    if target.pacing == "profile":
        weights = [(month, target.months[number]) for number, month in enumerate(children_of(period.name[:4]))]
        mine = [(month, weight) for month, weight in weights if period.start_ms <= month.start_ms < period.end_ms]
        whole = sum((weight for _, weight in mine), Fraction(0))
        if not whole:
            return None, None, f"the profile of {target.id} has nothing in {period.name}"
        gone = sum((weight * _elapsed(month, at_ms) for month, weight in mine), Fraction(0))
        return gone / whole, None, ""
    if target.pacing == "last_year":
        before = window(year_before(period.name))
        whole = _sum(observed.metric, before.start_ms, before.end_ms, figures)
        if not whole.micro or whole.micro < 0:
            return None, whole.coverage, f"nothing is known of {before.name}, by which {target.id} is paced"
        then = _sum(observed.metric, before.start_ms, _year_before_ms(at_ms), figures)
        why = share_text(whole.coverage)
        return Fraction(then.micro or 0, whole.micro), whole.coverage, f" (paced by {before.name}{why})" if why else ""
    return _elapsed(period, at_ms), None, ""


def _elapsed(each: Window, at_ms: int) -> Fraction:
    gone = min(max(at_ms - each.start_ms, 0), each.end_ms - each.start_ms)
    return Fraction(gone, each.end_ms - each.start_ms)


def _year_before_ms(at_ms: int) -> int:
    """Return the same midnight of the year before; what comes before 29 February comes before 1 March there."""
    name = window_at(at_ms, "day").name
    return window(year_before(f"{name[:5]}03-01" if name[5:] == "02-29" else name)).start_ms


def _sum(metric: str, from_ms: int, to_ms: int, figures: Figures) -> Value:
    """Return what a metric adds up to over days, with the share of their time of which there are data."""
    total: int | None = None
    covered = expected = 0.0
    for each in _parts(from_ms, to_ms):
        value = figures.value(metric, each)
        if value.micro is not None:
            total = (total or 0) + value.micro
        length = each.end_ms - each.start_ms
        if value.coverage is not None:
            expected += length
            covered += length * value.coverage
        elif value.micro is None:
            # Of a day that nothing at all is known of nothing is covered either.
            expected += length
    return Value(total, covered / expected if expected else None)


def _parts(from_ms: int, to_ms: int) -> Iterator[Window]:
    """Yield whole months and days that make up a time which begins with a month and ends with a day."""
    at_ms = from_ms
    while at_ms < to_ms:
        month = window_at(at_ms, "month")
        each = month if month.end_ms <= to_ms and month.start_ms == at_ms else window_at(at_ms, "day")
        yield each
        at_ms = each.end_ms
