"""The first start of a new group: nothing is committed yet, two workers come at once, and a backlog waits."""

import asyncio
import os

import pytest
from kafka.structs import TopicPartition

from schemas.settings import Settings
from schemas.topics import READINGS
from services.topics import admin_client
from streams.agents.partition import Partition
from streams.agents.stopping import RESTART
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.domain.registry import Snapshot
from tests.agents.conftest import REGISTERED
from tests.folding import batch, message, value_of
from tests.running import Installation, read, send, totals

DAY = "2018-03-01"
MESSAGES = 600


def backlog(enterprise: str) -> list[tuple[str, bytes]]:
    """Return a message of one quarter-hour of 1 kWh for each of many quarters."""
    begin = 1_519_833_600_000  # 2018-03-01 in Shanghai
    rows = [("e01", begin + (place + 1) * 900_000, "1") for place in range(MESSAGES)]
    return [(enterprise, message(batch([row]), enterprise=enterprise)) for row in rows]


def test_two_workers_at_once_take_in_the_whole_backlog(settings: Settings, installation: Installation) -> None:
    send(settings, [*backlog("works"), *backlog("mill")])
    for name in ("one", "two"):
        installation.start("worker", name, QINGYU_STEP_MESSAGES="50")
    installation.wait_done()
    stands = totals(settings)
    for enterprise in ("works", "mill"):
        assert value_of(stands, "qty.electricity", "2018-03", f"enterprise/{enterprise}") == MESSAGES
    assert len(read(settings, READINGS)) == 2 * MESSAGES


def test_a_worker_whose_first_record_is_not_the_first_of_the_topic_stops(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record skipped at the first start of a group would never be read again."""
    assert ends_of_a_first_step_at(settings, 5, monkeypatch) == [RESTART]


def test_a_topic_whose_begin_was_deleted_by_age_is_begun_where_it_begins(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = settings.topic(READINGS)
    with admin_client(settings) as admin:
        send(settings, backlog("works")[:10])
        admin.delete_records({TopicPartition(name, 1): 5})
    assert ends_of_a_first_step_at(settings, 5, monkeypatch, sent=True) == []


class EndedError(Exception):
    """The process would have ended."""


def ends_of_a_first_step_at(
    settings: Settings, offset: int, monkeypatch: pytest.MonkeyPatch, *, sent: bool = False
) -> list[int]:
    """Give a new partition a first record at `offset`; return the statuses with which it would end the process."""
    if not sent:
        send(settings, backlog("works")[:10])
    ends: list[int] = []

    def end(status: int) -> None:
        ends.append(status)
        raise EndedError

    monkeypatch.setattr(os, "_exit", end)

    async def step() -> None:
        partition = Partition(settings, 1)
        try:
            async with asyncio.timeout(120):
                value = backlog("works")[offset][1]
                await partition.opening
                record = Record("readings", 1, offset, 0, value)
                effects = partition.compute(Plans(Snapshot.build(1, REGISTERED)), [record])
                assert effects is not None
                await partition.commit(effects)
        except EndedError:
            pass
        finally:
            await partition.close()

    asyncio.run(step())
    return ends
