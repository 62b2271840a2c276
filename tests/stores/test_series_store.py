"""What every series store must do, whichever it is."""

import math

import pytest

from schemas.series import ALARM, ENGINE, MEMBER, READING, Point
from streams.stores.series import AlarmPoint, ReadingPoint, SeriesStore, WindowPoint

HOUR_MS = 3_600_000
T0 = 1_763_700_000_000 // HOUR_MS * HOUR_MS
STEEL = ("enterprise/steel", "qty.electricity")


def hour(n: int, value: float | None, tags: tuple[str, str] = STEEL, *, kind: str = "hour") -> Point:
    present = 0.0 if value is None else 1.0
    return Point(kind, tags, T0 + n * HOUR_MS, (value, present, 0.5, 0.25, 0.25, 0.0, 0.0))


def values(store: SeriesStore, first: int = 0, end: int = 100) -> list[float | None]:
    return [p.value for p in store.series(*STEEL, "hour", T0 + first * HOUR_MS, T0 + end * HOUR_MS)]


def test_a_written_point_is_read_with_all_its_fields(store: SeriesStore) -> None:
    store.write([hour(0, 1.5)])
    assert store.series(*STEEL, "hour", T0, T0 + 1) == [WindowPoint(T0, 1.5, 0.5, 0.25, 0.25, settled=False)]


def test_the_range_is_half_open_and_the_answer_in_order_of_time(store: SeriesStore) -> None:
    store.write([hour(n, float(n)) for n in (3, 1, 0, 2)])
    assert values(store, 1, 3) == [1.0, 2.0]


def test_writing_twice_changes_nothing(store: SeriesStore) -> None:
    points = [hour(n, float(n)) for n in range(5)]
    store.write(points)
    store.write(points)
    assert values(store) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_later_point_replaces_the_value_and_within_one_call_the_last_counts(store: SeriesStore) -> None:
    store.write([hour(0, 1.0)])
    store.write([hour(0, 2.0), hour(0, 3.0)])
    assert values(store) == [3.0]


def test_a_value_that_is_not_present_is_unknown_not_zero_and_not_the_old_one(store: SeriesStore) -> None:
    store.write([hour(0, 7.0)])
    store.write([hour(0, None)])
    assert values(store) == [None]


def test_shares_of_nothing_expected_are_unknown(store: SeriesStore) -> None:
    store.write([hour(0, 7.0)])
    store.write([Point("hour", STEEL, T0, (7.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))])
    assert store.series(*STEEL, "hour", T0, T0 + 1) == [WindowPoint(T0, 7.0, None, None, None, settled=True)]


def test_a_field_that_is_not_written_keeps_what_it_was(store: SeriesStore) -> None:
    store.write([hour(0, 7.0)])
    store.write([Point("hour", STEEL, T0, (None, None, None, None, None, 1.0, 1.0))])
    kept = WindowPoint(T0, 7.0, 0.5, 0.25, 0.25, settled=True, revised=True)
    assert store.series(*STEEL, "hour", T0, T0 + 1) == [kept]


def test_a_zero_is_a_value(store: SeriesStore) -> None:
    store.write([hour(0, 0.0)])
    assert values(store) == [0.0]


def test_a_double_comes_back_to_the_last_bit(store: SeriesStore) -> None:
    odd = [0.1 + 0.2, 1e-6, 123456789012.345678, -0.000001, 2.0**53 + 2, 5e-324]
    store.write([hour(n, value) for n, value in enumerate(odd)])
    assert values(store) == odd


