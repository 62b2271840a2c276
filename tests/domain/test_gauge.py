"""A gauge's value stands until the next one; its hour is an integral and, where enough was measured, an average."""

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Document
from streams.domain.registration import Rejected, register
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, tick

SO2 = document("carrier", "so2", unit="mg/m3", medium="other", energy=False)
HOUR = "2018-03-01T08"


def registered(*meters: str) -> list[Document]:
    return documents(REGISTRY, SO2, *meters)


POWER = registered(meter("p01", "gauge", step="15min", unit="kW"))


def power(*rows: tuple[Any, ...], **spec: Any) -> Stream:
    """Return what came of readings (local time on 1 March, kW, ..) of a power of a step of 15 minutes."""
    stream = Stream(registered(meter("p01", "gauge", **{"step": "15min", "unit": "kW", **spec})) if spec else POWER)
    stream.readings(*(("p01", f"2018-03-01T{at}", *rest) for at, *rest in rows))
    return stream


def test_a_value_stands_until_the_next_within_one_and_a_half_steps() -> None:
    stream = power(("08:00", 60), ("08:22:30", 120), ("08:45:01", 30))
    # 22.5 minutes of 60 kW; the next comes a second too late: one step of 120 kW; then 30 kW to the end of the hour
    seconds = 1350 + 900 + 899
    assert stream.value("time.measured.electricity", HOUR) == seconds
    assert stream.value("qty.electricity", HOUR) == Decimal("59.991667")


def test_the_last_value_stands_for_one_step_across_the_hour() -> None:
    stream = power(("08:50", 60))
    assert [stream.value("qty.electricity", f"2018-03-01T{hour}") for hour in ("08", "09")] == [10, 5]


def test_the_next_value_decides_on_the_hour_before_it() -> None:
    stream = power(("08:40", 60))
    assert stream.value("qty.electricity", HOUR) == 15
    stream.readings(("p01", "2018-03-01T09:02", 60))
    assert stream.value("qty.electricity", HOUR) == 20
    stream.readings(("p01", "2018-03-01T09:02", None))
    assert stream.value("qty.electricity", HOUR) == 15


def test_a_fault_ends_the_value_before_it_and_is_missing() -> None:
    stream = power(("08:00", 60), ("08:05", 60, 0, "fault"), ("08:15", 60, 0, "estimated"))
    assert stream.value("qty.electricity", HOUR) == 20
    assert stream.value("qty.electricity.estimated", HOUR) == 15
    assert stream.value("time.measured.electricity", HOUR) == 300
    assert stream.value("rate.electricity", HOUR, "meter/works.p01") is None


def test_a_void_alone_says_nothing() -> None:
    stream = power(("08:00", None))
    assert stream.value("time.expected.electricity", HOUR) == 3600
    assert stream.value("qty.electricity", HOUR) is None


def test_an_average_leaves_out_what_was_estimated() -> None:
    rows = [("08:00", 10), ("08:15", 10), ("08:30", 10), ("08:45", 99, 0, "substituted")]
    assert power(*rows).value("rate.electricity", HOUR, "meter/works.p01") == 10


def test_what_stands_over_an_outage_is_in_neither_integral_nor_average() -> None:
    outage = document("outage", "o", meter="works.s01", to="2018-03-01T08:10:00", **{"from": "2018-03-01T08:00:00"})
    stream = Stream(registered(meter("s01", "gauge", step="5min", carrier="so2", unit="mg/m3"), outage))
    stream.readings(*(("s01", instant("2018-03-01T08:00") + at * 300_000, 10) for at in range(12)))
    assert stream.value("integral.so2", HOUR, "meter/works.s01") == 30_000
    assert stream.value("avg.so2", HOUR, "meter/works.s01") == 10


def test_a_sub_meter_of_power_does_not_add_to_the_balance() -> None:
    stream = power(("08:00", 60), role="sub")
    assert stream.value("qty.electricity", HOUR) is None
    assert stream.value("qty.electricity", HOUR, "meter/works.p01") == 15


