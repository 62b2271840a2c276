"""The worker's bench: CPU a reading of the whole worker, beside the bare pattern on the same readings, in one run."""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.progress import Progress

from bench import city, deep_city
from bench.outcome import circumstances, write
from deploy.local.kafka import broker
from deploy.local.leash import end, spawn
from schemas.messages import decode_calendar
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from services.topics import apply_topics
from tests.registry_writing import write_set

BATCH = 200
ROUNDS = 3
LIMIT_S = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")

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
    """One run of a contender: CPU of its process for each reading, and readings in a second of wall time."""

    contender: str
    batch: int
    cpu_us_per_reading: float
    readings_per_s: float
    peak_mib: float
    correct: bool | None


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has held [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


async def load(settings: Settings, contender: str, readings: int, progress: Progress) -> None:
    """Write the registry and the readings of a contender's city."""
    _, its_city = CONTENDERS[contender]
    await write_set(settings, 1, its_city.documents())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True, max_batch_size=512 << 10)
    await producer.start()
    task = progress.add_task("writing readings", total=readings)
    topic = settings.topic(READINGS)
    for enterprise, data in its_city.messages(readings, BATCH):
        place = partition_of_key(enterprise, settings.partitions)
        await producer.send(topic, data, enterprise.encode(), partition=place)
        progress.advance(task, BATCH)
    await producer.flush()
    await producer.stop()


async def measure(settings: Settings, contender: str, group: str, readings: int, progress: Progress) -> Run:
    """Let a contender take in everything; count its CPU from its first commit on, so that its start is not in it."""
    topic = settings.topic(READINGS)
    tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
    watcher = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=group, enable_auto_commit=False)
    await watcher.start()
    watcher.assign(tps)
    ends = await watcher.end_offsets(tps)
    total = sum(ends.values())
    task = progress.add_task(contender, total=total)
    log = settings.data.with_suffix(".log")
    process = spawn(CONTENDERS[contender][0], env={**os.environ, **environment(settings)}, log=log)
    first: tuple[float, float, int] | None = None
    try:
        async with asyncio.timeout(LIMIT_S):
            while True:
                if process.poll() is not None:
                    raise RuntimeError(
                        f"{contender} ended with status {process.returncode}:\n{log.read_text()[-2000:]}"
                    )
                offsets = [await watcher.committed(tp) or 0 for tp in tps]
                done = sum(offsets)
                progress.update(task, completed=done)
                if done and first is None:
                    first = cpu_s(process.pid), time.monotonic(), done
                if done >= total:
                    break
                await asyncio.sleep(0.02 if first is None else 0.2)
        assert first is not None
        counted = (total - first[2]) * BATCH
        cpu, wall = cpu_s(process.pid) - first[0], time.monotonic() - first[1]
        peak = peak_mib(process.pid)
    finally:
        end(process, grace_s=5)
        await watcher.stop()
    correct = None if contender == BARE else await check(settings, contender, readings)
    return Run(contender, BATCH, cpu / counted * 1e6, counted / wall, peak, correct)


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
                asyncio.run(load(settings, contender, readings, progress))
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
