"""Windows of the Asia/Shanghai calendar."""

import tracemalloc

import pytest

from schemas.windows import WindowError, child_index, children_of, local_ms, window, window_at


@pytest.mark.parametrize(
    ("name", "kind", "hours"),
    [
        ("2026-11-21T08", "hour", 1),
        ("2026-11-21", "day", 24),
        ("2024-02", "month", 29 * 24),
        ("2026-Q4", "quarter", 92 * 24),
        ("2024", "year", 366 * 24),
    ],
)
def test_a_name_says_kind_and_length(name, kind, hours):
    found = window(name)
    assert (found.kind, found.end_ms - found.start_ms) == (kind, hours * 3_600_000)


def test_a_day_begins_at_local_midnight():
    assert window("2026-11-21").start_ms == 1_795_190_400_000
    assert window_at(1_795_190_400_000 - 1, "day").name == "2026-11-20"
    assert window_at(1_795_190_400_000, "hour").name == "2026-11-21T00"


@pytest.mark.parametrize(
    "name", ["2026-13", "2026-02-30", "2026-11-21T24", "2026-Q5", "26", "", "2026-11-21 08", "２０２６", "x"]
)
def test_what_names_no_window_is_refused_with_the_forms(name):
    with pytest.raises(WindowError, match=r"names no window"):
        window(name)


@pytest.mark.parametrize("name", ["2026-11-21", "2024-02", "2026"])
def test_children_fill_their_window_without_gaps(name):
    whole, parts = window(name), children_of(name)
    assert (parts[0].start_ms, parts[-1].end_ms) == (whole.start_ms, whole.end_ms)
    assert all(one.end_ms == other.start_ms for one, other in zip(parts, parts[1:], strict=False))
    assert [child_index(part.start_ms, whole.kind) for part in parts] == list(range(len(parts)))


def test_quarters_and_hours_have_no_children():
    for name in ("2026-Q1", "2026-11-21T08"):
        with pytest.raises(WindowError, match="no calendar document"):
            children_of(name)


def test_the_last_instant_of_a_year_is_its_own():
    assert window_at(local_ms(2027) - 1, "year").name == "2026"
    assert window_at(local_ms(2027), "quarter").name == "2027-Q1"


def test_whoever_asks_for_the_present_each_second_of_an_hour_keeps_one_window():
    first_ms = local_ms(2031, 5)
    window_at(first_ms, "day")
    tracemalloc.start()
    try:
        for second in range(3600):
            window_at(first_ms + second * 1000, "day")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000
