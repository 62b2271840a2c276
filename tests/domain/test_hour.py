"""Putting readings into an hour: any order, any batches, any repeats end in the same bytes."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.windows import local_ms
from streams.domain.hour import VOID, Hour, merge, rows_of
from streams.domain.packing import PackingError, pack, unpack

START = local_ms(2026, 11, 21, 8)
METERS = ("a", "b")

reading = st.tuples(
    st.integers(0, 1),  # meter
    st.sampled_from([START, START + 60_000, START + 3_599_999]),
    st.sampled_from([0, 1, 2, 10**17 - 1, -5]),
    st.integers(0, 2),  # revision
    st.sampled_from([0, 1, VOID]),
    st.sampled_from([START + 1, START + 2, START + 3]),
)


def _put(hour: Hour, readings: list[tuple[int, ...]], scales: tuple[int, int] = (2, 0)) -> Hour:
    columns = list(zip(*readings, strict=True)) if readings else [()] * 6
    after, _ = merge(hour, METERS, scales, rows_of(columns))
    return after


def _void(each: tuple[int, ...]) -> tuple[int, ...]:
    return (*each[:2], 0, *each[3:]) if each[4] == VOID else each


@given(st.lists(reading.map(_void), min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_batches_and_repeats_do_not_change_an_hour(readings, random, size):
    once = _put(Hour.empty(START), readings)
    shuffled = readings + random.sample(readings, len(readings) // 2)
    random.shuffle(shuffled)
    again = Hour.empty(START)
    for at in range(0, len(shuffled), size):
        again = _put(again, shuffled[at : at + size])
    assert pack(again) == pack(once)


@given(st.lists(reading.map(_void), min_size=1, max_size=12))
def test_a_packed_hour_unpacks_to_itself(readings):
    hour = _put(Hour.empty(START), readings)
    back = unpack(pack(hour))
    assert pack(back) == pack(hour)
    assert (back.rows.columns == hour.rows.columns).all()
    assert (back.conflicts.columns == hour.conflicts.columns).all()


@given(st.lists(reading.map(_void), min_size=1, max_size=12))
def test_putting_the_same_readings_again_changes_nothing(readings):
    columns = rows_of(list(zip(*readings, strict=True)))
    hour, _ = merge(Hour.empty(START), METERS, (2, 0), columns)
    _, changed = merge(hour, METERS, (2, 0), columns)
    assert changed == frozenset()


def test_the_highest_revision_counts():
    hour = _put(Hour.empty(START), [(0, START, 100, 0, 0, START + 1), (0, START, 50, 1, 0, START + 9)])
    assert hour.rows.v.tolist() == [50]
    assert len(hour.conflicts) == 0


def test_of_two_values_the_first_received_stands_and_the_other_is_a_conflict():
    hour = _put(Hour.empty(START), [(0, START, 100, 0, 0, START + 5), (0, START, 90, 0, 0, START + 7)])
    assert (hour.rows.v.tolist(), hour.conflicts.v.tolist()) == ([100], [90])


def test_of_two_values_received_at_once_the_smaller_stands():
    hour = _put(Hour.empty(START), [(0, START, 100, 0, 0, START + 5), (0, START, 90, 0, 0, START + 5)])
    assert (hour.rows.v.tolist(), hour.conflicts.v.tolist()) == ([90], [100])


def test_a_void_wins_over_a_value_of_its_own_revision_and_a_higher_revision_restores_the_instant():
    voided = _put(Hour.empty(START), [(0, START, 100, 0, 0, START + 5), (0, START, 0, 0, VOID, START + 9)])
    assert voided.rows.q.tolist() == [VOID]
    restored = _put(voided, [(0, START, 70, 1, 0, START + 10)])
    assert (restored.rows.v.tolist(), restored.rows.q.tolist()) == ([70], [0])


def test_a_finer_scale_makes_what_is_kept_finer():
    hour = _put(Hour.empty(START), [(0, START, 15, 0, 0, START + 1)], scales=(1, 0))
    finer = _put(hour, [(0, START + 60_000, 1575, 0, 0, START + 1)], scales=(3, 0))
    assert finer.scales[finer.meters.index("a")] == 3
    assert finer.of("a").v.tolist() == [1500, 1575]


def test_an_hour_names_only_meters_that_have_rows_in_it():
    # A batch of many hours names meters that have nothing in this one; to look for those would go through every hour.
    first, second = (
        [(cell,) for cell in row] for row in ((0, START, 100, 0, 0, START), (2, START + 1, 1575, 0, 0, START))
    )
    hour, changed = merge(Hour.empty(START), ("a", "b", "c"), (2, 5, 0), rows_of(first))
    assert (hour.meters, hour.scales, changed) == (("a",), (2,), {"a"})
    again, _ = merge(
        hour, ("c", "b", "a"), (0, 5, 3), rows_of([(2,), (START + 60_000,), (1575,), (0,), (0,), (START,)])
    )
    assert (again.meters, again.scales, again.of("a").v.tolist()) == (("a",), (3,), [1000, 1575])


def test_bytes_that_are_no_packed_hour_are_refused_by_name():
    for data in (b"", b"nonsense", pack(Hour.empty(START))[:-3]):
        try:
            unpack(data)
        except PackingError as error:
            assert "no packed hour" in str(error)
        else:
            raise AssertionError(f"{data!r} was taken for a packed hour")


def test_an_hour_that_another_version_packed_is_refused_with_both_forms():
    raw = zstandard.decompress(pack(Hour.empty(START)))
    later = zstandard.compress(bytes([raw[0] + 1]) + raw[1:])
    with pytest.raises(PackingError, match="packed hour of form 2; this version reads form 1"):
        unpack(later)


def test_minute_data_take_about_thirty_bytes_a_meter_and_hour():
    rows = [
        (meter, START + minute * 60_000, 10**6 * meter + 7 * minute, 0, 0, START + minute // 10)
        for meter in range(20)
        for minute in range(60)
    ]
    names = tuple(f"m{meter:02}" for meter in range(20))
    hour, _ = merge(Hour.empty(START), names, (2,) * 20, rows_of(list(zip(*rows, strict=True))))
    assert len(hour.rows) == 1200
    assert len(pack(hour)) / 20 < 40
    assert np.array_equal(unpack(pack(hour)).rows.columns, hour.rows.columns)
