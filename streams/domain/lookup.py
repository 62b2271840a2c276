"""A lookup says what the calendar documents of an entity tell of one metric in one window: value, status, coverage.

It answers as every reader of topic `totals` does: what stands for the window itself, else the sum of what is known of
its children.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from schemas.documents.metric import LINE_TIMES, carrier_in, is_divided
from schemas.messages import CalendarDocument
from schemas.windows import Window, child_index, window_at
from streams.domain.calendar import PROVISIONAL, REVISED, SETTLED, quarters_of, total
from streams.domain.enterprise_alarms import HOME
from streams.domain.indicator import window_value

_EXPECTED, _MEASURED, _ESTIMATED = "time.expected.", "time.measured.", "time.estimated."


class Shares(NamedTuple):
    """What of the expected time was measured, estimated and is missing; exact, and 1 in sum."""

    measured: Fraction
    estimated: Fraction
    missing: Fraction


class Known(NamedTuple):
    """What is known: the value at 1e-6 of the metric's unit (None: unknown), the status (None: nothing is known of the
    window), the shares of time (None where no time is expected, and for metrics that have none).
    """

    micro: int | None
    status: str | None
    shares: Shares | None


NOTHING = Known(None, None, None)


def look_up(documents: Mapping[str, CalendarDocument], entity: str, metric: str, each: Window) -> Known:
    """Return what is known of a metric of an entity in a window, given the documents by `entity|period`."""
    document = documents.get(f"{entity}|{window_at(each.start_ms, HOME[each.kind]).name}")
    if document is None:
        return NOTHING
    part = _part(document, each)
    if each.kind == "hour":
        micro = total(document.metrics.get(metric, [None] * len(document.status))[part])
        own = None
    else:
        own = document.own.get(each.name)
        micro = window_value(document, part, own.values if own is not None else {}, metric)
    status = own.status if own is not None else _status(document.status[part])
    return Known(micro, status, _shares(document, part, metric))


def _part(document: CalendarDocument, each: Window) -> slice:
    if each.kind == "hour":
        index = child_index(each.start_ms, "day")
        return slice(index, index + 1)
    if each.kind == "quarter":
        return next(part for quarter, part in quarters_of(document.period) if quarter.name == each.name)
    return slice(0, len(document.status))


def _status(children: list[str | None]) -> str | None:
    if not any(children):
        return None
    if any(status is None or status == PROVISIONAL for status in children):
        return PROVISIONAL
    return REVISED if REVISED in children else SETTLED


def _shares(document: CalendarDocument, part: slice, metric: str) -> Shares | None:
    """Return the shares of a quantity's own carrier, or for energy, emissions and indicators of all carriers."""
    if metric.startswith(("time.", "online.", "lines.", "output.", "reported.")):
        return None
    if is_divided(metric):
        return _of_times(*(total(document.metrics.get(name, [])[part]) or 0 for name in LINE_TIMES))
    carrier = carrier_in(metric)
    if carrier is not None:
        carriers = [carrier]
    else:
        carriers = [name.removeprefix(_EXPECTED) for name in document.metrics if name.startswith(_EXPECTED)]

    def sum_of(lead: str) -> int:
        return sum(total(document.metrics.get(lead + carrier, [])[part]) or 0 for carrier in carriers)

    return _of_times(sum_of(_EXPECTED), sum_of(_MEASURED), sum_of(_ESTIMATED))


def _of_times(expected: int, measured_time: int, estimated_time: int) -> Shares | None:
    if expected <= 0:
        return None
    measured, estimated = Fraction(measured_time, expected), Fraction(estimated_time, expected)
    return Shares(measured, estimated, max(1 - measured - estimated, Fraction(0)))
