"""Conditions of alarms in the fold: for, n of m, recovering, tiers, missing data, seasons, late data, mute."""

from typing import Any

import pytest

from streams.domain.registry import Snapshot
from streams.domain.routing import Routing, Silence
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, report, tick

DAY = "2018-03-01"
METER = meter("e01", step="1h")
WINTER = document("season", "winter", days=[{"from": "11-15", "to": "03-01"}])
NIGHT = document("season", "night", hours=[{"from": 22, "to": 10}])


def rule(**spec: Any) -> str:
    """Return a rule on the works' hours, which raises above 400 kWh and clears below 350."""
    whole: dict[str, Any] = {
        "metric": "qty.electricity", "window": "hour", "period": "episode", "select": {"kind": "enterprise"},
        "raise": {"gt": "400"}, "clear": {"lt": "350"}, "severity": "warning", **spec,
    }  # fmt: skip
    return document("rule", "peak", **{name: value for name, value in whole.items() if value is not None})


def stream_of(*more: str, **spec: Any) -> Stream:
    return Stream(documents(REGISTRY, METER, *more, rule(**spec)))


def send(stream: Stream, *kwh: str | None, first: int = 8, rev: int = 0, received: str = f"{DAY}T20:00") -> None:
    """Send hours of the day from the hour `first` on; None sends nothing."""
    rows = [("e01", f"{DAY}T{first + at + 1:02}:00", each, rev) for at, each in enumerate(kwh) if each is not None]
    stream.readings(*rows, received=received)


def stands(stream: Stream) -> dict[str, str]:
    """Return the condition of each alarm by the hour, day or month of its start."""
    return {each.start.removeprefix(DAY + "T"): each.condition for each in stream.conditions.values()}


def causes(stream: Stream) -> list[str]:
    return [each.cause for each in stream.events]


@pytest.mark.parametrize("at_once", [True, False])
def test_for_fires_after_so_many_windows_running_and_no_sooner(at_once: bool) -> None:
    stream = stream_of(**{"for": "3h"})
    hours = ["410", "410", "300", "410", "410", "410", "340"]
    if at_once:
        send(stream, *hours)
    else:
        for place, each in enumerate(hours):
            send(stream, each, first=8 + place)
    assert stands(stream) == {"08": "ok", "11": "ok"}
    assert [(each.start[-2:], each.cause) for each in stream.events if each.cause in ("raised", "cleared")][-2:] == [
        ("11", "raised"), ("11", "cleared"),
    ]  # fmt: skip
    assert [each.start[-2:] for each in stream.events if each.cause == "raised"] == ["11"]


def test_late_data_join_two_runs_that_were_each_too_short() -> None:
    stream = stream_of(**{"for": 3})
    send(stream, "410", "300", "410", "300")
    assert stands(stream) == {"08": "ok", "10": "ok"}
    send(stream, "410", first=9, rev=1)
    assert stands(stream)["08"] == "ok"
    assert stands(stream)["10"] == "withdrawn"
    assert [(each.start[-2:], each.cause) for each in stream.events][-2:] == [("08", "raised"), ("08", "cleared")]


def test_pending_becomes_firing_and_a_correction_that_makes_the_run_too_short_withdraws() -> None:
    stream = stream_of(**{"for": 2})
    send(stream, "410")
    assert stands(stream) == {"08": "pending"}
    send(stream, "420", first=9)
    (condition,) = stream.conditions.values()
    assert (condition.condition, condition.since, condition.fired) == ("firing", *[instant(f"{DAY}T09:00")] * 2)
    send(stream, "390", first=9, rev=1)
    assert causes(stream) == ["pending", "raised", "corrected"]
    assert stands(stream) == {"08": "withdrawn"}
    send(stream, "420", first=9, rev=2)
    assert stands(stream) == {"08": "firing"}


def test_n_of_m_windows_fire_though_others_lie_between() -> None:
    stream = stream_of(of={"n": 2, "m": 3})
    send(stream, "410", "300", "300", "300", "410", "300", "410")
    assert stands(stream) == {"08": "ok", "12": "firing"}


