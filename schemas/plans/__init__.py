"""A plan (方案) is what a government promises, target by target, with the words of its notice; packaged as tables."""

from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from schemas.ids import ID_PATTERN
from schemas.reference.base import Number, TableLoader


class PlanTarget(BaseModel):
    """A target of a plan: what is observed compares with `value` [unit] in the target year; see the tables' heads.

    Of kind `change-vs-baseline` the value is the change against the baseline year, a fall below 0.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    id: str
    kind: str
    comparison: str
    value: Number | None = None
    unit: str | None = None
    target_year: int | None = None
    baseline_year: int | None = None
    quote_zh: str

    @property
    def decline(self) -> Decimal | None:
        """The decline that it asks for over its years, as a fraction; None for a target that asks for none."""
        if self.kind != "change-vs-baseline" or self.unit != "%" or self.comparison not in ("at_most", "about"):
            return None
        if self.value is None or self.value >= 0 or self.baseline_year is None or self.target_year is None:
            return None
        return self.value.copy_negate().scaleb(-2)


def plan_target(reference: str) -> PlanTarget | None:
    """Return the target that `PLAN/TARGET` names, None when there is none; a plan is read once, when asked for."""
    plan, _, target = reference.partition("/")
    if ID_PATTERN.fullmatch(plan) is None:
        return None
    found = next((each for each in targets_of(plan) if each["id"] == target), None)
    return None if found is None else PlanTarget.model_validate(found)


@cache
def targets_of(plan: str) -> list[dict[str, Any]]:
    """Return the targets of a plan as plain values; none where there is no such plan."""
    table = files("schemas.plans").joinpath(f"{plan}.yaml")
    if not table.is_file():
        return []
    return yaml.load(table.read_text(encoding="utf-8"), Loader=TableLoader)["targets"]
