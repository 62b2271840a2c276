"""The bench of recovery: how long a start takes, and how fast what is lost on disk comes back from the topics.

    python -m bench.recovery [--small]

Starts of every process on an empty installation; of a worker with many meters, without state, with its state on disk,
and with nothing but the topics; of a worker that has nothing but the readings; and of both series stores, rebuilt. A
part that is done is not done again after an interruption. Result: bench/results/recovery.json.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from bench import city, history
from bench.contenders.topics import remove_topics
from bench.growing import have_all
from bench.growth import recovery_table
from bench.kept import Kept
from bench.outcome import circumstances, write
from bench.page import write_table
from bench.storing import settings_of
from bench.using import memory_mib
from bench.worker import producing, send
from deploy.local.influx import LocalInflux
from deploy.local.kafka import ForeignKafka, LocalKafka, broker
from deploy.local.processes import Processes
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import STATE
from services.simulator.stack import ROLES, STORES
from services.topics import apply_topics
from streams.domain.state import HOUR, state_key
from streams.stores.state import StateStore
from tests.influx_buckets import store_environment
from tests.registry_writing import write_set
from tests.running import Installation, until

METERS, INSTANTS = 20, 10
LIMIT_S = 900.0
LEAST_S = 1.0
_HOUR_KEY = f"|{HOUR}|".encode()

Tell = Callable[[str], None]
Broker = LocalKafka | ForeignKafka


@dataclass(frozen=True, slots=True)
class Size:
    """How much is brought back: enterprises with their days of state, and others with their minutes of readings."""

    enterprises: int
    days: int
    readers: int
    minutes: int
    starts: int


WHOLE, SMALL = Size(5000, 1, 500, 60, 3), Size(20, 1, 20, 30, 1)


@contextmanager
def installed(kafka: Broker, prefix: str, folder: Path, enterprises: int) -> Iterator[Installation]:
    """Give an installation with a registry and nothing else; no process runs."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, operator_token=SecretStr("bench-" + "0" * 32))
    apply_topics(settings)
    asyncio.run(write_set(settings, 1, city.documents(enterprises=enterprises, meters=METERS)))
    with Processes(folder / "logs") as processes:
        yield Installation(settings, folder, processes)
    remove_topics(kafka.bootstrap, prefix)


def started_s(installation: Installation, role: str, **environment: str) -> float:
    """Start a process and return how long it takes until it says that it is ready [s]."""
    began = time.monotonic()
    installation.start(role, restart_on=(), **environment)

    def is_ready() -> bool:
        if not installation.processes.alive(role):
            raise RuntimeError(f"{role} ended: {installation.log(role)[-2000:]}")
        return have_all(installation, [role]) if role == "worker" else installation.ready(role)[0]

    until(is_ready, LIMIT_S, f"readiness of {role}", 0.02)
    return time.monotonic() - began


def starts(kafka: Broker, prefix: str, folder: Path, size: Size, tell: Tell) -> dict[str, Any]:
    """Return how long each process takes to be ready where nothing has happened yet, and the servers [s]."""
    found: dict[str, list[float]] = {}
    with installed(kafka, f"{prefix}starts.", folder, size.readers) as installation:
        for _ in range(size.starts):
            for role in ROLES:
                found.setdefault(role, []).append(started_s(installation, role))
            for role in ROLES:
                installation.processes.stop(role)
        tell("processes started")
    for name, start in (("Kafka", LocalKafka.start), ("InfluxDB", LocalInflux.start)):
        for number in range(size.starts):
            began = time.monotonic()
            with start(folder / f"{name}-{number}"):
                found.setdefault(name, []).append(time.monotonic() - began)
    tell("servers started")
    return {name: _spread(each) for name, each in found.items()}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"median_s": round(median(seconds), 2), "least_s": round(min(seconds), 2), "most_s": round(max(seconds), 2)}


def state(kafka: Broker, prefix: str, folder: Path, size: Size, tell: Tell) -> dict[str, Any]:
    """Return how long a worker with many meters takes: without state, from topic `state` alone, and with its disk."""
    with installed(kafka, f"{prefix}state.", folder, size.enterprises) as installation:
        empty: list[float] = []
        for _ in range(size.starts):
            empty.append(started_s(installation, "worker"))
            installation.processes.stop("worker")
        tell(f"without state {median(empty):.1f} s")
        entries = asyncio.run(_write_state(installation.settings, size))
        tell(f"{entries['entries']:,} entries of state on the topic")
        # What it had on disk was of an empty topic, so it has nothing to go by.
        rebuilt_s = started_s(installation, "worker")
        rebuilt_mib = memory_mib(installation.processes.pid("worker"), "VmHWM")
        tell(f"from the topic alone {rebuilt_s:.1f} s")
        again: dict[str, list[float]] = {"stopped": [], "killed": []}
        installation.processes.stop("worker")
        hours = _hours_on_disk(installation, size)
        for name, ended in (("stopped", installation.processes.stop), ("killed", installation.processes.kill)):
            for _ in range(size.starts):
                if installation.processes.alive("worker"):
                    ended("worker")
                again[name].append(started_s(installation, "worker"))
            tell(f"{name} and started again {median(again[name]):.1f} s")
        restarted_mib = memory_mib(installation.processes.pid("worker"), "VmHWM")
    # Of little state the difference is chance.
    reading_s = rebuilt_s - median(empty)
    told = reading_s >= LEAST_S
    return {
        "meters": size.enterprises * METERS,
        "days": size.days,
        **entries,
        "without_state": _spread(empty),
        "rebuilt_s": round(rebuilt_s, 2),
        "rebuilt_mib": round(rebuilt_mib, 1),
        "meter_hours_per_s": round(entries["hours"] * METERS / reading_s) if told else None,
        "state_mib_per_s": round(entries["bytes"] / reading_s / 2**20, 2) if told else None,
        **{name: _spread(each) for name, each in again.items()},
        "restarted_mib": round(restarted_mib, 1),
        "correct": hours == entries["hours"] == size.enterprises * size.days * 24,
    }


