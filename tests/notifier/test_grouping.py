"""What a recipient wants to hear together comes as one message, and its first event waits for no longer than asked."""

import asyncio
from pathlib import Path

import pytest

from schemas.documents.grouping import Grouping
from services.notifier.parcel import Item
from streams.domain.grouping import group_of
from streams.domain.registry import Snapshot
from tests.notifier.conftest import document, event, key_of_event
from tests.notifier.storming import MINUTE_MS, Storm, build, settings_for
from tests.registry_writing import snapshot_of

CITY = [
    document("city", "bazhong", {}),
    document("county", "bazhou", {"city": "bazhong"}),
    document("enterprise", "steel", {"county": [{"from": "2018-01-01", "id": "bazhou"}]}),
    document("enterprise", "alone", {}),
]


def snapshot() -> Snapshot:
    return snapshot_of(CITY)


@pytest.mark.parametrize(
    ("by", "entity", "name"),
    [
        ((), "steel", "~group"),
        (("place",), "steel", "~group|place=county/bazhou"),
        (("place",), "alone", "~group|place=enterprise/alone"),
        (("rule", "kind"), "steel", "~group|kind=enterprise|rule=steel-limit"),
        (("kind", "rule"), "steel", "~group|kind=enterprise|rule=steel-limit"),
    ],
)
def test_a_group_is_named_by_what_is_alike(by: tuple[str, ...], entity: str, name: str) -> None:
    grouping = Grouping.model_validate({"by": by, "interval": "5min"})
    assert group_of(grouping, event(entity), snapshot()) == name


def put(storm: Storm, group: str, *names: str, wait_ms: int = 0) -> None:
    for lane in storm.lanes:
        for name in names:
            lane.put(Item(event(name), lambda: None, storm.timer.now_ms(), group, 5 * MINUTE_MS, wait_ms))


def test_the_first_of_a_group_goes_out_at_once_and_the_next_ones_together_after_the_interval(tmp_path: Path) -> None:
    async def story() -> None:
        storm = build(settings_for(tmp_path), 1)
        begin_ms = storm.timer.at_ms
        storm.lanes[0].start()
        put(storm, "north", "first")
        await storm.timer.settle(1)
        assert [body["key"] for _, body in storm.server.taken] == [key_of_event(event("first"))]

        await storm.timer.move(begin_ms + MINUTE_MS)
        put(storm, "north", "second", "third")
        put(storm, "south", "other")
        await storm.timer.settle(1)
        assert [body["key"] for _, body in storm.server.taken[1:]] == [key_of_event(event("other"))]

        await storm.calm(10 * MINUTE_MS)
        ((at_ms, digest),) = storm.server.taken[2:]
        assert (at_ms - begin_ms, digest["shown"]) == (5 * MINUTE_MS, 2)
        await storm.end()

    asyncio.run(story())


def test_a_group_that_is_to_wait_goes_out_with_what_came_meanwhile(tmp_path: Path) -> None:
    async def story() -> None:
        storm = build(settings_for(tmp_path), 1)
        begin_ms = storm.timer.at_ms
        storm.lanes[0].start()
        put(storm, "north", "first", wait_ms=MINUTE_MS)
        await storm.timer.settle(1)
        await storm.timer.move(begin_ms + MINUTE_MS // 2)
        put(storm, "north", "second", wait_ms=MINUTE_MS)
        await storm.timer.settle(1)
        assert storm.server.taken == []

        await storm.calm(10 * MINUTE_MS)
        ((at_ms, digest),) = storm.server.taken
        assert (at_ms - begin_ms, digest["shown"]) == (MINUTE_MS, 2)
        await storm.end()

    asyncio.run(story())
