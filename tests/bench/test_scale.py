"""The bench of scale measures right results, and tells apart what a reading, a visit and a step cost."""

from pathlib import Path

import pytest

from bench import growing, history
from bench.growing import Case, run, small_cases
from bench.growth import scale_table
from bench.scale import parts_of_cpu, summary
from deploy.local.kafka import ForeignKafka, LocalKafka
from streams.domain.hour import Hour
from streams.domain.packing import unpack


def test_a_worker_with_history_comes_to_the_expected_hours(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path
) -> None:
    [(case, _), *_] = small_cases()
    found = run(kafka, prefix, tmp_path, case)
    assert case.history_days > 0
    assert found["correct"]
    assert found["visits"] >= found["steps"] > 0
    result = summary([{**found, "case": found.pop("name")}])
    table = scale_table({"machine": {"python": "3.11", "cores": 2, "load": 1.0}, "commit": "0" * 40, **result})
    assert "WRONG" not in table
    assert "| usual |" in table


def test_history_has_every_reading_of_every_enterprise_and_goes_on_into_the_bench() -> None:
    found = dict(history.records(3, 2, 1))
    assert len(found) == 3
    for name, entries in found.items():
        hours: list[Hour] = [unpack(value) for key, value in entries.items() if b"|h|" in key and value is not None]
        assert len(hours) == 24
        assert sum(len(hour.rows) for hour in hours) == 2 * history.DAY_MINUTES
        assert all(key.startswith(name.encode() + b"|") for key in entries)
        assert any(f'"enterprise/{name}"'.encode() in (value or b"") for value in entries.values())
        assert max(hour.rows.v.max() for hour in hours) < history.count(0, 0)


def test_what_a_reading_a_visit_and_a_step_take_is_found_again() -> None:
    rows = [
        {"readings": readings, "visits": visits, "steps": steps, "workers": 1, "late": 0, "history_days": 0,
         "cpu_us_per_reading": (1.5 * readings + 400 * visits + 5000 * steps) / readings}
        for readings, visits, steps in ((10_000, 50, 4), (10_000, 200, 8), (90_000, 100, 40), (50_000, 900, 12))
    ]  # fmt: skip
    parts = parts_of_cpu(rows)
    assert parts is not None
    assert parts["reading_us"] == pytest.approx(1.5, abs=0.01)
    assert parts["visit_us"] == pytest.approx(400, abs=1)
    assert parts["step_us"] == pytest.approx(5000, abs=5)
    assert parts["largest_error"] < 0.01
    assert parts_of_cpu(rows[:3]) is None


def test_a_meter_that_is_late_has_its_hours_two_hours_earlier() -> None:
    on_time, late = Case("a", 1, 2, 60), Case("b", 1, 2, 60, late=1)
    hours, later = growing.expected_hours(on_time), growing.expected_hours(late)
    assert {hour for _, _, hour in hours} == {17}
    assert {(entity, hour) for entity, _, hour in later} == {
        ("enterprise/e000", 15), ("enterprise/e000", 17), ("meter/e000.m00", 17), ("meter/e000.m01", 15)
    }  # fmt: skip