def test_keep_for_ends_an_episode_only_after_so_many_cleared_windows() -> None:
    stream = stream_of(keep_for=2)
    send(stream, "410", "340")
    assert stands(stream) == {"08": "recovering"}
    send(stream, "380", first=10)
    assert stands(stream) == {"08": "firing"}
    send(stream, "340", "340", first=11)
    (condition,) = stream.conditions.values()
    assert (condition.condition, condition.since) == ("ok", instant(f"{DAY}T12:00"))
    assert causes(stream) == ["raised", "recovering", "resumed", "cleared"]
    assert len({each.id for each in stream.events}) == 1, "one alarm however often the curve crosses"


def test_tiers_of_a_rule_go_up_and_down_in_one_alarm() -> None:
    tiers = [
        {"id": "high", "raise": {"gt": "400"}, "severity": "warning"},
        {"id": "top", "raise": {"gt": "500"}, "severity": "critical"},
    ]
    stream = stream_of(tiers=tiers, severity=None, **{"raise": None})
    for place, kwh in enumerate(("410", "510", "450", "340")):
        send(stream, kwh, first=8 + place)
    told = [(each.cause, each.tier, each.severity, each.value) for each in stream.events]
    assert told == [
        ("raised", "high", "warning", "410"), ("tier", "top", "critical", "510"), ("tier", "high", "warning", "450"),
        ("cleared", None, "warning", "450"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "wanted"), [("keep", {}), ("no_data", {"00": "no_data"}), ("raise", {"00": "firing"})]
)
def test_an_hour_without_data_counts_as_the_rule_says_once_it_has_settled(counts: str, wanted: dict[str, str]) -> None:
    stream = stream_of(no_data=counts)
    stream.step(tick(f"{DAY}T00:00"))
    stream.step(tick(f"{DAY}T02:59"))
    assert stands(stream) == {}, "data may still come"
    stream.step(tick(f"{DAY}T03:00"))
    assert stands(stream) == wanted


def test_data_that_come_late_end_no_data() -> None:
    stream = stream_of(no_data="no_data")
    send(stream, "300", first=0)
    stream.step(tick(f"{DAY}T04:00"))
    assert stands(stream) == {"01": "no_data"}
    send(stream, "300", "300", "300", first=1)
    assert stands(stream) == {"01": "withdrawn"}


def test_a_rule_holds_in_its_season_only_and_its_alarm_ends_with_it() -> None:
    stream = stream_of(WINTER, NIGHT, during=[{"season": "night"}])
    for place, kwh in enumerate(("410", "410", "410")):
        send(stream, kwh, first=8 + place)
    (condition,) = stream.conditions.values()
    assert (condition.condition, condition.since) == ("ok", instant(f"{DAY}T10:00"))
    assert "does not hold" in condition.reason
    # On 1 March winter is over.
    over = stream_of(WINTER, NIGHT, during=[{"season": "winter"}])
    send(over, "410")
    assert over.conditions == {}


def test_a_heavy_pollution_warning_counts_in_its_levels_only() -> None:
    periods = [
        {"from": f"{DAY}T08:00:00", "to": f"{DAY}T10:00:00", "level": "yellow"},
        {"from": f"{DAY}T10:00:00", "to": f"{DAY}T12:00:00", "level": "orange"},
    ]
    warning = document("season", "pollution", periods=periods)
    stream = stream_of(warning, during=[{"season": "pollution", "levels": ["orange", "red"]}])
    send(stream, "410", "410", "410", "340")
    assert list(stands(stream)) == ["10"]
    spared = stream_of(warning, **{"except": [{"season": "pollution"}]})
    send(spared, "410", "410", "410", "410", "410")
    assert list(stands(spared)) == ["12"]


def day_rule() -> Stream:
    return stream_of(window="day", period="day", clear=None)


