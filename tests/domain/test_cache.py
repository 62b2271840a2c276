"""A cache of decoded objects does not grow with the hours and days that have passed."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.windows import HOUR_MS, window_at
from streams.domain.block import Block
from streams.domain.cache import KEPT, Cache
from streams.domain.calendar import empty_document
from streams.domain.hour import Hour
from streams.domain.state import BLOCK, DOCUMENT, HOUR, hour_text, state_key


def hour(enterprise: str, number: int) -> tuple[bytes, Hour]:
    return state_key(enterprise, HOUR, hour_text(number * HOUR_MS)), Hour.empty(number * HOUR_MS)


def block(enterprise: str, number: int) -> tuple[bytes, Block]:
    day = window_at(number * 24 * HOUR_MS, "day").name
    return state_key(enterprise, BLOCK, day), Block.empty("digest", 1)


def document(enterprise: str, number: int) -> tuple[bytes, Any]:
    day = window_at(number * 24 * HOUR_MS, "day")
    return state_key(enterprise, DOCUMENT, day.name), empty_document(f"enterprise/{enterprise}", day)


Make = Callable[[str, int], tuple[bytes, Any]]
KINDS = pytest.mark.parametrize(("make", "most"), [(hour, KEPT[Hour]), (block, KEPT[Block]), (document, 4)])


def kept(cache: Cache, make: Make, enterprise: str) -> list[int]:
    return [number for number in range(500) if cache.get(make(enterprise, number)[0]) is not None]


@KINDS
def test_of_each_enterprise_only_those_used_last_stay_and_all_else_stays(make: Make, most: int) -> None:
    cache = Cache(10_000)
    cache.put({b"works|other": "kept"})
    for number in range(200):
        cache.put(dict([make("works", number), make("mill", 2 * number)]))
    assert kept(cache, make, "works") == list(range(200 - most, 200))
    assert kept(cache, make, "mill") == list(range(400 - 2 * most, 400, 2))
    assert cache.get(b"works|other") == "kept"


@KINDS
def test_one_that_is_used_again_stays_before_newer_ones(make: Make, most: int) -> None:
    cache = Cache(10_000)
    for number in range(1, 50):
        cache.put(dict([make("works", 0)]))
        cache.put(dict([make("works", number)]))
    assert kept(cache, make, "works") == [0, *range(50 - most + 1, 50)]


def test_hours_days_and_documents_do_not_push_each_other_out() -> None:
    cache = Cache(10_000)
    for make, most in ((hour, 4), (block, 2), (document, 4)):
        for number in range(most):
            cache.put(dict([make("works", number)]))
    assert [len(kept(cache, make, "works")) for make in (hour, block, document)] == [4, 2, 4]
