"""A planned target takes the yearly change over that a packaged plan asks for; its document then says it as its own.

A plan's decline over several years is shared out in equal yearly declines, which multiply to it (reference table
`methods`, average_decline: QH-STATS, AVG-QA).
"""

from decimal import Decimal

from schemas.decimals import CONTEXT
from schemas.documents import Target
from schemas.plans import PlanTarget, plan_target
from schemas.windows import window
from streams.domain.consistency import Problem
from streams.domain.decline import average_decline

_PLACES = Decimal("0.0001")  # of a percentage; plans state one place


def planned(target: Target) -> tuple[Target, list[Problem]]:
    """Return the target with the change that the plan it refers to asks of its year, and what stands against that."""
    reference = target.spec.reference
    if reference is None:
        return target, []

    def against(path: str, code: str, message: str) -> tuple[Target, list[Problem]]:
        return target, [Problem(target.key, None, path, code, message)]

    plan = plan_target(reference)
    if plan is None:
        message = (
            f"{reference!r} is no target of a packaged plan: it reads bazhong-synergy-2023/energy-intensity-gdp-2025"
        )
        return against("spec.reference", "unknown_reference", message)
    yearly = _yearly_pct(plan)
    if yearly is None or plan.baseline_year is None or plan.target_year is None:
        message = f"{reference} asks for no decline in % between two years ({plan.quote_zh}): write change_pct or quota"
        return against("spec.reference", "no_decline", message)
    if not plan.baseline_year < int(window(target.spec.period).name[:4]) <= plan.target_year:
        message = f"{reference} is about the years after {plan.baseline_year} to {plan.target_year}"
        return against("spec.period", "outside_plan", message)
    if target.spec.change_pct is not None and target.spec.change_pct != yearly:
        message = f"{reference} makes {yearly} % a year: leave change_pct or reference out"
        return against("spec.change_pct", "differs_from_reference", message)
    source = target.spec.source or f"{reference}: {plan.quote_zh}"
    spec = target.spec.model_copy(update={"change_pct": yearly, "source": source[:400]})
    return target.model_copy(update={"spec": spec}), []


def _yearly_pct(plan: PlanTarget) -> Decimal | None:
    if plan.decline is None or plan.baseline_year is None or plan.target_year is None:
        return None
    yearly = average_decline(plan.decline, plan.target_year - plan.baseline_year)
    return CONTEXT.quantize(yearly.copy_negate().scaleb(2, CONTEXT), _PLACES)
