"""Resolving rules turns reported items, indicators, limits and rules into their views; see `resolving`."""

from collections.abc import Mapping
from fractions import Fraction

from schemas.documents import (
    Indicator,
    Limit,
    ReportedItem,
    Rule,
    Select,
    Target,
    parse_metric,
)
from schemas.documents.fields import plain_text
from schemas.documents.rule import Bound, Direction, DuringSeason, RuleSpec
from schemas.units import conversion
from streams.domain.observation_views import ObservationView
from streams.domain.resolving import day_ms, range_ms, version_of
from streams.domain.rule_views import (
    BaseSince,
    BoundView,
    IndicatorView,
    ItemView,
    LimitView,
    RuleView,
    SelectView,
    StepView,
    TierView,
)
from streams.domain.season import ALWAYS, During, Named, SeasonView

_OPPOSITE: dict[Direction, Direction] = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}


def select_view(select: Select) -> SelectView:
    """Return the view of a selection."""
    return SelectView(select.kind, None if select.id is None else frozenset(select.id), select.in_, select.tag)


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


def _bound_view(bound: Bound) -> BoundView:
    direction, value = bound
    return BoundView(direction, Fraction(value), plain_text(value))


def metric_of(rule: Rule | Target) -> str:
    """Return the metric that a rule or target is about, `ind.ID` for an indicator, "" for none."""
    spec = rule.spec
    return spec.metric or ("" if spec.indicator is None else f"ind.{spec.indicator}")


def rule_view(
    rule: Rule, unit: str, observed: ObservationView | None = None, seasons: Mapping[str, SeasonView] | None = None
) -> RuleView:
    """Return the view of a rule whose metric or indicator is in `unit`, and what else it observes.

    `seasons` are all there are, by id.
    """
    spec = rule.spec
    steps = tuple(StepView(id_, _bound_view(bound), severity) for id_, bound, severity in spec.steps)
    raises = steps[0].raises
    opposite = BoundView(_OPPOSITE[raises.direction], raises.value, raises.text)
    return RuleView(
        id=rule.id,
        version=version_of(rule),
        metric=metric_of(rule),
        unit=unit if observed is None else observed.shown_in,
        window=spec.window,
        period=spec.period,
        select=select_view(spec.select),
        steps=steps,
        clears=opposite if spec.clear is None else _bound_view(spec.clear.bound),
        need=spec.of.n if spec.of is not None else spec.windows_in(spec.for_),
        among=spec.of.m if spec.of is not None else None,
        keep=spec.windows_in(spec.keep_for),
        no_data=spec.no_data,
        during=_during(spec, seasons or {}),
        from_ms=range_ms(rule)[0],
        to_ms=range_ms(rule)[1],
        observed=observed,
    )


def _during(spec: RuleSpec, seasons: Mapping[str, SeasonView]) -> During:
    def named(each: DuringSeason) -> Named:
        return Named(seasons[each.season], None if each.levels is None else frozenset(each.levels))

    if not spec.during and not spec.except_:
        return ALWAYS
    return During(tuple(map(named, spec.during)), tuple(map(named, spec.except_)))
