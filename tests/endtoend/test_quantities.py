"""The live steel year: every window's energy, coal equivalent and carbon dioxide, to the last digit."""

from decimal import Decimal

import pytest

from tests import independent
from tests.endtoend.city import ENTERPRISES, TERRITORIES
from tests.endtoend.live import Live, check, differing
from tests.endtoend.year import coverage, worth
from tests.independent import Year

METRICS = ("qty.electricity", "energy.cv", "energy.eq", "co2.total")
WINDOWS = ("hour", "day", "month", "quarter", "year")

# The year is taken in before the first test; long for a machine that others keep busy.
pytestmark = pytest.mark.timeout(600)


def faults(year: Live, entity: str, wanted: Year[independent.Worth]) -> list[str]:
    """Return where an entity's values differ from what is wanted; a window in which nothing came is to be null."""
    found: list[str] = []
    for window in WINDOWS:
        every = independent.steel_year()[window]
        for place, metric in enumerate(METRICS):
            values = {name: wanted[window][name][place] if name in wanted[window] else None for name in every}
            found += differing(year.values(entity, metric, window), values, metric)
    return found


def test_the_year_sent_shuffled_and_partly_twice_is_equal_in_every_window(year: Live) -> None:
    check(faults(year, "enterprise/works", worth("works")))


def test_the_year_as_a_register_with_gaps_is_shared_by_time_in_every_window(year: Live) -> None:
    check(faults(year, "enterprise/counter", worth("counter")))
    days = year.values("enterprise/counter", "qty.electricity", "day")
    check(differing(days, independent.register_days()))
    total = sum((each.kwh for each in independent.steel_quarters()), Decimal(0))
    assert year.values("enterprise/counter", "qty.electricity", "year") == {"2018": total}


def test_what_falls_into_gaps_of_a_register_is_told_as_estimated(year: Live) -> None:
    estimated = independent.register_estimated()
    for window in WINDOWS:
        every = worth("counter")[window]
        wanted = {name: estimated[window][name].kwh if name in estimated[window] else Decimal(0) for name in every}
        got = year.values("enterprise/counter", "qty.electricity.estimated", window)
        check(differing(got, wanted))


def test_an_enterprise_that_falls_silent_has_no_values_instead_of_zeros(year: Live) -> None:
    check(faults(year, "enterprise/mill", worth("mill")))
    assert year.values("enterprise/mill", "qty.electricity", "month")["2018-07"] is None


@pytest.mark.parametrize("entity", TERRITORIES)
def test_a_territory_is_the_sum_of_its_enterprises_in_every_window(year: Live, entity: str) -> None:
    check(faults(year, entity, independent.together(*map(worth, TERRITORIES[entity]))))


@pytest.mark.parametrize("entity", [*(f"enterprise/{each}" for each in ENTERPRISES), *TERRITORIES])
def test_how_much_is_measured_estimated_and_missing_is_told_up_to_the_city(year: Live, entity: str) -> None:
    members = TERRITORIES.get(entity) or (entity.partition("/")[2],)
    wanted = independent.together(*map(coverage, members))
    for window in WINDOWS:
        shares = {name: each.shares for name, each in wanted[window].items()}
        for metric in ("qty.electricity", "energy.cv"):
            check(differing(year.shares(entity, metric, window), shares))


def test_the_shares_tell_where_the_gaps_of_the_register_are(year: Live) -> None:
    shares = year.shares("enterprise/counter", "qty.electricity", "day")
    whole = [day for day, (_, estimated, _) in shares.items() if estimated == 1]
    some = [day for day, (_, estimated, _) in shares.items() if estimated is not None and 0 < estimated < 1]
    assert len(whole) >= 10, "five gaps of three days hide at least two whole days each"
    assert len(some) > 40
    assert all(missing == 0 for _, _, missing in shares.values()), "what a gap hides is known in sum"


def test_every_window_of_the_year_had_settled_before_its_readings_came_and_says_so(year: Live) -> None:
    for window in WINDOWS:
        points = year.points("enterprise/works", "qty.electricity", window)
        assert {each["status"] for each in points} == {"revised"}


def test_nothing_was_put_aside_and_every_batch_has_its_receipt(year: Live) -> None:
    assert year.get("/v1/rejected")["items"] == []
    receipt = year.get("/v1/batches/works-gw1-0")
    assert receipt["accepted"] > 0
    assert receipt["rejected"] == []
