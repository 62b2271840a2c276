"""Scenarios: the contract of the files that tell a story of the field, and the notation of times and values in them."""

from schemas.scenarios.notation import (
    NotationError,
    Sent,
    Worth,
    digits_of,
    parse_instant,
    parse_instants,
    parse_sent,
    parse_window,
    parse_worth,
)
from schemas.scenarios.people import Deed, ToldExpected
from schemas.scenarios.story import (
    AlarmExpected,
    Delivery,
    FindingExpected,
    Moment,
    Scenario,
    WindowExpected,
)

__all__ = [
    "AlarmExpected",
    "Deed",
    "Delivery",
    "FindingExpected",
    "Moment",
    "NotationError",
    "Scenario",
    "Sent",
    "ToldExpected",
    "WindowExpected",
    "Worth",
    "digits_of",
    "parse_instant",
    "parse_instants",
    "parse_sent",
    "parse_window",
    "parse_worth",
]
