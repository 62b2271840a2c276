"""A timeline of releases says which release counts when: the one that a reporting year pins, else the one in force."""

from collections.abc import Iterable

from schemas.documents.settings import ReportingYear
from schemas.windows import LATEST_MS, window
from streams.domain.energy_views import ReleaseView


def in_order_of_time(
    releases: Iterable[ReleaseView], reporting: Iterable[ReportingYear]
) -> tuple[tuple[int, ReleaseView | None], ...]:
    """Return from when on [epoch ms] which release counts, None for none.

    A release that restates another counts in the years that pin it, and no other time.
    """
    every = {one.id: one for one in releases}
    pinned = {(each := window(str(year.year))).start_ms: (each.end_ms, every[year.release]) for year in reporting}
    in_force = [one for one in every.values() if one.restates is None]
    edges = {edge for one in in_force for edge in (one.from_ms, one.to_ms) if edge < LATEST_MS}
    edges |= {edge for start_ms, (end_ms, _) in pinned.items() for edge in (start_ms, end_ms)}
    found: list[tuple[int, ReleaseView | None]] = []
    for at_ms in sorted(edges):
        counts = next((one for start_ms, (end_ms, one) in pinned.items() if start_ms <= at_ms < end_ms), None)
        if counts is None:
            counts = next((one for one in in_force if one.from_ms <= at_ms < one.to_ms), None)
        if not found or found[-1][1] is not counts:
            found.append((at_ms, counts))
    return tuple(found)
