"""Workers join and leave while readings come in: every hour is right, nothing is doubled, the hand-over is short."""

import asyncio
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.documents import canonical
from schemas.messages import decode_event
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import ALARM_EVENTS, READINGS, REJECTED, TOTALS
from services.topics import apply_topics
from tests.folding import REGISTRY, batch, document, documents, message, meter, value_of
from tests.registry_writing import write_set
from tests.running import Installation, read, run, totals, until

PARTITIONS = 4
BEGIN_MS = 1_519_833_600_000  # 2018-03-01 in Shanghai
QUARTER_MS = 900_000
# One enterprise in each partition.
NAMES = {
    partition: next(f"e{n}" for n in count() if partition_of_key(f"e{n}", PARTITIONS) == partition)
    for partition in range(PARTITIONS)
}
SPEC: dict[str, Any] = {
    "metric": "qty.electricity", "window": "hour", "period": "episode", "select": {"kind": "enterprise"},
    "severity": "warning", "raise": {"gt": "8"}, "clear": {"lt": "6"},
}  # fmt: skip
PEAK = document("rule", "peak", **SPEC)
# A member that leaves hands over at once; one that was killed is missed after the session's time-out (6 s).
ORDERLY_LIMIT_S, KILLED_LIMIT_S = 60.0, 90.0


def kwh(quarter: int) -> Decimal:
    """Return the amount of a quarter-hour: every fifth hour is a peak."""
    return Decimal("3.01") if quarter // 4 % 5 == 4 else Decimal("1.01")


class Feed(threading.Thread):
    """Sends a quarter-hour of every enterprise again and again, as fast as time passes in a hurry; each tenth twice."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.quarters = 0
        self._settings = settings
        self._told = threading.Event()

    def run(self) -> None:
        asyncio.run(self._send())

    async def _send(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.kafka, enable_idempotence=True)
        await producer.start()
        try:
            while not self._told.is_set() or self.quarters % 4:
                row = ("e01", BEGIN_MS + (self.quarters + 1) * QUARTER_MS, kwh(self.quarters))
                for partition, name in NAMES.items():
                    value = message(batch([row]), enterprise=name)
                    for _ in range(2 if self.quarters % 10 == 0 else 1):
                        await producer.send(self._settings.topic(READINGS), value, name.encode(), partition)
                self.quarters += 1
                await asyncio.sleep(0.04)
        finally:
            await producer.stop()

    def end(self) -> None:
        self._told.set()
        self.join(30)
        assert not self.is_alive()


@pytest.fixture
def installation(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Iterator[Installation]:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=PARTITIONS, data=tmp_path)
    apply_topics(settings)
    parts = [PEAK]
    for name in NAMES.values():
        parts += [
            document("enterprise", name), document("source", f"{name}-gw1", enterprise=name),
            meter("e01", enterprise=name),
        ]  # fmt: skip
    run(write_set(settings, 1, [json.loads(canonical(each)) for each in documents(REGISTRY, *parts)]))
    with Processes(tmp_path / "logs") as processes:
        yield Installation(settings, tmp_path, processes)


def owned(installation: Installation, name: str) -> int:
    """Return how many partitions a worker has that is ready."""
    ready, details = installation.ready(name)
    return len(details["partitions"]) if ready else 0


def silences(installation: Installation, marks: dict[str, float]) -> dict[str, float]:
    """Return the longest silence of any partition's outputs from each mark to the next [s]."""
    times: dict[int, list[float]] = defaultdict(list)
    for each in read(installation.settings, TOTALS):
        times[each.partition].append(each.at_ms / 1000)
    found: dict[str, float] = {}
    ends = [*marks.values(), float("inf")][1:]
    for (name, mark), end in zip(marks.items(), ends, strict=True):
        found[name] = max(
            min(after, end) - max(before, mark)
            for stamps in times.values()
            for before, after in pairwise(stamps)
            if after > mark and before < end
        )
    return found


def test_hours_and_alarms_are_right_whoever_joins_leaves_or_is_killed(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, processes = installation.settings, installation.processes
    installation.start("worker", "one")
    until(lambda: owned(installation, "one") == 4, what="all partitions")
    feed = Feed(settings)
    feed.start()
    time.sleep(1)
    marks = {"joined": time.time()}
    for number, name in enumerate(("two", "three")):
        installation.start("worker", name)
        until(lambda name=name: (owned(installation, "one"), owned(installation, name)) == (2, 2), what="halves")
        time.sleep(1)
        marks[("left", "killed")[number]] = time.time()
        if name == "two":
            assert processes.stop(name) == 0
        else:
            processes.kill(name)
        until(lambda: owned(installation, "one") == 4, what="all partitions again")
        time.sleep(1)
        if name == "two":
            marks["joined again"] = time.time()
    feed.end()
    installation.wait_done()

    stands = totals(settings)
    hours = feed.quarters // 4
    assert hours > 48
    for hour in range(hours):
        name = f"2018-03-{hour // 24 + 1:02}T{hour % 24:02}"
        for enterprise in NAMES.values():
            found = value_of(stands, "qty.electricity", name, f"enterprise/{enterprise}")
            assert found == 4 * kwh(hour * 4), (name, enterprise)
    events = [decode_event(each.value) for each in read(settings, ALARM_EVENTS)]
    wanted = [
        (f"enterprise/{enterprise}", f"2018-03-{hour // 24 + 1:02}T{hour % 24:02}", seq, cause)
        for enterprise in NAMES.values()
        for hour in range(4, hours, 5)
        for seq, cause in ((1, "raised"), (2, "cleared"))
        if cause == "raised" or hour + 1 < hours
    ]
    assert sorted((each.entity, each.start, each.seq, each.cause) for each in events) == sorted(wanted)
    assert read(settings, REJECTED) == []
    assert processes.endings("one") == ()

    found = silences(installation, marks)
    rounded = {name: round(each, 2) for name, each in found.items()}
    with capsys.disabled():
        sys.stdout.write(f"\nlongest silence of a partition [s]: {rounded}\n")
    assert max(found["joined"], found["left"], found["joined again"]) < ORDERLY_LIMIT_S
    assert found["killed"] < KILLED_LIMIT_S
