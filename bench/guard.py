"""The guard: CPU of the whole worker beside that of the bare aiokafka loop, on the same readings at the same time.

Both take in a first part, which is not counted, and then five more; the ratio is the median of the five. It is held
against the one that is committed (bench/results/guard.json), never against an absolute time: another machine and a busy
one slow both down alike.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from bench.contenders import aiokafka_loop, qingyu
from bench.contenders.contender import PARTITIONS, Contender, Task
from bench.contenders.readings import OF_ENTERPRISE, expected, messages
from bench.contenders.topics import load, make_topic, results
from bench.outcome import RESULTS, circumstances, write
from bench.using import cpu_s
from deploy.local.kafka import broker
from deploy.local.leash import end, pause, signal_group, spawn

ENTERPRISES, BATCH = 250, 200
PARTS = 5
# Of the twenty messages of each enterprise: the first five start both, each part has three.
_FIRST, _EACH = 5 * ENTERPRISES, 3 * ENTERPRISES
WORSE = 2.0
_LIMIT_S = 240.0
# Messages that lay in Kafka for two seconds are a backlog, which is taken in steps of as many as there are.
_OLD_S = 2.2
# Both are stopped while a part is written, and must keep their partitions meanwhile.
_ENVIRONMENT = {"QINGYU_SESSION_TIMEOUT_S": "60"}


def committed_ratio() -> float:
    """Return the ratio that is held as known."""
    return json.loads((RESULTS / "guard.json").read_text(encoding="utf-8"))["ratio"]


def measure(kafka: str, prefix: str, folder: Path) -> dict[str, Any]:
    """Return the ratio and what it is made of; `correct` tells whether both came to the expected results."""
    readings = ENTERPRISES * OF_ENTERPRISE
    tasks: list[tuple[Contender, Task]] = []
    for contender in (qingyu.CONTENDER, aiokafka_loop.CONTENDER):
        task = Task(kafka, prefix, BATCH, readings, str(folder / contender.name))
        contender.prepare(task)
        if contender.read is None:
            make_topic(kafka, task.results)
        tasks.append((contender, task))
    processes = [
        spawn(
            contender.command(task),
            log=folder / f"{contender.name}.log",
            env={**os.environ, **contender.environment(task), **_ENVIRONMENT},
        )
        for contender, task in tasks
    ]
    try:
        cpu = asyncio.run(_measure(tasks, processes, messages(readings, BATCH)))
    finally:
        for each in processes:
            end(each, grace_s=30.0)
    ratios = [worker / loop for worker, loop in zip(*cpu, strict=True)]
    counted = _EACH * BATCH
    return {
        "ratio": round(median(ratios), 3),
        "ratios": [round(each, 3) for each in ratios],
        "worker_cpu_us_per_reading": round(median(cpu[0]) / counted * 1e6, 3),
        "loop_cpu_us_per_reading": round(median(cpu[1]) / counted * 1e6, 3),
        "correct": all(results(contender, task) == expected(readings) for contender, task in tasks),
    }


async def _measure(
    tasks: list[tuple[Contender, Task]], processes: list[subprocess.Popen[bytes]], source: Iterable[tuple[str, bytes]]
) -> list[list[float]]:
    """Return by contender the CPU that each part took [s]."""
    kafka, topic = tasks[0][1].kafka, tasks[0][1].source
    watchers = [
        AIOKafkaConsumer(bootstrap_servers=kafka, group_id=contender.group(task), enable_auto_commit=False)
        for contender, task in tasks
    ]
    for watcher in watchers:
        await watcher.start()
    given, found = iter(source), [[] for _ in tasks]
    try:
        async with asyncio.timeout(_LIMIT_S):
            await load(kafka, topic, islice(given, _FIRST))
            await _taken(watchers, topic)
            for _ in range(PARTS):
                # They find the part as a whole: how it is cut into steps would else depend on how busy the machine is.
                for each in processes:
                    pause(each)
                await load(kafka, topic, islice(given, _EACH))
                await asyncio.sleep(_OLD_S)
                before = [cpu_s(each.pid) for each in processes]
                for each in processes:
                    signal_group(each, signal.SIGCONT)
                await _taken(watchers, topic)
                for cpu, each, start in zip(found, processes, before, strict=True):
                    cpu.append(cpu_s(each.pid) - start)
    finally:
        for watcher in watchers:
            await watcher.stop()
    return found


async def _taken(watchers: list[AIOKafkaConsumer], topic: str) -> None:
    tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    for watcher in watchers:
        watcher.assign(tps)
        ends = sum((await watcher.end_offsets(tps)).values())
        while True:
            if sum([await watcher.committed(tp) or 0 for tp in tps]) >= ends:
                break
            await asyncio.sleep(0.1)


def main() -> int:
    """Measure and hold the ratio against the committed one; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make the ratio the one that is held as known")
    options = parser.parse_args()
    # Topics that have just been made have no leader for a moment, and a line for every time that is asked.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qingyu-guard-") as folder, broker(Path(folder) / "kafka") as kafka:
        found = measure(kafka.bootstrap, f"{Path(folder).name}.", Path(folder))
    if options.write:
        write("guard", {**circumstances(), "readings": ENTERPRISES * OF_ENTERPRISE, "batch": BATCH, **found})
    known = committed_ratio()
    Console().print_json(data={**found, "committed": known, "duration_s": round(time.monotonic() - began)})
    return 0 if found["correct"] and found["ratio"] < WORSE * known else 1


if __name__ == "__main__":
    sys.exit(main())
