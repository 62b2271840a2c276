"""The live steel year to the last digit: every window's energy, coal equivalent and carbon dioxide, and every alarm.

One file, since the year is taken in once for each process that tests.
"""

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from tests import independent
from tests.endtoend.city import ENTERPRISES, TERRITORIES, TIERS
from tests.endtoend.live import Live, check, differing
from tests.endtoend.year import MISTAKEN, coverage, is_passed, outputs, thresholds, worth
from tests.independent import Episode, Year

METRICS = ("qty.electricity", "energy.cv", "energy.eq", "co2.total")
WINDOWS = ("hour", "day", "month", "quarter", "year")

_LEVELS = tuple(TIERS)

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


# The alarms


def episodes(enterprise: str) -> dict[str, Episode]:
    """Return the episodes in an enterprise's hours by their start."""
    return {each.start: each for each in independent.episodes(worth(enterprise)["hour"], *thresholds())}


def tier_of(intensity: Decimal) -> str | None:
    """Return the gravest tier that an intensity [kgce/t] has passed."""
    passed = [tier for tier, most in TIERS.items() if intensity > most]
    return passed[-1] if passed else None


def tiers(enterprise: str) -> dict[str, str]:
    """Return the tiers that an enterprise has passed, by month, quarter and year."""
    found = independent.intensities(worth(enterprise), outputs(enterprise))
    return {name: tier for name, each in found.items() if (tier := tier_of(each)) is not None}


def standing(year: Live, enterprise: str, rule: str) -> list[dict[str, Any]]:
    """Return the alarms of an enterprise that were not withdrawn."""
    found = year.alarms(entity=f"enterprise/{enterprise}", rule=rule)
    return [each for each in found if each["condition"] != "withdrawn"]


def local_hour(ms: int) -> str:
    return independent.local_name(ms, "hour")


def test_the_thresholds_cut_the_year_into_many_episodes() -> None:
    assert 10 < len(episodes("mill")) < len(episodes("works")) < 100
    assert any(each.kwh == thresholds()[0] for each in worth("mill")["hour"].values()), "an hour just on the bound"


def test_each_episode_is_raised_in_the_hour_that_crosses_and_cleared_later_once(year: Live) -> None:
    above, below = thresholds()
    wanted = episodes("mill")
    hours = worth("mill")["hour"]
    alarms = year.alarms(entity="enterprise/mill", rule="hourly-peak")
    check(differing({each["start"]: "told" for each in alarms}, dict.fromkeys(wanted, "told")))
    for alarm in alarms:
        start, end = wanted[alarm["start"]]
        assert end is not None
        identity = hashlib.sha256(f"hourly-peak|enterprise/mill|{start}".encode()).hexdigest()[:20]
        assert (alarm["id"], alarm["condition"], alarm["period"]) == (identity, "ok", "episode")
        assert (local_hour(alarm["since"]), Decimal(alarm["value"])) == (end, hours[start].kwh)
        raised, cleared = year.events(alarm)
        assert [(each["cause"], each["seq"]) for each in (raised, cleared)] == [("raised", 1), ("cleared", 2)]
        assert (local_hour(raised["since"]), local_hour(cleared["since"])) == (start, end)
        assert (raised["condition"], cleared["condition"]) == ("firing", "ok")
        # It may be raised as soon as the hour's first quarters cross.
        assert above < Decimal(raised["value"]) <= hours[start].kwh
        assert (Decimal(raised["limit"]), raised["unit"], raised["severity"]) == (above, "kWh", "warning")
        assert f"{hours[end].kwh.normalize():f}" in cleared["reason"]
        assert hours[end].kwh < below


def test_the_same_episodes_stand_when_the_year_came_out_of_order(year: Live) -> None:
    hours = worth("works")["hour"]
    alarms = standing(year, "works", "hourly-peak")
    got = {each["start"]: (local_hour(each["since"]), each["condition"], Decimal(each["value"])) for each in alarms}
    wanted = {each.start: (each.end, "ok", hours[each.start].kwh) for each in episodes("works").values()}
    check(differing(got, wanted))


def test_what_happened_to_an_alarm_is_counted_without_a_gap_whatever_the_order(year: Live) -> None:
    for alarm in year.alarms(entity="enterprise/works"):
        events = year.events(alarm)
        assert [each["seq"] for each in events] == list(range(1, alarm["seq"] + 1)), alarm
        assert all(one["condition"] == two["from"] for one, two in zip(events, events[1:], strict=False)), alarm
        if events:
            assert events[-1]["condition"] == alarm["condition"], alarm


@pytest.mark.parametrize("enterprise", ["works", "mill"])
def test_intensities_follow_from_the_outputs_reported(year: Live, enterprise: str) -> None:
    wanted = independent.intensities(worth(enterprise), outputs(enterprise))
    got = {
        name: value
        for window in ("month", "quarter", "year")
        for name, value in year.values(f"enterprise/{enterprise}", "ind.steel-intensity", window).items()
        if value is not None
    }
    check(differing(got, wanted))


@pytest.mark.parametrize("enterprise", ["works", "mill"])
def test_an_intensity_that_passes_a_tier_of_its_limit_is_an_alarm(year: Live, enterprise: str) -> None:
    found = independent.intensities(worth(enterprise), outputs(enterprise))
    alarms = filter(is_passed, year.alarms(entity=f"enterprise/{enterprise}", rule="steel-limit"))
    got = {each["start"]: (each["tier"], Decimal(each["value"]), Decimal(each["limit"])) for each in alarms}
    wanted = {name: (tier, found[name], TIERS[tier]) for name, tier in tiers(enterprise).items()}
    check(differing(got, wanted))
    assert set(tiers("mill").values()) == set(TIERS), "each tier is the gravest of some month"


def test_tiers_are_passed_one_after_the_other_as_a_month_grows(year: Live) -> None:
    for alarm in filter(is_passed, year.alarms(entity="enterprise/mill", rule="steel-limit")):
        events = [each for each in year.events(alarm) if each["cause"] not in ("settled", "amended")]
        assert [each["cause"] for each in events] == ["raised", *["tier"] * (len(events) - 1)], alarm
        levels = [_LEVELS.index(each["tier"]) for each in events]
        assert levels == sorted(set(levels)), "each tier at most once"
        assert events[-1]["tier"] == tiers("mill")[alarm["start"]]


def test_an_alarm_by_an_output_that_was_reported_wrongly_does_not_stand(year: Live) -> None:
    (alarm,) = year.alarms(entity="enterprise/works", rule="steel-limit", **MISTAKEN)
    events = year.events(alarm)
    assert events[0]["cause"] == "raised"
    # Withdrawn where the right output is read only after the month has settled: the topics have no common order.
    assert (alarm["condition"], events[-1]["cause"]) in (("ok", "cleared"), ("withdrawn", "corrected"))


def test_nobody_else_has_an_alarm(year: Live) -> None:
    assert {each["entity"] for each in year.alarms()} == {"enterprise/works", "enterprise/mill"}
