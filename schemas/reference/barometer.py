"""The barometer (晴雨表) of the dual control of energy: what its three levels are called, and which gap is level 2."""

from fractions import Fraction
from functools import cache
from typing import Self

from pydantic import model_validator

from schemas.reference.base import Many, Number, Sourced, Strict, Table, read


class LevelRow(Strict):
    """A level, 1 the gravest, its colour, and what it means in both languages."""

    level: int
    colour: str
    zh: str
    en: str


class Barometer(Table, Sourced):
    """The table `barometer`: `allowed_gap` is the part of a target by which it may be missed at level 2."""

    allowed_gap: Number
    levels: Many[LevelRow]

    @model_validator(mode="after")
    def _has_three(self) -> Self:
        if [each.level for each in self.levels] != [1, 2, 3]:
            raise ValueError("the levels are 1, 2 and 3, in this order")
        return self


@cache
def _table() -> Barometer:
    return Barometer.model_validate(read("barometer"))


def allowed_gap() -> Fraction:
    """Return by which part of itself a target may be missed at level 2, where no rule says otherwise."""
    return Fraction(_table().allowed_gap)


def level_text(level: int) -> str:
    """Return a level with its colour and meaning, for people."""
    row = _table().levels[level - 1]
    return f"level {row.level} {row.colour}: {row.en}"