def test_a_rate_reaches_the_day_the_month_and_the_energy() -> None:
    stream = power(("08:00", 60), ("08:15", 60), role="output")
    stream.step(tick("2018-03-02"))
    assert stream.value("qty.electricity", "2018-03") == -30
    assert stream.value("qty.electricity.integrated", "2018-03") == -30
    assert stream.value("energy.cv", "2018-03-01") == Decimal("-3.687")


def test_units_are_converted_by_their_dimension() -> None:
    # 2 MJ/s are 2000 kW
    stream = power(("08:00", 2), unit="MJ/s")
    assert stream.value("qty.electricity", HOUR) == 500


def test_a_day_needs_twenty_valid_hours() -> None:
    stream = Stream(registered(meter("g01", "gauge", step="1h", carrier="so2", unit="mg/m3")))
    stream.readings(*(("g01", f"2018-03-01T{hour:02}", 10 + hour) for hour in range(19)))
    assert stream.value("avg.so2", "2018-03-01", "meter/works.g01") is None
    stream.readings(("g01", "2018-03-01T19", 10 + 19))
    assert stream.value("avg.so2", "2018-03-01", "meter/works.g01") == Decimal("19.5")
    assert stream.value("avg.so2", "2018-03-01T03", "meter/works.g01") == 13
    assert stream.value("qty.so2", "2018-03-01") is None


def test_a_revised_average_is_recorded_where_its_hour_had_settled() -> None:
    stream = Stream(registered(meter("g01", "gauge", step="1h", carrier="so2", unit="mg/m3")))
    stream.readings(("g01", f"{HOUR}:00", 10))
    stream.step(tick("2018-03-01T12:00"))
    stream.readings(("g01", f"{HOUR}:00", 30, 1), received=instant("2018-03-01T12:00"))
    assert stream.revised("avg.so2", HOUR, "meter/works.g01") == [(10, 30)]


def test_a_rule_can_watch_an_average() -> None:
    rule = """
---
{apiVersion: qingyu/v1, kind: rule, id: so2-high, valid_from: 2018-01-01,
 spec: {metric: avg.so2, window: hour, period: hour, select: {kind: meter, id: [works.g01]}, raise: {gt: "35"},
        severity: warning}}
"""
    stream = Stream(documents(REGISTRY, SO2, meter("g01", "gauge", step="15min", carrier="so2", unit="mg/m3"), rule))
    stream.readings(*(("g01", f"{HOUR}:{minute:02}", 40) for minute in (0, 15)))
    assert stream.firing() == []
    stream.readings(("g01", f"{HOUR}:30", 40))
    assert stream.firing() == [HOUR]


def test_a_value_too_large_to_be_counted_is_missing_with_a_finding() -> None:
    stream = power(("08:00", 9 * 10**16), ("08:15", 60))
    assert stream.value("qty.electricity", HOUR) == 15
    assert [(each.rule, each.open) for each in stream.findings.values()] == [("over_range", True)]


@settings(max_examples=30, deadline=None)
@given(kw=st.lists(st.integers(0, 10**11), min_size=4, max_size=4), second=st.integers(0, 59))
def test_large_values_are_summed_up_exactly(kw: list[int], second: int) -> None:
    stream = Stream(POWER)
    stream.readings(*(("p01", f"{HOUR}:{15 * at:02}:{second:02}", each) for at, each in enumerate(kw)))
    wanted = Decimal(900 * sum(kw[:3]) + (900 - second) * kw[3]) / 3600
    assert stream.value("qty.electricity", HOUR) == wanted.quantize(Decimal("0.000001"))


@pytest.mark.parametrize(("unit", "code"), [("mg/m3", "unit_mismatch"), ("J/h", "not_exact"), ("degC", "bad_unit")])
def test_a_unit_that_does_not_fit_the_carrier_cannot_be_registered(unit: str, code: str) -> None:
    text = meter("p01", "gauge", step="15min", unit=unit)
    found = register(documents(REGISTRY), list(yaml.safe_load_all(text)))
    assert isinstance(found, Rejected)
    assert [(each.path, each.code) for each in found.errors][-1] in (
        ("spec.unit", code),
        ("spec.resolution", code),
    )
