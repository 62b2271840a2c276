"""A validation rule (校验规则) says what measured values must be like, and what becomes of a value that is not.

A document of one's own takes the place of the shipped rule of the same check at the meters that it selects; what it
does not say of figures is taken from the shipped one.
"""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import DecimalText, Duration, PositiveDecimal, Text, Unit, fault
from schemas.documents.indicator import Select
from schemas.documents.meter import MeterId

CheckName = Literal[
    "range",
    "negative",
    "ceiling",
    "schedule",
    "duplicates",
    "spike",
    "day-level",
    "stuck",
    "zeros",
    "interval-sum",
    "sub-meters",
    "phases",
    "day-month",
    "completeness",
]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)
Effect = Literal["flag", "exclude"]

# What a rule of each check may say beside what all may.
FIGURES: dict[CheckName, frozenset[str]] = {
    "range": frozenset({"min", "max", "unit"}),
    "negative": frozenset(),
    "ceiling": frozenset({"factor"}),
    "schedule": frozenset({"tolerance"}),
    "duplicates": frozenset(),
    "spike": frozenset({"max_pct"}),
    "day-level": frozenset({"high_pct", "low_pct", "days", "least_days"}),
    "stuck": frozenset({"values"}),
    "zeros": frozenset({"values"}),
    "interval-sum": frozenset({"max_pct", "meters", "against"}),
    "sub-meters": frozenset({"max_pct"}),
    "phases": frozenset({"max_pct", "meters", "against"}),
    "day-month": frozenset({"max_pct"}),
    "completeness": frozenset({"min_pct"}),
}
# Checks of meters named one by one, instead of selected.
OF_NAMED: tuple[CheckName, ...] = ("interval-sum", "phases")
# Only a reading that is wrong by itself can be set aside: what a day is judged by may be right in each of its parts.
OF_READINGS: tuple[CheckName, ...] = ("range", "negative", "ceiling")
_EVERY = frozenset({"check", "select", "effect", "active", "source"})


def _check(value: Any) -> Any:
    if value not in CHECKS:
        raise fault("unknown_check", f"check {value!r} is not known: the checks are {', '.join(CHECKS)}")
    return value


class ValidationSpec(Strict):
    """Which values are checked for what, and with which figures; those of the shipped rule hold where none is said.

    `flag` raises a finding; `exclude` also makes the reading not count, as one that its source marks as a fault. With
    `active: false` the check is off for what is selected. `values` are hours in a row; `meters` are added up and held
    against the meter `against`.
    """

    check: Annotated[CheckName, BeforeValidator(_check)]
    select: Select | None = None
    effect: Effect = "flag"
    active: bool = True
    source: Text | None = None
    min: DecimalText | None = None
    max: DecimalText | None = None
    unit: Unit | None = None
    factor: PositiveDecimal | None = None
    tolerance: Duration | None = None
    max_pct: PositiveDecimal | None = None
    min_pct: PositiveDecimal | None = None
    high_pct: PositiveDecimal | None = None
    low_pct: PositiveDecimal | None = None
    days: Annotated[int, Field(ge=1, le=60)] | None = None
    least_days: Annotated[int, Field(ge=1, le=60)] | None = None
    values: Annotated[int, Field(ge=2, le=24)] | None = None
    meters: Annotated[tuple[MeterId, ...], Field(min_length=1, max_length=60)] | None = None
    against: MeterId | None = None

    @model_validator(mode="after")
    def _fits_its_check(self) -> Self:
        allowed = _EVERY | FIGURES[self.check]
        for name in sorted(self.model_fields_set - allowed):
            may = ", ".join(sorted(FIGURES[self.check])) or "no figures"
            raise fault("unknown_field", f"a rule of check {self.check} has no {name}: it may say {may}")
        if self.effect == "exclude" and self.check not in OF_READINGS:
            raise fault(
                "bad_effect",
                f"check {self.check} judges more than one reading, so it can only flag; "
                f"exclude is for {', '.join(OF_READINGS)}",
            )
        if self.select is not None:
            self._check_select(self.select)
        if (self.min is not None or self.max is not None) and self.unit is None:
            raise fault("missing", "write the unit of min and max")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise fault("empty_range", f"min {self.min} is not below max {self.max}: nothing could be within")
        if self.days is not None and self.least_days is not None and self.least_days > self.days:
            raise fault("empty_range", f"least_days {self.least_days} is more than days {self.days}")
        if (self.meters is None) != (self.against is None):
            raise fault("missing", "write both meters and against, the meter that their sum is held against")
        return self

    def _check_select(self, select: Select) -> None:
        if self.check in OF_NAMED:
            raise fault("unknown_field", f"a rule of check {self.check} names meters and against, so it has no select")
        kinds = ("enterprise",) if self.check == "day-month" else ("meter", "enterprise")
        if select.kind not in kinds:
            raise fault("bad_select", f"check {self.check} is of kind {' or '.join(kinds)}, not {select.kind}")


class Validation(Envelope):
    """A rule that measured values are held against (校验规则)."""

    kind: Literal["validation"]
    spec: ValidationSpec
