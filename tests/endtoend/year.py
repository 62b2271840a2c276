"""What each enterprise of the city sends in the live steel year, and what its windows must then be worth."""

import random
from decimal import Decimal
from functools import cache
from typing import Any

from tests import independent
from tests.endtoend.city import ENTERPRISES, key_of
from tests.endtoend.live import Live
from tests.independent import Coverage, Reading, Worth, Year
from tests.running import until

# A register that has run for long: its readings have 17 digits.
REGISTER_START = Decimal("987654321098765.00")
# The mill falls silent after half the year.
SILENT_FROM = "2018-07"
# The month whose output the works reports wrongly at first, as a query.
MISTAKEN = {"from": "2018-03", "to": "2018-04"}
SEEN_S = 240.0
# The rule's thresholds [kWh]: an hour's use that 40 hours exceed, and one that most hours of production do.
_RANKS = 40, 3000


@cache
def thresholds() -> tuple[Decimal, Decimal]:
    """Return above and below which hourly use [kWh] an alarm is raised and cleared; both are the use of an hour."""
    ordered = sorted((each.kwh for each in independent.steel_year()["hour"].values()), reverse=True)
    above, below = (ordered[rank] for rank in _RANKS)
    return above, below


def half_year() -> list[Reading]:
    """Return the quarter-hours that the mill sends."""
    return [
        each
        for each in independent.steel_quarters()
        if independent.local_name(each.t_ms - independent.QUARTER_MS, "month") < SILENT_FROM
    ]


@cache
def worth(enterprise: str) -> Year[Worth]:
    """Return what the windows of an enterprise are worth; those in which nothing came are not there."""
    if enterprise == "counter":
        return independent.register_year()
    if enterprise == "works":
        return independent.steel_year()
    return independent.valued(independent.hours_of_intervals(half_year()))


@cache
def coverage(enterprise: str) -> Year[Coverage]:
    """Return how the windows of an enterprise are covered."""
    if enterprise == "counter":
        return independent.covered_by_register()
    return independent.covered_by_intervals(independent.steel_quarters() if enterprise == "works" else half_year())


def outputs(enterprise: str) -> dict[str, Decimal]:
    """Return the crude steel [t] of the months that an enterprise reports."""
    found = independent.outputs()
    if enterprise == "mill":
        return {month: tonnes for month, tonnes in found.items() if month < SILENT_FROM}
    return found if enterprise == "works" else {}


def is_passed(alarm: dict[str, Any]) -> bool:
    """Tell whether an alarm's limit is passed, be it of a month that has settled."""
    return alarm["condition"] in ("firing", "established")


def send_works(live: Live) -> None:
    """Send the year as it is, shuffled, and report the outputs in between: one of them wrongly at first."""
    chance = random.Random(851)
    batches = list(independent.sendings(independent.steel_quarters(), chance))
    third = len(batches) // 3
    live.report("works", {"2018-03": Decimal(1)})
    live.push(key_of("works"), "works-gw1", batches[:third], chance)
    asked = {"entity": "enterprise/works", "rule": "steel-limit", **MISTAKEN}
    until(lambda: any(is_passed(each) for each in live.alarms(**asked)), SEEN_S, "an alarm by mistake")
    live.report("works", outputs("works"), rev=1)
    live.push(key_of("works"), "works-gw1", batches[third:], chance)


def send_counter(live: Live) -> None:
    """Send the year as a register, shuffled."""
    chance = random.Random(2018)
    readings = [each._replace(kwh=each.kwh + REGISTER_START) for each in independent.register_readings()]
    live.push(key_of("counter"), "counter-gw1", independent.sendings(readings, chance), chance)


def send_mill(live: Live) -> None:
    """Send half the year in order, in batches that end anywhere in an hour; each month's output before its readings."""
    chance = random.Random(31)
    months: dict[str, list[Reading]] = {}
    for each in half_year():
        months.setdefault(independent.local_name(each.t_ms - independent.QUARTER_MS, "month"), []).append(each)
    for month, readings in months.items():
        live.report("mill", {month: outputs("mill")[month]})
        batches: list[list[Reading]] = []
        at = 0
        while at < len(readings):
            batches.append(readings[at : at + chance.randint(1, 200)])
            at += len(batches[-1])
        live.push(key_of("mill"), "mill-gw1", batches, chance)


SENDERS = dict(zip(ENTERPRISES, (send_works, send_counter, send_mill), strict=True))
