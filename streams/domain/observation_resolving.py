"""Resolving observations turns targets, and what a rule observes, into their views; see `resolving`."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from schemas.decimals import micro
from schemas.documents import Profile, Rule, Target
from schemas.documents.fields import duration_ms
from schemas.reference.barometer import allowed_gap
from schemas.units import conversion
from streams.domain.observation_views import OF_QUOTAS, ObservationView, TargetView
from streams.domain.resolving import ms_of, range_ms
from streams.domain.rule_resolving import metric_of
from streams.domain.rule_views import IndicatorView
from streams.domain.views import PauseView


def target_view(target: Target, unit: str, profiles: Mapping[str, Profile]) -> TargetView:
    """Return the view of a target whose metric is in `unit`; raise UnitError when its own unit does not convert."""
    spec = target.spec
    quota = None
    if spec.quota is not None:
        quota = micro(Fraction(spec.quota) * conversion(spec.unit or unit, unit))
    return TargetView(
        id=target.id,
        entity=spec.entity,
        metric=spec.metric or f"ind.{spec.indicator}",
        period=spec.period,
        quota=quota,
        change_pct=None if spec.change_pct is None else Fraction(spec.change_pct),
        pacing=spec.pacing or "even",
        months=() if spec.profile is None else tuple(map(Fraction, profiles[spec.profile].spec.months)),
        from_ms=range_ms(target)[0],
        to_ms=range_ms(target)[1],
    )


def observation_view(
    rule: Rule, unit: str, targets: Iterable[TargetView], indicators: Mapping[str, IndicatorView]
) -> ObservationView | None:
    """Return the view of what a rule observes, None where it is a metric's own value; `unit` is the metric's."""
    found = rule.spec.observe
    if found is None:
        return None
    metric = metric_of(rule)
    growth = indicators.get(metric.removeprefix("ind.")) if metric.startswith("ind.") else None
    gap = found.allowed_gap_pct
    mine: dict[tuple[str, str], TargetView] = {}
    if found.of in OF_QUOTAS or found.of == "progress":
        kind = rule.spec.select.kind
        fits = (each for each in targets if each.metric == metric and each.entity.startswith(f"{kind}/"))
        mine = {(each.entity, each.period): each for each in fits if each.quota is not None or found.of == "progress"}
    by_last_year = (
        found.against == "year_before"
        or found.of == "progress"
        or any(each.pacing == "last_year" for each in mine.values())
    )
    return ObservationView(
        of=found.of,
        metric=metric,
        unit=unit,
        against=found.against,
        after_ms=0 if found.after is None else duration_ms(found.after),
        method=found.method,
        allowed_gap=allowed_gap() if gap is None else Fraction(gap) / 100,
        rules=None if found.rules is None else frozenset(found.rules),
        start_up_ms=0 if found.start_up is None else duration_ms(found.start_up),
        shut_down_ms=0 if found.shut_down is None else duration_ms(found.shut_down),
        exempt=tuple(sorted(PauseView(ms_of(each.from_), ms_of(each.to)) for each in found.exempt)),
        in_pct=conversion(growth.unit, "%") if growth is not None and growth.type == "growth" else None,
        targets=mine,
        by_last_year=by_last_year,
    )
