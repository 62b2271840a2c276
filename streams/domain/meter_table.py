"""A meter table holds the meters of one enterprise as columns, so that all of them are computed at once."""

from functools import cached_property
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.windows import DAY_MS, HOUR_MS
from streams.domain.checks import Checks
from streams.domain.hour import Bools, Ints
from streams.domain.nodes import Nodes
from streams.domain.register import MINUTE_MS
from streams.domain.selling import bought_in
from streams.domain.views import EnterpriseView, MeterView

Floats = npt.NDArray[np.float64]

# What is compared in floats is looked at exactly as soon as it comes so near.
_NEARLY = 1 - 1e-9
# A register without a registered step is taken to be read once an hour.
USUAL_STEP_MS = HOUR_MS
# Of so many windows, the hours of a day and some more, it is kept for how long meters are expected: 8 bytes a meter.
EXPECTED_KEPT = 32


class Boundary(NamedTuple):
    """The meters by which a carrier crosses an enterprise's boundary: places, and +1 input or -1 output."""

    carrier: str
    places: Ints
    signs: Ints


class Tagged(NamedTuple):
    """The places of a carrier's meters of feedstock, of own generation, of its renewable part, and of what goes out.

    `wholes` are the same meters of feedstock, each group with the boundary meters that it measures a part of.
    """

    carrier: str
    feedstock: Ints
    generation: Ints
    renewable: Ints
    output: Ints
    wholes: tuple[tuple[Ints, Ints], ...]


class Highest(NamedTuple):
    """What the highest rate of each register allows, by place, a little less of it than is true.

    A rise of `rise_per_ms` [counts/ms] over a span and `spare` [counts] more; after `turn_ms` [ms] it may have turned.
    """

    rise_per_ms: Floats
    spare: Floats
    turn_ms: Floats


