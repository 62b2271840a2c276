"""Alarms in the fold: episodes that are raised, cleared and withdrawn, and tiers that a period passes."""

from decimal import Decimal
from typing import Any

import pytest

from streams.domain.alarm import alarm_id
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, report, tick

PEAK = """
{apiVersion: qingyu/v1, kind: rule, id: hourly-peak, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: enterprise, id: [works]},
        raise: {gt: "400"}, clear: {lt: "350"}, severity: warning}}
"""
LIMIT = """
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
---
{apiVersion: qingyu/v1, kind: limit, id: steel-limit, valid_from: 2018-01-01,
 spec: {indicator: steel-intensity, source: demo,
        tiers: [{id: advanced, max: "80"}, {id: access, max: "87"}, {id: limit, max: "94"}]}}
"""


@pytest.fixture
def peaks() -> Stream:
    return Stream(documents(REGISTRY, PEAK, meter("e01", step="1h")))


def hours(stream: Stream, *kwh: str | None, first: int = 8, rev: int = 0, received: str = "2018-03-01T20:00") -> None:
    """Send hours of 2018-03-01 from the hour `first` on, stamped with their ends; None sends nothing."""
    rows = [
        ("e01", f"2018-03-01T{first + place + 1:02}:00", each, rev)
        for place, each in enumerate(kwh)
        if each is not None
    ]
    stream.readings(*rows, received=received)


def test_an_episode_is_raised_in_the_hour_that_crosses_and_cleared_later_once_each(peaks: Stream) -> None:
    for place, kwh in enumerate(("390", "401", "380", "360", "349", "200")):
        hours(peaks, kwh, first=8 + place)
    assert peaks.story() == [("2018-03-01T09", "raised", 1), ("2018-03-01T09", "cleared", 2)]
    (condition,) = peaks.conditions.values()
    assert (condition.condition, condition.seq, condition.since) == ("ok", 2, instant("2018-03-01T12:00"))
    assert condition.id == alarm_id("hourly-peak", "enterprise/works", "2018-03-01T09")
    raised, cleared = peaks.events
    assert (raised.value, raised.limit, raised.unit, cleared.from_) == ("401", "400", "kWh", "firing")
    assert "2018-03-01T12" in cleared.reason and "349" in cleared.reason


def test_a_value_on_the_bound_neither_raises_nor_clears(peaks: Stream) -> None:
    hours(peaks, "400")
    assert peaks.story() == []
    hours(peaks, "400.01", "350", first=9)
    assert peaks.story() == [("2018-03-01T09", "raised", 1)]


def test_the_same_day_in_one_batch_gives_the_same_alarms(peaks: Stream) -> None:
    hours(peaks, "390", "401", "380", "360", "349", "401", "300")
    found = {each.start: (each.condition, each.since) for each in peaks.conditions.values()}
    assert found == {
        "2018-03-01T09": ("ok", instant("2018-03-01T12:00")),
        "2018-03-01T13": ("ok", instant("2018-03-01T14:00")),
    }
    assert peaks.story() == [
        ("2018-03-01T09", "raised", 1), ("2018-03-01T09", "cleared", 2),
        ("2018-03-01T13", "raised", 1), ("2018-03-01T13", "cleared", 2),
    ]  # fmt: skip


def test_an_incomplete_hour_does_not_clear_but_a_high_one_raises() -> None:
    stream = Stream(documents(REGISTRY, PEAK, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "500"))
    assert stream.firing() == ["2018-03-01T08"]
    stream.readings(("e01", "2018-03-01T09:15", "10"))
    assert stream.firing() == ["2018-03-01T08"]
    stream.readings(*(("e01", each, "10") for each in ("2018-03-01T09:30", "2018-03-01T09:45", "2018-03-01T10:00")))
    assert stream.firing() == []


def test_an_hour_without_data_neither_raises_nor_clears(peaks: Stream) -> None:
    hours(peaks, "500")
    peaks.step(tick("2018-03-02T00:00"))
    assert peaks.firing() == ["2018-03-01T08"]
    assert len(peaks.events) == 1


