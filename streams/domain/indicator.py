"""An indicator (指标) is a named formula over an entity's windows: a total of one metric, an intensity of two.

An intensity exists only for a window whose denominator is reported or metered; it is never prorated.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from schemas.decimals import MICRO, divide_half_even
from schemas.messages import CalendarDocument
from schemas.windows import Window
from streams.domain.account import Metrics
from streams.domain.calendar import additive, total, whole, windows_in
from streams.domain.registry import IndicatorView
from streams.domain.tagging import CONTROLLED, controlled
from streams.domain.valuation import joined_marks

NOTHING: Mapping[tuple[str, str], int] = MappingProxyType({})


def indicator_value(indicator: IndicatorView, metrics: Metrics) -> int | None:
    """Return an indicator of one window at 1e-6 of its unit, rounded half-even, from the window's metrics.

    None where the total, the numerator or the denominator has no value, or the denominator is zero.
    """
    top = metrics.get(indicator.numerator)
    if top is None and indicator.numerator in CONTROLLED:
        top = metrics.get(CONTROLLED[indicator.numerator][0])
    if top is None:
        return None
    factor = indicator.factor
    if indicator.denominator is None:
        return divide_half_even(top * factor.numerator, factor.denominator)
    bottom = metrics.get(indicator.denominator)
    if not bottom:
        return None
    number, divisor = top * factor.numerator * MICRO, bottom * factor.denominator
    return divide_half_even(number, divisor) if divisor > 0 else divide_half_even(-number, -divisor)


def own_values(
    document: CalendarDocument,
    reported: Mapping[tuple[str, str], int],
    indicators: Iterable[IndicatorView],
    certified: Mapping[tuple[str, str], int] = NOTHING,
) -> Iterator[tuple[Window, slice, dict[str, int | None]]]:
    """Yield each window that a document speaks for, its children, and what no sum of them gives: outputs, indicators.

    `reported` are values [1e-6] by (metric, window name). An output is the one reported for the window itself, else
    the sum of its children when every child has one. `certified`, by the same, adds to what the children have.
    """
    outputs = {name for name in document.metrics if name.startswith("output.")} | {metric for metric, _ in reported}
    tagged = any(name.endswith((".feedstock", ".renewable", ".green")) for name in document.metrics)
    marks = [name for name in document.metrics if name.startswith("variant.")]
    for own, part in windows_in(document):
        values: dict[str, int | None] = {}
        for metric in sorted(outputs):
            value = reported.get((metric, own.name))
            if value is None and metric in document.metrics:
                value = whole(document.metrics[metric][part])
            if value is not None:
                values[metric] = value
        for metric in sorted({name for name, _ in certified}):
            mine = certified.get((metric, own.name))
            if mine is not None:
                values[metric] = mine + (total(document.metrics.get(metric, [])[part]) or 0)
        if tagged or values:
            values.update(controlled(partial(window_value, document, part, values)))
        for mark in marks:
            value = joined_marks(document.metrics[mark][part])
            if value is not None:
                values[mark] = value
        for indicator in indicators:
            wanted = (indicator.numerator, indicator.denominator)
            if indicator.denominator is not None and not (
                indicator.denominator in values or indicator.denominator in document.metrics
            ):
                continue
            metrics = {name: window_value(document, part, values, name) for name in wanted if name is not None}
            value = indicator_value(indicator, metrics)
            if value is not None or indicator.denominator in values:
                values["ind." + indicator.id] = value
        yield own, part, values


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
