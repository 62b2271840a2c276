"""Resolving rules turns reported items, indicators, limits and rules into their views; see `resolving`."""

from collections.abc import Mapping
from fractions import Fraction

from schemas.documents import (
    Indicator,
    Limit,
    ReportedItem,
    Rule,
    Select,
    Threshold,
    parse_metric,
)
from schemas.documents.fields import plain_text
from schemas.documents.indicator import Direction
from schemas.units import conversion
from streams.domain.resolving import day_ms, range_ms, version_of
from streams.domain.rule_views import (
    BaseSince,
    BoundView,
    IndicatorView,
    ItemView,
    LimitView,
    RuleView,
    SelectView,
    TierView,
)

_OPPOSITE: dict[Direction, Direction] = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}


def select_view(select: Select) -> SelectView:
    """Return the view of a selection."""
    return SelectView(select.kind, None if select.id is None else frozenset(select.id), select.in_)


def unit_of(metric: str, units: Mapping[str, str]) -> str:
    """Return the unit of an additive metric, given the units of carriers and products by `carrier/ID` and so on."""
    found = parse_metric(metric)
    if found.fixed_unit is not None:
        return found.fixed_unit
    if found.item is not None:
        return units[f"reported/{found.item}"]
    return (
        units[f"carrier/{found.carrier}" if found.carrier is not None else f"product/{found.product}"] + found.by_time
    )


def item_view(item: ReportedItem) -> ItemView:
    """Return the view of a reported item."""
    bases = tuple(BaseSince(day_ms(entry.from_), entry.year) for entry in item.spec.price_base)
    return ItemView(item.id, item.spec.unit, item.spec.additive, bases)


def indicator_view(
    indicator: Indicator, units: Mapping[str, str], others: Mapping[str, Indicator], items: Mapping[str, ItemView]
) -> IndicatorView:
    """Return the view of an indicator with the exact factor into its unit; raise UnitError when there is none.

    `others` are all indicators and `items` the reported items, by id: a growth may be of another indicator.
    """
    spec = indicator.spec
    numerator = spec.total or spec.numerator or (None if spec.indicator is None else f"ind.{spec.indicator}")
    if numerator is None:
        raise ValueError(f"indicator {indicator.id} has no metric")
    per = None if spec.denominator is None else unit_of(spec.denominator, units)
    if spec.type == "growth":
        factor = conversion("%", spec.unit) * 100
    else:
        factor = conversion(unit_of(numerator, units), spec.unit, per=per)
    rests_on = metrics_of(others[spec.indicator] if spec.indicator is not None else indicator)
    parsed = [parse_metric(each) for each in rests_on]
    return IndicatorView(
        indicator.id, spec.type, numerator, spec.denominator, spec.unit, factor, *range_ms(indicator),
        over=spec.over,
        bases=tuple(items[each.item].bases for each in parsed if each.item is not None and items[each.item].bases),
        metered=any(each.item is None and each.product is None for each in parsed),
    )  # fmt: skip


def metrics_of(indicator: Indicator) -> tuple[str, ...]:
    """Return the metrics that stand in an indicator's formula."""
    spec = indicator.spec
    return tuple(each for each in (spec.total, spec.numerator, spec.denominator) if each is not None)


def limit_view(limit: Limit, unit: str) -> LimitView:
    """Return the view of a limit whose indicator is in `unit`."""
    spec = limit.spec
    if spec.tiers is None:
        raise ValueError(f"limit {limit.id} has no tiers")
    return LimitView(
        id=limit.id,
        version=version_of(limit),
        indicator=spec.indicator,
        unit=unit,
        tiers=tuple(TierView(tier.id, Fraction(tier.max), plain_text(tier.max), tier.severity) for tier in spec.tiers),
        select=None if spec.select is None else select_view(spec.select),
        source=spec.source or spec.reference or "",
        from_ms=range_ms(limit)[0],
        to_ms=range_ms(limit)[1],
    )


def _bound_view(threshold: Threshold) -> BoundView:
    direction, value = threshold.bound
    return BoundView(direction, Fraction(value), plain_text(value))


def rule_view(rule: Rule, unit: str) -> RuleView:
    """Return the view of a rule whose metric or indicator is in `unit`."""
    spec = rule.spec
    raises = _bound_view(spec.raise_)
    opposite = BoundView(_OPPOSITE[raises.direction], raises.value, raises.text)
    return RuleView(
        id=rule.id,
        version=version_of(rule),
        metric=spec.metric or f"ind.{spec.indicator}",
        unit=unit,
        window=spec.window,
        period=spec.period,
        select=select_view(spec.select),
        raises=raises,
        clears=opposite if spec.clear is None else _bound_view(spec.clear),
        severity=spec.severity,
        from_ms=range_ms(rule)[0],
        to_ms=range_ms(rule)[1],
    )
