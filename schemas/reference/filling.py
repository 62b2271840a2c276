"""Filling tells when an average counts and how far estimates may go, where the registry does not say otherwise."""

from functools import cache

from schemas.reference.base import Sourced, Table, read


class Averages(Sourced):
    """How much of an hour must be measured [min], and how many such hours a day needs, for an average (HJ 75-2017)."""

    hour_min: int
    day_hours: int
    standard: str


class LikeDays(Sourced):
    """How many like days are averaged at most, and how many weeks back they are looked for."""

    days: int
    weeks: int


class Filling(Table):
    """The table `filling`."""

    averages: Averages
    like_days: LikeDays


@cache
def filling() -> Filling:
    """Return the packaged table, read once; raise pydantic's ValidationError when the file is not as its model says."""
    return Filling.model_validate(read("filling"))
