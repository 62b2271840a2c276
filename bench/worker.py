"""The worker's bench: CPU a reading of the whole worker, beside the bare pattern on the same readings, in one run."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.progress import Progress

from bench import city, deep_city
from bench.outcome import circumstances, write
from bench.using import cpu_s, memory_mib
from deploy.local.kafka import broker
from deploy.local.leash import end, spawn
from schemas.messages import decode_calendar
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from services.topics import apply_topics
from tests.registry_writing import write_set

BATCH = 200
ROUNDS = 5  # single runs differ by a third on a shared machine
LIMIT_S = 600.0

_WORKER = [sys.executable, "-c", "from streams.agents.worker import serve; from schemas.settings import Settings; "
           "serve(Settings())"]  # fmt: skip
BARE, PLAIN, DEEP = "bare", "qingyu", "qingyu, in depth"
CONTENDERS = {
    BARE: ([sys.executable, "-m", "bench.bare"], city),
    PLAIN: (_WORKER, city),
    DEEP: (_WORKER, deep_city),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a contender: CPU of its process for each reading that is counted, and readings in a second."""

    contender: str
    batch: int
    cpu_us_per_reading: float
    readings_per_s: float
    peak_mib: float
    correct: bool | None


async def measure(settings: Settings, contender: str, group: str, readings: int, progress: Progress) -> Run:
    """Let a contender take in a city's readings; count its CPU behind the first message of each enterprise.

    So its start and what is built once for an enterprise are not in it, whatever a contender takes in at once. What is
    counted is one transaction, so it becomes visible at once: a backlog.
    """
    _, its_city = CONTENDERS[contender]
    await write_set(settings, 1, its_city.documents())
    messages = iter(its_city.messages(readings, BATCH))
    task = progress.add_task("writing readings", total=readings)
    first_ends: dict[TopicPartition, int] = {}
    async with producing(settings) as producer:
        await send(producer, settings, islice(messages, city.ENTERPRISES), first_ends)
    process: subprocess.Popen[bytes] | None = None
    log = settings.data.with_suffix(".log")
    watcher = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=group, enable_auto_commit=False)
    await watcher.start()
    watcher.assign(list(first_ends))
    try:
        async with producing(settings, transactional_id=f"{settings.topic_prefix}bench") as producer:
            await producer.begin_transaction()
            ends = dict(first_ends)
            await send(producer, settings, messages, ends, lambda: progress.advance(task, BATCH))
            process = spawn(CONTENDERS[contender][0], env={**os.environ, **environment(settings)}, log=log)
            await _taken(watcher, first_ends, process, log)
            cpu, wall = cpu_s(process.pid), time.monotonic()
            await producer.commit_transaction()
        await _taken(watcher, ends, process, log)
        cpu, wall = cpu_s(process.pid) - cpu, time.monotonic() - wall
        peak = memory_mib(process.pid, "VmHWM")
    finally:
        if process is not None:
            end(process, grace_s=5)
        await watcher.stop()
    counted = readings - city.ENTERPRISES * BATCH
    correct = None if contender == BARE else await check(settings, contender, readings)
    return Run(contender, BATCH, cpu / counted * 1e6, counted / wall, peak, correct)


@asynccontextmanager
async def producing(settings: Settings, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer whose transaction may last as long as a run."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        enable_idempotence=True,
        max_batch_size=512 << 10,
        transaction_timeout_ms=int(LIMIT_S * 1000),
        **more,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(
    producer: AIOKafkaProducer,
    settings: Settings,
    messages: Iterable[tuple[str, bytes]],
    ends: dict[TopicPartition, int],
    sent: Callable[[], None] = lambda: None,
) -> None:
    """Write messages, and note where each partition ends with them."""
    topic = settings.topic(READINGS)
    last: dict[int, Any] = {}
    for enterprise, data in messages:
        place = partition_of_key(enterprise, settings.partitions)
        last[place] = await producer.send(topic, data, enterprise.encode(), partition=place)
        sent()
    await producer.flush()
    for place, future in last.items():
        ends[TopicPartition(topic, place)] = (await future).offset + 1


async def _taken(
    watcher: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], process: subprocess.Popen[bytes], log: Path
) -> None:
    """Return when a process has committed everything before the ends of the partitions."""
    async with asyncio.timeout(LIMIT_S):
        while any([(await watcher.committed(tp) or 0) < place for tp, place in ends.items()]):
            if process.poll() is not None:
                raise RuntimeError(f"it ended with status {process.returncode}:\n{_tail(log)}")
            await asyncio.sleep(0.1)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def check(settings: Settings, contender: str, readings: int) -> bool:
    """Tell whether every enterprise's hours on `totals` are those that the readings were made from."""
    tps = [TopicPartition(settings.topic(TOTALS), number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)
    ends = await consumer.end_offsets(tps)
    last: dict[bytes, bytes] = {}
    while any([await consumer.position(tp) < ends[tp] for tp in tps]):
        for records in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
            last.update({each.key: each.value for each in records if each.key and each.value})
    await consumer.stop()
    found: dict[tuple[str, str, int], int] = {}
    for value in last.values():
        document = decode_calendar(value)
        if document.of == "hour":
            for hour, amount in enumerate(document.metrics["qty.electricity"]):
                if amount is not None:
                    found[document.entity, document.period, hour] = amount
    return found == CONTENDERS[contender][1].expected_hours(readings, BATCH)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a process use these settings."""
    return {
        "QINGYU_KAFKA": settings.kafka,
        "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
        "QINGYU_DATA": str(settings.data),
    }


def main(readings: int = 2_000_000, rounds: int = ROUNDS) -> dict[str, Any]:
    """Run the bench and return its figures, which are also written to bench/results/worker.json."""
    console = Console(stderr=True)
    runs: list[Run] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        broker(Path(folder) / "kafka") as kafka,
        Progress(console=console) as progress,
    ):
        for number in range(rounds):
            # Each round has topics of its own, so that every contender starts from nothing.
            for place, contender in enumerate(CONTENDERS if number % 2 == 0 else reversed(CONTENDERS)):
                settings = Settings(
                    kafka=kafka.bootstrap,
                    topic_prefix=f"{Path(folder).name}.{number}{place}.",
                    data=Path(folder) / f"{number}{place}",
                )
                apply_topics(settings)
                group = settings.group("bare" if contender == BARE else "worker")
                runs.append(asyncio.run(measure(settings, contender, group, readings, progress)))
                console.print(runs[-1])
    by = {name: median(run.cpu_us_per_reading for run in runs if run.contender == name) for name in CONTENDERS}
    result = {
        **circumstances(),
        "readings": readings,
        "batch": BATCH,
        "median_cpu_us_per_reading": by,
        "ratio": by[PLAIN] / by[BARE],
        "ratio_of_depth": by[DEEP] / by[PLAIN],
        "runs": [asdict(run) for run in runs],
    }
    write("worker", result)
    return result
