"""Readiness and metrics tell a process that has nothing to do from one that does not get on, and say where."""

import time
import urllib.request
from pathlib import Path

from aiokafka import AIOKafkaProducer

from schemas.messages import encode
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from schemas.windows import window
from streams.domain.calendar import empty_document
from tests.folding import batch, message, value_of
from tests.running import Installation, run, send, totals, until

HASTE = """
import streams.agents.heartbeat, streams.agents.movement
streams.agents.heartbeat.HEARTBEAT_S = 0.5
streams.agents.movement.STALLED_S = 2.0
"""
# Commits of partition 1 hang for as long as a file is there.
HOLD = """
import asyncio, pathlib
from streams.agents.partition import Partition
commit = Partition.commit
async def held(self, effects):
    while self.number == 1 and pathlib.Path({hold!r}).exists():
        await asyncio.sleep(0.05)
    await commit(self, effects)
Partition.commit = held
"""
DAY = "2018-03-01"


def metrics(installation: Installation, name: str) -> dict[str, float]:
    """Return the figures of a process at /metrics, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{installation.ports[name]}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("qingyu_")}


def test_an_idle_worker_is_ready_and_a_stalled_one_says_which_partition_stands_where(
    settings: Settings, installation: Installation, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    installation.start("worker", before=HASTE + HOLD.format(hold=str(hold)))
    send(settings, [("works", message(batch([("e01", f"{DAY}T08:15", "1")])))])
    installation.wait_ready("worker")
    installation.wait_done()
    time.sleep(3)  # longer than what counts as stalled
    ready, details = installation.ready("worker")
    assert ready
    assert {each["state"] for each in details["partitions"].values()} == {"idle"}

    hold.touch()
    send(settings, [("works", message(batch([("e01", f"{DAY}T08:30", "2")])))])
    reason = until(lambda: installation.ready("worker")[1].get("reason", ""), what="the reason")
    assert reason.startswith(f"partition 1 of {settings.topic(READINGS)} is stalled: at 1 of 2 for ")
    ready, details = installation.ready("worker")
    assert not ready
    assert {number: each["state"] for number, each in details["partitions"].items()} == {"0": "idle", "1": "stalled"}

    def told() -> bool:
        found = metrics(installation, "worker")
        stalled = [found.get(f'qingyu_worker_stalled{{partition="{number}"}}') for number in (0, 1)]
        lag = [found.get(f'qingyu_worker_lag_messages{{partition="{number}"}}') for number in (0, 1)]
        return stalled == [0, 1] and lag == [0, 1]

    until(told, what="the metrics")
    hold.unlink()
    installation.wait_ready("worker")
    installation.wait_done()
    assert value_of(totals(settings), "qty.electricity", DAY, "enterprise/works") == 3
    assert installation.processes.endings("worker") == ()


async def _hang(settings: Settings, installation: Installation) -> None:
    """Leave a transaction open on totals, see what the territory worker says, and end it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, transactional_id=f"{settings.topic_prefix}hanging", acks="all"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        document = empty_document("enterprise/works", window(DAY))
        await producer.send_and_wait(settings.topic(TOTALS), encode(document), f"enterprise/works|{DAY}".encode(), 1)
        reason = until(lambda: installation.ready("territory")[1].get("reason", ""), what="the reason")
        assert reason.startswith(f"partition 1 of {settings.topic(TOTALS)} is stalled: at ")
        until(lambda: metrics(installation, "territory").get("qingyu_territory_stalled") == 1, what="the metrics")
        await producer.abort_transaction()
    finally:
        await producer.stop()


def test_an_idle_territory_is_ready_and_a_stalled_one_says_which_partition_stands_where(
    settings: Settings, installation: Installation
) -> None:
    installation.start("territory", before=HASTE)
    installation.wait_ready("territory")
    time.sleep(3)
    ready, details = installation.ready("territory")
    assert ready
    assert {each["state"] for each in details["partitions"].values()} == {"idle"}
    run(_hang(settings, installation))
    installation.wait_ready("territory")
    assert installation.processes.endings("territory") == ()