def _hours_on_disk(installation: Installation, size: Size) -> int:
    """Return how many hours the worker, which is stopped, has on its disk."""
    settings, hours = installation.settings, 0
    folder = installation.data("worker") / "state" / settings.topic(STATE)
    stores = [StateStore(folder / str(number)) for number in range(settings.partitions)]
    for number in range(size.enterprises):
        name = city.enterprise_id(number)
        hours += sum(1 for _ in stores[partition_of_key(name, len(stores))].scan(state_key(name, HOUR, "")))
    for each in stores:
        each.close()
    return hours


async def _write_state(settings: Settings, size: Size) -> dict[str, int]:
    """Write history to topic `state`, and return what that is."""
    entries = hours = length = 0
    async with producing(settings) as producer:
        for name, found in history.records(size.enterprises, METERS, size.days):
            place = partition_of_key(name, settings.partitions)
            for key, value in found.items():
                await producer.send(settings.topic(STATE), value, key, partition=place)
                hours += _HOUR_KEY in key
                length += len(key) + len(value or b"")
            entries += len(found)
    return {"entries": entries, "hours": hours, "bytes": length}


def series(kafka: Broker, prefix: str, folder: Path, size: Size, stores: Sequence[str], tell: Tell) -> dict[str, Any]:
    """Return how long all comes back from readings: the worker's state and documents, then each series store."""
    readings = size.readers * METERS * size.minutes
    rows: list[dict[str, Any]] = []
    with installed(kafka, f"{prefix}series.", folder / "worker", size.readers) as installation:
        settings = installation.settings
        asyncio.run(_write_readings(settings, size))
        began = time.monotonic()
        installation.start("worker", restart_on=())
        installation.wait_done(LIMIT_S)
        worker_s = time.monotonic() - began
        installation.processes.stop("worker")
        tell(f"worker: {readings / worker_s:,.0f} readings/s with its start")
        for store in stores:
            with settings_of(store, kafka, settings.topic_prefix, folder / store) as (own, _):
                environment = installation.environment("rebuild", QINGYU_DATA=str(own.data), QINGYU_STORE=own.store)
                environment |= store_environment(own) if store == "influx" else {}
                # The second one drops what the first one has filled.
                said = [_rebuild(environment) for _ in range(2)][-1]
            rows.append({"store": store, "seconds": said["seconds"], "offsets": said["offsets"],
                         "readings_per_s": round(readings / said["seconds"])})  # fmt: skip
            tell(f"{store}: {readings / said['seconds']:,.0f} readings/s")
    return {
        "readings": readings,
        "worker_s": round(worker_s, 2),
        "worker_readings_per_s": round(readings / worker_s),
        "stores": rows,
    }


async def _write_readings(settings: Settings, size: Size) -> None:
    minutes = range(0, size.minutes, INSTANTS)
    async with producing(settings) as producer:
        await send(producer, settings, city.stream(size.readers, METERS, minutes, history.count), {})


def _rebuild(environment: Mapping[str, str]) -> dict[str, Any]:
    """Drop and fill a store by the command, where no sink runs."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("qingyu")), "store", "rebuild", "--json"],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"store rebuild ended with status {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def measure(
    kafka: Broker,
    prefix: str,
    folder: Path,
    size: Size,
    tell: Tell,
    kept: Kept | None = None,
    parts: Iterable[str] = ("starts", "state", "series"),
    stores: Sequence[str] = STORES,
) -> dict[str, Any]:
    """Return the figures of all parts, those that are kept as they are."""
    found: dict[str, Any] = dict(kept.runs) if kept is not None else {}
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "starts": lambda: starts(kafka, prefix, folder / "starts", size, tell),
        "state": lambda: state(kafka, prefix, folder / "state", size, tell),
        "series": lambda: series(kafka, prefix, folder / "series", size, stores, tell),
    }
    for part in parts:
        if part not in found:
            found[part] = works[part]()
            if kept is not None:
                kept.keep(part, found[part])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return the exit status: 1 where a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few seconds of each part; writes no result")
    options = parser.parse_args(arguments)
    # Topics that have just been made have no leader for a moment, and a line for every time that is asked.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console, began = Console(stderr=True), time.monotonic()
    console.print("starts and rebuilds, about fifteen minutes on a quiet machine")

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {text}", markup=False, highlight=False)

    where, kept = circumstances(), None if options.small else Kept("recovery")
    with tempfile.TemporaryDirectory(prefix="qingyu-recovery-") as name, broker(Path(name) / "kafka") as kafka:
        size = SMALL if options.small else WHOLE
        found = {**where, **measure(kafka, f"{Path(name).name}.", Path(name), size, tell, kept)}
    if kept is not None:
        write("recovery", found)
        write_table("recovery", recovery_table(found))
        kept.forget()
    Console().print_json(data=found)
    return 0 if found["state"]["correct"] else 1


if __name__ == "__main__":
    sys.exit(main())
