"""Concentrations by hour with the running state, and balances, as what rules observe."""

from typing import Any

from tests.domain.test_observing_silence import rule
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, tick

SO2 = document("carrier", "so2", unit="mg/m3", medium="other", energy=False)
STACK = meter("g01", "gauge", carrier="so2", unit="mg/m3", step="10min")


def limit(**observe: Any) -> str:
    return rule("so2", {"of": "running", **observe}, {"gt": "35"}, kind="meter", metric="avg.so2", period="hour")


def hours(stream: Stream, first: int, *levels: str) -> None:
    start = instant("2018-03-01") + first * 3_600_000
    rows = [
        ("g01", start + hour * 3_600_000 + slot * 600_000, level)
        for hour, level in enumerate(levels)
        for slot in range(6)
    ]
    stream.readings(*rows)
    stream.step(tick(start + (len(levels) + 1) * 3_600_000))


def stop(from_: str, to: str) -> str:
    times = {"from": f"2018-03-01T{from_}:00+08:00", "to": f"2018-03-01T{to}:00+08:00"}
    return document("stop", "halt", enterprise="works", **times)


def test_a_concentration_counts_while_production_runs_and_not_while_it_starts_up() -> None:
    stream = Stream(documents(REGISTRY, SO2, STACK, limit(start_up="1h", shut_down="1h"), stop("10:00", "12:00")))
    hours(stream, 7, "50", "30", "50", "50", "50", "50", "50", "20")
    # 8 is within the limit, 9 shuts down, 10 and 11 stand still, 12 starts up; 14 is within it again.
    assert stream.firing() == ["2018-03-01T07", "2018-03-01T13"]


def test_a_stop_that_is_declared_late_takes_the_alarm_back() -> None:
    base = (REGISTRY, SO2, STACK, limit())
    stream = Stream(documents(*base))
    hours(stream, 9, "50", "50")
    assert stream.firing() == ["2018-03-01T09", "2018-03-01T10"]
    stream.register(documents(*base, stop("10:00", "12:00")), 2)
    assert stream.firing() == ["2018-03-01T09"]


def test_an_exempt_time_does_not_count() -> None:
    times = {"from": "2018-03-01T09:30:00+08:00", "to": "2018-03-01T10:00:00+08:00", "reason": "calibration"}
    stream = Stream(documents(REGISTRY, SO2, STACK, limit(exempt=[times])))
    hours(stream, 9, "50", "50")
    assert stream.firing() == ["2018-03-01T10"]


def test_what_sub_meters_do_not_explain_is_held_against_its_share_in_either_direction() -> None:
    loss = rule("loss", {"of": "balance"}, {"gt": "5"}, kind="meter", metric="unexplained.electricity", period="hour")
    sub = meter("s1", role="sub", parent="e01", step="1h")
    stream = Stream(documents(REGISTRY, loss, meter("e01", step="1h"), sub))
    for hour, (whole, part) in enumerate((("100", "96"), ("100", "90"), ("100", "110")), start=9):
        stream.readings(("e01", f"2018-03-01T{hour:02}:00", whole), ("s1", f"2018-03-01T{hour:02}:00", part))
    fires = sorted((each.start, each.value) for each in stream.conditions.values() if each.condition == "firing")
    assert fires == [("2018-03-01T09", "10"), ("2018-03-01T10", "10")]
