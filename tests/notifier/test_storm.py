"""Ten recipients on one robot in a storm of alarms: its limit holds, and nothing is missing."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from services.notifier.parcel import Item
from services.outbox import Message
from tests.notifier.conftest import event
from tests.notifier.storming import MINUTE_MS, Shelf, build, counts, listed, rage, raised, settings_for


def test_a_storm_becomes_digests_in_which_no_alarm_is_missing(tmp_path: Path) -> None:
    async def storm() -> None:
        raging = build(settings_for(tmp_path), 10)
        found = await rage(raging, 600)

        assert found["limit_broken"] == 0
        assert found["most_in_a_minute"] <= 20
        assert found["shortest_between_digests_s"] >= 60
        assert found["most_shown_in_a_digest"] <= 20
        assert (found["missing"], found["twice"], found["not_done"]) == (0, 0, 0)
        assert found["messages"] <= 40
        by_recipient = listed(raging, tmp_path)
        assert {len(keys) for keys in by_recipient.values()} == {600 - found["single"] // 10}

    asyncio.run(storm())


class Interrupted(Shelf):
    """What is written to topics; while the first thing is, `then` happens."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], None] | None = None

    async def send(self, messages: Iterable[Message]) -> None:
        then, self.then = self.then, None
        if then is not None:
            then()
        await super().send(messages)


def test_what_comes_while_it_is_noted_why_something_is_not_said_is_looked_at_too(tmp_path: Path) -> None:
    async def story() -> None:
        shelf = Interrupted()
        storm = build(settings_for(tmp_path), 1, shelf=shelf)
        (lane,) = storm.lanes
        unheard = [event(f"works-{number}", 2, "ok") for number in range(30)]

        def more() -> None:
            for one in unheard[1:]:
                lane.put(Item(one, lambda: storm.done.update(["done"]), storm.timer.now_ms()))

        shelf.then = more
        lane.start()
        await storm.put(unheard[:1])
        await storm.calm(10 * MINUTE_MS)
        await storm.end()
        assert storm.server.taken == []
        assert {one.reason for one in shelf.notes()} == {"nothing_to_end"}
        assert (len(shelf.notes()), storm.done.total()) == (30, 30)

    asyncio.run(story())


def test_a_lone_alarm_waits_for_nothing_and_few_are_said_one_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        storm = build(settings_for(tmp_path), 2)
        for lane in storm.lanes:
            lane.start()
        await storm.put([raised(0)])
        await storm.put([raised(1), raised(2)])
        assert len(storm.server.taken) == 6
        assert {at_ms for at_ms, _ in storm.server.taken} == {storm.timer.at_ms}
        assert not [body for _, body in storm.server.taken if body["key"].startswith("digest|")]
        await storm.end()

    asyncio.run(story())


def test_a_restart_in_a_storm_keeps_the_robots_limit_and_sends_the_very_same_digest(tmp_path: Path) -> None:
    async def story() -> None:
        shelf = Shelf()
        first = build(settings_for(tmp_path), 10, shelf=shelf)
        for lane in first.lanes:
            lane.start()
        await first.put(raised(number) for number in range(100))
        await first.end()
        # The last digest was sent, and its answer not recorded.
        lost = next(one for one in reversed(shelf.written) if one.topic.name == "delivery.log")
        at = shelf.written.index(lost)
        del shelf.written[at - 1 : at + 1]

        second = build(settings_for(tmp_path), 10, shelf=shelf)
        for lane in second.lanes:
            lane.start()
        await second.put(raised(number) for number in range(100))
        await second.calm(10 * MINUTE_MS)
        await second.end()
        (body,) = [body for _, body in second.server.taken]
        assert body in [one for _, one in first.server.taken]
        found = counts(second, 100)
        assert (found["missing"], found["twice"]) == (0, 0)

    asyncio.run(story())
