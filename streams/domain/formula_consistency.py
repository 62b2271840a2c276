"""Formula consistency is what an indicator and the documents in its formula must be to each other.

Its unit must come out of those of its metrics, and amounts of money must be counted in prices that compare.
"""

from collections.abc import Iterator

from schemas.documents import Carrier, DocumentKey, Indicator, Product, ReportedItem, parse_metric
from schemas.units import UnitError, conversion
from streams.domain.consistency import Documents, Problem, references
from streams.domain.rule_resolving import metrics_of, unit_of

_RATIOS = ("share", "growth")
# What a gauge tells of a level is never added up over meters.
_OF_METERS = ("avg.", "rate.", "integral.")


def check_indicator(indicator: Indicator, documents: Documents) -> Iterator[Problem]:
    """Yield a problem when the unit of an indicator does not come out of its metrics, or it would mix prices."""
    spec = indicator.spec
    units: dict[str, str] = {}
    first: DocumentKey | None = None
    for reference in references(indicator):
        other = documents.get(reference.key)
        first = first or reference.key
        if isinstance(other, Carrier | Product | ReportedItem):
            units[str(reference.key)] = other.spec.unit
        elif not isinstance(other, Indicator):
            return
    try:
        if spec.type in _RATIOS:
            conversion(spec.unit, "%")
        if spec.type != "growth":
            per = None if spec.denominator is None else unit_of(spec.denominator, units)
            conversion(unit_of(spec.total or spec.numerator or "", units), spec.unit, per=per)
    except UnitError as error:
        message = f"{error}; show a {spec.type} in %" if spec.type in _RATIOS else str(error)
        yield Problem(indicator.key, first, "spec.unit", "unit_mismatch", message)
    yield from _check_additive(indicator, documents)
    yield from _check_growth(indicator, documents)
    yield from _check_prices(indicator, documents)


def _check_additive(indicator: Indicator, documents: Documents) -> Iterator[Problem]:
    spec = indicator.spec
    for path, text in (("total", spec.total), ("numerator", spec.numerator), ("denominator", spec.denominator)):
        if text is None:
            continue
        if text.startswith(_OF_METERS):
            message = (
                f"{text} is of a meter alone, and no enterprise or territory has it: an indicator is of these; "
                "hold the meter itself against a rule"
            )
            yield Problem(indicator.key, None, f"spec.{path}", "metric_of_meters", message)
        item = parse_metric(text).item
        document = documents.get(DocumentKey("reported", item)) if item is not None else None
        if spec.type == "cumulative" and isinstance(document, ReportedItem) and not document.spec.additive:
            message = (
                f"the months of {document.key} do not add up (additive: false), so it has no sum from January on: "
                "use an item that adds up, or an indicator of another type"
            )
            yield Problem(indicator.key, document.key, f"spec.{path}", "not_additive", message)


def _check_growth(indicator: Indicator, documents: Documents) -> Iterator[Problem]:
    spec = indicator.spec
    other = documents.get(DocumentKey("indicator", spec.indicator)) if spec.indicator is not None else None
    if isinstance(other, Indicator) and other.spec.type == "growth":
        message = f"{other.key} is a growth itself: name the indicator or metric that grows"
        yield Problem(indicator.key, other.key, "spec.indicator", "growth_of_growth", message)


def _check_prices(indicator: Indicator, documents: Documents) -> Iterator[Problem]:
    spec = indicator.spec
    other = documents.get(DocumentKey("indicator", spec.indicator)) if spec.indicator is not None else None
    path = "spec.indicator" if spec.indicator is not None else "spec.total"
    money = list(_money(other if isinstance(other, Indicator) else indicator, documents))
    if spec.type == "growth":
        for each in money:
            if any(entry.year is None for entry in each.spec.price_base):
                message = (
                    f"{each.key} is counted in the prices of the day, and growth is at constant prices: "
                    "register an item whose price_base names a year, and report that"
                )
                yield Problem(indicator.key, each.key, path, "current_prices", message)
    if len(money) > 1 and money[0].spec.price_base != money[1].spec.price_base:
        message = (
            f"{money[0].key} and {money[1].key} are counted in prices of different years, and two price bases are "
            "never divided: use items of one price_base"
        )
        yield Problem(indicator.key, money[1].key, "spec.denominator", "price_base_mismatch", message)


def _money(indicator: Indicator, documents: Documents) -> Iterator[ReportedItem]:
    for metric in metrics_of(indicator):
        item = parse_metric(metric).item
        document = documents.get(DocumentKey("reported", item)) if item is not None else None
        if isinstance(document, ReportedItem) and document.spec.price_base:
            yield document
