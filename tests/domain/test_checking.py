"""What one source sends, checked against the registry: what is accepted, to the digit, and what is said of the rest."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import INT64_MAX
from schemas.pushed import decode_loose_rows, decode_rows, number
from streams.domain.checking import Checked, Checker
from streams.domain.registry import Snapshot
from tests.registry_writing import STEEL, documents, snapshot_of


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


RECEIVED_MS = at("2026-11-21T09:00:00+08:00")
TS = "2026-11-21T08:15:00+08:00"
TS_MS = at(TS)


def _snapshot() -> Snapshot:
    return snapshot_of(documents(STEEL))


SNAPSHOT = _snapshot()


def checker(source: str = "gw1") -> Checker:
    return Checker(lambda id_: SNAPSHOT.meter(f"meter/bz-steel.{id_}"), source, RECEIVED_MS)


def rows(*items: str, source: str = "gw1") -> Checked:
    """Check readings given as JSON text, the way a body comes in."""
    body = f'{{"source":"{source}","batch":"b","readings":[{",".join(items)}]}}'.encode()
    try:
        return checker(source).rows(decode_rows(body).readings)
    except (msgspec.ValidationError, ArithmeticError):
        return checker(source).rows(decode_loose_rows(body).readings)


def row(value: str, meter: str = "e01", ts: str = f'"{TS}"', more: str = "") -> str:
    return f'{{"meter":"{meter}","ts":{ts},"value":{value}{more}}}'


def code(*items: str, source: str = "gw1") -> str:
    checked = rows(*items, source=source)
    assert checked.v == []
    (rejection,) = checked.rejected
    assert rejection.message
    return rejection.code


def test_a_number_becomes_an_integer_at_the_meters_scale() -> None:
    checked = rows(row("1234.5"), row("7"), row("-0.01"), row("0"))
    assert checked.meters == ["e01"]
    assert checked.scale == [2]
    assert checked.i == [0, 0, 0, 0]
    assert checked.t == [TS_MS] * 4
    assert checked.v == [123450, 700, -1, 0]
    assert checked.rev is None
    assert checked.q is None
    assert checked.rejected == []


@pytest.mark.parametrize(
    ("text", "steps"),
    [("0.005", 0), ("0.015", 2), ("0.025", 2), ("-0.015", -2), ("1.005", 100), ("1.0050000000000000000001", 101)],
)
def test_a_number_is_rounded_half_even_to_the_resolution(text: str, steps: int) -> None:
    assert rows(row(text)).v == [steps]


def test_a_number_is_rounded_to_a_resolution_that_is_no_power_of_ten() -> None:
    checked = rows(row("1.25", "e02"), row("1.75", "e02"), row("1.3", "e02"), row("2", "e02"))
    assert checked.scale == [1]
    assert checked.v == [10, 20, 15, 20]


@pytest.mark.parametrize("digits", ["12345678901234567", "99999999999999999"])
def test_a_register_of_17_digits_comes_through_whole_as_number_and_as_text(digits: str) -> None:
    assert rows(row(digits, "r01"), row(f'"{digits}"', "r01"), row(f"{digits}.0", "r01")).v == [int(digits)] * 3


def test_decimal_text_must_be_a_multiple_of_the_resolution() -> None:
    assert rows(row('"12.34"'), row('"12.340"'), row('"+1e1"')).v == [1234, 1234, 1000]
    assert code(row('"12.345"')) == "too_precise"
    assert code(row('"1.25"', "e02")) == "too_precise"
    assert code(row(f'"{"0." + "0" * 90 + "1"}"')) == "too_precise"


@pytest.mark.parametrize(
    "value",
    ["true", "null", "[]", "{}", '""', '"abc"', '"NaN"', '"Infinity"', '"1_000"', '"１２"', '"0x10"', '" 1"', '"1,5"'],
)
def test_what_is_no_number_is_said_to_be_none(value: str) -> None:
    assert code(row(value)) == "not_a_number"


@pytest.mark.parametrize(
    "value",
    ["1e400", "-1e400", "1e99999999999999999999", '"1e400"', "92233720368547758.08", "1" + "0" * 40, '"9e17"', "1e20"],
)
def test_what_does_not_fit_64_bits_is_out_of_range(value: str) -> None:
    assert code(row(value)) == "out_of_range"


def test_the_largest_and_smallest_that_fit_are_taken() -> None:
    checked = rows(row("92233720368547758.07"), row("-92233720368547758.07"))
    assert checked.v == [INT64_MAX, -INT64_MAX]


def test_a_number_beyond_all_smallness_is_zero() -> None:
    assert rows(row("1e-400"), row("1e-99999999999999999999"), row("0e99999999999999999999")).v == [0, 0, 0]


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        ('"2026-11-21T08:15:00+08:00"', TS_MS),
        ('"2026-11-21T00:15:00Z"', TS_MS),
        ('"2026-11-21T08:15:00"', TS_MS),
        ('"2026-11-21 08:15:00"', TS_MS),
        ('"2026-11-21T08:15:00.2509"', TS_MS + 250),
        (str(TS_MS), TS_MS),
    ],
)
def test_an_instant_is_text_with_or_without_offset_or_epoch_milliseconds(ts: str, expected: int) -> None:
    assert rows(row("1", ts=ts)).t == [expected]


@pytest.mark.parametrize(
    "ts",
    [
        '"yesterday"',
        '"2026-11-21"',
        '"2026-11-21T08:15"',
        '"2026-02-30T08:15:00"',
        '"2026-11-21T25:00:00"',
        '"2026-11-21T08:15:00+99:99"',
        '"0001-01-01T00:00:00+08:00"',
        '"1991-12-31T23:59:59+08:00"',
        "1795220100",
        "-1",
        "1.5",
        "true",
        "null",
        "[]",
        "1" * 40,
    ],
)
def test_what_is_no_instant_is_a_bad_time(ts: str) -> None:
    assert code(row("1", ts=ts)) == "bad_time"


def test_five_minutes_ahead_is_taken_and_more_is_the_future() -> None:
    assert rows(row("1", ts=str(RECEIVED_MS + 300_000))).v == [100]
    assert code(row("1", ts=str(RECEIVED_MS + 300_001))) == "future"


def test_before_the_meters_first_day_there_is_no_meter() -> None:
    assert rows(row("1", ts='"2018-01-01T00:00:00+08:00"')).v == [100]
    assert code(row("1", ts='"2017-12-31T23:59:59.999+08:00"')) == "before_meter"


def test_a_source_may_send_only_while_the_meter_is_its_own() -> None:
    old, edge = '"2019-12-31T23:45:00+08:00"', '"2020-01-01T00:00:00+08:00"'
    assert code(row("1", "e02", old)) == "wrong_source"
    assert rows(row("1", "e02", old), source="gw2").v == [10]
    assert code(row("1", "e02"), source="gw2") == "wrong_source"
    assert rows(row("1", "e02")).v == [10]
    assert rows(row("1", "e02", edge)).v == [10]
    assert rows(row("1", "e02", edge), source="gw2").v == [10]


def test_an_unknown_meter_is_named() -> None:
    checked = rows(row("1", "e99"), row("2"))
    assert checked.v == [200]
    assert [(one.index, one.code) for one in checked.rejected] == [(0, "unknown_meter")]
    assert "e99" in checked.rejected[0].message
    assert checked.doubtful()


def test_a_unit_that_converts_is_converted_exactly_and_another_refused() -> None:
    checked = rows(row("1.5", more=',"unit":"MWh"'), row("3.6", more=',"unit":"MJ"'), row("7", more=',"unit":"kWh"'))
    assert checked.v == [150_000, 100, 700]
    assert rows(row("1", more=',"unit":"MJ"')).v == [28]
    assert code(row('"1"', more=',"unit":"MJ"')) == "too_precise"
    assert code(row("1", more=',"unit":"m3"')) == "unit_mismatch"
    assert code(row("1", more=',"unit":"furlongs of nothing"')) == "unit_mismatch"
    assert code(row("1", more=',"unit":5')) == "unit_mismatch"


def test_quality_and_revision_are_kept_by_column() -> None:
    checked = rows(
        row("1"), row("2", more=',"rev":3'), row("3", more=',"quality":"estimated"'), row("4", more=',"rev":0')
    )
    assert checked.v == [100, 200, 300, 400]
    assert checked.rev == [0, 3, 0, 0]
    assert checked.q == [0, 0, 2, 0]


@pytest.mark.parametrize("rev", ["-1", "1.5", '"1"', "true", "9999999999", "1e400"])
def test_a_revision_is_a_whole_number_from_0(rev: str) -> None:
    assert code(row("1", more=f',"rev":{rev}')) == "bad_revision"


@pytest.mark.parametrize("quality", ['"good"', "1", '""', "[]"])
def test_a_quality_is_one_of_the_seven(quality: str) -> None:
    assert code(row("1", more=f',"quality":{quality}')) == "bad_quality"


def test_a_void_has_no_value() -> None:
    checked = rows(row("17", more=',"void":true,"rev":2'), f'{{"meter":"e01","ts":{TS_MS},"void":true}}')
    assert checked.v == [None, None]
    assert checked.rev == [2, 0]
    assert rows(row("17", more=',"void":false')).v == [1700]
    assert code(row("17", more=',"void":"yes"')) == "not_a_number"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("5", "unknown_meter"),
        ("null", "unknown_meter"),
        ("[]", "unknown_meter"),
        ("{}", "unknown_meter"),
        ('{"meter":7,"ts":1,"value":1}', "unknown_meter"),
        ('{"meter":"e01","value":1}', "bad_time"),
        (f'{{"meter":"e01","ts":{TS_MS}}}', "not_a_number"),
    ],
)
def test_a_row_of_another_shape_is_rejected_alone(item: str, expected: str) -> None:
    checked = rows(row("1"), item, row("2"))
    assert checked.v == [100, 200]
    assert [(one.index, one.code) for one in checked.rejected] == [(1, expected)]


def test_of_a_batch_that_is_all_bad_nothing_is_accepted() -> None:
    checked = rows(row('"x"'), row("1", "e99"), row("1", ts='"x"'))
    assert checked.v == []
    assert [one.index for one in checked.rejected] == [0, 1, 2]


def columns(values: list[list[Any]], meters: list[str], ts: list[Any], **more: Any) -> Checked:
    return checker().columns(meters, ts, values, **more)


def test_columns_say_the_same_as_rows() -> None:
    instants = ["2026-11-21T08:00:00+08:00", TS]
    numbers = [[Decimal("1.5"), Decimal("2.25")], [3, None], [Decimal("4"), "5"]]
    checked = columns(numbers, ["e01", "r01", "e02"], instants)
    first = at(instants[0])
    assert checked.meters == ["e01", "r01", "e02"]
    assert checked.scale == [2, 0, 1]
    assert checked.i == [0, 0, 1, 2, 2]
    assert checked.t == [first, TS_MS, first, first, TS_MS]
    assert checked.v == [150, 225, 3, 40, 50]
    assert checked.rejected == []


def test_columns_name_the_place_of_what_they_reject() -> None:
    checked = columns([[1, 2, 3], [4, None, 6]], ["e01", "e99"], [TS, "x", RECEIVED_MS + 10**7])
    assert checked.v == [100]
    assert [(one.index, one.code) for one in checked.rejected] == [
        ((0, 1), "bad_time"),
        ((0, 2), "future"),
        ((1, 0), "unknown_meter"),
        ((1, 2), "unknown_meter"),
    ]
    assert checked.rejected[0].input == {"meter": "e01", "ts": "x", "value": 2}


def test_columns_carry_revisions_and_qualities_of_the_same_shape() -> None:
    checked = columns(
        [[1, 2, 3]], ["e01"], [TS_MS, TS_MS + 1, TS_MS + 2], revisions=[[0, 1, -1]], qualities=[["ok", None, "x"]]
    )
    assert checked.v == [100, 200]
    assert checked.rev == [0, 1]
    assert [one.code for one in checked.rejected] == ["bad_revision"]


def test_a_column_batch_takes_numbers_of_every_kind_in_one_row() -> None:
    values = [[Decimal("0.015"), 1, "1.25", Decimal("1E+400"), True, Decimal("1e-300"), 10**30]]
    checked = columns(values, ["e01"], [TS_MS + n for n in range(7)])
    assert checked.v == [2, 100, 125, 0]
    assert [one.code for one in checked.rejected] == ["out_of_range", "not_a_number", "out_of_range"]


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e12"), max_value=Decimal("1e12"))


@given(st.lists(DECIMALS, min_size=1, max_size=20))
def test_the_quick_way_the_slow_way_and_plain_rounding_agree(values: list[Decimal]) -> None:
    instants: list[Any] = [TS_MS + n for n in range(len(values))]
    quick = columns([list(values)], ["e01"], instants)
    slow = columns([list(values)], ["e01"], instants, revisions=[[0] * len(values)])
    by_row = rows(*(row(f"{value:f}", ts=str(TS_MS + n)) for n, value in enumerate(values)))
    expected = [int(number(f"{value:f}").quantize(Decimal("0.01")) * 100) for value in values]
    assert quick.v == slow.v == by_row.v == expected


@given(st.permutations(list(range(6))))
def test_the_order_of_rows_changes_nothing_but_the_order(order: list[int]) -> None:
    items = [row("1"), row("2", "e99"), row('"3.001"'), row("4", "r01"), row("5", more=',"rev":1'), row("6", ts='"x"')]
    straight, shuffled = rows(*items), rows(*(items[n] for n in order))

    def said(checked: Checked, place: list[int]) -> set[tuple[Any, ...]]:
        rev = checked.rev or [0] * len(checked.v)
        kept = {(checked.meters[i], *rest) for i, *rest in zip(checked.i, checked.t, checked.v, rev, strict=True)}
        return kept | {(place[int(one.index)], one.code) for one in checked.rejected if isinstance(one.index, int)}

    assert said(straight, list(range(6))) == said(shuffled, order)
