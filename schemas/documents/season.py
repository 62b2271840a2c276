"""A season (时段) is a time in which rules hold: months, days, weekdays or hours that come again, or dated periods."""

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.exchange import read_instant
from schemas.documents.fields import Code, fault

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)")


def month_day(text: str) -> tuple[int, int]:
    """Return the month and the day of text such as `11-15`; raise ValueError where no year has it."""
    found = _MONTH_DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no day of the year: write 11-15")
    # A leap year has every day.
    day = dt.date(2000, int(found[1]), int(found[2]))
    return day.month, day.day


def _month_day(text: str) -> str:
    try:
        _ = month_day(text)
    except ValueError as error:
        raise fault("bad_day", f"{text!r} is no day of the year: write 11-15") from error
    return text


MonthDay = Annotated[str, AfterValidator(_month_day), Field(json_schema_extra={"pattern": _MONTH_DAY.pattern})]
Instant = Annotated[dt.datetime, BeforeValidator(read_instant)]


class Days(Strict):
    """Days of every year from one on, until another one begins; it may lie in the next year (11-15 to 03-15)."""

    from_: MonthDay = Field(alias="from")
    to: MonthDay


class Hours(Strict):
    """Hours of every day from one on, until another one begins; it may be one of the next day (22 to 6)."""

    from_: Annotated[int, Field(alias="from", ge=0, le=23)]
    to: Annotated[int, Field(ge=0, le=24)]

    @model_validator(mode="after")
    def _is_some_time(self) -> Self:
        if self.from_ == self.to:
            raise fault("empty_range", f"from {self.from_} to {self.to} is no time")
        return self


class Period(Strict):
    """A dated period until `to` (null: not over yet), such as a heavy-pollution warning of a level (重污染预警)."""

    from_: Instant = Field(alias="from")
    to: Instant | None = None
    level: Code | None = None

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to is not None and self.to <= self.from_:
            raise fault("empty_range", f"it ends at {self.to}, which is not after {self.from_}")
        return self


class SeasonSpec(Strict):
    """When it is; each field that is given has to hold, and in a field any one of its entries.

    `periods` are dated: staggered production (错峰生产) of a year, or warnings of a level as they are declared; the
    list may be empty while there is none.
    """

    months: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Field(min_length=1)] | None = None
    days: Annotated[tuple[Days, ...], Field(min_length=1)] | None = None
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] | None = None
    hours: Annotated[tuple[Hours, ...], Field(min_length=1)] | None = None
    periods: tuple[Period, ...] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(each is None for each in (self.months, self.days, self.weekdays, self.hours, self.periods)):
            raise fault("missing", "a season says when it is: write months, days, weekdays, hours or periods")
        return self


class Season(Envelope):
    """A season (时段)."""

    kind: Literal["season"]
    spec: SeasonSpec