def test_a_correction_withdraws_the_episode_that_never_was_with_a_reason(peaks: Stream) -> None:
    hours(peaks, "390", "401", "340")
    hours(peaks, "399", first=9, rev=1)
    (condition,) = peaks.conditions.values()
    assert condition.condition == "withdrawn"
    assert "corrected" in condition.reason
    assert [each.cause for each in peaks.events][-1] == "corrected"
    assert [each.seq for each in peaks.events] == list(range(1, len(peaks.events) + 1))


def test_late_data_move_the_begin_of_an_episode(peaks: Stream) -> None:
    hours(peaks, "390", None, "410", "300")
    assert [each.start for each in peaks.conditions.values()] == ["2018-03-01T10"]
    hours(peaks, "420", first=9)
    found = {each.start: each.condition for each in peaks.conditions.values()}
    assert found == {"2018-03-01T09": "ok", "2018-03-01T10": "withdrawn"}


def test_late_data_split_one_episode_into_two(peaks: Stream) -> None:
    hours(peaks, "410", None, "410", "300")
    assert {each.start: each.condition for each in peaks.conditions.values()} == {"2018-03-01T08": "ok"}
    hours(peaks, "300", first=9)
    found = {each.start: (each.condition, each.since) for each in peaks.conditions.values()}
    assert found == {
        "2018-03-01T08": ("ok", instant("2018-03-01T09:00")),
        "2018-03-01T10": ("ok", instant("2018-03-01T11:00")),
    }


def test_late_data_join_two_episodes_into_one(peaks: Stream) -> None:
    hours(peaks, "410", "300", "410", "300")
    hours(peaks, "360", first=9, rev=1)
    found = {each.start: (each.condition, each.since) for each in peaks.conditions.values()}
    assert found["2018-03-01T08"] == ("ok", instant("2018-03-01T11:00"))
    assert found["2018-03-01T10"][0] == "withdrawn"


def test_an_episode_lasts_over_midnight_and_over_months(peaks: Stream) -> None:
    rows = [("e01", instant("2018-03-31T20:00") + hour * 3_600_000, "380") for hour in range(1, 12)]
    rows[0] = (*rows[0][:2], "450")
    rows[-1] = (*rows[-1][:2], "100")
    peaks.readings(*rows)
    assert peaks.story() == [("2018-03-31T20", "raised", 1), ("2018-03-31T20", "cleared", 2)]
    assert [each.since for each in peaks.conditions.values()] == [instant("2018-04-01T06:00")]


def test_a_monthly_intensity_passes_one_tier_after_the_other() -> None:
    stream = Stream(documents(REGISTRY, LIMIT, meter("e01")))
    stream.step(report("2018-03", "1"))
    for day, kwh, tier in (
        ("01", "650", None),
        ("02", "10", "advanced"),
        ("03", "50", "access"),
        ("04", "100", "limit"),
    ):
        stream.readings(("e01", f"2018-03-{day}T08:15", kwh))
        found = [each for each in stream.conditions.values() if each.start == "2018-03" and each.condition == "firing"]
        assert [each.tier for each in found] == ([tier] if tier else [])
    march = [each for each in stream.events if each.start == "2018-03"]
    assert [(each.cause, each.tier, each.limit, each.seq) for each in march] == [
        ("raised", "advanced", "80", 1), ("tier", "access", "87", 2), ("tier", "limit", "94", 3),
    ]  # fmt: skip
    assert march[-1].severity == "critical"
    assert march[-1].value is not None and Decimal(march[-1].value) == Decimal("0.1229") * 810


