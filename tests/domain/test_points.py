"""Points are exactly what the message says, as the nearest doubles, and each window's value from one place only."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import Batch, CalendarDocument, Condition, Own, Readings
from schemas.series import Point
from schemas.windows import WINDOW_KINDS, window
from streams.domain.points import merge, point_of_condition, points_of, points_of_readings

HOUR = 3_600 * 10**6
STEEL = "enterprise/steel"
CHILDREN = {"hour": 24, "day": 31, "month": 12}


def row(of: str, values: dict[int, int | None]) -> list[int | None]:
    return [values.get(at) for at in range(CHILDREN[of])]


def document(
    period: str,
    metrics: dict[str, dict[int, int | None]],
    touched: list[int],
    *,
    entity: str = STEEL,
    own: dict[str, Own] | None = None,
    settled: tuple[int, ...] = (),
    known: tuple[int, ...] = (),
) -> CalendarDocument:
    of = {10: "hour", 7: "day", 4: "month"}[len(period)]
    status: list[str | None] = [None] * CHILDREN[of]
    for at in (*touched, *known):
        status[at] = "provisional"
    for at in settled:
        status[at] = "revised" if at % 2 else "settled"
    rows = {name: row(of, values) for name, values in metrics.items()}
    return CalendarDocument(1, entity, period, of, rows, status, touched, 1, "r", [(0, 1)], own or {})


def by_key(points: list[Point]) -> dict[tuple[str, str, str], tuple[float | None, ...]]:
    found: dict[tuple[str, str, str], tuple[float | None, ...]] = {}
    names = {
        (kind, window(name).start_ms): name for kind in WINDOW_KINDS for name in NAMES if window(name).kind == kind
    }
    for point in points:
        key = (point.measurement, names[point.measurement, point.time_ms], point.tags[1])
        assert key not in found, f"{key} twice"
        found[key] = point.fields
    return found


NAMES = [
    *(f"2018-01-01T{hour:02}" for hour in range(24)),
    *(f"2018-01-{day:02}" for day in range(1, 32)),
    *(f"2018-{month:02}" for month in range(1, 13)),
    *(f"2018-Q{quarter}" for quarter in range(1, 5)),
    "2018",
]


def test_a_day_gives_its_touched_hours_only() -> None:
    points = by_key(
        points_of(document("2018-01-01", {"qty.electricity": {8: 1, 9: 2_500_000, 10: 3}}, [9]), everything=False)
    )
    assert points == {("hour", "2018-01-01T09", "qty.electricity"): (2.5, 1.0, None, None, None, 0.0, 0.0)}


def test_everything_is_all_that_has_a_status_and_nothing_of_the_future() -> None:
    day = document("2018-01-01", {"energy.cv": {0: 5 * 10**6}}, [1], known=(0, 2))
    points = by_key(points_of(day, everything=True))
    assert {key[1]: fields[:2] for key, fields in points.items()} == {
        "2018-01-01T00": (5.0, 1.0),
        "2018-01-01T01": (None, 0.0),
        "2018-01-01T02": (None, 0.0),
    }


def test_missing_is_never_zero_and_zero_is_not_missing() -> None:
    points = by_key(points_of(document("2018-01-01", {"energy.cv": {0: None, 1: 0}}, [0, 1]), everything=False))
    assert [fields[:2] for fields in points.values()] == [(None, 0.0), (0.0, 1.0)]


def test_shares_are_of_the_carrier_for_its_quantity_and_of_all_carriers_for_the_rest() -> None:
    metrics: dict[str, dict[int, int | None]] = {
        "qty.electricity": {3: 10**6},
        "qty.electricity.estimated": {3: 0},
        "qty.steam": {3: 10**6},
        "energy.cv": {3: 10**6},
        "co2.total": {3: 10**6},
        "output.steel": {3: 10**6},
        "time.expected.electricity": {3: HOUR},
        "time.measured.electricity": {3: HOUR // 2},
        "time.estimated.electricity": {3: HOUR // 4},
        "time.expected.steam": {3: 3 * HOUR},
        "time.measured.steam": {3: 3 * HOUR},
        "time.estimated.steam": {3: None},
    }
    points = by_key(points_of(document("2018-01-01", metrics, [3]), everything=False))
    shares = {name: fields[2:5] for (_, _, name), fields in points.items()}
    assert shares["qty.electricity"] == shares["qty.electricity.estimated"] == (0.5, 0.25, 0.25)
    assert shares["qty.steam"] == (1.0, 0.0, 0.0)
    assert shares["energy.cv"] == shares["co2.total"] == (0.875, 0.0625, 0.0625)
    assert shares["output.steel"] == shares["time.expected.steam"] == (None, None, None)
    assert points["hour", "2018-01-01T03", "time.measured.electricity"][0] == 1800.0


def test_where_nothing_is_expected_the_shares_sum_to_nothing() -> None:
    metrics: dict[str, dict[int, int | None]] = {"energy.cv": {0: None}, "time.expected.steam": {0: 0}}
    points = by_key(points_of(document("2018-01-01", metrics, [0]), everything=False))
    assert points["hour", "2018-01-01T00", "energy.cv"] == (None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_settled_and_revised_hours_are_settled_and_a_revised_one_says_so() -> None:
    day = document("2018-01-01", {"energy.cv": {0: 1, 1: 1, 2: 1}}, [0, 1, 2], settled=(0, 1))
    standing = [fields[5:] for fields in by_key(points_of(day, everything=False)).values()]
    assert standing == [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]


def test_a_meters_day_comes_from_its_own_document_and_an_enterprises_from_its_months() -> None:
    metrics: dict[str, dict[int, int | None]] = {
        "qty.electricity": {at: 1_500_000 for at in range(20)},
        "time.expected.electricity": dict.fromkeys(range(24), HOUR),
        "time.measured.electricity": dict.fromkeys(range(12), HOUR),
    }
    mine = by_key(points_of(document("2018-01-01", metrics, [4], entity="meter/steel.e01"), everything=False))
    assert mine["day", "2018-01-01", "qty.electricity"] == (30.0, 1.0, 0.5, 0.0, 0.5, 0.0, 0.0)
    assert mine["hour", "2018-01-01T04", "qty.electricity"][0] == 1.5
    assert not [
        key for key in by_key(points_of(document("2018-01-01", metrics, [4]), everything=False)) if key[0] == "day"
    ]
    month = by_key(points_of(document("2018-01", {"qty.electricity": {0: 30 * 10**6}}, [0]), everything=False))
    assert month == {("day", "2018-01-01", "qty.electricity"): (30.0, 1.0, None, None, None, 0.0, 0.0)}


def test_a_meters_day_says_its_own_status_else_that_of_all_hours() -> None:
    hours: dict[str, dict[int, int | None]] = {"qty.steam": dict.fromkeys(range(24), 1)}
    whole = document("2018-01-01", dict(hours), [1], entity="meter/a.b", settled=tuple(range(24)))
    assert by_key(points_of(whole, everything=False))["day", "2018-01-01", "qty.steam"][5] == 1.0
    whole.own = {"2018-01-01": Own("provisional")}
    assert by_key(points_of(whole, everything=False))["day", "2018-01-01", "qty.steam"][5] == 0.0


def test_a_year_gives_its_touched_months_their_quarters_and_itself() -> None:
    year = document("2018", {"energy.cv": {0: 10**6, 2: 2 * 10**6, 11: 4 * 10**6}, "energy.eq": {3: 10**6}}, [0, 11])
    points = by_key(points_of(year, everything=False))
    assert {key[1] for key in points} == {"2018-01", "2018-12", "2018-Q1", "2018-Q4", "2018"}
    values = {key[:2]: fields[0] for key, fields in points.items() if key[2] == "energy.cv"}
    assert values["quarter", "2018-Q1"] == 3.0
    assert values["quarter", "2018-Q4"] == 4.0
    assert values["year", "2018"] == 7.0
    assert points["quarter", "2018-Q1", "energy.eq"][:2] == (None, 0.0)


def test_indicators_come_from_the_windows_own_document_and_of_hours_from_the_day() -> None:
    own = {
        "2018": Own("settled", {"ind.i": 80_500_000, "output.steel": 5 * 10**6}),
        "2018-Q2": Own("provisional", {"ind.i": None}),
    }
    metrics: dict[str, dict[int, int | None]] = {
        "ind.i": {0: 10**6},
        "energy.cv": {0: 10**6},
        "time.expected.steam": {0: 2 * HOUR},
        "time.measured.steam": {0: HOUR},
    }
    points = by_key(points_of(document("2018", metrics, [0], own=own), everything=False))
    found = {key[:2]: fields for key, fields in points.items() if key[2] == "ind.i"}
    assert found == {
        ("year", "2018"): (80.5, 1.0, 0.5, 0.0, 0.5, 1.0, 0.0),
        ("quarter", "2018-Q2"): (None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    }
    assert points["year", "2018", "output.steel"] == (5.0, 1.0, None, None, None, 1.0, 0.0)
    assert points["year", "2018", "energy.cv"][5] == 1.0
    day = by_key(points_of(document("2018-01-01", {"ind.i": {7: 2 * 10**6}}, [7]), everything=False))
    assert day["hour", "2018-01-01T07", "ind.i"][0] == 2.0


def test_an_own_value_stands_before_the_sum_of_children() -> None:
    own = {"2018": Own("provisional", {"output.steel": 9 * 10**6})}
    metrics: dict[str, dict[int, int | None]] = {"output.steel": dict.fromkeys(range(12), 10**6)}
    points = by_key(points_of(document("2018", metrics, [0], own=own), everything=False))
    assert points["year", "2018", "output.steel"][0] == 9.0
    assert points["quarter", "2018-Q1", "output.steel"][0] == 3.0


def test_an_output_is_summed_only_when_every_child_has_one() -> None:
    metrics: dict[str, dict[int, int | None]] = {"output.steel": {0: 10**6, 1: 10**6, 2: 10**6, 3: 10**6}}
    points = by_key(points_of(document("2018", metrics, [1, 3, 4]), everything=False))
    outputs = {key[1]: fields[0] for key, fields in points.items()}
    assert outputs == {"2018-02": 1.0, "2018-04": 1.0, "2018-Q1": 3.0}


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_value_is_the_nearest_double(micro: int) -> None:
    fields = points_of(document("2018-01-01", {"energy.cv": {0: micro}}, [0]), everything=False)[0].fields
    assert fields[0] == float(Fraction(micro, 10**6))


@given(st.integers(-(10**17), 10**17), st.integers(0, 12))
def test_a_reading_is_the_nearest_double_of_its_decimal(value: int, scale: int) -> None:
    batch = Batch("b", "gw", 0, ["m"], [scale], [0], [1], [value])
    assert points_of_readings(Readings(1, 1, "steel", [batch]))[0].fields[0] == float(Fraction(value, 10**scale))


def test_readings_carry_their_revision_their_quality_and_whether_they_are_void() -> None:
    batch = Batch("b", "gw", 0, ["e01", "e02"], [2, 0], [0, 1, 1], [10, 20, 30], [150, 7, None], [0, 0, 3], [0, 1, 0])
    assert points_of_readings(Readings(1, 1, "steel", [batch])) == [
        Point("reading", ("steel.e01", "0"), 10, (1.5, 0.0, 0.0)),
        Point("reading", ("steel.e02", "0"), 20, (7.0, 1.0, 0.0)),
        Point("reading", ("steel.e02", "3"), 30, (None, 0.0, 1.0)),
    ]
    assert points_of_readings(Readings(1, 1, tick=5)) == []


@pytest.mark.parametrize(
    "batch",
    [
        Batch("b", "gw", 0, ["m"], [0], [-1], [1], [1]),
        Batch("b", "gw", 0, ["m"], [0], [1], [1], [1]),
        Batch("b", "gw", 0, ["m"], [0], [0], [1, 2], [1]),
        Batch("b", "gw", 0, ["m"], [0], [0, 0], [1, 2], [1, 2], [0]),
    ],
)
def test_columns_that_do_not_fit_are_refused(batch: Batch) -> None:
    with pytest.raises((ValueError, IndexError)):
        points_of_readings(Readings(1, 1, "steel", [batch]))


def test_batches_of_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match="enterprise"):
        points_of_readings(Readings(1, 1, None, [Batch("b", "gw", 0, ["m"], [0], [0], [1], [1])]))


def condition(**changes: Any) -> Condition:
    facts: dict[str, Any] = {
        "v": 1, "id": "x", "rule": "steel-limit", "rule_version": "1", "entity": STEEL, "start": "2018-01",
        "period": "month", "condition": "firing", "tier": "access", "severity": "warning", "value": "90.5",
        "limit": "87", "unit": "kgce/t", "since": 1, "known": 2, "reason": "above", "coverage": 1.0, "seq": 1,
    }  # fmt: skip
    return Condition(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, (2.0, 2.0, 90.5, 87.0, -3.5)),
        ({"condition": "ok", "tier": None, "value": "80"}, (0.0, 0.0, 80.0, 87.0, 7.0)),
        ({"condition": "withdrawn", "tier": None, "value": None}, (4.0, 0.0, None, 87.0, None)),
        ({"tier": "gone-from-the-registry"}, (2.0, None, 90.5, 87.0, -3.5)),
    ],
)
def test_an_alarms_point_says_state_tier_and_margin(changes: dict[str, Any], fields: tuple[float | None, ...]) -> None:
    point = point_of_condition(condition(**changes), ("advanced", "access", "limit"))
    assert point == Point("alarm", (STEEL, "steel-limit"), window("2018-01").start_ms, fields)


def test_two_versions_of_a_document_are_the_later_with_the_touched_of_both() -> None:
    first = document("2018-01-01", {"energy.cv": {1: 1, 2: 1}}, [1, 2])
    second = document("2018-01-01", {"energy.cv": {1: 5, 2: 1, 3: 9}}, [3, 1])
    merged = merge(first, second)
    assert merged.touched == [1, 2, 3]
    assert merged.metrics == second.metrics
    assert merge(None, second) is second


def test_a_day_of_a_meter_that_settles_without_a_touched_hour_is_written_again() -> None:
    metrics: dict[str, dict[int, int | None]] = {
        "qty.electricity": {8: 5 * 10**6},
        "time.expected.electricity": {8: HOUR},
    }
    settled = document(
        "2018-03-01", metrics, [], entity="meter/steel.e01", own={"2018-03-01": Own("settled")}, settled=(8,)
    )
    [day] = [each for each in points_of(settled, everything=False) if each.tags[1] == "qty.electricity"]
    assert (day.measurement, day.fields[0], day.fields[5]) == ("day", 5.0, 1.0)