def test_a_day_that_settles_while_it_fires_is_established_and_ends_by_withdrawal_only() -> None:
    stream = day_rule()
    send(stream, "300", "300")
    stream.step(tick("2018-03-03T00:00"))
    assert stands(stream) == {DAY: "established"}
    send(stream, "310", rev=1, received="2018-03-03T01:00")
    assert stands(stream) == {DAY: "established"}
    send(stream, "10", rev=2, received="2018-03-03T02:00")
    assert stands(stream) == {DAY: "withdrawn"}
    assert causes(stream) == ["raised", "settled", "corrected"]
    assert not any(each.late for each in stream.events)


def established() -> Stream:
    """Return a day's alarm at 600 kWh that is established."""
    stream = day_rule()
    send(stream, "300", "300")
    stream.step(tick("2018-03-03T00:00"))
    stream.events.clear()
    return stream


@pytest.mark.parametrize("at_once", [True, False])
def test_however_many_corrections_a_settled_figure_is_amended_once_with_the_end_of_their_day(at_once: bool) -> None:
    stream = established()
    came = [message(batch([("e01", f"{DAY}T09:00", str(310 + rev), rev)], received=instant("2018-03-03T01:00")))
            for rev in range(1, 6)]  # fmt: skip
    for part in [came] if at_once else [[each] for each in came]:
        stream.step(*part)
    stream.step(tick("2018-03-03T23:00"))
    assert stream.events == []
    assert [each.value for each in stream.conditions.values()] == ["615"]
    stream.restart(without_local_copy=True)
    stream.step(tick("2018-03-04T00:00"))
    stream.step(tick("2018-03-05T00:00"))
    assert [(each.cause, each.told, each.value, each.seq) for each in stream.events] == [("amended", "600", "615", 3)]
    assert stream.events[0].known == instant("2018-03-04T00:00")


def test_a_figure_that_is_back_where_it_was_when_the_day_ends_is_no_event() -> None:
    stream = established()
    send(stream, "310", rev=1, received="2018-03-03T01:00")
    send(stream, "300", rev=2, received="2018-03-03T02:00")
    stream.step(tick("2018-03-04T00:00"))
    assert stream.events == []


def test_a_withdrawal_takes_the_amendment_along_that_was_to_be_told() -> None:
    stream = established()
    send(stream, "310", rev=1, received="2018-03-03T01:00")
    send(stream, "10", rev=2, received="2018-03-03T02:00")
    stream.step(tick("2018-03-04T00:00"))
    assert causes(stream) == ["corrected"]


def test_a_figure_that_moves_with_the_registry_is_not_amended() -> None:
    stream = established()
    doubled = meter("e01", step="1h", multiplier=[{"from": "2018-01-01", "value": "2"}])
    stream.register(documents(REGISTRY, doubled, rule(window="day", period="day", clear=None)), 2)
    stream.step(tick("2018-03-04T00:00", 2))
    assert [each.value for each in stream.conditions.values()] == ["1200"]
    assert stream.events == []


def test_what_is_raised_after_its_day_has_settled_is_late_and_ends_as_it_would_have_in_time() -> None:
    stream = day_rule()
    send(stream, "300")
    stream.step(tick("2018-03-03T00:00"))
    send(stream, "300", first=9, received="2018-03-03T01:00")
    assert [(each.cause, each.condition, each.late) for each in stream.events] == [
        ("raised", "firing", True), ("settled", "established", True),
    ]  # fmt: skip
    (condition,) = stream.conditions.values()
    assert (condition.since, condition.known) == (instant(DAY), instant("2018-03-03T01:00"))


def test_computing_again_after_a_change_of_the_registry_changes_states_and_is_mute() -> None:
    stream = stream_of()
    send(stream, "390", "340")
    stream.register(documents(REGISTRY, METER, rule(**{"raise": {"gt": "380"}})), 2)
    assert stands(stream) == {"08": "ok"}
    assert [(each.cause, each.mute) for each in stream.events] == [("raised", True), ("cleared", True)]
    send(stream, "390", first=10)
    assert [(each.cause, each.mute) for each in stream.events][2:] == [("raised", False)]


