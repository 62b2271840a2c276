"""How a message is handed on: without tasks where its stream takes it at once, given up where the flow stops."""

import asyncio

import pytest

from streams.agents.transport import HandsOn


class Consumer(HandsOn):
    """A service that does nothing else."""


async def suspended(event: asyncio.Event) -> str:
    await event.wait()
    return "suspended"


def test_what_is_taken_at_once_needs_no_task() -> None:
    async def hand_on() -> tuple[object, int]:
        before = len(asyncio.all_tasks())

        async def take() -> str:
            assert len(asyncio.all_tasks()) == before
            return "taken"

        found = await Consumer().wait_first(take(), suspended(asyncio.Event()))
        return found.results, len(asyncio.all_tasks()) - before

    assert asyncio.run(hand_on()) == (["taken"], 0)


def test_what_has_to_wait_is_waited_for() -> None:
    async def hand_on() -> object:
        room = asyncio.Event()

        async def take() -> str:
            await room.wait()
            await asyncio.sleep(0)
            return "taken"

        asyncio.get_running_loop().call_soon(room.set)
        return (await Consumer().wait_first(take(), suspended(asyncio.Event()))).results

    assert asyncio.run(hand_on()) == ["taken"]


def test_what_waits_is_given_up_where_the_flow_is_suspended() -> None:
    async def hand_on() -> tuple[object, list[str]]:
        stop, seen = asyncio.Event(), list[str]()

        async def take() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("given up")
                raise

        asyncio.get_running_loop().call_soon(stop.set)
        found = await Consumer().wait_first(take(), suspended(stop))
        await asyncio.sleep(0)
        return found.results, seen

    assert asyncio.run(hand_on()) == (["suspended"], ["given up"])


def test_what_fails_fails_for_the_one_who_waits() -> None:
    async def hand_on() -> None:
        async def take() -> None:
            raise ValueError("no stream")

        await Consumer().wait_first(take(), suspended(asyncio.Event()))

    with pytest.raises(ValueError, match="no stream"):
        asyncio.run(hand_on())
