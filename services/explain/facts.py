"""Facts are what an explanation of an enterprise's number rests on: its kept readings, its meters, its documents."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from schemas.documents import Document, DocumentKey
from schemas.messages import Reported
from schemas.windows import DAY_MS, HOUR_MS, Window, children_of, window, window_at
from services.replay.held import Held
from streams.domain import vicinity
from streams.domain.account import Metrics, quantities_of_carriers
from streams.domain.cache import Cache
from streams.domain.comparison import Said
from streams.domain.filling import fills
from streams.domain.flaw import Flaw
from streams.domain.likeday import LikeDays
from streams.domain.looking import look_up
from streams.domain.plan import Plans
from streams.domain.registry import Snapshot
from streams.domain.spans import MeterHour, meter_hours
from streams.domain.state import hour_text
from streams.domain.tagging import hour_account
from streams.domain.valuation import Valuation
from streams.domain.views import MeterView
from streams.domain.work import Work


class Line(NamedTuple):
    """A meter of an enterprise's boundary, and its sign in the balance: +1 input, -1 output."""

    place: int
    meter: MeterView
    sign: int


class HourFacts(NamedTuple):
    """An hour as it is computed from the readings: its meters by place, its metrics, what its carriers are worth."""

    start_ms: int
    meters: list[MeterHour]
    metrics: Metrics
    valuation: Valuation | None


class Documents:
    """The calendar documents of both sides; `document` returns the fold's of (entity, period), or None."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.document = lru_cache(maxsize=256)(held.document)

    def fold(self, entity: str, metric: str, name: str) -> Said:
        """Return what the fold gives for a window."""
        return look_up(lambda period: self.document(entity, period), metric, name)

    def series(self, entity: str, metric: str, name: str) -> Said:
        """Return what the series says of a window."""
        return look_up(lambda period: self._held.document(entity, period, series=True), metric, name)


class EnterpriseFacts:
    """One enterprise, as it was folded into `held`."""

    def __init__(self, snapshot: Snapshot, enterprise: str, held: Held) -> None:
        plan = Plans(snapshot, watch=False).of(enterprise)
        assert plan is not None
        self.snapshot = snapshot
        self.enterprise = enterprise
        self._plan = plan
        self.table = plan.table
        self.divided = plan.lines
        self._store = held.store
        self._cache = Cache(1)
        self.hour = lru_cache(maxsize=64)(self._hour)

    def lines(self, carrier: str, part: str | None = None) -> list[Line]:
        """Return the meters by which a carrier crosses the boundary, or those that a part of its quantity is of."""
        if part not in (None, "estimated", "purchased"):
            return self.parts(carrier, part)
        return [
            Line(place, self.table.meters[place], sign)
            for name, places, signs in self.table.boundaries
            if name == carrier
            for place, sign in zip(places.tolist(), signs.tolist(), strict=True)
            if part != "purchased" or self.table.meters[place].role != "generation"
        ]

    def parts(self, carrier: str, part: str) -> list[Line]:
        """Return the meters that a part of a carrier's quantity is of; all of the boundary where it has none."""
        tagged = next((each for each in self.table.tagged if each.carrier == carrier), None)
        if tagged is None:
            return [] if part in ("feedstock", "generated") else self.lines(carrier)
        inward = {"feedstock": tagged.feedstock, "renewable": tagged.renewable}.get(part, tagged.generation)
        outward = tagged.output.tolist() if part in ("renewable", "selfused") else []
        signs = [*((place, 1) for place in inward.tolist()), *((place, -1) for place in outward)]
        return [Line(place, self.table.meters[place], sign) for place, sign in signs]

    @cached_property
    def reports(self) -> Mapping[tuple[str, str], Reported]:
        """The reported values that stand, by (metric, window)."""
        return Work(self.enterprise, self._store, self._cache).reports()

    def nodes(self, carrier: str, meter: MeterView | None) -> list[list[Line]]:
        """Return the meters with sub-meters of a carrier (of one: that one alone), each with those below it."""
        return [
            [Line(place, self.table.meters[place], 1 if place == node.place else -1) for place in places]
            for node in self.table.nodes.each
            for places in [[node.place, *node.below.tolist()]]
            if self.table.meters[node.place].carrier == carrier and meter in (None, self.table.meters[node.place])
        ]

    def flaws(self, each: Window, meter: str | None) -> list[Flaw]:
        """Return what is found wrong in an hour, day or month, and not healed; of one meter (id), or of all."""
        work = Work(self.enterprise, self._store, self._cache)
        day = window_at(each.start_ms, "day").name
        found = list(work.found_flaws(day if each.kind in ("hour", "day") else each.name))
        if each.kind in ("hour", "day"):
            # A span of a register begins before an hour that it reaches into.
            for hour in children_of(day):
                found += work.found_flaws(hour_text(hour.start_ms))
        return [flaw for flaw in found if meter in (None, flaw.meter)]

    def _hour(self, start_ms: int) -> HourFacts:
        work = Work(self.enterprise, self._store, self._cache)
        rows, odd = vicinity.rows_of_hour(work, self.table, start_ms)
        likes = LikeDays(self.table, self._plan.digest, work)
        filled = fills(work, self.table, start_ms, likes)
        meters, measured = meter_hours(self.table, start_ms, rows, odd, filled, likes)
        metrics = quantities_of_carriers(self.table, measured, start_ms, start_ms + HOUR_MS)
        valuation = self._plan.valuations.at(start_ms)
        metrics.update(
            hour_account(self.table, window_at(start_ms, "hour"), measured, metrics, self.snapshot.carriers, valuation)
        )
        return HourFacts(start_ms, meters, metrics, valuation)


def hours_of(name: str) -> list[Window]:
    """Return the hours of a window, in order."""
    each = window(name)
    if each.kind == "hour":
        return [each]
    days = range(each.start_ms, each.end_ms, DAY_MS)
    return [hour for at_ms in days for hour in children_of(window_at(at_ms, "day").name)]


def document_of(snapshot: Snapshot, kind: str, id_: str) -> Document | None:
    """Return a registry document, None when there is none."""
    return snapshot.documents.get(DocumentKey(kind, id_))
