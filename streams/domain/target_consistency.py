"""Target consistency is what targets, and the rules that look at them, must be to each other and to their metrics."""

from collections.abc import Iterator
from decimal import Decimal

from schemas.documents import Carrier, DocumentKey, Product, ReportedItem, Rule, Target
from schemas.units import UnitError, conversion
from schemas.windows import WINDOW_KINDS, window
from streams.domain.consistency import Documents, Problem, references
from streams.domain.observation_views import OF_QUOTAS
from streams.domain.rule_resolving import metric_of, unit_of


def check_target(target: Target, documents: Documents) -> Iterator[Problem]:
    """Yield a problem when a quota's unit is none of its metric's."""
    spec = target.spec
    if spec.metric is None or spec.unit is None:
        return
    units: dict[str, str] = {}
    for reference in references(target):
        other = documents.get(reference.key)
        if isinstance(other, Carrier | Product | ReportedItem):
            units[str(reference.key)] = other.spec.unit
    try:
        conversion(spec.unit, unit_of(spec.metric, units))
    except KeyError:
        return  # that it is not registered is said at the metric
    except UnitError as error:
        yield Problem(target.key, None, "spec.unit", "unit_mismatch", str(error))


def check_targets(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each two targets of an entity, metric and period: nobody could tell which counts."""
    first: dict[tuple[str, str, str], DocumentKey] = {}
    for key, document in sorted(documents.items()):
        if isinstance(document, Target):
            spec = document.spec
            other = first.setdefault((spec.entity, metric_of(document), spec.period), key)
            if other != key:
                message = f"{other} is of {spec.entity} in {spec.period} already: change that one"
                yield Problem(key, other, "spec.period", "duplicate", message)


def check_observations(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each rule that observes something of targets of which there is none that it could look at."""
    targets = [document for document in documents.values() if isinstance(document, Target)]
    for key, rule in sorted(documents.items()):
        if not isinstance(rule, Rule) or rule.spec.observe is None:
            continue
        observe, metric = rule.spec.observe, metric_of(rule)
        if observe.of not in OF_QUOTAS and observe.of != "progress":
            continue
        mine = [each for each in targets if _looks_at(rule, each)]
        quotas = [each for each in mine if each.spec.quota is not None]
        if not (quotas if observe.of in OF_QUOTAS else mine):
            what = "quota" if observe.of in OF_QUOTAS else "target"
            message = (
                f"no {what} of {metric} is registered for a {rule.spec.window} or longer of what the rule selects: "
                "register it first or in the same set"
            )
            yield Problem(key, None, "spec.observe", "no_target", message)
        if observe.method == "intensity" and quotas:
            message = f"{quotas[0].key} is a quota: method intensity holds a change against change_pct, use gap"
            yield Problem(key, quotas[0].key, "spec.observe.method", "bad_method", message)
        for each in mine:
            if observe.method == "gap" and each.spec.change_pct == Decimal(0):
                message = f"{each.key} asks for a change of 0, of which no gap is a part: use method intensity"
                yield Problem(key, each.key, "spec.observe", "zero_target", message)


def _looks_at(rule: Rule, target: Target) -> bool:
    kind, _, id_ = target.spec.entity.partition("/")
    select = rule.spec.select
    return (
        metric_of(target) == metric_of(rule)
        and kind == select.kind
        and (select.id is None or id_ in select.id)
        and WINDOW_KINDS.index(window(target.spec.period).kind) >= WINDOW_KINDS.index(rule.spec.window)
    )
