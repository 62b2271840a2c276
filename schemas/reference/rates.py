"""Rates (频率限制) are how many messages the robots of group chats take in a span of time."""

from functools import cache
from typing import Annotated

from pydantic import Field

from schemas.reference.base import Many, Sourced, Strict, Table, read


class RateLimit(Strict):
    """At most `messages` within any `seconds` [s]."""

    messages: Annotated[int, Field(gt=0)]
    seconds: Annotated[int, Field(gt=0)]


class RobotRates(Sourced):
    """All limits of a kind of robot; one that was sent more takes nothing for `blocked_seconds` [s]."""

    limits: Many[RateLimit]
    blocked_seconds: Annotated[int, Field(ge=0)]


class Rates(Table):
    """The table `rates`, by channel."""

    robots: dict[str, RobotRates]


@cache
def rates() -> Rates:
    """Return the packaged table, read once; raise pydantic's ValidationError when the file is not as its model says."""
    return Rates.model_validate(read("rates"))
