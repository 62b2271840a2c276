"""Observing says what a watch is held against in a window: a metric's value, or what is made of several windows."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from schemas.documents.observation import Observed
from schemas.windows import DAY_MS, HOUR_MS, Window, WindowError, WindowKind, window, window_at
from streams.domain.across import year_after
from streams.domain.alarm import Value, Watch
from streams.domain.change import change
from streams.domain.figures import Figures
from streams.domain.observation_views import OF_QUOTAS, ObservationView
from streams.domain.pacing import quota_share
from streams.domain.passing import LONGEST_MADE_UP_MS
from streams.domain.progress import progress
from streams.domain.quality import balance, coverage, findings, running, silence

_KINDS: Mapping[Observed, Callable[[ObservationView, Window, Figures], Value]] = {
    "change": change,
    "used": quota_share,
    "pace": quota_share,
    "projection": quota_share,
    "progress": progress,
    "coverage": coverage,
    "silence": silence,
    "findings": findings,
    "balance": balance,
    "running": running,
}
# What is looked at in one window and counts in those after it, until its year ends.
_TO_DATE = OF_QUOTAS | {"progress"}


def observe(watch: Watch, window: Window, figures: Figures) -> Value:
    """Return what a watch observes of an entity in a window: for a plain metric its value there."""
    if watch.observed is None:
        return figures.value(watch.metric, window)
    return _KINDS[watch.observed.of](watch.observed, window, figures)


def passed_windows(kinds: Iterable[WindowKind], from_ms: int, now_ms: int) -> dict[WindowKind, list[Window]]:
    """Return by kind the windows in which an hour ended in `(from_ms, now_ms]`; of a first tick only the last hour."""
    from_ms = max(from_ms, now_ms - (LONGEST_MADE_UP_MS if from_ms else HOUR_MS))
    edges = range((from_ms // HOUR_MS + 1) * HOUR_MS, now_ms + 1, HOUR_MS)
    return {kind: list(dict.fromkeys(window_at(edge - HOUR_MS, kind) for edge in edges)) for kind in kinds}


def reached(observed: ObservationView, changed: Iterable[Window], last_ms: int) -> list[Window]:
    """Return, in order of time, the changed windows and those later ones that they go into and that have begun."""
    found: dict[str, Window] = {}
    for each in changed:
        for later in _reached_by(observed, each):
            if later is each or later.start_ms < last_ms:
                found[later.name] = later
    return sorted(found.values())


def _reached_by(observed: ObservationView, each: Window) -> Iterator[Window]:
    yield each
    if observed.against == "day_before":
        yield window_at(each.start_ms + DAY_MS, each.kind)
    to_date = observed.of in _TO_DATE
    if to_date:
        yield from _rest_of_year(each)
    if observed.by_last_year:
        try:
            later = window(year_after(each.name))
        except WindowError:
            return
        yield later
        if to_date:
            # Where last year paces, all of it counts in every part of this one.
            yield from _rest_of_year(window_at(window(later.name[:4]).start_ms, each.kind), first=True)


def _rest_of_year(each: Window, *, first: bool = False) -> Iterator[Window]:
    """Yield the windows of a kind after one until its year ends, and the one itself if it is the first of them."""
    at_ms, end_ms = each.start_ms if first else each.end_ms, window_at(each.start_ms, "year").end_ms
    while at_ms < end_ms:
        later = window_at(at_ms, each.kind)
        yield later
        at_ms = later.end_ms
