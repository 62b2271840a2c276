"""Progress (目标进度) is the level of the barometer (晴雨表) at which an entity stands against its target."""

from decimal import Decimal
from fractions import Fraction

from schemas.decimals import CONTEXT, MICRO
from schemas.reference.barometer import level_text
from schemas.windows import Window
from streams.domain.alarm import Value
from streams.domain.barometer import Level, gap, level_of_gap, level_of_intensity
from streams.domain.change import change_on_year
from streams.domain.figures import Figures, amount, none
from streams.domain.observation_views import ObservationView
from streams.domain.pacing import pace_of


def progress(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the level [1e-6] of a window against its target; a target of a change needs that of the year before.

    A growth indicator is the change itself; of any other metric or indicator it is the change on the same window of
    the year before. A quota is held against what its pacing allows up to now.
    """
    target = observed.target(figures.entity, each)
    if target is None:
        return none(f"no target is registered for {each.name}")
    if target.change_pct is None:
        pace = pace_of(observed, target, each, figures)
        if isinstance(pace, Value):
            return pace
        if not pace.part:
            return none(f"{target.id} allows nothing yet by its pacing; {pace.told}", pace.coverage)
        told = f"{pace.told}, {amount(pace.allowed, observed.unit)} allowed until then by pacing {target.pacing}"
        level = level_of_gap(gap(Decimal(pace.used), _decimal(pace.allowed)), _decimal(observed.allowed_gap))
        return _value(level, pace.coverage, told)
    changed = _change(observed, each, figures)
    if changed.micro is None:
        return changed
    now, wanted = _decimal(Fraction(changed.micro, MICRO)), _decimal(target.change_pct)
    if observed.method == "intensity":
        level = level_of_intensity(now, -wanted)
    else:
        level = level_of_gap(gap(now, wanted), _decimal(observed.allowed_gap))
    told = f"a change of {amount(changed.micro, '%')} where {amount(target.change_pct * MICRO, '%')} is the target"
    return _value(level, changed.coverage, f"{told}; {changed.told}" if changed.told else told)


def _change(observed: ObservationView, each: Window, figures: Figures) -> Value:
    if observed.in_pct is None:
        return change_on_year(observed, each, figures)
    value = figures.value(observed.metric, each)
    if value.micro is None:
        return none(f"no value in {each.name}", value.coverage)
    return Value(round(value.micro * observed.in_pct), value.coverage)


def _value(level: Level, coverage: float | None, told: str) -> Value:
    return Value(level * MICRO, coverage, f"{level_text(level)}; {told}")


def _decimal(exact: Fraction) -> Decimal:
    return CONTEXT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
