"""Plain cases of the fold: what readings of registers and intervals say about hours, days, months and the year."""

from decimal import Decimal

import pytest

from tests.folding import REGISTRY, Stream, document, documents, instant, meter, tick

HOUR_S = 3600


def stream_of(*meters: str) -> Stream:
    return Stream(documents(REGISTRY, *meters))


def times(stream: Stream, name: str, carrier: str = "electricity") -> tuple[Decimal | None, ...]:
    """Return expected, measured and estimated meter-seconds."""
    return tuple(stream.value(f"time.{each}.{carrier}", name) for each in ("expected", "measured", "estimated"))


# Registers


def test_what_straddles_an_edge_of_hours_is_split_by_time() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(("e01", "2018-03-01T08:15", "100"), ("e01", "2018-03-01T09:15", "110"))
    assert stream.value("qty.electricity", "2018-03-01T08") == Decimal("7.5")
    assert stream.value("qty.electricity", "2018-03-01T09") == Decimal("2.5")
    assert times(stream, "2018-03-01T08") == (HOUR_S, 45 * 60, 0)


def test_a_share_is_rounded_down_so_that_the_shares_add_up() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(("e01", "2018-03-01T08:20", "0"), ("e01", "2018-03-01T09:20", "0.01"))
    # F(t) = floor(10000 t / T): 40 of 60 minutes are 6666.67 millionths.
    assert stream.value("qty.electricity", "2018-03-01T08") == Decimal("0.006666")
    assert stream.value("qty.electricity", "2018-03-01T09") == Decimal("0.003334")


def test_a_register_reading_on_an_edge_ends_one_hour_and_begins_the_next() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(
        ("e01", "2018-03-01T08:00", "10"), ("e01", "2018-03-01T09:00", "13"), ("e01", "2018-03-01T10:00", "20")
    )
    assert stream.value("qty.electricity", "2018-03-01T08") == 3
    assert stream.value("qty.electricity", "2018-03-01T09") == 7
    assert times(stream, "2018-03-01T08") == times(stream, "2018-03-01T09") == (HOUR_S, HOUR_S, 0)


def test_a_gap_is_exact_in_total_and_estimated_in_its_hours() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(("e01", "2018-03-01T08:00", "0"), ("e01", "2018-03-01T12:00", "10.01"))
    assert [stream.value("qty.electricity", f"2018-03-01T{hour:02}") for hour in (8, 9, 10, 11)] == [
        Decimal("2.5025")
    ] * 4
    assert stream.value("qty.electricity", "2018-03-01") == Decimal("10.01")
    assert stream.value("qty.electricity.estimated", "2018-03-01") == Decimal("10.01")
    assert times(stream, "2018-03-01T09") == (HOUR_S, 0, HOUR_S)


def test_a_gap_of_one_meter_lies_over_hours_in_which_others_were_read() -> None:
    stream = stream_of(meter("r01", "register"), meter("e01", role="sub"))
    stream.readings(
        ("r01", "2018-03-01T08:30", "0"), ("e01", "2018-03-01T09:30", "1"), ("r01", "2018-03-01T10:30", "8")
    )
    assert [stream.value("qty.electricity", f"2018-03-01T{hour:02}") for hour in (8, 9, 10)] == [2, 4, 2]
    assert stream.value("qty.electricity", "2018-03-01") == 8