def test_a_mute_event_is_led_to_nobody_and_says_why() -> None:
    people = document("recipient", "duty", channels={"mail": {"address": "duty@city.example"}})
    routes = document("route", "all", recipients=["duty"])
    stream = stream_of(people, routes)
    send(stream, "390")
    stream.register(documents(REGISTRY, METER, people, routes, rule(**{"raise": {"gt": "380"}})), 2)
    decision = Routing.of(Snapshot.build(2, documents(REGISTRY, people, routes))).decide(stream.events[0], 0)
    assert (decision.targets, [each.reason for each in decision.not_sent]) == ((), [Silence.COMPUTED_AGAIN])


def test_a_backlog_delays_time_and_raises_no_false_alarm() -> None:
    live, late = stream_of(no_data="raise", **{"for": 2}), stream_of(no_data="raise", **{"for": 2})
    for stream in (live, late):
        stream.step(tick(f"{DAY}T00:00"))
    for hour in range(8):
        send(live, "300", first=hour, received=f"{DAY}T0{hour + 1}:01")
        live.step(tick(f"{DAY}T0{hour + 1}:05"))
    # The worker stood still; then it reads all that waited, readings and ticks, in steps of any size.
    waiting = [
        part
        for hour in range(8)
        for part in (
            message(batch([("e01", f"{DAY}T0{hour + 1}:00", "300")], received=instant(f"{DAY}T0{hour + 1}:01"))),
            tick(f"{DAY}T0{hour + 1}:05"),
        )
    ]
    late.step(*waiting[:5])
    late.step(*waiting[5:])
    assert live.events == late.events == []


def test_a_month_is_held_to_its_days_and_a_run_of_them() -> None:
    stream = stream_of(window="day", period="month", clear=None, **{"for": 2})
    for day, kwh in (("01", "410"), ("02", "300"), ("03", "410")):
        stream.readings(("e01", f"2018-03-{day}T09:00", kwh))
    assert stands(stream) == {"2018-03": "firing"}, "more of the day between may still come"
    stream.step(tick("2018-03-04T00:00"))
    assert stands(stream) == {"2018-03": "pending"}
    stream.readings(("e01", "2018-03-04T09:00", "410"))
    assert stands(stream) == {"2018-03": "firing"}
    stream.step(report("2018-03", "1"))
    assert [each for each in causes(stream) if each != "pending"] == ["raised", "cleared", "raised"]


def test_a_reading_ahead_that_leaves_nothing_known_of_its_next_day_hides_no_hour_before_it() -> None:
    gauge = meter("g01", "gauge", step="20min", unit="kW")
    stream = stream_of(gauge, no_data="no_data", select={"kind": "meter", "id": ["works.e01"]})
    stream.step(tick(f"{DAY}T00:00"))
    stream.readings(("g01", f"{DAY}T23:30", "2"), received=f"{DAY}T18:00")
    stream.step(tick(f"{DAY}T18:00"))
    assert stands(stream) == {"00": "no_data"}


def test_a_correction_of_the_hour_that_a_tier_is_shown_of_shows_the_next_that_passed_another() -> None:
    tiers = [
        {"id": "high", "raise": {"gt": "400"}, "severity": "warning"},
        {"id": "top", "raise": {"gt": "500"}, "severity": "critical"},
    ]
    stream = stream_of(tiers=tiers, severity=None, **{"raise": None})
    send(stream, "410", "380", "420", "380")
    send(stream, "510", rev=1)
    (condition,) = stream.conditions.values()
    assert (condition.tier, condition.value, condition.shown) == ("high", "420", instant(f"{DAY}T10:00"))


def test_an_alarm_of_a_meter_is_walked_from_its_begin_where_the_local_copy_is_lost() -> None:
    stream = stream_of(no_data="no_data", select={"kind": "meter"})
    stream.step(tick(f"{DAY}T00:00"))
    stream.step(tick(f"{DAY}T20:00"))
    stream.restart(without_local_copy=True)
    stream.step(tick("2018-03-02T12:00"))
    assert stands(stream) == {"00": "no_data"}
