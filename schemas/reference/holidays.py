"""Holidays are the days off of each year, and the weekend days worked for them, as the State Council announces them."""

import datetime as dt
from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from schemas.reference.base import Many, Sourced, Strict, Table, read


def _days(year: int, text: str) -> list[dt.date]:
    first, _, last = text.partition("..")
    begin, end = (dt.date.fromisoformat(f"{year}-{each}") for each in (first, last or first))
    return [begin + dt.timedelta(days=each) for each in range((end - begin).days + 1)]


def _range(text: str) -> str:
    if not _days(2004, text):
        raise ValueError(f"{text!r} ends before it begins")
    return text


Range = Annotated[str, AfterValidator(_range)]


class YearOfHolidays(Strict):
    """The days off of a year and its weekend days on which people work, each a day or a range, `05-01..05-05`."""

    holidays: Many[Range]
    worked: Many[Range]


class Holidays(Table, Sourced):
    """The table `holidays`."""

    years: dict[int, YearOfHolidays]


@cache
def holidays() -> Holidays:
    """Return the packaged table, read once; raise pydantic's ValidationError when the file is not as its model says."""
    return Holidays.model_validate(read("holidays"))


@cache
def special_days() -> frozenset[dt.date]:
    """Return all days that are not like others of their weekday: days off, and weekend days worked for them."""
    return frozenset(
        day
        for year, each in holidays().years.items()
        for text in (*each.holidays, *each.worked)
        for day in _days(year, text)
    )


@cache
def days_off() -> frozenset[dt.date]:
    """Return all days on which people are off since a holiday is, weekends in it included."""
    years = holidays().years.items()
    return frozenset(day for year, each in years for text in each.holidays for day in _days(year, text))


@cache
def days_worked() -> frozenset[dt.date]:
    """Return all weekend days that are worked for a holiday."""
    years = holidays().years.items()
    return frozenset(day for year, each in years for text in each.worked for day in _days(year, text))
