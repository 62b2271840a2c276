"""A slot is an interval of an interval meter that has a reading, wherever it stands among the hours."""

from typing import NamedTuple

import numpy as np

from schemas.windows import HOUR_MS
from streams.domain.edges import placed
from streams.domain.hour import Bools, guessed, usable
from streams.domain.meter_table import MeterTable
from streams.domain.work import Work


class Slot(NamedTuple):
    """An interval that has a reading: its begin [epoch ms], its amount [1e-6 of the carrier's unit], how good it is."""

    from_ms: int
    amount: int
    measured: bool
    received: int


def slots(work: Work, table: MeterTable, place: int, from_ms: int, to_ms: int) -> list[Slot]:
    """Return the slots of a meter with a reading that begin within `[from_ms, to_ms)`, in order."""
    step = int(table.step_ms[place])
    shift = step if table.end_stamped[place] else 0
    found: list[Slot] = []
    for hour_ms in range((from_ms + shift) // HOUR_MS * HOUR_MS, to_ms + shift, HOUR_MS):
        hour = work.hour(hour_ms)
        if hour is None:
            continue
        rows = placed(table, hour).rows
        low, high = np.searchsorted(rows.meter, (place, place + 1))
        rows = rows.take(np.arange(int(low), int(high)))
        rows = rows.take(usable(rows) & (rows.t - shift >= from_ms) & (rows.t - shift < to_ms))
        marked: Bools = guessed(rows)
        for t, v, mark, received in zip(
            rows.t.tolist(), rows.v.tolist(), marked.tolist(), rows.received.tolist(), strict=True
        ):
            begin = t - shift
            outage = any(each.meets(begin, begin + step) for each in table.meters[place].outages)
            worth = table.meters[place].micro_per_count_at(begin)
            found.append(Slot(begin, v * worth, not mark and not outage, received))
    return found


def nearest(work: Work, table: MeterTable, place: int, at_ms: int, *, after: bool) -> Slot | None:
    """Return the last slot of a meter that begins before an instant [epoch ms], or the first that begins after it.

    One that begins at the very instant is after it.
    """
    shift = int(table.step_ms[place]) if table.end_stamped[place] else 0
    edge = (at_ms + shift) // HOUR_MS * HOUR_MS
    hour = work.hour_with(table.ids[place], edge + (-HOUR_MS if after else HOUR_MS), after=after)
    while hour is not None:
        low, high = hour - shift, hour - shift + HOUR_MS
        found = slots(work, table, place, max(low, at_ms) if after else low, high if after else min(high, at_ms))
        if found:
            return found[0 if after else -1]
        hour = work.hour_with(table.ids[place], hour, after=after)
    return None
