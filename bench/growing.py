"""Growing is one measurement of the worker at some size: how much it takes a reading, and what its state is made of.

The readings that are counted become visible at once, as one transaction, behind the first message of each enterprise;
a step has one message of each enterprise, as it is live. So a run is made of readings, visits (an hour of an enterprise
in a step) and steps of partitions, which are counted on topic `state`: a visit writes an hour there, a step its cursor.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import city, history
from bench.contenders.topics import last_values, records, topic_bytes
from bench.using import Using, memory_mib
from bench.worker import producing, send
from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.messages import decode_calendar
from schemas.settings import Settings
from schemas.topics import STATE, TOPICS, TOTALS
from schemas.windows import HOUR_MS, window, window_at
from services.topics import apply_topics
from streams.domain.state import CURSOR_KEY, HOUR
from tests.registry_writing import write_set
from tests.running import Installation, until

INSTANTS = 10
LATE_MINUTES = 120
OPEN_S, TAKEN_S = 900.0, 900.0
# What lay in Kafka for two seconds is a backlog, which is taken in full steps.
_OLD_S = 2.2
_LONGEST_STEP_MESSAGES = 10_000
# Of so many enterprises one is looked at with all of its meters; of all others the hours of the enterprise.
_LOOKED_AT = 50
_STATE_KIND = f"|{HOUR}|".encode()


@dataclass(frozen=True, slots=True)
class Case:
    """A size: enterprises with so many meters each, and readings of so many minutes that are to be taken in.

    `history_days` is what the state has already, `late` how many meters of each enterprise are two hours behind.
    """

    name: str
    enterprises: int
    meters: int
    minutes: int
    history_days: int = 0
    late: int = 0
    workers: int = 1

    @property
    def readings(self) -> int:
        """How many readings are counted."""
        return self.enterprises * self.meters * (self.minutes - INSTANTS)


def run(kafka: LocalKafka | ForeignKafka, prefix: str, folder: Path, case: Case) -> dict[str, Any]:
    """Measure a case; `correct` tells whether the hours on topic `totals` are what the readings were made from."""
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, data=folder / "worker-0", session_timeout_s=60)
    apply_topics(settings)
    documents = city.documents(enterprises=case.enterprises, meters=case.meters)
    asyncio.run(write_set(settings, 1, documents))
    if case.history_days:
        history.put_on_disk(settings, case.enterprises, case.meters, case.history_days)
    with Processes(folder / "logs") as processes:
        installation = Installation(settings, folder, processes)
        names = [f"worker-{number}" for number in range(case.workers)]
        began = time.monotonic()
        for name in names:
            step = str(min(case.enterprises, _LONGEST_STEP_MESSAGES))
            installation.start("worker", name, restart_on=(), QINGYU_STEP_MESSAGES=step)
        until(lambda: have_all(installation, names), OPEN_S, "all partitions open", 0.2)
        opened_s = time.monotonic() - began
        opened_mib = max(memory_mib(processes.pid(name), "VmHWM") for name in names)
        pids = {name: processes.pid(name) for name in names}
        if isinstance(kafka, LocalKafka):
            pids["kafka"] = kafka.pid
        using, before = asyncio.run(_take(settings, case, installation, names, pids))
        peaks = [memory_mib(processes.pid(name), "VmHWM") for name in names]
    cpu_s = sum(using.cpu_s[name] for name in names)
    after = asyncio.run(_state(settings))
    whole = case.enterprises * case.meters * case.minutes
    topics = topic_bytes(settings.kafka)
    disk = sum(each.stat().st_blocks * 512 for name in names for each in (folder / name / "state").rglob("*"))
    return {
        **asdict(case),
        "readings": case.readings,
        "visits": after["visits"] - before["visits"],
        "steps": after["steps"] - before["steps"],
        "cpu_us_per_reading": round(cpu_s / case.readings * 1e6, 4),
        "readings_per_s": round(case.readings / using.wall_s),
        "peak_mib": round(max(peaks), 1),
        "opened_s": round(opened_s, 2),
        "opened_mib": round(opened_mib, 1),
        "changelog_bytes_per_reading": round(topics[settings.topic(STATE)] / whole, 2),
        "topics_bytes_per_reading": round(sum(topics.get(settings.topic(each), 0) for each in TOPICS) / whole, 2),
        "state_bytes_per_meter_hour": round(after["hour_bytes"] / after["hours"] / case.meters, 1),
        "disk_bytes_per_meter": round(disk / (case.enterprises * case.meters)),
        "cpu_cores": {role: round(cores, 3) for role, cores in using.cores().items()},
        "correct": _is_right(settings, case),
    }


def have_all(installation: Installation, names: list[str]) -> bool:
    """Tell whether each worker has its share of the partitions, open; one that has none yet says that it is ready."""
    for name in names:
        if not installation.processes.alive(name):
            raise RuntimeError(f"{name} ended: {installation.log(name)[-2000:]}")
        ready, said = installation.ready(name)
        own = [each for each in said.get("partitions", {}).values() if each.get("state") != "opening"]
        if not ready or len(own) != installation.settings.partitions // len(names):
            return False
    return True


async def _take(
    settings: Settings, case: Case, installation: Installation, names: list[str], pids: Mapping[str, int]
) -> tuple[Using, dict[str, int]]:
    """Let the workers take in the readings; return what that used, and what the state was made of before."""
    given = city.stream(
        case.enterprises, case.meters, range(0, case.minutes, INSTANTS), history.count, case.late, LATE_MINUTES
    )
    ends: dict[TopicPartition, int] = {}
    async with producing(settings) as producer:
        await send(producer, settings, islice(given, case.enterprises), ends)
    watcher = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.group("worker"), enable_auto_commit=False
    )
    await watcher.start()
    try:
        await _taken(watcher, ends, installation, names)
        before = await _state(settings)
        async with producing(settings, transactional_id=f"{settings.topic_prefix}bench") as producer:
            await producer.begin_transaction()
            await send(producer, settings, given, ends)
            await asyncio.sleep(_OLD_S)
            with Using(pids) as using:
                await producer.commit_transaction()
                await _taken(watcher, ends, installation, names)
    finally:
        await watcher.stop()
    return using, before


async def _taken(
    watcher: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], installation: Installation, names: list[str]
) -> None:
    """Return when everything before the ends of the partitions is committed."""
    async with asyncio.timeout(TAKEN_S):
        while True:
            places = await asyncio.gather(*(watcher.committed(tp) for tp in ends))
            if all((found or 0) >= end for found, end in zip(places, ends.values(), strict=True)):
                return
            for name in names:
                if not installation.processes.alive(name):
                    raise RuntimeError(f"{name} ended: {installation.log(name)[-2000:]}")
            await asyncio.sleep(0.05)


async def _state(settings: Settings) -> dict[str, int]:
    """Return what stands on topic `state`: steps, visits, and how many hours with how many bytes, each once."""
    steps, visits, kept = 0, 0, dict[bytes, int]()
    async for key, value in records(settings.kafka, settings.topic(STATE)):
        if key == CURSOR_KEY:
            steps += 1
        if _STATE_KIND in key:
            visits += 1
            kept[key] = len(key) + len(value)
    return {"steps": steps, "visits": visits, "hour_bytes": sum(kept.values()), "hours": len(kept)}


def expected_hours(case: Case) -> dict[tuple[str, str, int], int]:
    """Return by (entity, day, hour) what meters and enterprises must have used [1e-6 kWh], for those looked at."""
    found: dict[tuple[str, str, int], int] = {}
    for start in range(
        city.START_MS - LATE_MINUTES * city.MINUTE_MS, city.START_MS + case.minutes * city.MINUTE_MS, HOUR_MS
    ):
        low = (start - city.START_MS) // city.MINUTE_MS
        day = window_at(start, "day")
        place = day.name, (start - day.start_ms) // HOUR_MS
        of_meter = {meter: used for meter in range(case.meters) if (used := _used(case, meter, low)) is not None}
        if not of_meter:
            continue
        for number in range(case.enterprises):
            name = city.enterprise_id(number)
            found[f"enterprise/{name}", *place] = sum(of_meter.values())
            if number % _LOOKED_AT == 0:
                found.update({(f"meter/{name}.m{meter:02}", *place): used for meter, used in of_meter.items()})
    return found


def _used(case: Case, meter: int, low: int) -> int | None:
    """Return what a meter has used in the hour from a minute on; None where there is nothing of it."""
    behind = LATE_MINUTES if meter >= case.meters - case.late else 0
    begin, end = max(low, -behind), min(low + 60, case.minutes - 1 - behind)
    if begin >= end:
        return None
    return (history.count(meter, end) - history.count(meter, begin)) * city.MICRO_PER_COUNT


def _is_right(settings: Settings, case: Case) -> bool:
    wanted = expected_hours(case)
    first_ms = city.START_MS - (LATE_MINUTES * city.MINUTE_MS if case.late else 0)
    entities = {entity for entity, _, _ in wanted}
    found: dict[tuple[str, str, int], int] = {}
    for key, value in last_values(settings.kafka, settings.topic(TOTALS)).items():
        if key.decode().partition("|")[0] not in entities:
            continue
        document = decode_calendar(value)
        if document.of != "hour":
            continue
        start_ms = window(document.period).start_ms
        for hour, amount in enumerate(document.metrics["qty.electricity"]):
            # What history had is not looked at.
            if amount is not None and start_ms + hour * HOUR_MS >= first_ms:
                found[document.entity, document.period, hour] = amount
    return found == wanted


def cases() -> Iterator[tuple[Case, int]]:
    """Yield all cases, each with how often it is measured: the long ones less often."""
    usual = Case("usual", 500, 20, 180)
    yield usual, 3
    yield Case("1,000 meters", 50, 20, 600), 3
    yield Case("100,000 meters", 5000, 20, 60), 2
    yield Case("10 enterprises", 10, 1000, 180), 3
    yield Case("100 enterprises", 100, 100, 180), 3
    yield Case("2,000 enterprises", 2000, 5, 180), 3
    yield Case("a day of history", 50, 20, 600, history_days=1), 3
    yield Case("a month of history", 50, 20, 600, history_days=30), 3
    yield Case("a year of history", 50, 20, 600, history_days=history.YEAR_DAYS), 2
    yield Case("two workers", 500, 20, 180, workers=2), 3
    yield Case("5 % late", 500, 20, 180, late=1), 3
    yield Case("50 % late", 500, 20, 180, late=10), 3


def small_cases() -> Iterator[tuple[Case, int]]:
    """Yield what shows that the chain works."""
    yield Case("usual", 20, 10, 70, history_days=2), 1
    yield Case("5 % late", 20, 10, 70, late=1, workers=2), 1
