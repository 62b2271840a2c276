"""A point is one number on its way to the series store: a window's value, a reading, an alarm's evaluation.

Points are a pure function of the message they come from. Amounts at 1e-6 of their unit become the nearest double here
and nowhere before.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.decimals import LARGEST_SCALE, MICRO
from schemas.documents.metric import LINE_TIMES, carrier_in, is_divided
from schemas.messages import AlarmEvent, CalendarDocument, Condition, Heartbeat, Own, Readings
from schemas.series import ALARM, ALARM_STATE, ENGINE, READING, Point
from schemas.windows import CHILD_KIND, LATEST_MS, Window, WindowKind, children_of, window
from streams.domain.calendar import PROVISIONAL, REVISED, additive, is_reported, quarters_of, total, whole

_EXPECTED, _MEASURED, _ESTIMATED = "time.expected.", "time.measured.", "time.estimated."
_INDICATOR, _TIME = "ind.", "time."

# Shares where nothing was expected: written, so that they replace earlier ones, and read as unknown (their sum is 0).
_NOTHING_EXPECTED = (0.0, 0.0, 0.0)
_NO_SHARES = (None, None, None)

Shares = tuple[float | None, float | None, float | None]
Cells = Sequence[int | None]


class _Group(NamedTuple):
    """Metrics that share their coverage: the places of their expected, measured and estimated time."""

    expected: tuple[int, ...]
    measured: tuple[int, ...]
    estimated: tuple[int, ...]

    def shares(self, cells: Cells) -> Shares:
        """Return measured, estimated and missing as shares of the expected time."""
        expected = sum(cells[at] or 0 for at in self.expected)
        if expected <= 0:
            return _NOTHING_EXPECTED
        measured = sum(cells[at] or 0 for at in self.measured)
        estimated = sum(cells[at] or 0 for at in self.estimated)
        return measured / expected, estimated / expected, max(expected - measured - estimated, 0) / expected


class _Plan(NamedTuple):
    """How a document with certain metrics becomes points: of each metric its place, its group (-1: none), its kind.

    Group 0 is all carriers together, the last one what lines rest on. `sums` says how a window's value follows from its
    children.
    """

    places: tuple[tuple[int, str, int, bool], ...]
    groups: tuple[_Group, ...]
    sums: tuple[Callable[[Cells], int | None], ...]


@lru_cache(maxsize=4096)
def _plan(names: tuple[str, ...]) -> _Plan:
    at = {name: place for place, name in enumerate(names)}
    carriers = [name.removeprefix(_EXPECTED) for name in names if name.startswith(_EXPECTED)]

    def group(of: Sequence[str]) -> _Group:
        found = (tuple(at[lead + carrier] for carrier in of if lead + carrier in at) for lead in _TIMES)
        return _Group(*found)

    numbers = {carrier: number for number, carrier in enumerate(carriers, 1)}
    divided = _Group(*((at[name],) if name in at else () for name in LINE_TIMES))

    def group_of(name: str) -> int:
        if name.startswith((_TIME, "online.", "lines.")) or is_reported(name):
            return -1
        if is_divided(name):
            return len(carriers) + 1
        carrier = carrier_in(name)
        return 0 if carrier is None else numbers.get(carrier, -1)

    return _Plan(
        tuple((at[name], name, group_of(name), is_reported(name)) for name in names),
        (group(carriers), *(group([carrier]) for carrier in carriers), divided),
        tuple(whole if is_reported(name) else total if additive(name) else _no_sum for name in names),
    )


def _no_sum(_: Cells) -> int | None:
    return None


_TIMES = (_EXPECTED, _MEASURED, _ESTIMATED)


def points_of(document: CalendarDocument, *, everything: bool) -> list[Point]:
    """Return the points of a calendar document: of its touched children, or of all that anything is known of.

    A child's values come from its parent's document; what no sum gives (indicators, outputs) from the document of the
    window itself, so a day's and a month's total and a day's indicator are in different documents. Quarters and years
    come from the year's document, a meter's day from its day's.
    """
    period = window(document.period)
    names = tuple(document.metrics)
    plan = _plan(names)
    columns = tuple(document.metrics.values())
    tags = tuple((document.entity, name) for name in names)
    touched = set(document.touched)
    if everything:
        touched.update(at for at, status in enumerate(document.status) if status is not None)
    found: list[Point] = []
    kind = CHILD_KIND[period.kind]
    # An hour has no document of its own, so its indicators stand in the day's.
    without = () if kind == "hour" else (_INDICATOR,)
    windows = children_of(document.period)
    for at in sorted(touched):
        standing = _standing([document.status[at]])
        cells = [column[at] for column in columns]
        found += _window_points(plan, tags, kind, windows[at].start_ms, cells, standing, without, own=None)
    for own_window, part, complete in _windows_above(document, period, touched):
        own = document.own.get(own_window.name)
        if complete:
            cells = [add(column[part]) for column, add in zip(columns, plan.sums, strict=True)]
            standing = _standing([own.status] if own else document.status[part])
            found += _window_points(
                plan, tags, own_window.kind, own_window.start_ms, cells, standing, (_INDICATOR,), own=own
            )
        if own is not None and own.values:
            found += _own_points(document, own_window, own, plan, columns, part)
    return found


def _windows_above(
    document: CalendarDocument, period: Window, touched: set[int]
) -> Iterator[tuple[Window, slice, bool]]:
    """Yield the windows that the document speaks for as a whole, their children, and whether sums come from here."""
    every = slice(0, len(document.status))
    # Written though no child was touched: something of the window itself has changed, such as that it settled.
    itself = not touched
    if period.kind == "year":
        for quarter, part in quarters_of(document.period):
            yield quarter, part, itself or any(at in touched for at in range(part.start, part.stop))
        yield period, every, True
    else:
        # A meter has no month's document that could tell its day.
        yield period, every, document.entity.startswith("meter/")


def _standing(statuses: Sequence[str | None]) -> tuple[float, float]:
    """Return the fields `settled` and `revised` of a window, from its own status or those of its parts."""
    settled = all(status is not None and status != PROVISIONAL for status in statuses)
    return float(settled), float(settled and REVISED in statuses)


def _window_points(
    plan: _Plan,
    tags: Sequence[tuple[str, str]],
    kind: WindowKind,
    start_ms: int,
    cells: Cells,
    standing: tuple[float, float],
    without: tuple[str, ...],
    own: Own | None,
) -> list[Point]:
    shares = [group.shares(cells) for group in plan.groups]
    found: list[Point] = []
    for place, name, group, output in plan.places:
        if without and name.startswith(without):
            continue
        cell = cells[place]
        # The window's own document tells its outputs; what a parent does not know must not hide them.
        if (output and cell is None) or (own is not None and name in own.values):
            continue
        measured, estimated, missing = _NO_SHARES if group < 0 else shares[group]
        if cell is None:
            fields = (None, 0.0, measured, estimated, missing, *standing)
        else:
            fields = (cell / MICRO, 1.0, measured, estimated, missing, *standing)
        found.append(Point(kind, tags[place], start_ms, fields))
    return found


def _own_points(
    document: CalendarDocument,
    of: Window,
    own: Own,
    plan: _Plan,
    columns: Sequence[Cells],
    part: slice,
) -> list[Point]:
    groups = plan.groups[0], plan.groups[-1]
    times = {place for group in groups for places in group for place in places}
    cells = [total(column[part]) if place in times else None for place, column in enumerate(columns)]
    of_all, of_lines = (group.shares(cells) for group in groups)
    standing = _standing([own.status])
    found: list[Point] = []
    for name, micro in own.values.items():
        shares = of_lines if is_divided(name) else of_all
        measured, estimated, missing = _NO_SHARES if is_reported(name) else shares
        value, present = (None, 0.0) if micro is None else (micro / MICRO, 1.0)
        fields = (value, present, measured, estimated, missing, *standing)
        found.append(Point(of.kind, (document.entity, name), of.start_ms, fields))
    return found


def points_of_readings(readings: Readings) -> list[Point]:
    """Return a point for each reading of a message, as it was accepted; none for a tick.

    Of two distinct values at one revision the series keeps the later written; the computation decides by arrival.
    Raises ValueError or IndexError where the columns do not fit each other.
    """
    found: list[Point] = []
    if readings.batches and readings.enterprise is None:
        raise ValueError("batches without an enterprise")
    for batch in readings.batches:
        if min(batch.i, default=0) < 0:
            raise ValueError(f"batch {batch.batch!r}: column i has a negative place")
        if not all(0 <= scale <= LARGEST_SCALE for scale in batch.scale):
            raise ValueError(f"batch {batch.batch!r}: a scale is not within 0 to {LARGEST_SCALE}")
        times = (batch.received, *batch.t)
        if min(times) < 0 or max(times) >= LATEST_MS:
            raise ValueError(f"batch {batch.batch!r}: a time lies outside of 1970 to 2200")
        meters = [name if "." in name else f"{readings.enterprise}.{name}" for name in batch.meters]
        first = [(name, "0") for name in meters]
        steps = [10**scale for scale in batch.scale]
        revisions, qualities = batch.rev, batch.q
        for at, (meter, time_ms, value) in enumerate(zip(batch.i, batch.t, batch.v, strict=True)):
            revision = revisions[at] if revisions else 0
            tags = (meters[meter], str(revision)) if revision else first[meter]
            quality = float(qualities[at]) if qualities else 0.0
            fields = (None, quality, 1.0) if value is None else (value / steps[meter], quality, 0.0)
            found.append(Point(READING, tags, time_ms, fields))
    return found


def point_of_condition(condition: Condition | AlarmEvent, tiers: Sequence[str] = ()) -> Point:
    """Return what (rule, entity, start) was evaluated to.

    `tier` counts from 1 in `tiers`, the limit's tiers from the mildest; 0: none is passed. `margin` = limit - value.
    """
    value = None if condition.value is None else float(condition.value)
    limit = None if condition.limit is None else float(condition.limit)
    tier = 0.0 if condition.tier is None else None
    if condition.tier in tiers:
        tier = 1.0 + tiers.index(condition.tier)
    margin = None if value is None or limit is None else limit - value
    fields = (ALARM_STATE[condition.condition], tier, value, limit, margin)
    return Point(ALARM, (condition.entity, condition.rule), window(condition.start).start_ms, fields)


def point_of_heartbeat(heartbeat: Heartbeat) -> Point:
    """Return a process's heartbeat: its time [epoch ms] as the value too, so that its age can be computed."""
    lag = None if heartbeat.lag is None else float(heartbeat.lag)
    return Point(ENGINE, (heartbeat.process,), heartbeat.at, (float(heartbeat.at), lag))


def merge(earlier: CalendarDocument | None, later: CalendarDocument) -> CalendarDocument:
    """Return the later version of a document with the touched children of both; children are absolute."""
    if earlier is not None and earlier.touched != later.touched:
        later.touched = sorted({*earlier.touched, *later.touched})
    return later
