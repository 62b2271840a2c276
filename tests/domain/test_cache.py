"""A cache of decoded objects does not grow with the hours that have passed."""

from streams.domain.hour import Hour
from streams.domain.state import HOUR, hour_text, state_key
from streams.domain.work import HOURS_KEPT, Cache

HOUR_MS = 3_600_000


def hours(enterprise: str, *numbers: int) -> dict[bytes, Hour]:
    return {
        state_key(enterprise, HOUR, hour_text(number * HOUR_MS)): Hour.empty(number * HOUR_MS) for number in numbers
    }


def kept(cache: Cache, enterprise: str) -> list[int]:
    return [n for n in range(500) if any(cache.get(key) is not None for key in hours(enterprise, n))]


def test_of_each_enterprise_only_the_hours_used_last_stay_and_all_else_stays() -> None:
    cache = Cache(10_000)
    cache.put({b"works|other": "kept"})
    for number in range(200):
        cache.put({**hours("works", number), **hours("mill", 2 * number)})
    assert kept(cache, "works") == list(range(200 - HOURS_KEPT, 200))
    assert kept(cache, "mill") == list(range(400 - 2 * HOURS_KEPT, 400, 2))
    assert cache.get(b"works|other") == "kept"


def test_an_hour_that_is_used_again_stays_before_newer_ones() -> None:
    cache = Cache(10_000)
    for number in range(1, 50):
        cache.put(hours("works", 0))
        cache.put(hours("works", number))
    assert kept(cache, "works") == [0, *range(50 - HOURS_KEPT + 1, 50)]
