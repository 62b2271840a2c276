"""A scenario (情景) is a story in one file: what is registered, what arrives at which moment, what must then be true.

It is a page of the field that people who know meters, not programs, write and check; see docs/scenarios.md.
"""

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from schemas.documents.envelope import Name, Strict
from schemas.documents.fields import Code, Day, DecimalText, Id, Text, fault
from schemas.documents.indicator import Severity
from schemas.scenarios.notation import (
    NotationError,
    parse_instant,
    parse_instants,
    parse_sent,
    parse_window,
    parse_worth,
)
from schemas.windows import WindowError, local_datetime

_ANY_DAY = dt.date(2000, 1, 1)
_TEXT_OR_NUMBER = {"anyOf": [{"type": "string"}, {"type": "number"}]}


def _text(value: Any) -> Any:
    # A whole number stands without quotes; all others are text already, as the file's reader keeps every digit.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(code: str, check: Callable[[str], Any]) -> AfterValidator:
    def run(text: str) -> str:
        try:
            check(text)
        except (NotationError, WindowError) as error:
            raise fault(code, str(error)) from error
        return text

    return AfterValidator(run)


def _values(value: Any) -> Any:
    return tuple(_text(one) for one in cast("list[Any]", value)) if isinstance(value, list) else (_text(value),)


def _document(raw: dict[str, Any]) -> dict[str, Any]:
    for name in ("kind", "id"):
        if not isinstance(raw.get(name), str):
            raise fault("not_a_document", f"a document says its {name} in text, such as kind: meter, id: works.e01")
    return raw


def _or_the_word_none(schema: dict[str, Any]) -> None:
    array = {name: schema.pop(name) for name in ("items", "type") if name in schema}
    schema["anyOf"] = [array, {"const": "none"}]


def _listed(value: Any) -> Any:
    # What a function has seen is no JSON to pydantic any more, and only a tuple is a tuple then.
    return () if value == "none" else tuple(cast("list[Any]", value)) if isinstance(value, list) else value


MomentText = Annotated[str, _checked("bad_time", parse_instant)]
TimeText = Annotated[str, _checked("bad_time", lambda text: parse_instant(text, _ANY_DAY))]
RunText = Annotated[str, _checked("bad_time", lambda text: parse_instants(text, _ANY_DAY))]
WindowText = Annotated[str, _checked("bad_window", lambda text: parse_window(text, _ANY_DAY))]
SentText = Annotated[str, _checked("bad_value", parse_sent)]
SentValue = Annotated[SentText, BeforeValidator(_text), WithJsonSchema(_TEXT_OR_NUMBER)]
SentValues = Annotated[
    tuple[SentText, ...],
    BeforeValidator(_values),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [*_TEXT_OR_NUMBER["anyOf"], {"type": "array", "items": _TEXT_OR_NUMBER}]}),
]
WorthText = Annotated[
    str,
    BeforeValidator(lambda value: "null" if value is None else _text(value)),
    _checked("bad_value", parse_worth),
    WithJsonSchema({"anyOf": [*_TEXT_OR_NUMBER["anyOf"], {"type": "null"}]}),
]
Amount = Annotated[DecimalText, WithJsonSchema(_TEXT_OR_NUMBER)]
OR_NONE = Field(json_schema_extra=_or_the_word_none)
LongText = Annotated[str, Field(min_length=1, max_length=4000)]
Entity = Annotated[str, Field(min_length=1, max_length=90)]
Raw = Annotated[
    dict[str, Any],
    AfterValidator(_document),
    WithJsonSchema({"type": "object", "required": ["kind", "id"], "description": "A registry document (登记文件)."}),
]


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
    condition: Literal["ok", "pending", "firing", "established", "withdrawn", "none"] = "firing"
    tier: Id | None = None
    severity: Severity | None = None
    value: Amount | None = None
    limit: Amount | None = None


class Moment(Strict):
    """A moment of the story (时刻): the clock moves on to `at`, things arrive, and something is then true.

    Times of day and hours such as `T08` are of `day`, by default the day of `at`. In `readings` stand meters, times and
    values; in `reported` entities, metrics, periods and values; in `expect` entities, windows, metrics and values.
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
    findings: Annotated[tuple[FindingExpected, ...], BeforeValidator(_listed), OR_NONE] | None = None
    alarms: Annotated[tuple[AlarmExpected, ...], BeforeValidator(_listed), OR_NONE] | None = None

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
