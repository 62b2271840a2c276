"""Silence, and what else is to be said of data themselves, as what rules observe."""

from typing import Any

from tests.folding import REGISTRY, Stream, document, documents, instant, meter, tick


def rule(id_: str, observe: dict[str, Any], raises: dict[str, str], *, kind: str, **more: Any) -> str:
    """Return a rule on what is observed, of all entities of a kind."""
    spec: dict[str, Any] = {
        "observe": observe, "window": "hour", "period": "episode", "select": {"kind": kind}, "raise": raises,
        "severity": "warning", **more,
    }  # fmt: skip
    return document("rule", id_, **spec)


def silent(kind: str) -> str:
    return rule("silent", {"of": "silence"}, {"gt": "3"}, kind=kind)


def told(stream: Stream) -> list[tuple[str, str, str, str | None]]:
    """Return of each alarm that is not ok its entity, start, condition and value."""
    return sorted((each.entity, each.start, each.condition, each.value) for each in stream.conditions.values())


def test_a_meter_that_falls_silent_is_told_of_by_the_clock_alone_and_cleared_when_it_sends_again() -> None:
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h"), meter("e02", step="1h")))
    stream.readings(("e01", "2018-03-01T08:00", "1"), ("e02", "2018-03-01T08:00", "1"))
    for hour in range(9, 14):
        stream.readings(("e02", f"2018-03-01T{hour:02}:00", "1"))
        stream.step(tick(f"2018-03-01T{hour:02}:00"))
    fires = [each for each in stream.conditions.values() if each.condition == "firing"]
    assert [(each.entity, each.start, each.value, each.unit) for each in fires] == [
        ("meter/works.e01", "2018-03-01T11", "4", "h")
    ]
    stream.readings(("e01", "2018-03-01T14:00", "1"), ("e01", "2018-03-01T14:30", "1"))
    stream.step(tick("2018-03-01T15:00"))
    assert stream.firing() == []
    assert [each.cause for each in stream.events] == ["raised", "cleared"]


def test_a_silence_goes_on_over_midnight_as_one_alarm() -> None:
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T22:00", "1"))
    for at in ("2018-03-01T23:00", "2018-03-02T00:00", "2018-03-02T01:00", "2018-03-02T02:00", "2018-03-02T09:00"):
        stream.step(tick(at))
    assert stream.firing() == ["2018-03-02T01"]


def test_what_was_only_late_takes_the_alarm_back() -> None:
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T08:00", "1"))
    stream.step(tick("2018-03-01T13:00"))
    assert stream.firing() == ["2018-03-01T11"]
    rows = [("e01", f"2018-03-01T{hour:02}:00", "1") for hour in range(9, 14)]
    stream.readings(*rows, received="2018-03-01T13:05")
    assert [each.condition for each in stream.conditions.values()] == ["withdrawn"]


def test_one_that_never_sent_is_silent_since_it_was_registered_for() -> None:
    never = document("meter", "works.e02", "2018-03-01", carrier="electricity", type="interval", unit="kWh",
                     resolution="0.01", role="input", step="1h",
                     source=[{"from": "2018-03-01", "id": "works-gw1"}])  # fmt: skip
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h"), never))
    for hour in range(1, 7):
        stream.readings(("e01", f"2018-03-01T{hour:02}:00", "1"))
        stream.step(tick(f"2018-03-01T{hour:02}:00"))
    assert [(each.entity, each.start) for each in stream.conditions.values() if each.condition == "firing"] == [
        ("meter/works.e02", "2018-03-01T04")  # from 01:00 on something was heard of the works
    ]


def test_a_source_is_silent_when_all_its_meters_are_and_so_is_an_enterprise() -> None:
    gw2 = document("source", "works-gw2", enterprise="works")
    other = meter("e03", step="1h", source=[{"from": "2018-01-01", "id": "works-gw2"}])
    base = (REGISTRY, gw2, meter("e01", step="1h"), meter("e02", step="1h"), other)
    for kind, wanted in (("source", ["source/works.works-gw1"]), ("enterprise", [])):
        stream = Stream(documents(*base, silent(kind)))
        stream.readings(("e01", "2018-03-01T08:00", "1"), ("e02", "2018-03-01T09:00", "1"))
        for hour in range(10, 15):
            stream.readings(("e03", f"2018-03-01T{hour:02}:00", "1"))
            stream.step(tick(f"2018-03-01T{hour:02}:00"))
        assert [each.entity for each in stream.conditions.values() if each.condition == "firing"] == wanted
        stream.step(tick("2018-03-01T18:00"))
        assert ("enterprise/works" in {each.entity for each in stream.conditions.values()}) == (kind == "enterprise")


def test_an_outage_is_no_silence() -> None:
    spec = {"meter": "works.e01", "from": "2018-03-01T08:30:00+08:00", "to": "2018-03-01T12:30:00+08:00"}
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h"), document("outage", "cut", **spec)))
    stream.readings(("e01", "2018-03-01T08:00", "1"))
    stream.step(tick("2018-03-01T14:00"))
    assert stream.firing() == []
    stream.step(tick("2018-03-01T16:00"))
    assert stream.firing() == ["2018-03-01T15"]


def test_a_backlog_delays_time_and_raises_nothing() -> None:
    stream = Stream(documents(REGISTRY, silent("meter"), meter("e01", step="1h")))
    for hour in range(8, 20):
        stream.readings(("e01", f"2018-03-01T{hour:02}:00", "1"), received="2018-03-02T08:00")
        stream.step(tick(f"2018-03-01T{hour:02}:00"))
    assert stream.events == []


def test_coverage_is_held_against_its_share_once_the_day_is_over() -> None:
    thin = rule("thin", {"of": "coverage"}, {"lt": "80"}, kind="enterprise", window="day", period="day")
    stream = Stream(documents(REGISTRY, thin, meter("e01", step="1h")))
    stream.step(tick("2018-03-01T00:30"))
    stream.readings(*(("e01", f"2018-03-01T{hour:02}:00", "1") for hour in range(1, 13)))
    assert stream.events == []
    stream.step(tick("2018-03-02T00:00"))
    assert [(each.start, each.value, each.unit) for each in stream.conditions.values()] == [("2018-03-01", "50", "%")]
    rows = [("e01", instant(f"2018-03-01T{hour:02}:00"), "1") for hour in range(13, 24)]
    stream.readings(*rows, received="2018-03-02T01:00")
    assert stream.firing() == []


def test_a_finding_that_is_open_is_a_condition() -> None:
    odd = rule("odd", {"of": "findings"}, {"gt": "0"}, kind="meter", window="day", period="day")
    register = meter("r01", "register", modulus="100000", max_rate_per_h="100")
    stream = Stream(documents(REGISTRY, odd, register))
    stream.readings(("r01", "2018-03-01T08:00", "500"), ("r01", "2018-03-01T09:00", "20"))
    (found,) = (each for each in stream.conditions.values() if each.condition == "firing")
    assert (found.entity, found.start, found.value) == ("meter/works.r01", "2018-03-01", "1")
    assert "register." in found.reason
    stream.readings(("r01", "2018-03-01T09:00", "520", 1), received="2018-03-01T10:00")
    assert stream.firing() == []
