"""The passing of time in the fold: missing hours of who never sent, windows that settle, and what comes after that."""

from decimal import Decimal

import pytest

from tests.folding import REGISTRY, Stream, documents, instant, meter, report, tick

SETTINGS = """
{apiVersion: qingyu/v1, kind: settings, id: default, valid_from: 2018-01-01,
 spec: {grace: {hour: 2h, day: 1d, month: 10d, year: 120d}}}
"""
QUARTERS = ("2018-03-01T08:15", "2018-03-01T08:30", "2018-03-01T08:45", "2018-03-01T09:00")


@pytest.fixture
def stream() -> Stream:
    return Stream(documents(REGISTRY, SETTINGS, meter("e01")))


def sent(stream: Stream, at: str = "2018-03-01T09:01") -> None:
    stream.readings(*(("e01", each, "1") for each in QUARTERS), received=at)


def test_who_never_sent_has_missing_hours_and_no_zeros(stream: Stream) -> None:
    stream.step(tick("2018-03-01T08:30"))
    stream.step(tick("2018-03-01T10:00"))
    assert stream.value("qty.electricity", "2018-03-01T09") is None
    assert stream.value("time.expected.electricity", "2018-03-01T09") == 3600
    assert stream.value("time.measured.electricity", "2018-03-01T09") == 0
    assert stream.value("time.expected.electricity", "2018-03") == stream.value(
        "time.expected.electricity", "2018-03-01"
    )


