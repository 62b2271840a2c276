"""A partition that stands still is idle where nothing is left, and stalled where something is."""

from streams.agents.movement import STALLED_S, Movements, why_stalled


class Time:
    """A clock that stands until it is moved [s]."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_partition_that_is_read_to_its_end_is_idle_however_long_nothing_comes() -> None:
    clock = Time()
    movements = Movements(clock)
    movements.see({0: 7}, {0: 7})
    clock.now += 10 * STALLED_S
    assert movements.see({0: 7}, {0: 7})[0].state == "idle"


def test_what_comes_after_a_long_idle_time_is_not_stalled_at_once() -> None:
    clock = Time()
    movements = Movements(clock)
    movements.see({0: 7}, {0: 7})
    clock.now += 10 * STALLED_S
    movements.see({0: 7}, {0: 7})
    clock.now += 1
    found = movements.see({0: 7}, {0: 8})
    assert (found[0].state, found[0].lag) == ("moving", 1)


def test_a_partition_behind_its_end_that_does_not_move_is_stalled_and_named() -> None:
    clock = Time()
    movements = Movements(clock)
    for _ in range(3):
        found = movements.see({0: 7, 1: 3}, {0: 7, 1: 9})
        clock.now += 0.4 * STALLED_S
    assert {number: each.state for number, each in found.items()} == {0: "idle", 1: "moving"}
    found = movements.see({0: 7, 1: 3}, {0: 7, 1: 9})
    assert {number: each.state for number, each in found.items()} == {0: "idle", 1: "stalled"}
    assert why_stalled(found, "q.readings") == "partition 1 of q.readings is stalled: at 3 of 9 for 54 s"


def test_a_slow_partition_that_moves_is_not_stalled() -> None:
    clock = Time()
    movements = Movements(clock)
    for reached in range(20):
        assert movements.see({0: reached}, {0: 100})[0].state == "moving"
        clock.now += 0.9 * STALLED_S


def test_a_partition_that_is_opened_for_very_long_while_messages_wait_is_stalled() -> None:
    clock = Time()
    movements = Movements(clock)
    assert movements.see({0: None}, {0: 5})[0].state == "opening"
    clock.now += 1.1 * STALLED_S
    assert movements.see({0: None}, {0: 5})[0].state == "stalled"


def test_a_partition_that_was_given_up_is_forgotten() -> None:
    clock = Time()
    movements = Movements(clock)
    movements.see({0: 1}, {0: 5})
    clock.now += 2 * STALLED_S
    assert movements.see({}, {0: 5}) == {}
    assert movements.see({0: 1}, {0: 5})[0].state == "moving"
