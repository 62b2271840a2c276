"""Progress tells a partition that is stalled from one that is idle, and when `touched` can be trusted."""

import pytest
from aiokafka import TopicPartition

from schemas.topics import COMPACTION_LAG_MS
from services.sink.progress import STALLED_S, Progress

ONE = TopicPartition("totals", 0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    found = Progress([ONE], clock)
    found.begin(ONE, 5, None)
    return found


def test_a_partition_without_anything_new_is_idle_however_long_it_lasts(progress: Progress, clock: Clock) -> None:
    progress.reached(ONE, 5, 0)
    clock.now += 10 * STALLED_S
    assert progress.states() == {"totals/0": ("idle", 0)}


def test_a_partition_with_something_new_that_does_not_move_is_stalled(progress: Progress, clock: Clock) -> None:
    progress.reached(ONE, 5, 0)
    clock.now += 10 * STALLED_S
    progress.reached(ONE, 5, 0)
    progress.reached(ONE, 9, 0)
    assert progress.states() == {"totals/0": ("moving", 4)}
    clock.now += STALLED_S + 1
    assert progress.is_stalled(ONE)
    progress.wrote(ONE, 6)
    assert progress.states() == {"totals/0": ("moving", 3)}


def test_what_was_fetched_counts_as_lag_before_the_end_is_known(progress: Progress, clock: Clock) -> None:
    progress.fetched(ONE, 8)
    clock.now += STALLED_S + 1
    assert progress.states() == {"totals/0": ("stalled", 3)}


def test_touched_is_trusted_only_when_nothing_unread_can_be_compacted_away(progress: Progress) -> None:
    half = COMPACTION_LAG_MS // 2
    assert progress.everything(ONE, 10 * half)
    progress.wrote(ONE, 6, 10 * half)
    assert not progress.everything(ONE, 11 * half)
    assert progress.everything(ONE, 11 * half + 1)


def test_an_idle_partition_read_to_its_end_has_nothing_unread_from_before(progress: Progress) -> None:
    progress.reached(ONE, 9, 7 * COMPACTION_LAG_MS)
    assert progress.everything(ONE, 7 * COMPACTION_LAG_MS)
    progress.wrote(ONE, 9)
    progress.reached(ONE, 9, 7 * COMPACTION_LAG_MS)
    assert not progress.everything(ONE, 7 * COMPACTION_LAG_MS)
