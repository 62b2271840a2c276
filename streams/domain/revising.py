"""A revision (修订) is a change of a settled window's number: from what, to what, what caused it, and since when known.

Here calendar documents and blocks of meters are compared with what they were before a part of a step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.messages import VERSION, CalendarDocument, Cause, Revision
from schemas.windows import Window, children_of, window
from streams.domain.account import MICRO_PER_MS, Metrics
from streams.domain.block import Block
from streams.domain.calendar import PROVISIONAL, is_reported, latest_known, total, totals, windows_in
from streams.domain.meter_table import MeterTable

EVERYTHING = "*"  # in the place of a metric: nothing had come of the window before


class Change(NamedTuple):
    """A number of a settled window that is another one now; both at 1e-6 of the metric's unit, None: not known."""

    entity: str
    window: Window
    metric: str
    before: int | None
    after: int | None


def settled(status: str | None) -> bool:
    """Tell whether a window of this status has settled (revised ones have)."""
    return status is not None and status != PROVISIONAL


def changes(
    before: CalendarDocument | None, after: CalendarDocument, late: Callable[[Window, str | None], bool]
) -> Iterator[Change]:
    """Yield what changed of the settled windows that a document tells the numbers of.

    These are its children; of a year also its quarters and itself. A day and a month stand in the document above.
    A window of which nothing had come before is one change, of EVERYTHING; `late` tells of such a one, with its status
    now, whether it should have settled before.
    """
    kids = children_of(after.period)
    for at in after.touched:
        status = before.status[at] if before is not None else None
        was_settled = settled(status)
        if not was_settled and not late(kids[at], after.status[at]):
            continue
        if _heard_of(after, at) and (before is None or not _heard_of(before, at)):
            yield Change(after.entity, kids[at], EVERYTHING, None, None)
        elif before is not None and was_settled:
            for metric, values in sorted(after.metrics.items()):
                had = before.metrics.get(metric)
                old = had[at] if had is not None else None
                if old != values[at]:
                    yield Change(after.entity, kids[at], metric, old, values[at])
    if after.of == "month":
        for each, part in windows_in(after):
            own, was = after.own[each.name], before.own.get(each.name) if before is not None else None
            was_settled = was is not None and settled(was.status)
            if not was_settled and not late(each, own.status):
                continue
            if _heard_in(after, each, part) and (before is None or not _heard_in(before, each, part)):
                yield Change(after.entity, each, EVERYTHING, None, None)
            elif before is not None and was_settled:
                yield from _between(after.entity, each, _numbers(before, each, part), _numbers(after, each, part))


def _heard_of(document: CalendarDocument, at: int) -> bool:
    """Tell whether anything came of a child: a reading that counts in it or takes one away, or a reported value."""
    if document.known[at] is not None:
        return True
    return any(values[at] is not None for metric, values in document.metrics.items() if is_reported(metric))


def _heard_in(document: CalendarDocument, each: Window, part: slice) -> bool:
    own = document.own.get(each.name)
    told = own is not None and any(value is not None for value in own.values.values())
    return told or any(_heard_of(document, at) for at in range(part.start, part.stop))


def _numbers(document: CalendarDocument, each: Window, part: slice) -> Metrics:
    own = document.own.get(each.name)
    return {**totals(document, part), **(own.values if own is not None else {})}


def _between(entity: str, each: Window, before: Metrics, after: Metrics) -> Iterator[Change]:
    for metric in sorted(before.keys() | after.keys()):
        if before.get(metric) != after.get(metric):
            yield Change(entity, each, metric, before.get(metric), after.get(metric))


def meter_changes(
    table: MeterTable, day: CalendarDocument, old: Block, new: Block, hours: Iterable[int]
) -> Iterator[Change]:
    """Yield what changed in the settled ones of some hours (places in the day) of an enterprise's meters.

    `day` is the enterprise's document as it was: a meter's windows settle with those of its enterprise, and where
    nothing had come of those, nothing had of it. Both blocks are of the meters of `table`.
    """
    places: set[int] = set()
    windows = children_of(day.period)
    for hour in hours:
        own = slice(table.own)
        moved: list[int] = np.flatnonzero((old.cells[:4, hour, own] != new.cells[:4, hour, own]).any(axis=0)).tolist()
        places.update(moved)
        if settled(day.status[hour]) and _heard_of(day, hour):
            for place in moved:
                names, entity = table.metric_names[place], table.meters[place].entity
                before, after = _meter_hour(names, old, hour, place), _meter_hour(names, new, hour, place)
                if place in table.averages:
                    for each, block in ((before, old), (after, new)):
                        each[table.averages[place]] = block.average(table, place, hour)
                yield from _between(entity, windows[hour], before, after)
    own = day.own.get(day.period)
    if own is not None and settled(own.status) and latest_known(day) is not None:
        for place in sorted(places):
            names, entity = table.metric_names[place], table.meters[place].entity
            before, after = _meter_day(names, old, place), _meter_day(names, new, place)
            if place in table.averages:
                for each, block in ((before, old), (after, new)):
                    each[table.averages[place]] = block.average(table, place)
            yield from _between(entity, window(day.period), before, after)
    if table.nodes and places:
        yield from _node_changes(table, day, old, new)


def _node_changes(table: MeterTable, day: CalendarDocument, old: Block, new: Block) -> Iterator[Change]:
    """Yield what changed in the settled hours of a day, and in the day, of what sub-meters do not explain."""
    windows, own = children_of(day.period), day.own.get(day.period)
    expected = np.stack([table.expected_ms(each.start_ms, each.end_ms) for each in windows])
    sides: list[list[list[int | None]]] = []
    for block in (old, new):
        values, known = table.nodes.unexplained(block.cells[0], block.cells[2] + block.cells[3], expected)
        sides.append([
            [value if here else None for value, here in zip(*of_node, strict=True)]
            for of_node in zip(values.T.tolist(), known.T.tolist(), strict=True)
        ])  # fmt: skip
    for node, before, after in zip(table.nodes.each, sides[0], sides[1], strict=True):
        entity = table.meters[node.place].entity
        for hour, each in enumerate(windows):
            if settled(day.status[hour]) and _heard_of(day, hour):
                yield from _between(entity, each, {node.metric: before[hour]}, {node.metric: after[hour]})
        if own is not None and settled(own.status) and latest_known(day) is not None:
            sums = {node.metric: total(before)}, {node.metric: total(after)}
            yield from _between(entity, window(day.period), *sums)


def _meter_hour(names: Sequence[str], block: Block, hour: int, place: int) -> Metrics:
    cells: list[int] = block.cells[:4, hour, place].tolist()
    some = cells[2] + cells[3] > 0
    quantity, estimated, _, measured_time, estimated_time = names
    return {
        quantity: cells[0] if some else None,
        estimated: cells[1] if some else None,
        measured_time: cells[2] * MICRO_PER_MS,
        estimated_time: cells[3] * MICRO_PER_MS,
    }


def _meter_day(names: Sequence[str], block: Block, place: int) -> Metrics:
    hours = [_meter_hour(names, block, hour, place) for hour in range(24)]
    return {name: total([hour[name] for hour in hours]) for name in hours[0]}


def revision(change: Change, cause: Cause, known_ms: int) -> Revision:
    """Return the record of a change."""
    each = change.window
    return Revision(
        VERSION, change.entity, change.metric, each.kind, each.name, change.before, change.after, known_ms, cause
    )