def test_hours_that_have_not_ended_are_not_missing_yet(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2018-03-01T09:30"))
    assert stream.value("time.expected.electricity", "2018-03-01T12") is None
    assert stream.status("2018-03-01T12") is None


@pytest.mark.parametrize(
    ("window", "before", "after"),
    [
        ("2018-03-01T08", "2018-03-01T10:59", "2018-03-01T11:00"),
        ("2018-03-01", "2018-03-02T23:59", "2018-03-03T00:00"),
        ("2018-03", "2018-04-10T23:59", "2018-04-11T00:00"),
        ("2018-Q1", "2018-04-10T23:59", "2018-04-11T00:00"),
        ("2018", "2019-04-30T23:59", "2019-05-01T00:00"),
    ],
)
def test_a_window_settles_at_its_end_plus_grace(stream: Stream, window: str, before: str, after: str) -> None:
    sent(stream)
    stream.step(tick(before))
    assert stream.status(window) == "provisional"
    stream.step(tick(after))
    assert stream.status(window) == "settled"


def test_a_reading_received_after_settlement_revises_every_window_above(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    stream.readings(("e01", QUARTERS[0], "5", 1), received="2019-06-01T12:00")
    for window in ("2018-03-01T08", "2018-03-01", "2018-03", "2018-Q1", "2018"):
        assert stream.status(window) == "revised"
        assert stream.value("qty.electricity", window) == 8
    assert stream.status("2018-03-01T09") == "settled"


def test_a_void_received_after_settlement_revises_too(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    stream.readings(("e01", QUARTERS[0], None, 1), received="2019-06-01T12:00")
    for window in ("2018-03-01T08", "2018-03-01", "2018-03", "2018"):
        assert stream.value("qty.electricity", window) == 3
        assert stream.status(window) == "revised"


def test_the_same_reading_again_after_settlement_revises_nothing(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    sent(stream, at="2019-06-01T12:00")
    for window in ("2018-03-01T08", "2018-03-01", "2018-03", "2018"):
        assert stream.status(window) == "settled"


def test_a_reading_received_in_time_but_processed_late_revises_nothing(stream: Stream) -> None:
    stream.step(tick("2019-06-01"))
    sent(stream)
    for window in ("2018-03-01T08", "2018-03-01", "2018-03", "2018"):
        assert stream.status(window) == "settled"


def test_an_end_of_a_register_gap_received_late_revises_the_hours_it_fills() -> None:
    stream = Stream(documents(REGISTRY, SETTINGS, meter("e01", "register")))
    stream.readings(("e01", "2018-03-01T08:00", "0"), received="2018-03-01T08:01")
    stream.step(tick("2018-03-05T00:00"))
    assert stream.value("qty.electricity", "2018-03-02T12") is None
    stream.readings(("e01", "2018-03-05T08:00", "96"), received="2018-03-05T08:01")
    assert stream.value("qty.electricity", "2018-03-02T12") == 1
    assert stream.status("2018-03-02T12") == stream.status("2018-03-02") == "revised"


def test_a_tick_that_goes_back_changes_nothing(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2018-03-03T00:00"))
    before = dict(stream.totals)
    stream.step(tick("2018-03-01T00:00"))
    assert stream.totals == before
    assert stream.cursor.tick_ms == instant("2018-03-03T00:00")


def test_a_repeated_batch_writes_nothing(stream: Stream) -> None:
    sent(stream)
    rows = [("e01", each, "1") for each in QUARTERS]
    assert stream.readings(*rows, received="2018-03-01T09:01").outputs == []


def test_a_gap_stays_whole_when_the_local_copy_is_lost_before_time_has_passed_it() -> None:
    whole, restarted = (Stream(documents(REGISTRY, meter("e01", "register"), meter("e02"))) for _ in range(2))
    for stream in (whole, restarted):
        stream.readings(("e01", "2018-03-01T08:00", "0"), ("e01", "2018-03-01T14:00", "60"))
    restarted.restart(without_local_copy=True)
    for stream in (whole, restarted):
        stream.readings(("e02", "2018-03-01T20:15", "1"))
    for entity in ("enterprise/works", "meter/works.e01"):
        for hour in range(24):
            name = f"2018-03-01T{hour:02}"
            assert restarted.value("qty.electricity", name, entity) == whole.value("qty.electricity", name, entity)


# Reported values


def test_a_reported_output_makes_the_intensity_of_its_month_and_of_no_other() -> None:
    indicator = """
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
"""
    stream = Stream(documents(REGISTRY, indicator, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "1000"), ("e01", "2018-04-01T08:15", "1000"))
    assert stream.value("ind.steel-intensity", "2018-03") is None
    stream.step(report("2018-03", "2", received=instant("2018-04-02")))
    assert stream.value("output.crude-steel", "2018-03") == 2
    assert stream.value("ind.steel-intensity", "2018-03") == Decimal("61.45")
    assert stream.value("ind.steel-intensity", "2018-04") is None
    assert stream.value("ind.steel-intensity", "2018") is None
    stream.step(report("2018-03", "4", received=instant("2018-04-03"), rev=1))
    assert stream.value("ind.steel-intensity", "2018-03") == Decimal("30.725")
    stream.step(report("2018-03", "2", received=instant("2018-04-04")))
    assert stream.value("output.crude-steel", "2018-03") == 4


def test_a_year_reported_as_a_whole_stands_beside_its_months() -> None:
    indicator = """
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
"""
    stream = Stream(documents(REGISTRY, indicator, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "1000"))
    for month in range(1, 13):
        stream.step(report(f"2018-{month:02}", "1"))
    assert stream.value("output.crude-steel", "2018") == 12
    assert stream.value("output.crude-steel", "2018-Q1") == 3
    stream.step(report("2018", "10"))
    assert stream.value("output.crude-steel", "2018") == 10
    assert stream.value("ind.steel-intensity", "2018") == Decimal("12.29")


def test_an_output_of_zero_gives_no_intensity() -> None:
    indicator = """
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
"""
    stream = Stream(documents(REGISTRY, indicator, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "1000"))
    stream.step(report("2018-03", "0"))
    assert stream.value("ind.steel-intensity", "2018-03") is None


def test_ticks_bring_about_the_same_one_by_one_and_all_in_one_step() -> None:
    ticks = [tick(at) for at in ("2018-03-01T08:30", "2018-03-01T10:00", "2018-03-03T01:00", "2018-06-01T01:00")]
    one_by_one, at_once = (Stream(documents(REGISTRY, meter("e01"))) for _ in range(2))
    for each in ticks:
        one_by_one.step(each)
    at_once.step(*ticks)
    said = [
        {key: (each.metrics, each.status, each.own) for key, each in stream.totals.items() if "meter/" not in key}
        for stream in (one_by_one, at_once)
    ]
    assert said[0] == said[1]
    assert "enterprise/works|2018-03-01" in said[0]


def test_an_hour_opens_for_every_meter_whichever_of_them_speaks_first() -> None:
    stream = Stream(documents(REGISTRY, meter("e01"), meter("e02")))
    stream.readings(("e01", "2018-03-01T08:15", "1"), ("e02", "2018-03-01T08:15", "1"))
    stream.readings(("e01", "2018-03-01T09:15", "1"))
    assert stream.value("time.expected.electricity", "2018-03-01T09", "meter/works.e02") == 3600
    assert stream.value("qty.electricity", "2018-03-01T09", "meter/works.e02") is None
