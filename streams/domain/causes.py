"""A cause is what made a settled window's number another one: batches, reported values, or the registry.

What a part of a step takes in is noted with the hours it can reach; which of it changed a window is asked afterwards,
since hardly any window that changes had settled.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.messages import Cause, CausingBatch, CausingReport, Reported
from schemas.windows import HOUR_MS, Window, window
from streams.domain.inputs import Readable

# A city that changes by a thousand batches at once is not better explained by naming them all.
NAMED_AT_MOST = 20


class Known(NamedTuple):
    """A cause, and when it became known [epoch ms]."""

    cause: Cause
    known_ms: int


class _Reach(NamedTuple):
    """Meters (ids within the enterprise) whose readings of an hour changed, and which hours `[low, end)` it reaches."""

    hour_ms: int
    low_ms: int
    end_ms: int
    meters: frozenset[str]


class Causes:
    """What a part of a step took in of one enterprise; `now_ms` is when the rest of it became known.

    `registry` is the version under which everything is computed again, None where that is not so.
    """

    def __init__(self, now_ms: int) -> None:
        self.registry: int | None = None
        self._now_ms = now_ms
        self._batches: list[Readable] = []
        self._reports: list[Reported] = []
        self._reached: list[_Reach] = []
        self._index: dict[tuple[int, str], list[int]] = {}
        self._found: dict[tuple[str, str | None], Known] = {}

    def add_batches(self, batches: Iterable[Readable]) -> None:
        """Note the batches that the readings come from."""
        self._batches += batches

    def add_report(self, report: Reported) -> None:
        """Note a reported value that stands now."""
        self._reports.append(report)

    def reach(self, hour_ms: int, low_ms: int, end_ms: int, meters: frozenset[str]) -> None:
        """Note which hours the changed readings of some meters in one hour can have changed."""
        self._reached.append(_Reach(hour_ms, low_ms, end_ms, meters))

    def of(self, each: Window, meter: str | None = None) -> Known:
        """Return what changed a window, of one meter (id within the enterprise) or of the enterprise."""
        found = self._found.get((each.name, meter))
        if found is None:
            batches = self._batches_of(each, meter)
            reports = [] if meter is not None else [one for one in self._reports if _concerns(one, each)]
            found = self._found[each.name, meter] = Known(
                Cause(
                    [_told(batch) for batch in batches[:NAMED_AT_MOST]],
                    [CausingReport(one.metric, one.period, one.rev, one.reporter, one.received) for one in reports],
                    self.registry,
                    more=max(len(batches) - NAMED_AT_MOST, 0),
                ),
                max(
                    (
                        *(batch.origin.known_ms for batch in batches),
                        *(max(one.received, self._now_ms) for one in reports),
                    ),
                    default=self._now_ms,
                ),
            )
        return found

    def _batches_of(self, each: Window, meter: str | None) -> list[Readable]:
        if len(self._batches) < 2:
            return self._batches
        if not self._index:
            self._index = _index(self._batches)
        places: set[int] = set()
        for reach in self._reached:
            if reach.low_ms < each.end_ms and reach.end_ms > each.start_ms:
                for name in reach.meters if meter is None else reach.meters & {meter}:
                    places.update(self._index.get((reach.hour_ms, name), ()))
        return [self._batches[place] for place in sorted(places)] if places else self._batches


def _index(batches: Sequence[Readable]) -> dict[tuple[int, str], list[int]]:
    """Return by hour [epoch ms] and meter the places of the batches that have readings of it."""
    found: dict[tuple[int, str], list[int]] = {}
    for place, batch in enumerate(batches):
        pairs = np.unique(np.stack((batch.rows.t // HOUR_MS, batch.rows.meter)), axis=1)
        each: list[tuple[int, int]] = pairs.T.tolist()
        for hour, meter in each:
            found.setdefault((hour * HOUR_MS, batch.meters[meter]), []).append(place)
    return found


def _concerns(report: Reported, each: Window) -> bool:
    period = window(report.period)
    return period.start_ms < each.end_ms and period.end_ms > each.start_ms and each.kind != "hour"


def _told(batch: Readable) -> CausingBatch:
    origin = batch.origin
    return CausingBatch(origin.source, origin.batch, origin.received_ms, origin.correction)