def test_series_windows_and_entities_do_not_mix(store: SeriesStore) -> None:
    store.write([hour(0, 1.0), hour(0, 2.0, ("enterprise/steel", "qty.water")), hour(0, 3.0, ("city/b", STEEL[1]))])
    store.write([hour(0, 4.0, kind="day")])
    assert values(store) == [1.0]
    assert [p.value for p in store.series(*STEEL, "day", T0, T0 + 1)] == [4.0]
    assert store.series("enterprise/none", "qty.water", "hour", 0, 2**53) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_and_nothing_of_the_call_is_written(store: SeriesStore, bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        store.write([hour(0, 1.0), hour(1, bad)])
    assert values(store) == []


def test_the_series_of_a_refused_call_can_be_written_afterwards(store: SeriesStore) -> None:
    with pytest.raises(ValueError, match="finite"):
        store.write([hour(0, 1.0), hour(1, math.nan)])
    store.write([hour(0, 2.0, ("park/a", "qty.water")), hour(0, 1.0)])
    assert values(store) == [1.0]
    assert [p.value for p in store.series("park/a", "qty.water", "hour", T0, T0 + 1)] == [2.0]


def test_the_latest_is_the_newest_with_a_value_of_each_window(store: SeriesStore) -> None:
    store.write([hour(0, 1.0), hour(1, 2.0), hour(2, None), hour(0, 9.0, kind="month"), hour(0, None, kind="year")])
    latest = store.latest(*STEEL)
    assert {kind: (p.start_ms, p.value) for kind, p in latest.items()} == {
        "hour": (T0 + HOUR_MS, 2.0),
        "month": (T0, 9.0),
        "year": (T0, None),
    }


def test_of_a_reading_the_highest_revision_counts_and_a_void_has_no_value(store: SeriesStore) -> None:
    def reading(rev: str, time_ms: int, value: float | None, void: float = 0.0, meter: str = "steel.e01") -> Point:
        return Point(READING, (meter, rev), time_ms, (value, 1.0, void))

    store.write([reading("10", T0, 3.0), reading("9", T0, 2.0), reading("0", T0 + 1, 1.0)])
    store.write([reading("0", T0 + 2, 5.0), reading("1", T0 + 2, None, 1.0), reading("0", T0, 8.0, meter="steel.e02")])
    assert store.readings("steel.e01", T0, T0 + 3) == [
        ReadingPoint(T0, 10, 3.0, 1, void=False),
        ReadingPoint(T0 + 1, 0, 1.0, 1, void=False),
        ReadingPoint(T0 + 2, 1, None, 1, void=True),
    ]


def test_alarms_are_found_by_entity_and_by_rule(store: SeriesStore) -> None:
    def alarm(entity: str, rule: str, n: int, state: float) -> Point:
        return Point(ALARM, (entity, rule), T0 + n, (state, 1.0, 5.0, 4.0, -1.0))

    store.write([alarm("city/a", "r1", 0, 2.0), alarm("city/b", "r1", 1, 0.0), alarm("city/a", "r2", 2, 2.0)])
    store.write([alarm("city/a", "r1", 0, 0.0)])
    assert store.alarms("city/a", None, T0, T0 + 9) == [
        AlarmPoint("city/a", "r1", T0, 0.0, 1.0, 5.0, 4.0, -1.0),
        AlarmPoint("city/a", "r2", T0 + 2, 2.0, 1.0, 5.0, 4.0, -1.0),
    ]
    assert [p.entity for p in store.alarms(None, "r1", T0, T0 + 9)] == ["city/a", "city/b"]
    assert store.alarms("city/a", "r2", T0, T0 + 2) == []


def test_the_newest_heartbeat_of_each_process_is_known(store: SeriesStore) -> None:
    store.write([Point(ENGINE, ("worker",), T0 + n, (float(T0 + n), float(n))) for n in (2, 1)])
    store.write([Point(ENGINE, ("sink",), T0, (float(T0), None))])
    assert store.heartbeats() == {"worker": (T0 + 2, 2.0), "sink": (T0, None)}


def test_members_are_replaced_as_a_whole(store: SeriesStore) -> None:
    def member(entity: str, name: str) -> Point:
        return Point(MEMBER, ("park/p", entity, name), 0, (1.0,))

    store.replace_members([member("enterprise/a", "甲"), member("enterprise/b", "乙")])
    store.replace_members([member("enterprise/b", "新乙")])
    assert store.members("park/p") == [("enterprise/b", "新乙")]
    with pytest.raises(ValueError, match="member"):
        store.replace_members([hour(0, 1.0)])


def test_dropping_forgets_everything_and_the_store_can_be_filled_again(store: SeriesStore) -> None:
    store.write([hour(0, 1.0), Point(READING, ("steel.e01", "0"), T0, (1.0, 0.0, 0.0))])
    store.drop_all()
    assert values(store) == []
    assert store.readings("steel.e01", 0, 2**53) == []
    store.write([hour(1, 2.0)])
    assert values(store) == [2.0]


def test_a_cross_section_is_one_window_of_the_entities_and_metrics_asked_for(store: SeriesStore) -> None:
    cement = ("enterprise/cement", "energy.cv")
    store.write([hour(0, 1.0), hour(1, 2.0), hour(1, 3.0, cement), hour(1, 9.0, ("enterprise/food", "energy.cv"))])
    found = store.cross_section(
        "hour", T0 + HOUR_MS, ["enterprise/steel", "enterprise/cement"], ["qty.electricity", "energy.cv"]
    )
    assert {key: point.value for key, point in found.items()} == {STEEL: 2.0, cement: 3.0}
    assert {point.start_ms for point in found.values()} == {T0 + HOUR_MS}


def test_a_cross_section_of_nothing_known_is_empty(store: SeriesStore) -> None:
    assert store.cross_section("hour", T0, ["enterprise/steel"], ["qty.electricity"]) == {}
    assert store.cross_section("hour", T0, [], []) == {}
