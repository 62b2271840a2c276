"""A reading check holds single readings against validation rules: their value, their instant, and rivals of it.

A reading that fails a rule of effect `exclude` does not count, as one that its source marks as a fault; its value stays
in the hour.
"""

from collections.abc import Iterator

import numpy as np

from schemas.decimals import decimal_text
from schemas.documents.fields import duration_ms
from schemas.messages import QUALITY_CODE
from schemas.windows import HOUR_MS, window, window_at
from streams.domain.checks import HIGHEST, LOWEST, Checks, StretchOfChecks
from streams.domain.flaw import Flaw
from streams.domain.hour import EXCLUDED, Bools, Hour, Ints, Rows
from streams.domain.meter_table import MeterTable
from streams.domain.validation import Figures, off_schedule, within

_JUDGED = np.zeros(256, bool)
_JUDGED[[QUALITY_CODE[name] for name in ("ok", "suspect", "stopped", "estimated", "substituted")]] = True
_JUDGED[EXCLUDED] = True


def without_excluded(table: MeterTable, checks: Checks, start_ms: int, rows: Rows) -> Rows:
    """Return the rows of the hour at `start_ms`, those marked EXCLUDED that fail a rule which excludes them.

    As with what is found wrong with them, the rules are those of the hour in which a row's slot begins.
    """
    first = checks.at(start_ms - table.hours_after * HOUR_MS)
    last = checks.at(start_ms)
    if (first is last and not last.excluding) or not len(rows):
        return rows
    if first is last:
        wrong = _excluded(last, rows)
    else:
        hours = _slot_begins(table, rows)[0] // HOUR_MS * HOUR_MS
        wrong = np.zeros(len(rows), bool)
        for hour_ms in np.unique(hours).tolist():
            mine = hours == hour_ms
            wrong[mine] = _excluded(checks.at(hour_ms), rows.take(mine))
    wrong &= _JUDGED[rows.q]
    if not wrong.any():
        return rows
    columns = rows.columns.copy()
    columns[4, wrong] = EXCLUDED
    return Rows(columns)


def _excluded(stretch: StretchOfChecks, rows: Rows) -> Bools:
    wrong = np.zeros(len(rows), bool)
    for each in stretch.excluding:
        wrong |= (rows.v < each.low[rows.meter]) | (rows.v > each.high[rows.meter])
    return wrong


def _slot_begins(table: MeterTable, rows: Rows) -> tuple[Ints, Ints]:
    """Return when the slots of readings begin [epoch ms], their instants where they have none, and how long [ms]."""
    step = np.where(table.interval[rows.meter], table.step_ms[rows.meter], 0)
    return np.where(table.end_stamped[rows.meter], rows.t - step, rows.t), step


def failed_readings(table: MeterTable, checks: Checks, start_ms: int, rows: Rows) -> Iterator[Flaw]:
    """Yield what rules find wrong with the readings whose slot begins, or whose instant lies, in the hour `start_ms`.

    `rows` are those that `metering.measure` takes.
    """
    stretch = checks.at(start_ms)
    # Most hours hold nothing that any rule would look at twice.
    beyond = (stretch.least > LOWEST and int(rows.v.min(initial=HIGHEST)) < stretch.least) or (
        stretch.most < HIGHEST and int(rows.v.max(initial=LOWEST)) > stretch.most
    )
    if beyond:
        yield from _out_of_bounds(table, stretch, start_ms, rows)
    if stretch.schedule:
        yield from _off_schedule(table, stretch, start_ms, rows)


def _out_of_bounds(table: MeterTable, stretch: StretchOfChecks, start_ms: int, rows: Rows) -> Iterator[Flaw]:
    begin, step = _slot_begins(table, rows)
    mine = (begin >= start_ms) & (begin < start_ms + HOUR_MS) & _JUDGED[rows.q]
    for rule, low, high in stretch.readings:
        wrong = mine & ((rows.v < low[rows.meter]) | (rows.v > high[rows.meter]))
        for at in np.flatnonzero(wrong).tolist():
            place = int(rows.meter[at])
            lowest, highest = int(low[place]), int(high[place])
            verdict = within(
                int(rows.v[at]),
                None if lowest == LOWEST else lowest,
                None if highest == HIGHEST else highest,
                table.meters[place].scale,
            )
            yield _flaw(
                table, place, int(begin[at]), int(begin[at] + step[at]), rule.name, rule.effect, verdict.figures
            )


def _off_schedule(table: MeterTable, stretch: StretchOfChecks, start_ms: int, rows: Rows) -> Iterator[Flaw]:
    """Yield for each meter one flaw an hour: how many of its readings stand beside the grid, and the first of them."""
    in_day = rows.t - window(window_at(start_ms, "day").name).start_ms
    past = in_day % table.step_ms[rows.meter]
    off = np.minimum(past, table.step_ms[rows.meter] - past)
    mine = (rows.t >= start_ms) & (rows.t < start_ms + HOUR_MS) & _JUDGED[rows.q]
    for rule, places in stretch.schedule:
        tolerance_ms = duration_ms(rule.spec.tolerance or "")
        wrong = mine & (off > tolerance_ms) & _among(places.tolist(), rows)
        for place in np.unique(rows.meter[wrong]).tolist():
            those = np.flatnonzero(wrong & (rows.meter == place))
            verdict = off_schedule(int(in_day[those[0]]), int(table.step_ms[place]), tolerance_ms)
            figures = (("readings", str(len(those))), *verdict.figures)
            yield _flaw(table, place, start_ms, start_ms + HOUR_MS, rule.name, rule.effect, figures)


def rivals(table: MeterTable, checks: Checks, hour: Hour) -> Iterator[Flaw]:
    """Yield the instants of an hour of which two distinct values were sent at one revision: one stands, one is kept."""
    if not len(hour.conflicts):
        return
    for rule, places in checks.at(hour.start_ms).duplicates:
        here = set(places.tolist())
        rows: list[list[int]] = hour.conflicts.columns[:3].T.tolist()
        for meter, t, value in rows:
            place = table.place.get(hour.meters[meter], -1)
            if place not in here:
                continue
            stands = hour.rows.v[(hour.rows.meter == meter) & (hour.rows.t == t)].tolist()
            scale = hour.scales[meter]
            figures = tuple(("stands", decimal_text(each, scale)) for each in stands)
            figures += (("kept_aside", decimal_text(value, scale)),)
            yield _flaw(table, place, t, t, rule.name, rule.effect, figures)


def _among(places: list[int], rows: Rows) -> Bools:
    return np.isin(rows.meter, places)


def _flaw(
    table: MeterTable, place: int, from_ms: int, to_ms: int, rule: str, effect: str, figures: Figures
) -> Flaw:  # fmt: skip
    return Flaw(table.ids[place], from_ms, to_ms, rule, effect, figures)
