"""A source's bucket of readings."""

import pytest

from services.gateway.rate import RateLimit


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def rate(hand: Hand) -> RateLimit:
    return RateLimit(hand)


def test_two_seconds_worth_may_come_at_once(rate: RateLimit) -> None:
    assert rate.take("a", 10, 10) == 0
    assert rate.take("a", 10, 10) == 0
    assert rate.take("a", 1, 10) == 1


def test_a_batch_of_any_size_is_let_in_and_its_debt_waited_for(rate: RateLimit, hand: Hand) -> None:
    assert rate.take("a", 120, 10) == 0
    assert rate.take("a", 1, 10) == 10
    hand.now_s += 9
    assert rate.take("a", 1, 10) == 1
    hand.now_s += 1.1
    assert rate.take("a", 1, 10) == 0


def test_what_is_refused_takes_nothing(rate: RateLimit) -> None:
    rate.take("a", 30, 10)
    assert [rate.take("a", 1000, 10) for _ in range(3)] == [1, 1, 1]


def test_over_a_long_time_the_mean_is_the_rate(rate: RateLimit, hand: Hand) -> None:
    taken = 0
    for _ in range(10_000):
        taken += 7 if rate.take("a", 7, 10) == 0 else 0
        hand.now_s += 0.1
    assert 10_000 <= taken <= 10_030


def test_what_was_not_kept_is_given_back(rate: RateLimit) -> None:
    rate.take("a", 20, 10)
    rate.give_back("a", 20)
    assert rate.take("a", 20, 10) == 0


def test_sources_do_not_share(rate: RateLimit) -> None:
    rate.take("a", 100, 10)
    assert rate.take("b", 20, 10) == 0


def test_of_very_many_sources_those_in_debt_are_remembered(rate: RateLimit, hand: Hand) -> None:
    rate.take("debtor", 10_000_000, 10)
    for n in range(10_001):
        rate.take(f"s{n}", 1, 10)
        hand.now_s += 0.001
    assert rate.take("debtor", 1, 10) > 0
