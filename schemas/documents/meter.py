"""A meter (计量点) is one measured channel of one enterprise: a cumulative register, an interval or a gauge."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from schemas.decimals import scale_of
from schemas.documents.envelope import Ascending, DatedIds, Entry, Envelope, Strict
from schemas.documents.fields import (
    Duration,
    Id,
    NonNegativeDecimal,
    PositiveDecimal,
    Text,
    Unit,
    duration_ms,
    fault,
)
from schemas.documents.validity import Validity
from schemas.ids import METER_ID_PATTERN, IdError, split_meter_id
from schemas.windows import DAY_MS

METER_TYPES = ("register", "interval", "gauge")
# A register may have 17 digits in a 64-bit integer; finer steps than this would leave too few before the point.
MAX_SCALE = 9
# No straight line is meant to say more of a quantity than this, and every reading would reach as far.
LONGEST_GAP_MS = 7 * DAY_MS


def _meter_id(text: str) -> str:
    try:
        split_meter_id(text)
    except IdError as error:
        raise fault("bad_id", str(error)) from error
    return text


def _type(value: Any) -> Any:
    if value not in METER_TYPES:
        raise fault("unknown_type", f"meter type {value!r} is not known: the types are {', '.join(METER_TYPES)}")
    return value


MeterId = Annotated[
    str, AfterValidator(_meter_id), Field(json_schema_extra={"pattern": f"^{METER_ID_PATTERN.pattern}$"})
]


class DatedValue(Entry):
    """A number that holds from a day on."""

    value: PositiveDecimal


class DatedSharing(Entry):
    """How what lies in a gap is spread over its hours from a day on: straight, or as like days (相似日) were."""

    by: Literal["straight", "like_day"]


class MeterSpec(Strict):
    """What the meter measures, how its numbers read, and what they mean to the enterprise's balance.

    One count of the meter is `resolution` x `multiplier` in `unit`. `modulus` is where a register starts again from 0,
    `parent` the meter within the same enterprise that measures this one too, `capacity_kva` the rating of the
    transformer behind an electricity meter. A gauge tells a level in the carrier's unit, or a rate in that unit by
    time; `validity` says how much of it an average needs, if not that of the carrier. Gaps of an interval up to
    `longest_gap` are filled by a straight line. Gaps that begin while its `sharing` is by `like_day` have the shape of
    like days: the known total of a register, and intervals that no straight line fills. A `generation` meter measures
    what the enterprise makes itself: from the sun or the wind where it `counts_as` renewable, else from what came in
    already. What a meter that `counts_as` feedstock measures is used as raw material (原料用能). What an output with a
    `counterparty` measures is sold to that enterprise, which has no meter of its own for it: it counts there as an
    input.
    """

    carrier: Id
    type: Annotated[Literal["register", "interval", "gauge"], BeforeValidator(_type)]
    unit: Unit
    resolution: PositiveDecimal
    step: Duration | None = None
    stamp: Literal["start", "end"] = "end"
    role: Literal["input", "output", "generation", "sub"]
    counts_as: Literal["feedstock", "renewable"] | None = None
    source: DatedIds = ()
    multiplier: Annotated[tuple[DatedValue, ...], Ascending] = ()
    modulus: PositiveDecimal | None = None
    max_rate_per_h: PositiveDecimal | None = None
    tolerance: NonNegativeDecimal | None = None
    validity: Validity | None = None
    capacity_kva: PositiveDecimal | None = None
    longest_gap: Duration | None = None
    sharing: Annotated[tuple[DatedSharing, ...], Ascending] = ()
    parent: Id | None = None
    counterparty: DatedIds = ()
    level: Annotated[int, Field(ge=1, le=9)] | None = None
    tag: Text | None = None

    @property
    def step_ms(self) -> int | None:
        """The length of a slot, or of the usual distance of two readings of a register or a gauge [ms]."""
        return None if self.step is None else duration_ms(self.step)

    @property
    def longest_gap_ms(self) -> int:
        """The longest gap that is filled by a straight line [ms]; 0 for none."""
        return 0 if self.longest_gap is None else duration_ms(self.longest_gap)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if scale_of(self.resolution) > MAX_SCALE:
            raise fault("too_fine", f"resolution {self.resolution} has more than {MAX_SCALE} decimal places")
        if self.type == "gauge":
            if self.step_ms is None:
                raise fault("missing_step", "a gauge needs step, the usual distance of two readings, such as 1min")
            if self.step_ms > DAY_MS:
                raise fault("bad_step", f"step {self.step} of a gauge is longer than a day")
            if any(each is not None for each in (self.modulus, self.max_rate_per_h, self.tolerance)):
                raise fault("not_a_register", "a gauge has no modulus, max_rate_per_h or tolerance")
        elif self.validity is not None:
            raise fault("not_a_gauge", "only a gauge has averages, whose validity could be said")
        if self.longest_gap is not None and self.type != "interval":
            raise fault(
                "not_an_interval", "only an interval meter's gaps are filled: a register tells what lies in them"
            )
        if self.sharing and self.type == "gauge":
            raise fault("gauge_not_shared", "what a gauge tells stands for a step at most: nothing of it is shared")
        if self.longest_gap_ms > LONGEST_GAP_MS:
            raise fault("too_long", f"longest_gap {self.longest_gap} is longer than {LONGEST_GAP_MS // DAY_MS} days")
        if self.type == "interval":
            if self.step_ms is None:
                raise fault("missing_step", "an interval meter needs step, the length of its slots, such as 15min")
            if DAY_MS % self.step_ms:
                raise fault("bad_step", f"step {self.step} does not divide a day, so its slots drift over the hours")
            if self.modulus is not None:
                raise fault("not_a_register", "only a register has a modulus")
        elif self.stamp == "start":
            raise fault(
                "not_an_interval", "only an interval meter has a stamp: a reading of any other is of its instant"
            )
        return self

    @model_validator(mode="after")
    def _counts_where_it_can(self) -> Self:
        if self.counts_as == "renewable" and self.role != "generation":
            raise fault(
                "not_generated",
                "only a generation meter counts as renewable; of what is bought, register the carrier as renewable or "
                "its certificates",
            )
        if self.counts_as == "feedstock" and self.role not in ("input", "sub"):
            raise fault("not_an_input", "only an input or a sub-meter of one counts as feedstock")
        if self.counterparty and self.role != "output":
            raise fault(
                "not_an_output",
                f"a meter of role {self.role} sells nothing: only an output has a counterparty; register the meter at "
                "the seller, with role: output",
            )
        return self


class Meter(Envelope):
    """A meter (计量点); its id is `ENTERPRISE.METER`."""

    kind: Literal["meter"]
    id: MeterId
    spec: MeterSpec

    @property
    def enterprise(self) -> str:
        """The id of the enterprise that the meter is, unchangeably, part of."""
        return split_meter_id(self.id)[0]

    @property
    def short_id(self) -> str:
        """The id within the enterprise."""
        return split_meter_id(self.id)[1]
