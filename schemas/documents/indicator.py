"""An indicator (指标) is a named formula over metrics; a limit (限额) says which of its values are too much."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import DecimalText, EntityText, Id, Text, fault
from schemas.documents.metric import MetricText
from schemas.documents.reported import ShownUnit
from schemas.ids import IdError, check_id, split_meter_id

# A source has no metrics: it can only be silent, and its alarms be routed.
EntityKind = Literal["meter", "source", "enterprise", "park", "county", "city", "province", "industry", "list"]
Severity = Literal["info", "warning", "critical"]
# From the mildest to the gravest.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

IndicatorType = Literal["total", "intensity", "share", "average", "cumulative", "growth"]
_QUOTIENT = ("numerator", "denominator")
# The sets of fields, of which an indicator of each type has one.
_FORMS: dict[IndicatorType, tuple[tuple[str, ...], ...]] = {
    "total": (("total",),),
    "intensity": (_QUOTIENT,),
    "share": (_QUOTIENT,),
    "average": (("total", "over"),),
    "cumulative": (("total",), _QUOTIENT),
    "growth": (("total",), ("indicator",)),
}
_FIELDS = ("total", *_QUOTIENT, "over", "indicator")


class IndicatorSpec(Strict):
    """The formula of an indicator; `unit` is what the result is shown in.

    `total`: one metric. `intensity`: the quotient of two. `share`: the same of two that measure the same, such as %.
    `average`: the mean of a metric's hours in a day, days in a month, or months in a quarter or year, as `over` says.
    `cumulative`: a total, or a quotient of totals, from 1 January to the window's end (年累计); months, quarters and
    years have it. `growth`: by how much a metric or another indicator is above that of the same window of the year
    before (同比); months, quarters and years have it once they have ended.
    """

    type: IndicatorType
    total: MetricText | None = None
    numerator: MetricText | None = None
    denominator: MetricText | None = None
    over: Literal["hour", "day", "month"] | None = None
    indicator: Id | None = None
    unit: ShownUnit

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        forms = _FORMS[self.type]
        given = {name for name in _FIELDS if getattr(self, name) is not None}
        known = {name for form in forms for name in form}
        for name in sorted(given - known):
            raise fault("unknown_field", f"an indicator of type {self.type} has no {name}")
        form = next((each for each in forms if given.intersection(each)), forms[0])
        for name in form:
            if name not in given:
                raise fault("missing", f"an indicator of type {self.type} needs {name}")
        if given != set(form):
            raise fault("unknown_field", f"write {' and '.join(form)} or {' and '.join(forms[-1])}, not both")
        return self


class Indicator(Envelope):
    """An indicator (指标), the metric `ind.ID`."""

    kind: Literal["indicator"]
    spec: IndicatorSpec


def check_ids(kind: str, ids: Iterable[str] | None) -> None:
    """Raise the fault `bad_id` for the first of some ids that is none of its kind: a meter's names its enterprise."""
    for one in ids or ():
        try:
            _ = split_meter_id(one) if kind == "meter" else check_id(one)
        except IdError as error:
            raise fault("bad_id", str(error)) from error


class Select(Strict):
    """Which entities are meant: those of a kind, of some ids, within an entity (a park, an industry, a list, ...).

    `tag` is that of meters.
    """

    kind: EntityKind
    id: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    in_: EntityText | None = Field(alias="in", default=None)
    tag: Text | None = None

    @model_validator(mode="after")
    def _ids_fit_the_kind(self) -> Self:
        check_ids(self.kind, self.id)
        if self.tag is not None and self.kind != "meter":
            raise fault("bad_select", f"only meters have a tag: write kind: meter, not {self.kind}")
        return self


class Tier(Strict):
    """One step of a limit: a value above `max` has passed it."""

    id: Id
    max: DecimalText
    severity: Severity | None = None


def _tiers_ascend(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    for lower, upper in pairwise(tiers):
        if upper.max <= lower.max:
            raise fault("not_ascending", f"tier {upper.id} ({upper.max}) is not above tier {lower.id} ({lower.max})")
    if len({tier.id for tier in tiers}) != len(tiers):
        raise fault("duplicate", "two tiers have the same id")
    return tiers


class LimitSpec(Strict):
    """The tiers that an indicator is held against, in the indicator's unit, from the lowest to the highest.

    `reference` names a row of the packaged table of limits, such as `energy_limits/GB 21256-2013/converter`; `tiers`
    and `source` are then taken from there, and the document must end where that edition is replaced.
    """

    indicator: Id
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1), AfterValidator(_tiers_ascend)] | None = None
    select: Select | None = None
    source: Text | None = None
    reference: Text | None = None

    @model_validator(mode="after")
    def _has_tiers_and_a_source(self) -> Self:
        if self.reference is None and (self.tiers is None or self.source is None):
            raise fault("missing", "write tiers and source, or the reference row to take them from")
        if self.select is not None and self.select.kind == "source":
            raise fault("bad_kind", "a source has no indicators: a limit is of meters, enterprises or territories")
        return self


class Limit(Envelope):
    """A dated threshold with tiers and a source (限额)."""

    kind: Literal["limit"]
    spec: LimitSpec
