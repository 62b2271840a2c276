"""The clock of an installation."""

import datetime as dt
from pathlib import Path

import pytest

from services.clock import Clock, ClockError, hold

WALL = dt.datetime.fromisoformat("2026-11-21T08:00:00+08:00")
START_MS = int(dt.datetime.fromisoformat("2018-01-01T00:00:00+08:00").timestamp() * 1000)


def wall(seconds: float) -> int:
    return int(WALL.timestamp()) * 10**9 + int(seconds * 10**9)


def test_the_real_clock_shows_the_wall_time() -> None:
    assert Clock.parse("real", lambda: 1_795_219_200_123_456_789).now_ms() == 1_795_219_200_123


@pytest.mark.parametrize(("passed_s", "shown_s"), [(0, 0), (1, 60), (1.5, 90), (3600, 216_000), (-5, 0)])
def test_a_demo_clock_starts_where_it_is_told_and_runs_faster(passed_s: float, shown_s: int) -> None:
    clock = Clock.parse("2018-01-01T00:00:00+08:00@60@2026-11-21T08:00:00+08:00", lambda: wall(passed_s))
    assert clock.now_ms() == START_MS + shown_s * 1000


def test_a_rate_may_be_a_fraction_and_stays_exact() -> None:
    clock = Clock.parse("2018-01-01T00:00:00+08:00@0.1@2026-11-21T08:00:00+08:00", lambda: wall(3_000_000))
    assert clock.now_ms() == START_MS + 300_000_000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "START@RATE@WALL_START"),
        ("fast", "START@RATE@WALL_START"),
        ("2018-01-01T00:00:00+08:00@60", "START@RATE@WALL_START"),
        ("2018-01-01T00:00:00+08:00@sixty@2026-11-21T08:00:00+08:00", "RATE 'sixty'"),
        ("2018-01-01T00:00:00+08:00@0@2026-11-21T08:00:00+08:00", "RATE must be above 0"),
        ("2018-01-01T00:00:00+08:00@-1@2026-11-21T08:00:00+08:00", "RATE must be above 0"),
        ("2018-01-01T00:00:00+08:00@NaN@2026-11-21T08:00:00+08:00", "RATE 'NaN'"),
        ("2018-01-01T00:00:00@60@2026-11-21T08:00:00+08:00", "START '2018-01-01T00:00:00' needs its offset"),
        ("2018-01-01T00:00:00+08:00@60@soon", "WALL_START 'soon'"),
    ],
)
def test_what_is_no_clock_is_refused_with_the_part_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(ClockError, match="QINGYU_CLOCK") as caught:
        Clock.parse(text)
    assert named in str(caught.value)


def test_a_held_clock_shows_what_stands_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "now"
    hold(file, 1_000)
    clock = Clock.parse(f"held:{file}")
    assert clock.now_ms() == 1_000
    hold(file, 2_000)
    assert clock.now_ms() == 2_000


def test_a_held_clock_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="holds no epoch milliseconds"):
        Clock.parse(f"held:{tmp_path / 'missing'}")