class MeterTable:
    """The meters of one enterprise as columns; a meter's place is its index in `ids`.

    `checks` are the validation rules that its readings are held against, `nodes` the meters with sub-meters. Behind
    its `own` meters stand those of others by which they sell to it; `bought` is by place when they do.
    """

    def __init__(self, view: EnterpriseView, checks: Checks | None = None) -> None:
        meters: tuple[MeterView, ...] = (*view.meters, *view.bought)
        self.own = len(view.meters)
        self.bought = tuple((each.index, bought_in(each, view.id)) for each in view.bought)
        self.view = view
        self.checks = checks
        self._expected: dict[tuple[int, int], Ints] = {}
        self.nodes = Nodes(meters)
        self.meters = meters
        self.ids = tuple(meter.id for meter in meters)
        self.place = {meter.id: index for index, meter in enumerate(meters)}
        self.register = np.array([meter.type == "register" for meter in meters], bool)
        self.gauge = np.array([meter.type == "gauge" for meter in meters], bool)
        self.interval = ~(self.register | self.gauge)
        self.rate = np.array([meter.is_rate for meter in meters], bool)
        self.step_ms = np.array([meter.step_ms or USUAL_STEP_MS for meter in meters], np.int64)
        self.end_stamped = np.array([meter.stamp == "end" for meter in meters], bool)
        self.scale = np.array([meter.scale for meter in meters], np.int64)
        self.from_ms = np.array([meter.from_ms for meter in meters], np.int64)
        self.to_ms = np.array([meter.to_ms for meter in meters], np.int64)
        self.factor = np.array([meter.multipliers[0].micro_per_count for meter in meters], np.int64)
        self.any_register = bool(self.register.any())
        self.any_gauge = bool(self.gauge.any())
        self.all_register = bool(self.register.all())
        self.changing = np.array([len(meter.multipliers) > 1 for meter in meters], bool)
        self.any_changing = bool(self.changing.any())
        self.resolution = np.array([meter.resolution for meter in meters], np.int64)
        self.limited = np.array([meter.max_micro_per_h is not None for meter in meters], bool)
        # Those some gaps of which have the shape of like days.
        self.like = np.array([any(each.by_like_day for each in meter.sharing) for meter in meters], bool)
        self.any_like = bool(self.like.any())
        self.filled = np.array([meter.longest_gap_ms > 0 for meter in meters], bool) | (self.like & self.interval)
        self.any_filled = bool(self.filled.any())
        # A register tells what an outage left of its total, so it is expected through it.
        self.paused = tuple(place for place, meter in enumerate(meters) if meter.outages and meter.type != "register")
        self.any_limited = bool(self.limited.any())

    @cached_property
    def changes(self) -> tuple[tuple[int, int], ...]:
        """Return (place, instant [epoch ms]) at which a register's instrument or the worth of its counts changes."""
        found = {(place, each.at_ms) for place, meter in enumerate(self.meters) for each in meter.exchanges}
        for place in np.flatnonzero(self.register & self.changing).tolist():
            multipliers = self.meters[place].multipliers
            found |= {
                (place, new.from_ms) for old, new in pairwise(multipliers) if new.micro_per_count != old.micro_per_count
            }
        return tuple(sorted(found))

    @cached_property
    def highest(self) -> Highest:
        """Return what the highest rates allow; a register without one may do anything."""
        rise, spare, turn = np.zeros(len(self.ids)), np.full(len(self.ids), inf), np.full(len(self.ids), inf)
        for place, meter in enumerate(self.meters):
            if meter.max_micro_per_h is None:
                continue
            # Where it changes, what finds more is taken: it is looked at exactly then.
            worth = [each.micro_per_count for each in meter.multipliers]
            rise[place] = _NEARLY * meter.max_micro_per_h / (max(worth) * HOUR_MS)
            spare[place] = _NEARLY * (rise[place] * MINUTE_MS + meter.resolution)
            if meter.modulus is not None and meter.max_micro_per_h > 0:
                turn[place] = _NEARLY * meter.modulus * min(worth) * HOUR_MS / meter.max_micro_per_h
        return Highest(rise, spare, turn)

    @cached_property
    def metric_names(self) -> tuple[tuple[str, ...], ...]:
        """Return, by place, the metrics of a meter: its quantity, the estimated part, and its three times.

        In the place of a quantity, a gauge that tells a level has the integral over time.
        """
        return tuple(
            (
                f"{'integral' if level else 'qty'}.{meter.carrier}",
                f"{'integral' if level else 'qty'}.{meter.carrier}.estimated",
                f"time.expected.{meter.carrier}",
                f"time.measured.{meter.carrier}",
                f"time.estimated.{meter.carrier}",
            )  # fmt: skip
            for meter, level in zip(self.meters, (self.gauge & ~self.rate).tolist(), strict=True)
        )

    @cached_property
    def averages(self) -> dict[int, str]:
        """Return the metric of the average of each gauge, by place."""
        places: list[int] = np.flatnonzero(self.gauge).tolist()
        return {place: f"{'rate' if self.rate[place] else 'avg'}.{self.meters[place].carrier}" for place in places}

    @cached_property
    def integrated(self) -> frozenset[str]:
        """Return the carriers of which a rate is integrated over the boundary."""
        places: list[int] = np.flatnonzero(self.rate).tolist()
        return frozenset(self.meters[place].carrier for place in places if self.meters[place].role != "sub")

    @cached_property
    def hours_before(self) -> int:
        """Return how many hours back a reading can stand whose interval reaches into an hour."""
        return self._reach(self.interval & ~self.end_stamped)

    @cached_property
    def hours_after(self) -> int:
        """Return how many hours ahead a reading can stand whose interval reaches back into an hour."""
        return self._reach(self.interval & self.end_stamped)

    @cached_property
    def hours_held(self) -> int:
        """Return how many hours away a value of a gauge can stand that an hour depends on."""
        return -(-3 * int(self.step_ms[self.gauge].max()) // (2 * HOUR_MS)) if self.any_gauge else 0

    @cached_property
    def days_reached(self) -> int:
        """Return how many days away a reading of an interval meter or gauge can say something of."""
        longest_gap = max((meter.longest_gap_ms // HOUR_MS for meter in self.meters), default=0)
        return -(-max(longest_gap, self.hours_before, self.hours_after, self.hours_held) * HOUR_MS // DAY_MS)

    def _reach(self, which: Bools) -> int:
        return -(-int(self.step_ms[which].max()) // HOUR_MS) if which.any() else 0

    @cached_property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Return the boundary meters by carrier: inputs, outputs, what sun and wind give; levels are never added up."""
        found: dict[str, list[tuple[int, int]]] = {}
        for place, meter in enumerate(self.meters):
            if not self.rate[place] and self.gauge[place]:
                continue
            if meter.role in ("input", "output") or meter.counts_as == "renewable":
                found.setdefault(meter.carrier, []).append((place, -1 if meter.role == "output" else 1))
        return tuple(
            Boundary(carrier, np.array([p for p, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64))
            for carrier, pairs in sorted(found.items())
        )

    @cached_property
    def tagged(self) -> tuple[Tagged, ...]:
        """Return what of each carrier is feedstock or made by the enterprise itself, sorted; nothing of most."""
        found: list[Tagged] = []
        for carrier in sorted({meter.carrier for meter in self.meters}):
            every = ((place, meter) for place, meter in enumerate(self.meters) if meter.carrier == carrier)
            mine = [(place, meter) for place, meter in every if self.rate[place] or not self.gauge[place]]
            groups = (
                [place for place, meter in mine if meter.counts_as == "feedstock"],
                [place for place, meter in mine if meter.role == "generation"],
                [place for place, meter in mine if meter.counts_as == "renewable"],
                [place for place, meter in mine if meter.role == "output"],
            )
            if any(groups[:3]):
                columns = [np.array(places, np.int64) for places in groups]
                wholes = self._wholes(carrier, groups[0])
                found.append(Tagged(carrier, columns[0], columns[1], columns[2], columns[3], wholes))
        return tuple(found)

    def _wholes(self, carrier: str, feedstock: list[int]) -> tuple[tuple[Ints, Ints], ...]:
        """Return meters of feedstock with the boundary meters above them, grouped by these."""
        mine = {meter.id: meter for meter in self.meters if meter.carrier == carrier}
        inputs = tuple(meter.index for meter in mine.values() if meter.role == "input")
        found: dict[tuple[int, ...], list[int]] = {}
        for place in feedstock:
            top = self.meters[place]
            while top.role == "sub" and top.parent in mine:
                top = mine[top.parent]
            # Below no main meter it is a part of all that comes in.
            found.setdefault(inputs if top.role == "sub" else (top.index,), []).append(place)
        return tuple((np.array(parts, np.int64), np.array(wholes, np.int64)) for wholes, parts in sorted(found.items()))

    def expected_ms(self, start_ms: int, end_ms: int) -> Ints:
        """Return for how long [ms] of a window each meter is in service and without an outage, shape (meters,)."""
        found = self._expected.get((start_ms, end_ms))
        if found is None:
            if len(self._expected) >= EXPECTED_KEPT:
                self._expected.clear()
            found = self._expected[start_ms, end_ms] = self._expected_ms(start_ms, end_ms)
            found.flags.writeable = False
        return found

    def _expected_ms(self, start_ms: int, end_ms: int) -> Ints:
        found = np.maximum(np.minimum(self.to_ms, end_ms) - np.maximum(self.from_ms, start_ms), 0)
        if self.paused:
            places = np.array(self.paused, np.int64)
            low, high = np.maximum(self.from_ms, start_ms)[places], np.minimum(self.to_ms, end_ms)[places]
            found[places] = np.maximum(self.without_outages(places, low, np.maximum(low, high)), 0)
        for place, times in self.bought:
            first, last = max(int(self.from_ms[place]), start_ms), min(int(self.to_ms[place]), end_ms)
            edges = [(max(first, each.from_ms), min(last, each.to_ms)) for each in times if each.meets(first, last)]
            begin, end = np.array(edges, np.int64).reshape(-1, 2).T
            found[place] = self.without_outages(np.full(len(edges), place), begin, end).sum()
        return found

    def not_bought(self, start_ms: int) -> list[int]:
        """Return the places of the meters by which nothing is bought in the hour that begins at `start_ms`."""
        return [place for place, times in self.bought if not any(each.meets(start_ms, start_ms + 1) for each in times)]

    def without_outages(self, place: Ints, from_ms: Ints, to_ms: Ints) -> Ints:
        """Return how long [ms] some times of meters are without what lies in their outages; all of shape (times,)."""
        found = to_ms - from_ms
        if self.paused:
            for at in np.flatnonzero(np.isin(place, np.array(self.paused, np.int64))).tolist():
                low, high = int(from_ms[at]), int(to_ms[at])
                outages = self.meters[int(place[at])].outages
                found[at] -= sum(max(min(each.to_ms, high) - max(each.from_ms, low), 0) for each in outages)
        return found

    def factors(self, place: Ints, at_ms: Ints) -> Ints:
        """Return the 1e-6 carrier units of one count of each meter at an instant, both of shape (rows,)."""
        factor = self.factor[place]
        if self.any_changing:
            for row in np.flatnonzero(self.changing[place]).tolist():
                for since, value in self.meters[int(place[row])].multipliers:
                    if since <= at_ms[row]:
                        factor[row] = value
        return factor
