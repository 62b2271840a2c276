"""A field is the smallest part of a document: an id, a day, a unit, an amount in decimal text, a length of time.

A number that counts is written as text, so that no reader of YAML or JSON passes it through a double. A whole number
may stand without quotes, since nothing is lost by it.
"""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.ids import ID_TEXT, IdError, check_id, parse_entity
from schemas.units import MAX_UNIT_LENGTH, UnitError, check_unit
from schemas.windows import EARLIEST_MS, LATEST_MS, local_datetime

DECIMAL_TEXT = r"-?[0-9]{1,20}(\.[0-9]{1,20})?"
_DECIMAL = re.compile(DECIMAL_TEXT)
DURATION_TEXT = r"[1-9][0-9]{0,5}(s|min|h|d)"
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|min|h|d)")
_EARLIEST, _LATEST = (local_datetime(ms).date() for ms in (EARLIEST_MS, LATEST_MS))
_UNIT_MS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def fault(code: str, message: str) -> PydanticCustomError:
    """Return the error of one field, with a stable code; braces in the message are taken as they are."""
    return PydanticCustomError(code, "{message}", {"message": message})  # pyright: ignore[reportArgumentType]


def _coded(code: str, check: Callable[[str], Any], *errors: type[Exception]) -> Callable[[str], str]:
    def run(text: str) -> str:
        try:
            check(text)
        except errors as error:
            raise fault(code, str(error)) from error
        return text

    return run


def _day(day: dt.date) -> dt.date:
    if not _EARLIEST <= day < _LATEST:
        raise fault("bad_date", f"{day} is outside 1992-01-01 to 2199-12-31, the days the calendar takes")
    return day


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float):
        raise fault("inexact_number", f'{value} is a number that may have lost digits: write it as text, "{value}"')
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise fault("bad_decimal", f'{value!r} is no decimal text such as "0.1229" (no exponent, at most 20 places)')
    return Decimal(value)


def plain_text(value: Decimal) -> str:
    """Return the decimal as text without an exponent, every digit kept."""
    return format(value, "f")


def _above_zero(value: Decimal) -> Decimal:
    if value <= 0:
        raise fault("not_positive", f"{value} must be above 0")
    return value


def _not_below_zero(value: Decimal) -> Decimal:
    if value < 0:
        raise fault("negative", f"{value} must not be below 0")
    return value


def duration_ms(text: str) -> int:
    """Return the length of a time written as `90s`, `15min`, `2h` or `10d` [ms]; raise ValueError otherwise."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no length of time: write 60s, 15min, 1h or 10d")
    return int(found[1]) * _UNIT_MS[found[2]]


Id = Annotated[
    str, AfterValidator(_coded("bad_id", check_id, IdError)), Field(json_schema_extra={"pattern": f"^{ID_TEXT}$"})
]
EntityText = Annotated[str, AfterValidator(_coded("bad_entity", parse_entity, IdError))]
Day = Annotated[dt.date, AfterValidator(_day)]
Unit = Annotated[str, AfterValidator(_coded("bad_unit", check_unit, UnitError)), Field(max_length=MAX_UNIT_LENGTH)]
Duration = Annotated[
    str,
    AfterValidator(_coded("bad_duration", duration_ms, ValueError)),
    Field(json_schema_extra={"pattern": f"^{DURATION_TEXT}$"}),
]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Code = Annotated[str, Field(min_length=1, max_length=40)]

DecimalText = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(plain_text, return_type=str),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": f"^{DECIMAL_TEXT}$"}, {"type": "integer"}]}),
]
PositiveDecimal = Annotated[DecimalText, AfterValidator(_above_zero)]
NonNegativeDecimal = Annotated[DecimalText, AfterValidator(_not_below_zero)]
