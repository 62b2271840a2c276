"""A target (目标) is what an entity may use in a period, or by how much its figures must change; a profile paces it."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import DecimalText, EntityText, Id, NonNegativeDecimal, PositiveDecimal, Text, Unit, fault
from schemas.documents.metric import MetricText
from schemas.windows import WindowError, window

Pacing = Literal["even", "last_year", "profile"]
MONTHS = 12
# What adds up to a period day by day, whatever else is known of it.
OF_QUOTAS = ("qty.", "energy.", "co2.", "gas.", "co2e.")


def _check_period(text: str) -> str:
    try:
        kind = window(text).kind
    except WindowError as error:
        raise fault("bad_period", str(error)) from error
    if kind not in ("month", "quarter", "year"):
        raise fault(
            "bad_period", f"{text} is a {kind}: a target is of a month, quarter or year, such as 2026-03 or 2026"
        )
    return text


class TargetSpec(Strict):
    """Whose, of what, for which period, and what is allowed.

    `quota` is the most [unit] that may come together in the period; `pacing` says how much of it may be used by when:
    evenly, as in the same period of the year before, or as a `profile` has it. `change_pct` is the highest change [%]
    on the same window of the year before; a decline that must be reached is below 0. `reference` names a target of a
    packaged plan, such as `bazhong-synergy-2023/energy-intensity-gdp-2025`, whose decline over several years is then
    taken over in equal parts for the one.
    """

    entity: EntityText
    metric: MetricText | None = None
    indicator: Id | None = None
    period: Annotated[str, AfterValidator(_check_period)]
    quota: PositiveDecimal | None = None
    unit: Unit | None = None
    pacing: Pacing | None = None
    profile: Id | None = None
    change_pct: DecimalText | None = None
    reference: Text | None = None
    source: Text | None = None

    @model_validator(mode="after")
    def _is_one_target(self) -> Self:
        if (self.metric is None) == (self.indicator is None):
            raise fault("missing", "a target is of either a metric or an indicator: write one of them")
        if self.quota is not None and (self.change_pct is not None or self.reference is not None):
            raise fault("unknown_field", "a quota has neither change_pct nor reference: write one of the three")
        if self.quota is None and self.change_pct is None and self.reference is None:
            raise fault(
                "missing", "a target is a quota, a change_pct, or the reference to take one from: write one of them"
            )
        if self.quota is None:
            for name in ("unit", "pacing", "profile"):
                if getattr(self, name) is not None:
                    raise fault("unknown_field", f"a target without quota has no {name}")
            return self
        if self.unit is None:
            raise fault("missing", "a quota needs unit")
        if self.metric is None or not self.metric.startswith(OF_QUOTAS) or ".line." in self.metric:
            raise fault(
                "bad_metric", f"a quota is of what adds up day by day: {', '.join(f'{one}*' for one in OF_QUOTAS)}"
            )
        if (self.pacing == "profile") != (self.profile is not None):
            raise fault("missing", "pacing profile and the profile's id belong together: write both or none")
        if self.profile is not None and window(self.period).kind == "month":
            raise fault("bad_period", "a profile paces by months: a quota of one month is paced even or as last_year")
        return self


class Target(Envelope):
    """A target (目标): a quota (配额) of an entity for a period, or a change that it must reach."""

    kind: Literal["target"]
    spec: TargetSpec


def _check_months(months: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    if len(months) != MONTHS:
        raise fault("bad_profile", f"a profile has the weights of 12 months, not of {len(months)}")
    if not any(months):
        raise fault("bad_profile", "all months of the profile are 0: nothing could be used at any time")
    return months


class ProfileSpec(Strict):
    """The weights of the months of a year, January first; only how they compare counts."""

    months: Annotated[tuple[NonNegativeDecimal, ...], AfterValidator(_check_months)]
    source: Text | None = None


class Profile(Envelope):
    """A profile (用能曲线): how a year's quota comes together over its months."""

    kind: Literal["profile"]
    spec: ProfileSpec
