"""An allowance never lets more through than its limits, whatever span one looks at; digests are kept apart."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.allowance import Allowance, Limit
from streams.domain.turn import DIGEST_MS, Says, turn

LIMITS = (Limit(20, 60_000), Limit(5, 1000))


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3000)), max_size=120))
def test_no_span_ever_holds_more_than_a_limit_takes(waits: list[tuple[int, int]]) -> None:
    allowance, now_ms, arrived = Allowance(LIMITS), 0, list[int]()
    for pause_ms, travel_ms in waits:
        now_ms += pause_ms
        if not allowance.free(now_ms):
            now_ms = allowance.when(1, now_ms)
            assert allowance.free(now_ms)
        allowance.begin()
        # It arrives at any time between the sending and the answer.
        arrived.append(now_ms + travel_ms // 2)
        now_ms += travel_ms
        allowance.end(now_ms)
    for limit in LIMITS:
        for at_ms in arrived:
            assert sum(1 for one in arrived if at_ms <= one <= at_ms + limit.span_ms) <= limit.messages


def test_what_is_under_way_counts_and_a_block_holds() -> None:
    allowance = Allowance((Limit(2, 1000),))
    allowance.begin()
    allowance.begin()
    assert allowance.free(0) == 0
    assert allowance.counted_ms(7) == [7, 7]
    allowance.end(10)
    allowance.end(20)
    assert (allowance.when(1, 20), allowance.when(2, 20), allowance.when(9, 20)) == (1011, 1021, 1021)
    allowance.block(5000)
    assert (allowance.free(2000), allowance.when(1, 2000)) == (0, 5000)


def test_a_restart_goes_on_with_what_was_used() -> None:
    assert Allowance((Limit(2, 1000),), [100, 200]).free(900) == 0


def test_what_fits_is_said_one_by_one_and_what_exceeds_in_digests_a_minute_apart() -> None:
    def says(waiting: int, total: int, older: int = 0, digest_ms: int | None = None) -> tuple[Says, int]:
        found = turn(waiting, total, older, digest_ms, Allowance((Limit(20, 60_000),)), 100_000)
        return found.what, found.at_ms

    assert says(20, 20)[0] is Says.ONE
    assert says(11, 21)[0] is Says.DIGEST
    assert says(1, 500, older=9)[0] is Says.ONE, "the first alarm of one is not held up by the storm of another"
    assert says(11, 21, digest_ms=90_000) == (Says.NOTHING_YET, 90_000 + DIGEST_MS)
    assert says(1, 21, older=20)[0] is Says.NOTHING_YET