def test_an_hours_indicator_raises_and_clears_an_episode() -> None:
    total = document("indicator", "coal", type="total", total="energy.cv", unit="kgce")
    thresholds: dict[str, Any] = {"raise": {"gt": "40"}, "clear": {"lt": "35"}}
    rule = document("rule", "coal-peak", indicator="coal", window="hour", period="episode",
                    select={"kind": "enterprise"}, severity="warning", **thresholds)  # fmt: skip
    stream = Stream(documents(REGISTRY, total, rule, meter("e01", step="1h")))
    hours(stream, "300", "400", "200")
    assert stream.value("ind.coal", "2018-03-01T09") == Decimal("0.1229") * 400
    assert stream.value("ind.coal", "2018-03-01T13") is None
    assert stream.value("ind.coal", "2018-03-01") == Decimal("0.1229") * 900
    assert stream.story() == [("2018-03-01T09", "raised", 1), ("2018-03-01T09", "cleared", 2)]


def test_a_value_on_a_tier_has_not_passed_it() -> None:
    stream = Stream(documents(REGISTRY, LIMIT, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "800"))
    stream.step(report("2018-03", "1.229"))
    assert stream.value("ind.steel-intensity", "2018-03") == 80
    assert stream.firing() == []


def test_more_output_clears_an_open_month_and_withdraws_a_settled_one() -> None:
    for settled, condition in ((False, "ok"), (True, "withdrawn")):
        stream = Stream(documents(REGISTRY, LIMIT, meter("e01")))
        stream.readings(("e01", "2018-03-01T08:15", "700"))
        stream.step(report("2018-03", "1"))
        assert stream.firing() == ["2018-03"]
        if settled:
            stream.step(tick("2018-04-11T00:00"))
        stream.step(report("2018-03", "2", rev=1, received=instant("2018-04-12")))
        assert [each.condition for each in stream.conditions.values() if each.start == "2018-03"] == [condition]


def test_a_rule_on_a_meter_watches_that_meter() -> None:
    rule = PEAK.replace("kind: enterprise, id: [works]", "kind: meter, id: [works.e02]")
    stream = Stream(documents(REGISTRY, rule, meter("e01"), meter("e02", role="sub", parent="e01")))
    stream.readings(("e01", "2018-03-01T08:15", "900"))
    assert stream.firing() == []
    stream.readings(("e02", "2018-03-01T08:15", "500"))
    assert [each.entity for each in stream.conditions.values()] == ["meter/works.e02"]


def test_a_day_is_held_to_its_own_rule() -> None:
    rule = PEAK.replace("window: hour, period: episode", "window: day, period: day").replace('clear: {lt: "350"}, ', "")
    stream = Stream(documents(REGISTRY, rule, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "300"))
    stream.readings(("e01", "2018-03-01T12:15", "300"))
    assert stream.firing() == ["2018-03-01"]
    stream.readings(("e01", "2018-03-01T12:15", "1", 1))
    assert stream.story() == [("2018-03-01", "raised", 1), ("2018-03-01", "cleared", 2)]


@pytest.mark.parametrize(("window", "wanted"), [("hour", "2018-03-01T09"), ("day", "2018-03-01")])
def test_what_sub_meters_do_not_explain_of_a_meter_raises_an_alarm_of_that_meter(window: str, wanted: str) -> None:
    spec: dict[str, Any] = {"raise": {"gt": "25"}, "select": {"kind": "meter", "id": ["works.e01"]}}
    spec |= {"metric": "unexplained.electricity", "window": window, "period": window, "severity": "warning"}
    rule = document("rule", "losses", **spec)
    stream = Stream(
        documents(REGISTRY, rule, meter("e01", step="1h"), meter("s1", role="sub", parent="e01", step="1h"))
    )
    hours(stream, "100", "100", "100")
    sub = [("s1", f"2018-03-01T{hour:02}:00", value) for hour, value in ((9, "90"), (10, "70"))]
    stream.readings(*sub, received="2018-03-01T20:00")
    fires = [each for each in stream.conditions.values() if each.condition == "firing"]
    assert [(each.entity, each.start, each.value) for each in fires] == [
        ("meter/works.e01", wanted, "30" if window == "hour" else "40")
    ]
    stream.readings(("s1", "2018-03-01T10:00", "99", 1), received="2018-03-01T21:00")
    assert stream.firing() == []
