"""Quiet hours (免打扰) are times in which a recipient is left alone, but for what is too grave to wait."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import fault
from schemas.documents.indicator import Severity
from schemas.documents.season import Weekday
from schemas.windows import HOUR_MS

_MINUTE_MS = 60_000

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _time_of_day(text: str) -> str:
    if _TIME_OF_DAY.fullmatch(text) is None:
        raise fault("bad_time", f"{text!r} is no time of day: write 08:30, in quotes")
    return text


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]


def of_day_ms(time_of_day: str) -> int:
    """Return how long after the beginning of its day a time of day is [ms]."""
    hour, minute = time_of_day.split(":")
    return int(hour) * HOUR_MS + int(minute) * _MINUTE_MS


class QuietHours(Strict):
    """From a time of the local day until another one, of the next day where that is not later.

    It begins on every day, or on `weekdays`, or on the `days` that are worked or off by the calendar of holidays
    (放假调休); `except` are the severities that do not wait.
    """

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] | None = None
    days: Literal["working", "off"] | None = None
    except_: tuple[Severity, ...] = Field(alias="except", default=())

    @model_validator(mode="after")
    def _names_days_once(self) -> Self:
        if self.days is not None and self.weekdays is not None:
            raise fault("ambiguous", "days and weekdays both say when it begins: write one of them")
        return self
