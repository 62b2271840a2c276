"""A scenario (情景) is a story in one file: what is registered, what arrives at which moment, what must then be true.

It is a page of the field that people who know meters, not programs, write and check; see docs/scenarios.md.
"""

import datetime as dt
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.documents.envelope import Name, Strict
from schemas.documents.fields import Code, Day, Id, Text, fault
from schemas.documents.indicator import Severity
from schemas.scenarios.fields import (
    OR_NONE,
    Amount,
    Entity,
    LongText,
    MomentText,
    Raw,
    RunText,
    SentValue,
    SentValues,
    TimeText,
    WindowText,
    WorthText,
    listed,
)
from schemas.scenarios.notation import parse_instant
from schemas.scenarios.people import Deed, ToldExpected
from schemas.windows import local_datetime


class Delivery(Strict):
    """How the readings of a moment come: when the gateway received them, how often, and in which order.

    `order: reversed` sends each reading alone, the last one first.
    """

    received: TimeText | None = None
    repeat: Annotated[int, Field(ge=1, le=10)] = 1
    order: Literal["given", "reversed"] = "given"


class WindowExpected(BaseModel):
    """What is true of an entity's window: its status (状态), and under each metric's name its value and coverage."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    __pydantic_extra__: dict[str, WorthText]  # pyright: ignore[reportIncompatibleVariableOverride]

    status: Literal["provisional", "settled", "revised"] | None = None

    @property
    def metrics(self) -> dict[str, str]:
        """The expected worth by metric."""
        return self.__pydantic_extra__


class FindingExpected(Strict):
    """A data-quality finding (数据质量问题) on a meter that is open (or, `open: false`, is not)."""

    meter: Entity
    rule: Code | None = None
    reason: Code | None = None
    from_: TimeText | None = Field(alias="from", default=None)
    to: TimeText | None = None
    open: bool = True


class AlarmExpected(Strict):
    """What an alarm (告警) of (rule or limit, entity, start) is; `none`: it was never raised and is not looked at."""

    rule: Id
    of: Entity | None = None
    start: WindowText
    condition: Literal[
        "ok", "pending", "firing", "recovering", "no_data", "error", "established", "withdrawn", "none"
    ] = "firing"
    tier: Id | None = None
    severity: Severity | None = None
    value: Amount | None = None
    limit: Amount | None = None


class Moment(Strict):
    """A moment of the story (时刻): the clock moves on to `at`, things arrive, and something is then true.

    Times of day and hours such as `T08` are of `day`, by default the day of `at`. In `readings` stand meters, times and
    values; in `reported` entities, metrics, periods and values; in `expect` entities, windows, metrics and values.
    `people` is what people do once everything has arrived; `told` is all that anybody was told since the moment before.
    """

    at: MomentText
    day: Day | None = None
    note: Text | None = None
    registry: tuple[Raw, ...] = ()
    readings: dict[Entity, dict[RunText, SentValues]] = {}
    delivery: Delivery = Delivery()
    reported: dict[Entity, dict[Code, dict[WindowText, SentValue]]] = {}
    rejected: tuple[Code, ...] = ()
    expect: dict[Entity, dict[WindowText, WindowExpected]] = {}
    findings: Annotated[tuple[FindingExpected, ...], BeforeValidator(listed), OR_NONE] | None = None
    alarms: Annotated[tuple[AlarmExpected, ...], BeforeValidator(listed), OR_NONE] | None = None
    people: tuple[Deed, ...] = ()
    told: Annotated[tuple[ToldExpected, ...], BeforeValidator(listed), OR_NONE] | None = None

    @property
    def at_ms(self) -> int:
        """The instant of the moment [epoch ms]."""
        return parse_instant(self.at)

    @property
    def of_day(self) -> dt.date:
        """The day that times of day are of."""
        return self.day or local_datetime(self.at_ms).date()


class Scenario(Strict):
    """One file: a page of the field, or, without a story, a base that pages extend.

    `extends` names another file, relative to this one, whose registry and defaults this one begins with. `enterprise`
    is meant where only a meter's short id stands, `since` is the `valid_from` of documents that say none, and
    `defaults` gives by kind the fields of `spec` that a document may leave out.
    """

    scenario: Id
    title: Name = Name()
    why: LongText | None = None
    extends: Text | None = None
    enterprise: Id | None = None
    since: Day | None = None
    defaults: dict[Code, dict[str, Any]] = {}
    registry: tuple[Raw, ...] = ()
    story: tuple[Moment, ...] = ()

    @model_validator(mode="after")
    def _clock_moves_on(self) -> Self:
        for earlier, later in pairwise(self.story):
            if later.at_ms < earlier.at_ms:
                raise fault("not_sorted", f"the moment {later.at} stands after {earlier.at}: the clock never goes back")
        return self
