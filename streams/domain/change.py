"""A change (同比, 环比) is by how much [%] a value is above that of the same window of another day or year.

A part of a window does not compare with a whole one, so there is no change before both are over.
"""

from schemas.windows import DAY_MS, Window, WindowError, window, window_at
from streams.domain.across import year_before
from streams.domain.alarm import Value
from streams.domain.figures import Figures, amount, least, none, percent, share_text
from streams.domain.observation_views import ObservationView


def change(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the change [1e-6 %] of what is observed, against the day or the year before."""
    if observed.against == "day_before":
        return change_on(observed, each, window_at(each.start_ms - DAY_MS, each.kind), figures)
    return change_on_year(observed, each, figures)


def change_on_year(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the change [1e-6 %] against the same window of the year before."""
    try:
        before = window(year_before(each.name))
    except WindowError:
        return none(f"the calendar has no {year_before(each.name)} to compare with")
    return change_on(observed, each, before, figures)


def change_on(observed: ObservationView, each: Window, before: Window, figures: Figures) -> Value:
    """Return the change [1e-6 %] of a window's value against that of an earlier one."""
    if not figures.over(each):
        return none(f"{each.name} is not over yet")
    new, old = figures.value(observed.metric, each), figures.value(observed.metric, before)
    coverage = least(new.coverage, old.coverage)
    for name, value in ((each.name, new), (before.name, old)):
        if value.micro is None:
            return none(f"no value in {name}", coverage)
    if new.micro is None or old.micro is None or old.micro <= 0:
        return none(f"{before.name} is {amount(old.micro or 0, observed.unit)}: nothing to compare with", coverage)
    told = (
        f"{amount(new.micro, observed.unit)}{share_text(new.coverage)} against "
        f"{amount(old.micro, observed.unit)}{share_text(old.coverage)} in {before.name}"
    )
    return Value(percent(new.micro - old.micro, old.micro), coverage, told)
