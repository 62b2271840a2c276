"""Own values are what a document says of its windows that no sum of children gives: reported ones, indicators."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType

from schemas.messages import CalendarDocument
from schemas.windows import Window
from streams.domain.account import Metrics
from streams.domain.across import ORDER, Over, across_value
from streams.domain.calendar import additive, is_reported, total, whole, windows_in
from streams.domain.indicator import average_value, indicator_value, window_value
from streams.domain.lines import Lines
from streams.domain.looking import Documents, look_up
from streams.domain.registry import Snapshot
from streams.domain.rule_views import IndicatorView
from streams.domain.tagging import CONTROLLED, controlled
from streams.domain.valuation import joined_marks

Reported = Mapping[tuple[str, str], int]

AVERAGE = "average"
NOTHING: Reported = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Formulas:
    """What is computed of every entity's windows: indicators of hours too, averages, and those across windows.

    `stocks` are the reported metrics whose parts do not add up over time; `online` tells whether any formula or rule
    asks for the online time, which is computed for nobody else.
    """

    simple: tuple[IndicatorView, ...] = ()
    averages: tuple[IndicatorView, ...] = ()
    across: tuple[IndicatorView, ...] = ()
    stocks: frozenset[str] = frozenset()
    online: bool = False

    @staticmethod
    def of(snapshot: Snapshot) -> "Formulas":
        """Return the formulas of a registry."""
        every = [each for _, each in sorted(snapshot.indicators.items())]
        return Formulas(
            tuple(each for each in every if each.type not in (AVERAGE, *ORDER)),
            tuple(each for each in every if each.type == AVERAGE),
            tuple(each for kind in ORDER for each in every if each.type == kind),
            frozenset(f"reported.{each.id}" for each in snapshot.items.values() if not each.additive),
            snapshot.asks_online,
        )


def own_values(
    document: CalendarDocument,
    reported: Reported,
    formulas: Formulas,
    documents: Documents,
    over: Over,
    certified: Reported = NOTHING,
    lines: Lines | None = None,
) -> Iterable[tuple[Window, slice, Metrics]]:
    """Return each window that a document speaks for, its children, and its own values at 1e-6 of their units.

    `reported` are values by (metric, window name). An output is the one reported for the window itself, else the sum of
    its children when every child has one. `documents` gives the entity's other documents, which must be up to date as
    far as their windows began before this one; `over` tells whether the last hour of a window has passed.
    `certified`, by the same as `reported`, adds to what the children have; `lines` are those of an enterprise.
    """
    of_children, tagged, variants = _kinds(tuple(document.metrics))
    names = sorted(of_children | {metric for metric, _ in reported})
    added = sorted({name for name, _ in certified}) if certified else ()
    found: list[tuple[Window, slice, Metrics]] = []
    for own, part in windows_in(document):
        values: Metrics = {}
        for metric in names:
            value = reported.get((metric, own.name))
            if metric in formulas.stocks:
                if value is not None or metric in document.metrics:
                    values[metric] = value
                continue
            if value is None and metric in document.metrics:
                value = whole(document.metrics[metric][part])
            if value is not None:
                values[metric] = value
        for metric in added:
            mine = certified.get((metric, own.name))
            if mine is not None:
                values[metric] = mine + (total(document.metrics.get(metric, [])[part]) or 0)
        if tagged or values:
            values.update(controlled(partial(window_value, document, part, values)))
        if lines:
            values.update(lines.of_window(document, part, own, values))
        for name in variants:
            marks = joined_marks(document.metrics[name][part])
            if marks is not None:
                values[name] = marks
        values.update(_of_window(document, part, values, formulas))
        found.append((own, part, values))
    if formulas.across and document.of != "hour":
        _add_across(document, found, formulas, documents, over)
    return found


@lru_cache(maxsize=4096)
def _kinds(metrics: tuple[str, ...]) -> tuple[frozenset[str], bool, tuple[str, ...]]:
    """Return of a document's metrics the reported ones, whether a part of any is tagged, and the marks of variants."""
    tagged = any(name.endswith((".feedstock", ".renewable", ".green")) for name in metrics)
    variants = tuple(name for name in metrics if name.startswith("variant."))
    return frozenset(filter(is_reported, metrics)), tagged, variants


def no_longer_own(document: CalendarDocument, part: slice, metrics: Iterable[str]) -> Metrics:
    """Return what is said of metrics that a window had of its own and has no more, so that no reader keeps those.

    It is what the children add up to, or that nothing is known.
    """
    return {metric: total(document.metrics.get(metric, [])[part]) if additive(metric) else None for metric in metrics}


def _of_window(
    document: CalendarDocument, part: slice, own: Metrics, formulas: Formulas
) -> Iterator[tuple[str, int | None]]:
    for indicator in formulas.simple:
        if _is_about(indicator, document, own):
            wanted = (indicator.numerator, indicator.denominator)
            metrics = {name: window_value(document, part, own, name) for name in wanted if name is not None}
            yield "ind." + indicator.id, indicator_value(indicator, metrics)
    for indicator in formulas.averages:
        if document.of == indicator.over and indicator.numerator in document.metrics:
            yield "ind." + indicator.id, average_value(indicator, document, part)


def _is_about(indicator: IndicatorView, document: CalendarDocument, own: Metrics) -> bool:
    """Tell whether an entity has what is in a formula at all: only then has the indicator a value, or is unknown."""
    wanted = (indicator.numerator, indicator.denominator)
    metrics = [CONTROLLED[name][0] if name in CONTROLLED else name for name in wanted if name is not None]
    return all(name in own or name in document.metrics for name in metrics)


def _add_across(
    document: CalendarDocument,
    found: list[tuple[Window, slice, Metrics]],
    formulas: Formulas,
    documents: Documents,
    over: Over,
) -> None:
    here = {own.name: (part, values) for own, part, values in found}

    def value(metric: str, name: str) -> int | None:
        if name in here:
            return window_value(document, *here[name], metric)
        found = look_up(documents, metric, name).value
        if found is None and metric in CONTROLLED:
            # Where no part is tagged, all of it is under control.
            found = look_up(documents, CONTROLLED[metric][0], name).value
        return found

    for indicator in formulas.across:
        for own, _, values in found:
            if _is_about(indicator, document, values):
                values["ind." + indicator.id] = across_value(indicator, own, value, over)
