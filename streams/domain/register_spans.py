"""The spans of one register from its rows: normal ones all at once, what lies around an odd step looked at exactly.

A step is odd where the value falls, rises by more than the highest rate allows, may have turned, or where the
instrument or its multiplier changes. What validity depends on is near: see REACH.
"""

from typing import NamedTuple

import numpy as np

from streams.domain.hour import Bools, Ints, Rows, guessed, usable
from streams.domain.meter_table import MeterTable
from streams.domain.register import SpanKind, spans_of

AMOUNT_LIMIT = 2**62
# A reading's validity depends on three others on each side at the most, each of which may have zeros around it: so
# many changes of the value on each side decide, and as many equal readings between them as there are.
REACH = 10


class RegisterSpan(NamedTuple):
    """A span of one register: instants and the arrival of the last that it follows from [epoch ms], see `Span`."""

    from_ms: int
    to_ms: int
    kind: SpanKind
    amount: int
    guessed: bool
    received: int


def register_spans(table: MeterTable, place: int, rows: Rows) -> list[RegisterSpan]:
    """Return the spans of the register at a place in the table, from its rows in order of time."""
    valid = np.flatnonzero(usable(rows))
    if len(valid) < 2:
        return []
    # What lies between two valid readings and was voided tells when that became known.
    received = rows.received if len(valid) == len(rows) else np.maximum.reduceat(rows.received, valid)
    marked = guessed(rows)[valid]
    rows = rows.take(valid)
    factor = table.factors(rows.meter, rows.t)
    runs = _runs(table, place, rows, factor)
    found: list[RegisterSpan] = []
    done = 0
    for low, high in (*runs, (len(rows) - 1, len(rows) - 1)):
        found += _normal(rows, received, marked, factor, done, low)
        found += _exact(table, place, rows, received, marked, low, high)
        done = high
    return found


def steps_to_look_at(table: MeterTable, rows: Rows) -> Bools:
    """Tell between which rows and the next a register falls, passes its highest rate, or may have turned.

    Of shape (rows - 1,); rows of two registers are compared as if they were of one. What comes near the highest rate is
    told, too.
    """
    step = rows.v[1:] - rows.v[:-1]
    found = step < 0
    if table.any_limited:
        place, length_ms = rows.meter[1:], rows.t[1:] - rows.t[:-1]
        highest = table.highest
        found |= step > highest.rise_per_ms[place] * length_ms + highest.spare[place]
        found |= length_ms >= highest.turn_ms[place]
    return found


def _runs(table: MeterTable, place: int, rows: Rows, factor: Ints) -> list[tuple[int, int]]:
    """Return the first and last row of each stretch that is looked at exactly: an odd step and what is around it."""
    odd = steps_to_look_at(table, rows)
    for which, at_ms in table.changes:
        if which == place:
            before = int(np.searchsorted(rows.t, at_ms))
            if 0 < before < len(rows):
                odd[before - 1] = True
    step = rows.v[1:] - rows.v[:-1]
    if int(step.max()) * int(factor.max()) > AMOUNT_LIMIT:
        return [(0, len(rows) - 1)]
    at = odd.nonzero()[0]
    if not len(at):
        return []
    changes = np.concatenate(([0], np.cumsum(step != 0)))  # before each row
    low: list[int] = np.searchsorted(changes, changes[at] - REACH).tolist()
    high: list[int] = (np.searchsorted(changes, changes[at + 1] + REACH, side="right") - 1).tolist()
    found: list[tuple[int, int]] = []
    for first, last in zip(low, high, strict=True):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


def _normal(rows: Rows, received: Ints, marked: Bools, factor: Ints, low: int, high: int) -> list[RegisterSpan]:
    """Return the spans between each of the rows `low` to `high` and the next."""
    if low >= high:
        return []
    first, last = slice(low, high), slice(low + 1, high + 1)
    columns = (
        rows.t[first].tolist(),
        rows.t[last].tolist(),
        [SpanKind.NORMAL] * (high - low),
        ((rows.v[last] - rows.v[first]) * factor[first]).tolist(),
        (marked[first] | marked[last]).tolist(),
        np.maximum(received[first], rows.received[last]).tolist(),
    )
    return list(map(RegisterSpan, *columns))


def _exact(
    table: MeterTable, place: int, rows: Rows, received: Ints, marked: Bools, low: int, high: int
) -> list[RegisterSpan]:
    """Return the spans between the valid ones of the rows `low` to `high`."""
    if low >= high:
        return []
    instants, values = rows.t[low : high + 1].tolist(), rows.v[low : high + 1].tolist()
    return [
        RegisterSpan(
            instants[first],
            instants[last],
            kind,
            amount,
            bool(marked[low + first] | marked[low + last]),
            max(int(received[low + first : low + last].max()), int(rows.received[low + last])),
        )
        for first, last, kind, amount in spans_of(table.meters[place], instants, values)
    ]
