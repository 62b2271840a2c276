"""A run gives a contender its process, on a core of its own, and measures from outside until it has taken in all.

The first readings of every meter stand in the topic when it starts; once it has committed them the others become
visible at once, as one transaction, and are what is counted: CPU of the process (user and system, all threads) and wall
time until it has committed them, too. So starting is not in them. Peak memory is of the whole run.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.city import METERS
from bench.contenders.contender import PARTITIONS, Contender, Results, Task
from bench.contenders.readings import enterprises_of, messages
from bench.contenders.topics import admin, changelog_bytes, make_topic, results
from bench.using import cpu_s, memory_mib
from bench.worker import LIMIT_S, producing, send
from deploy.local.leash import end, spawn
from schemas.settings import Settings

# Who commits nothing for so long will not go on: it dropped what it should have taken in.
STALL_S = 120.0
# Time to write what it holds back and to leave its group.
GRACE_S = 30.0
_POLL_S = 0.05
# Replaces itself by the command once it stands on its core, so that no thread of it was ever anywhere else.
_PINNED = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a contender came to; `correct` tells whether its results are the expected ones, all of them."""

    contender: str
    batch: int
    readings: int
    number: int
    cpu_us_per_reading: float
    readings_per_s: float
    peak_mib: float
    changelog_bytes_per_reading: float
    correct: bool


def own_core() -> int | None:
    """Return the core that contenders run on, the last one; None where a process cannot be kept on one."""
    return max(os.sched_getaffinity(0)) if sys.platform == "linux" else None


def stay_off(core: int | None) -> None:
    """Keep this process, and the broker that it will start, off the core of the contenders where there is another."""
    if sys.platform == "linux" and core is not None and len(others := os.sched_getaffinity(0) - {core}):
        os.sched_setaffinity(0, others)


def run(
    contender: Contender,
    task: Task,
    number: int,
    expected: Results,
    core: int | None,
    progress: Callable[[float], None],
) -> Run:
    """Run a contender and return what it came to; raise RuntimeError where it ends by itself, TimeoutError if never."""
    contender.prepare(task)
    if contender.read is None:
        make_topic(task.kafka, task.source)
        make_topic(task.kafka, task.results)
    command, environment = contender.command(task), {**os.environ, **contender.environment(task)}
    if core is not None:
        program = shutil.which(command[0]) or command[0]
        command = [sys.executable, "-I", "-S", "-c", _PINNED, str(core), program, *command[1:]]
    log = Path(task.data).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    cpu, wall, counted, peak = asyncio.run(_measure(contender, task, command, environment, log, progress))
    found = results(contender, task)
    return Run(
        contender.name,
        task.batch,
        task.readings,
        number,
        round(cpu / counted * 1e6, 4),
        round(counted / wall),
        round(peak, 1),
        round(changelog_bytes(contender, task) / task.readings, 3),
        found == expected,
    )


async def _measure(
    contender: Contender,
    task: Task,
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    progress: Callable[[float], None],
) -> tuple[float, float, int, float]:
    """Return CPU [s] and wall time [s] of the readings that are counted, how many these are, and peak memory [MiB]."""
    settings = Settings(kafka=task.kafka, topic_prefix=task.prefix, partitions=PARTITIONS)
    given = messages(task.readings, task.batch)
    first = enterprises_of(task.readings) * METERS // min(task.batch, METERS)
    first_ends: dict[TopicPartition, int] = {}
    async with producing(settings) as producer:
        await send(producer, settings, islice(given, first), first_ends)
    watcher = AIOKafkaConsumer(bootstrap_servers=task.kafka, group_id=contender.group(task), enable_auto_commit=False)
    await watcher.start()
    watcher.assign([TopicPartition(task.source, number) for number in range(PARTITIONS)])
    process: subprocess.Popen[bytes] | None = None
    try:
        async with producing(settings, transactional_id=f"{task.prefix}bench") as producer:
            await producer.begin_transaction()
            ends = dict(first_ends)
            await send(producer, settings, given, ends)
            process = spawn(command, log=log, env=environment)
            await _taken(watcher, contender, task, first_ends, process, log, lambda _: None)
            cpu, wall = cpu_s(process.pid), time.monotonic()
            await producer.commit_transaction()
        await _taken(watcher, contender, task, ends, process, log, progress)
        cpu, wall = cpu_s(process.pid) - cpu, time.monotonic() - wall
        return cpu, wall, task.readings - first * task.batch, memory_mib(process.pid, "VmHWM")
    finally:
        if process is not None:
            end(process, grace_s=GRACE_S)
        await watcher.stop()


async def _taken(
    watcher: AIOKafkaConsumer,
    contender: Contender,
    task: Task,
    ends: Mapping[TopicPartition, int],
    process: subprocess.Popen[bytes],
    log: Path,
    progress: Callable[[float], None],
) -> None:
    """Return when a contender has committed everything before the ends of the partitions."""
    total, moved = sum(ends.values()), (0, time.monotonic())
    async with asyncio.timeout(LIMIT_S):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{contender.name} ended with status {process.returncode}:\n{_end_of(log)}")
            places = {tp: await watcher.committed(tp) or 0 for tp in ends}
            done, now = sum(places.values()), time.monotonic()
            progress(min(done / total, 1.0))
            if all(places[tp] >= place for tp, place in ends.items()) and await _passed_on(watcher, task):
                return
            if done > moved[0]:
                moved = done, now
            if now - moved[1] > STALL_S:
                raise RuntimeError(f"{contender.name} stopped at {done} of {total} messages:\n{_end_of(log)}")
            await asyncio.sleep(_POLL_S)


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


async def _committed(watcher: AIOKafkaConsumer, tps: list[TopicPartition]) -> int:
    return sum([await watcher.committed(tp) or 0 for tp in tps])


async def _passed_on(watcher: AIOKafkaConsumer, task: Task) -> bool:
    """Tell whether topics between stages of a contender (Kafka Streams has one) are read to their ends, too."""
    with admin(task.kafka) as client:
        topics = [name for name in client.list_topics() if task.group in name and name.endswith("-repartition")]
    tps = [TopicPartition(name, number) for name in topics for number in range(PARTITIONS)]
    if not tps:
        return True
    # What is read from the source has been written on before the source was committed, so the ends are final.
    ends = await watcher.end_offsets(tps)
    return await _committed(watcher, tps) >= sum(ends.values())
