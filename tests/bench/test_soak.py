"""What the soak would say of a process that grows, and what it reads of one that runs."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bench.page import soak_table
from bench.verify_soak import Held, compared, faults_of, held

SECONDS = 7200


def course(last: Held, first: Held | None = None) -> list[tuple[float, dict[str, Held]]]:
    """Return two hours of a worker that has so much from half time on."""
    first = first or Held(100.0, 20, 8, 5)
    return [(at_s, {"worker": first if at_s <= SECONDS / 2 else last}) for at_s in range(10, SECONDS + 1, 10)]


def result(last: Held, **fields: Any) -> dict[str, Any]:
    """Return a result that shows what it should, but for what is given."""
    good = {"refused": 0, "wrong": 0, "ended": 0, "told": 121, "meant": 200}
    return {**good, "processes": compared(course(last), SECONDS), **fields}


def test_what_stays_the_same_is_no_fault() -> None:
    assert faults_of(result(Held(101.9, 20, 8, 5))) == []
    # A little may wait at any moment.
    assert faults_of(result(Held(100.0, 20, 8, 110))) == []


@pytest.mark.parametrize("last", [Held(102.1, 20, 8, 5), Held(100, 21, 8, 5), Held(100, 20, 9, 5), Held(1, 20, 8, 111)])
def test_more_than_at_half_time_is_a_fault(last: Held) -> None:
    assert len(faults_of(result(last))) == 1


@pytest.mark.parametrize("fields", [{"refused": 1}, {"wrong": 1}, {"ended": 1}, {"told": 119}, {"told": 0, "meant": 1}])
def test_what_was_refused_wrong_ended_or_untold_is_a_fault(fields: dict[str, int]) -> None:
    assert len(faults_of(result(Held(100.0, 20, 8, 5), **fields))) == 1


def test_one_look_beside_the_others_decides_nothing() -> None:
    samples = course(Held(100.0, 20, 8, 5))
    samples[-1] = (samples[-1][0], {"worker": Held(500.0, 90, 80, 9_000)})
    found = compared(samples, SECONDS)["worker"]
    assert (found["half_mib"], found["end_mib"], found["end_waiting"]) == (100.0, 100.0, 5)
    assert faults_of(result(Held(100.0, 20, 8, 5), processes={"worker": found})) == []


def going_up_and_down(often: int, seldom: int, more: int = 0) -> dict[str, Any]:
    """Return what is seen of a pool whose usual and unusual number change places, and which then holds `more`."""
    samples = [
        (at_s, {"worker": Held(100.0, 30, often if at_s % 70 else seldom)}) for at_s in range(10, SECONDS // 2 + 1, 10)
    ] + [
        (at_s, {"worker": Held(100.0, 30, (seldom if at_s % 70 else often) + more)})
        for at_s in range(SECONDS // 2 + 10, SECONDS + 1, 10)
    ]
    return compared(samples, SECONDS)


def test_a_pool_that_has_its_higher_number_more_often_is_no_fault() -> None:
    assert faults_of(result(Held(100.0, 20, 8, 5), processes=going_up_and_down(15, 16))) == []


def test_one_connection_that_a_pool_never_lets_go_is_a_fault() -> None:
    found = faults_of(result(Held(100.0, 20, 8, 5), processes=going_up_and_down(15, 16, more=1)))
    assert found == ["worker: connections (15, 16) at half time, (16, 17) at the end"]


def test_an_opened_connection_and_a_file_are_seen() -> None:
    before = held(os.getpid())
    with socket.socket(), Path(__file__).open("rb"):
        after = held(os.getpid())
    assert (after.files - before.files, after.connections - before.connections) == (2, 1)
    assert before.own_mib > 1


def test_a_table_of_a_local_state_is_none_of_its_files(tmp_path: Path) -> None:
    before = held(os.getpid())
    with (tmp_path / "000017.sst").open("wb"):
        assert held(os.getpid()).files == before.files


def test_the_page_shows_half_time_and_the_end() -> None:
    machine = {"python": "3.11", "cores": 2, "load": 1.0}
    where = {"commit": "c" * 40, "machine": machine, "store": "influx", "seconds": SECONDS, "boards": 4, "shown": 7}
    shown = result(Held(101.0, 20, 8, 6), **where, accepted=10, accepted_per_s=1.0, enterprises=250)
    shown["processes"]["worker"]["end_connections"] = (8, 9)
    table = soak_table(shown)
    assert "| worker | 100.0, 101.0 | +1.0% | 20, 20 | 8, 8-9 | 5, 6 |" in table
