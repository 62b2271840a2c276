"""An indicator (指标) is a named formula over an entity's windows: total, intensity, share, average and more.

A quotient exists only for a window whose denominator is reported or metered; it is never prorated. What takes values of
other windows too is computed in `across`.
"""

from collections.abc import Iterable, Mapping

from schemas.decimals import MICRO, divide_half_even
from schemas.messages import CalendarDocument
from streams.domain.account import Metrics
from streams.domain.calendar import PROVISIONAL, additive, total
from streams.domain.rule_views import IndicatorView
from streams.domain.tagging import CONTROLLED


def indicator_value(indicator: IndicatorView, metrics: Metrics) -> int | None:
    """Return an indicator of one window at 1e-6 of its unit, rounded half-even, from the window's metrics.

    None where the total, the numerator or the denominator has no value, or the denominator is zero.
    """
    top = _of_hour_or_window(metrics, indicator.numerator)
    if top is None:
        return None
    factor = indicator.factor
    if indicator.denominator is None:
        return divide_half_even(top * factor.numerator, factor.denominator)
    bottom = _of_hour_or_window(metrics, indicator.denominator)
    if not bottom:
        return None
    number, divisor = top * factor.numerator * MICRO, bottom * factor.denominator
    return divide_half_even(number, divisor) if divisor > 0 else divide_half_even(-number, -divisor)


def _of_hour_or_window(metrics: Metrics, metric: str) -> int | None:
    value = metrics.get(metric)
    # Where no part is tagged, all of it is under control.
    return metrics.get(CONTROLLED[metric][0]) if value is None and metric in CONTROLLED else value


def average_value(indicator: IndicatorView, document: CalendarDocument, part: slice) -> int | None:
    """Return the mean of a metric over some children of a document, at 1e-6 of the indicator's unit.

    What is metered counts from the children that have settled and of which nothing is missing; what is reported must
    have a value for each. None without any, and where the children are not what the average is over.
    """
    column = document.metrics.get(indicator.numerator)
    if column is None or document.of != indicator.over:
        return None
    if additive(indicator.numerator):
        whole_ones = [at for at in range(part.start, part.stop) if _is_whole(document, indicator.numerator, at)]
        values = [column[at] for at in whole_ones if column[at] is not None]
    else:
        values = column[part]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    factor = indicator.factor
    return divide_half_even(sum(known) * factor.numerator, len(known) * factor.denominator)


def _is_whole(document: CalendarDocument, metric: str, at: int) -> bool:
    if document.status[at] in (None, PROVISIONAL):
        return False
    # A part of a quantity (`qty.CARRIER.renewable`) is as whole as the carrier's time.
    carrier = metric.split(".")[1] if metric.startswith("qty.") else None
    missing = 0
    for name, values in document.metrics.items():
        if name.startswith("time.") and (carrier is None or name.endswith("." + carrier)):
            missing += (values[at] or 0) * (1 if name.startswith("time.expected.") else -1)
    return missing <= 0


def hour_values(indicators: Iterable[IndicatorView], metrics: Metrics) -> Metrics:
    """Return the indicators of one hour at 1e-6 of their units, from the hour's metrics; only those with a value."""
    found: Metrics = {}
    for indicator in indicators:
        value = indicator_value(indicator, metrics)
        if value is not None:
            found["ind." + indicator.id] = value
    return found


def window_value(document: CalendarDocument, part: slice, own: Mapping[str, int | None], metric: str) -> int | None:
    """Return a metric's value [1e-6] in a window of a document: its own one, else the sum of its known children."""
    if metric in own and (own[metric] is not None or metric not in CONTROLLED):
        return own[metric]
    if metric in CONTROLLED:
        # Where no part is tagged, all of it is under control.
        return window_value(document, part, own, CONTROLLED[metric][0])
    children = document.metrics.get(metric)
    return None if children is None or not additive(metric) else total(children[part])