def test_a_reading_that_comes_late_makes_a_gap_measured() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(("e01", "2018-03-01T08:00", "0"), ("e01", "2018-03-01T10:00", "10"))
    stream.readings(("e01", "2018-03-01T09:00", "1"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 1
    assert stream.value("qty.electricity", "2018-03-01T09") == 9
    assert stream.value("qty.electricity.estimated", "2018-03-01") == 0


def test_a_gap_of_many_days_is_shared_over_all_of_them() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(("e01", "2018-02-26T12:00", "0"), ("e01", "2018-03-03T12:00", "120"))
    days = ("2018-02-26", "2018-02-27", "2018-02-28", "2018-03-01")
    assert [stream.value("qty.electricity", day) for day in days] == [12, 24, 24, 24]
    assert stream.value("qty.electricity", "2018-02") == 60
    assert stream.value("qty.electricity", "2018") == 120


def test_a_register_that_falls_gives_nothing_for_the_span_and_a_finding() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(
        ("e01", "2018-03-01T08:00", "100"), ("e01", "2018-03-01T09:00", "110"),
        ("e01", "2018-03-01T10:00", "5"), ("e01", "2018-03-01T11:00", "9"),
    )  # fmt: skip
    stream.step(tick("2018-03-01T12:00"))
    assert [stream.value("qty.electricity", f"2018-03-01T{hour:02}") for hour in (8, 9, 10)] == [10, None, 4]
    assert times(stream, "2018-03-01T09") == (HOUR_S, 0, 0)
    (finding,) = stream.findings.values()
    assert (finding.rule, finding.meter, finding.open) == ("register.unexplained", "meter/works.e01", True)
    assert (finding.start, finding.end) == (instant("2018-03-01T09:00"), instant("2018-03-01T10:00"))


def test_the_finding_closes_when_the_fall_is_corrected() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(
        ("e01", "2018-03-01T08:00", "100"), ("e01", "2018-03-01T09:00", "5"), ("e01", "2018-03-01T10:00", "20")
    )
    assert [each.open for each in stream.findings.values()] == [True]
    stream.readings(("e01", "2018-03-01T09:00", "110", 1), ("e01", "2018-03-01T10:00", "120", 1))
    assert [each.open for each in stream.findings.values()] == [False]
    assert stream.value("qty.electricity", "2018-03-01") == 20


def test_a_finding_is_closed_also_by_a_worker_that_did_not_open_it() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(
        ("e01", "2018-03-01T08:00", "100"), ("e01", "2018-03-01T09:00", "5"), ("e01", "2018-03-01T10:00", "20")
    )
    stream.restart(without_local_copy=True)
    stream.readings(("e01", "2018-03-01T08:30", "104"))
    assert [(each.start, each.open) for each in stream.findings.values()] == [
        (instant("2018-03-01T08:00"), False), (instant("2018-03-01T08:30"), True)
    ]  # fmt: skip
    stream.restart(without_local_copy=True)
    stream.readings(("e01", "2018-03-01T09:00", "110", 1), ("e01", "2018-03-01T10:00", "120", 1))
    assert not any(each.open for each in stream.findings.values())


def test_a_reading_marked_as_fault_is_passed_over() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(
        ("e01", "2018-03-01T08:00", "100"), ("e01", "2018-03-01T08:30", "0", 0, "fault"),
        ("e01", "2018-03-01T09:00", "110"),
    )  # fmt: skip
    assert stream.value("qty.electricity", "2018-03-01T08") == 10
    assert stream.findings == {}


def test_a_span_over_a_change_of_the_multiplier_is_missing_with_a_reason() -> None:
    multipliers = [{"from": "2018-01-01", "value": "1"}, {"from": "2018-03-02", "value": "40"}]
    stream = stream_of(meter("e01", "register", multiplier=multipliers))
    stream.readings(
        ("e01", "2018-03-01T23:00", "0"), ("e01", "2018-03-01T23:30", "1"), ("e01", "2018-03-02T00:30", "3"),
        ("e01", "2018-03-02T01:00", "4"),
    )  # fmt: skip
    assert stream.value("qty.electricity", "2018-03-01T23") == 1
    assert stream.value("qty.electricity", "2018-03-02T00") == 40
    assert [each.reason for each in stream.findings.values()] == ["incomplete"]


def test_quantities_that_64_bits_cannot_add_up_are_missing_with_a_reason() -> None:
    stream = stream_of(meter("e01"), meter("e02"))
    huge = (("e01", "2018-03-01T08:15"), ("e01", "2018-03-01T08:30"), ("e02", "2018-03-01T09:00"))
    stream.readings(*((*each, "4000000000000") for each in huge), ("e01", "2018-03-01T08:45", "12.5"))
    assert stream.value("qty.electricity", "2018-03-01T08") == Decimal("12.5")
    assert times(stream, "2018-03-01T08") == (2 * HOUR_S, HOUR_S // 4, 0)
    assert [(each.reason, each.open) for each in stream.findings.values()] == [("over_range", True)] * 3


def test_a_register_of_17_digits_counts_to_the_last() -> None:
    stream = stream_of(meter("e01", "register", resolution="0.001"))
    first, last = "99999999999999.001", "99999999999999.002"
    stream.readings(("e01", "2018-03-01T08:00", first), ("e01", "2018-03-01T09:00", last), scale=3)
    assert stream.value("qty.electricity", "2018-03-01T08") == Decimal("0.001")


# Intervals


@pytest.mark.parametrize(("stamp", "hour"), [("end", "2018-02-28T23"), ("start", "2018-03-01T00")])
def test_the_stamp_says_which_side_of_midnight_a_quarter_lies(stamp: str, hour: str) -> None:
    stream = stream_of(meter("e01", stamp=stamp))
    stream.readings(("e01", "2018-03-01T00:00", "2.5"))
    assert stream.value("qty.electricity", hour) == Decimal("2.5")
    assert stream.value("qty.electricity", hour[:10]) == Decimal("2.5")
    assert stream.value("qty.electricity", hour[:7]) == Decimal("2.5")


def test_the_last_quarter_of_a_year_stamped_at_its_end_belongs_to_it() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2019-01-01T00:00", "2.5"))
    assert stream.value("qty.electricity", "2018-12-31T23") == Decimal("2.5")
    assert stream.value("qty.electricity", "2018") == Decimal("2.5")
    assert stream.value("qty.electricity", "2019") is None


def test_a_slot_longer_than_an_hour_is_shared_by_time() -> None:
    stream = stream_of(meter("e01", step="6h"))
    stream.readings(("e01", "2018-03-01T06:00", "0.06"))
    assert [stream.value("qty.electricity", f"2018-03-01T{hour:02}") for hour in range(7)] == [Decimal("0.01")] * 6 + [
        None
    ]


def test_a_quarter_that_is_missing_is_missing_and_not_zero() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2018-03-01T08:15", "1"), ("e01", "2018-03-01T08:45", "0"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 1
    assert times(stream, "2018-03-01T08") == (HOUR_S, 1800, 0)


def test_a_measured_zero_is_zero_and_an_hour_without_readings_is_null() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(
        *(("e01", f"2018-03-01T08:{minute}", "0") for minute in (15, 30, 45)), ("e01", "2018-03-01T09:00", "0")
    )
    stream.step(tick("2018-03-01T11:00"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 0
    assert stream.value("energy.cv", "2018-03-01T08") == 0
    for hour in ("2018-03-01T07", "2018-03-01T10"):
        assert stream.value("qty.electricity", hour) is None
        assert stream.value("energy.cv", hour) is None
        assert stream.value("co2.total", hour) is None
        assert times(stream, hour) == (HOUR_S, 0, 0)


def test_estimated_and_substituted_values_count_as_estimated() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(
        ("e01", "2018-03-01T08:15", "1", 0, "estimated"), ("e01", "2018-03-01T08:30", "2", 0, "substituted"),
        ("e01", "2018-03-01T08:45", "4", 0, "suspect"), ("e01", "2018-03-01T09:00", "8", 0, "stopped"),
    )  # fmt: skip
    assert stream.value("qty.electricity", "2018-03-01T08") == 15
    assert stream.value("qty.electricity.estimated", "2018-03-01T08") == 3
    assert times(stream, "2018-03-01T08") == (HOUR_S, 1800, 1800)


def test_maintenance_and_fault_are_missing() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2018-03-01T08:15", "1", 0, "maintenance"), ("e01", "2018-03-01T08:30", "2", 0, "fault"))
    assert stream.value("qty.electricity", "2018-03-01T08") is None
    assert times(stream, "2018-03-01T08") == (HOUR_S, 0, 0)


# Revisions


def test_a_higher_revision_replaces_and_a_void_removes() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2018-03-01T08:15", "1"), ("e01", "2018-03-01T08:30", "2"))
    stream.readings(("e01", "2018-03-01T08:15", "10", 2), ("e01", "2018-03-01T08:15", "5", 1))
    assert stream.value("qty.electricity", "2018-03-01T08") == 12
    stream.readings(("e01", "2018-03-01T08:30", None, 0))
    assert stream.value("qty.electricity", "2018-03-01T08") == 10
    stream.readings(("e01", "2018-03-01T08:30", "3", 1))
    assert stream.value("qty.electricity", "2018-03-01T08") == 13


def test_of_two_values_of_one_revision_the_first_received_stands() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2018-03-01T08:15", "7"), received=2000)
    stream.readings(("e01", "2018-03-01T08:15", "9"), received=1000)
    stream.readings(("e01", "2018-03-01T08:15", "1"), received=3000)
    assert stream.value("qty.electricity", "2018-03-01T08") == 9


def test_received_at_once_the_smaller_value_stands() -> None:
    stream = stream_of(meter("e01"))
    stream.readings(("e01", "2018-03-01T08:15", "9"), ("e01", "2018-03-01T08:15", "7"), received=1000)
    assert stream.value("qty.electricity", "2018-03-01T08") == 7


# Balance and account


def test_sub_meters_explain_and_never_add() -> None:
    stream = stream_of(meter("e01"), meter("e02", role="sub", parent="e01"))
    stream.readings(("e01", "2018-03-01T08:15", "10"), ("e02", "2018-03-01T08:15", "4"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 10
    assert stream.value("qty.electricity", "2018-03-01T08", "meter/works.e02") == 4
    assert stream.value("time.expected.electricity", "2018-03-01T08") == HOUR_S


def test_what_goes_out_is_subtracted_before_anything_is_valued() -> None:
    stream = stream_of(meter("e01"), meter("e02", role="output"))
    stream.readings(("e01", "2018-03-01T08:15", "10"), ("e02", "2018-03-01T08:15", "4"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 6
    assert stream.value("energy.cv", "2018-03-01T08") == Decimal("0.7374")
    assert stream.value("energy.eq", "2018-03-01T08") == Decimal("1.8")
    assert stream.value("co2.power", "2018-03-01T08") == stream.value("co2.total", "2018-03-01T08") == Decimal("3.6")
    assert stream.value("time.expected.electricity", "2018-03-01T08") == 2 * HOUR_S


def test_an_export_alone_is_negative() -> None:
    stream = stream_of(meter("e02", role="output"))
    stream.readings(("e02", "2018-03-01T08:15", "4"))
    assert stream.value("qty.electricity", "2018-03-01") == -4
    assert stream.value("energy.cv", "2018-03-01") == Decimal("-0.4916")


def test_a_product_is_rounded_half_even_once_an_hour_after_the_balance() -> None:
    release = document(
        "release", "demo-2018",
        coefficients=[{"carrier": "electricity", "cv_kgce": "0.00005", "eq_kgce": "0.00015", "source": "demo"}],
    )  # fmt: skip
    stream = stream_of(meter("e01"), meter("e02"), release)
    stream.readings(("e01", "2018-03-01T08:15", "0.01"), ("e02", "2018-03-01T08:15", "0.01"))
    stream.readings(("e01", "2018-03-01T09:15", "0.01"))
    stream.readings(("e01", "2018-03-01T10:15", "0.03"))
    # 0.01 kWh x 0.00005 is half a millionth: to the even 0; 0.03 is 1.5: to the even 2; 0.02 in two meters is 1.
    cv = [stream.value("energy.cv", f"2018-03-01T{hour:02}") for hour in (8, 9, 10)]
    assert cv == [Decimal("0.000001"), 0, Decimal("0.000002")]
    assert stream.value("energy.cv", "2018-03-01") == Decimal("0.000003")
    assert stream.value("energy.eq", "2018-03-01T09") == Decimal("0.000002")


def test_a_carrier_without_a_coefficient_makes_the_account_unknown_and_not_smaller() -> None:
    stream = stream_of(meter("e01"), meter("s01", carrier="steam", unit="kg"))
    stream.readings(("e01", "2018-03-01T08:15", "10"), ("s01", "2018-03-01T08:15", "100"))
    assert stream.value("qty.steam", "2018-03-01T08") == 100
    for metric in ("energy.cv", "energy.eq", "co2.total"):
        assert stream.value(metric, "2018-03-01T08") is None
    assert stream.value("co2.power", "2018-03-01T08") == 6


def test_water_is_no_energy_and_needs_no_coefficient() -> None:
    stream = stream_of(meter("e01"), meter("w01", carrier="water", unit="m3"))
    stream.readings(("e01", "2018-03-01T08:15", "10"), ("w01", "2018-03-01T08:15", "100"))
    assert stream.value("qty.water", "2018-03-01T08") == 100
    assert stream.value("energy.cv", "2018-03-01T08") == Decimal("1.229")


def test_an_hour_takes_the_release_in_force_at_its_begin() -> None:
    first = document(
        "release",
        "demo-2018",
        coefficients=[{"carrier": "electricity", "cv_kgce": "0.1", "eq_kgce": "0.3", "source": "demo"}],
    )
    first = first.replace("valid_from: '2018-01-01'", "valid_from: '2018-01-01'\nvalid_to: '2018-03-02'")
    second = document(
        "release",
        "demo-2019",
        "2018-03-02",
        coefficients=[{"carrier": "electricity", "cv_kgce": "0.2", "eq_kgce": "0.3", "source": "demo"}],
    )
    stream = stream_of(meter("e01"), first, second)
    stream.readings(("e01", "2018-03-02T00:00", "1"), ("e01", "2018-03-02T00:15", "1"))
    assert stream.value("energy.cv", "2018-03-01T23") == Decimal("0.1")
    assert stream.value("energy.cv", "2018-03-02T00") == Decimal("0.2")
    assert stream.value("energy.cv", "2018-03") == Decimal("0.3")


def test_a_meter_is_expected_only_while_it_is_in_service() -> None:
    since = [{"from": "2018-03-02", "id": "works-gw1"}]
    late = meter("e02", source=since).replace("valid_from: '2018-01-01'", "valid_from: '2018-03-02'")
    stream = stream_of(meter("e01"), late)
    stream.readings(("e01", "2018-03-01T08:15", "1"), ("e01", "2018-03-02T08:15", "1"))
    assert stream.value("time.expected.electricity", "2018-03-01T08") == HOUR_S
    assert stream.value("time.expected.electricity", "2018-03-02T08") == 2 * HOUR_S


EXCHANGE = """
{apiVersion: qingyu/v1, kind: exchange, id: swap, valid_from: 2018-03-01,
 spec: {meter: works.e01, at: 2018-03-01T09:30:00+08:00, final: "104", initial: "2", multiplier: "40"}}
"""
BEFORE_AND_AFTER = (
    ("e01", "2018-03-01T09:00", "100"),
    ("e01", "2018-03-01T10:00", "3"),
    ("e01", "2018-03-01T11:00", "4"),
)


def test_an_exchange_counts_to_the_old_end_and_from_the_new_beginning_at_each_multiplier() -> None:
    stream = Stream(documents(REGISTRY, meter("e01", "register"), EXCHANGE))
    stream.readings(*BEFORE_AND_AFTER)
    assert stream.value("qty.electricity", "2018-03-01T09") == 44
    assert stream.value("qty.electricity", "2018-03-01T10") == 40
    assert stream.findings == {}


def test_an_exchange_that_is_registered_later_heals_the_fall() -> None:
    stream = stream_of(meter("e01", "register"))
    stream.readings(*BEFORE_AND_AFTER)
    assert stream.value("qty.electricity", "2018-03-01T09") is None
    stream.register(documents(REGISTRY, meter("e01", "register"), EXCHANGE), 2)
    assert stream.value("qty.electricity", "2018-03-01T09") == 44
    assert not any(each.open for each in stream.findings.values())
