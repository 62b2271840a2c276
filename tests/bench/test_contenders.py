"""What contenders are given and held to is right by itself."""

import json
from typing import Any

import msgspec
import pytest

from bench.contenders.arithmetic import Meters, add, result
from bench.contenders.readings import OF_ENTERPRISE, expected, messages
from bench.page import throughput_table
from bench.throughput import CONTENDERS, plan, summary
from schemas.messages import decode_readings

READINGS = 5 * OF_ENTERPRISE


@pytest.mark.parametrize("batch", [1, 20, 200])
def test_the_arithmetic_of_the_others_comes_to_what_is_computed_from_the_counts(batch: int) -> None:
    state: dict[str, Meters] = {}
    touched: set[tuple[str, int]] = set()
    given = 0
    for name, value in messages(READINGS, batch):
        message = decode_readings(value)
        given += len(message.batches[0].v)
        touched |= {(name, hour) for hour in add(state.setdefault(name, {}), message)}
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for name, hour in touched:
        at, figures = msgspec.json.decode(result(name, state[name], hour))
        found.update({(entity, at): tuple(each) for entity, each in figures.items()})
    assert given == READINGS
    assert found == expected(READINGS)


def test_some_hours_are_over_the_limit_and_most_are_not() -> None:
    over = [figures[3] for figures in expected(READINGS).values() if len(figures) == 4]
    assert 0 < sum(over) < len(over) / 2


def test_each_contender_runs_three_times_with_the_order_turned_round() -> None:
    entries = plan(1.0, 3, ())
    third = len(entries) // 3
    names = [(each.contender.name, each.batch) for each in entries]
    assert names[:third] == names[third : 2 * third][::-1] == names[2 * third :]
    assert {name for name, _ in names} == {each.name for each in CONTENDERS}


def test_a_contender_that_is_wrong_once_is_disqualified_and_one_that_fails_is_named() -> None:
    good = {"contender": "quix", "batch": 1, "readings": 4000, "cpu_us_per_reading": 50.0, "readings_per_s": 10_000.0,
            "peak_mib": 100.0, "changelog_bytes_per_reading": 9.0, "correct": True}  # fmt: skip
    failed = {"contender": "aiokafka", "batch": 1, "readings": 4000, "correct": False, "failed": "TimeoutError: "}
    found = summary([good, {**good, "correct": False, "cpu_us_per_reading": 70.0}, good, failed])
    assert [(each["contender"], each["correct"]) for each in found] == [("quix", False), ("aiokafka", False)]
    assert found[0]["cpu_us_per_reading"] == 50.0
    assert found[0]["cpu_us_per_reading_spread"] == [50.0, 70.0]
    table = throughput_table(json.loads(json.dumps(found)))
    assert "WRONG: disqualified" in table
    assert "could not run" in table
