"""`make verify-store` kills the sink and InfluxDB again and again while the steel works' year goes through them.

An own Kafka and an own InfluxDB run; the year, shuffled, goes into the topics as the worker would say it, bit by bit.
In between the sink kills itself at its failpoints or is killed anywhere, and influxd is killed anywhere, 24 SIGKILLs in
all. Then every window and every reading in InfluxDB is compared with the independent calculation, to the double, and
every batch has its receipt. A control with a sink that moves its offsets before it writes shows that the comparison
finds a loss. At last a new sink fills a new store from the same topics, which is timed. Result:
bench/results/store.json; exit status 1 on any difference, or when the control finds none.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from rich.console import Console

from bench.outcome import circumstances, conclude, write
from deploy.local.influx import LocalInflux
from deploy.local.kafka import LocalKafka
from deploy.local.processes import Processes
from schemas.settings import Settings
from schemas.topics import READINGS
from services.sink.rebuilding import extents
from services.topics import apply_topics
from streams.stores.influx import InfluxStore
from streams.stores.series import StoreError
from tests import independent
from tests.influx_buckets import influx_settings, store_environment
from tests.influx_year import Said, differences, shuffled, steps
from tests.running import KILLED, Installation, metric, until

SEED = 20180101
FAILPOINTS = ("sink.before-write", "sink.after-write", "sink.after-commit")
# Of each failpoint, of the sink anywhere, and of influxd.
KILLS = 4
REACH_S = 90.0
FILLED_S = 600.0
SHOWN = 20
CONTROL_KILLS = 3
# A sink that would have it done before it is.
CONTROL_CODE = """
from streams.failpoints import hit
from streams.stores.influx import InfluxStore
honest = InfluxStore.keep
def keep(self, points, entries, moves):
    honest(self, (), entries, moves)
    hit("control.between")
    honest(self, points, (), ())
InfluxStore.keep = keep
"""


class Proof:
    """Kafka, InfluxDB and a sink, and the year on its way; `kills` counts what was done to them."""

    def __init__(self, kafka: LocalKafka, influx: LocalInflux, directory: Path, name: str, seed: int) -> None:
        self.settings = influx_settings(
            influx, directory / "sink", kafka=kafka.bootstrap, topic_prefix=f"{name}.", partitions=2
        )
        self.influx = influx
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.processes = Processes(directory / "logs")
        self.installation = Installation(self.settings, directory, self.processes)
        self.store = InfluxStore(self.settings)
        apply_topics(self.settings)

    def start(self, name: str = "sink", *, code: str = "", failpoint: str = "", prefix: str = "") -> None:
        """Start a sink; `code` is Python that it runs first, `prefix` names other buckets than the proof's."""
        environment = {**store_environment(self.settings), "QINGYU_FAILPOINT": failpoint}
        if prefix:
            environment["QINGYU_INFLUX_PREFIX"] = prefix
        self.installation.start("sink", name, before=code, restart_on=(), **environment)

    def kill_at(self, failpoint: str, said: Sequence[Sequence[Said]], *, code: str = "") -> None:
        """Have the sink kill itself at a failpoint while records come in, and start it again."""
        self.processes.stop("sink")
        self.start(code=code, failpoint=f"{failpoint}@{self.chance.randint(1, 2)}")
        end = time.monotonic() + REACH_S
        # A sink far behind takes much in a step: what comes later makes a second one.
        for part in said:
            self.say(part)
        while KILLED not in self.processes.endings("sink"):
            if time.monotonic() > end:
                raise AssertionError(f"the sink did not reach {failpoint}: {self.installation.ready('sink')}")
            time.sleep(0.1)
        self.kills[failpoint] += 1
        self.processes.stop("sink")
        self.start(code=code)

    def kill_anywhere(self, said: Sequence[Sequence[Said]]) -> None:
        """Kill the sink at any moment while records come in, and start it again."""
        for part in said:
            self.say(part)
        time.sleep(self.chance.uniform(0, 3))
        self.processes.kill("sink")
        self.kills["sink anywhere"] += 1
        self.processes.stop("sink")
        self.start()

    def kill_influx(self, said: Sequence[Sequence[Said]]) -> None:
        """Kill influxd at any moment while records come in, and start it again."""
        for part in said:
            self.say(part)
        time.sleep(self.chance.uniform(0, 3))
        self.influx.kill()
        self.kills["influxd anywhere"] += 1
        time.sleep(self.chance.uniform(0, 1))
        self.influx.restart()

    def say(self, part: Sequence[Said]) -> None:
        """Write records as the worker and the gateway do: what a step says in a transaction."""
        asyncio.run(_say(self.settings, part))

    def wait_filled(self, store: InfluxStore | None = None) -> int:
        """Wait until the store has read the topics to their ends; return how many offsets that is."""
        held = asyncio.run(extents(self.settings))

        def is_filled() -> bool:
            read = (store or self.store).offsets()
            return all(
                (found := read.get((one.topic, one.partition))) is not None and found.offset >= extent.end
                for one, extent in held.items()
            )

        until(is_filled, FILLED_S, "the store is filled", 0.2)
        return sum(extent.end - extent.first for extent in held.values())


async def _say(settings: Settings, part: Sequence[Said]) -> None:
    plain = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
    whole = AIOKafkaProducer(bootstrap_servers=settings.kafka, transactional_id=f"{settings.topic_prefix}worker")
    async with asyncio.timeout(60):
        await plain.start()
        await whole.start()
        try:
            for each in part:
                if each.topic == READINGS:
                    await plain.send(settings.topic(each.topic), each.value, each.key, 0)
            await plain.flush()
            async with whole.transaction():
                for each in part:
                    if each.topic != READINGS:
                        await whole.send(settings.topic(each.topic), each.value, each.key, 0)
        finally:
            await plain.stop()
            await whole.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_store", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kills of each kind (default {KILLS})")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the order and of the kills")
    options = parser.parse_args(arguments)
    console = Console()
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="qingyu-store-"))
    with LocalKafka.start(directory / "kafka") as kafka, LocalInflux.start(directory / "influx") as influx:
        found = _control(kafka, influx, directory / "control", options.seed, console)
        result = _prove(kafka, influx, directory / "proof", options, console)
    result |= {"control_found": found, "duration_s": round(time.monotonic() - began)}
    ok = result["differences"] == 0 and found > 0
    write("store", {**circumstances(), "seed": options.seed, "kills_each": options.kills, **result})
    return conclude(console, result, directory, "nothing lost, nothing changed" if ok else None)


def _control(kafka: LocalKafka, influx: LocalInflux, directory: Path, seed: int, console: Console) -> int:
    """Kill a sink that moves its offsets before it writes; return the differences found."""
    console.print("control: a sink that loses, to be found out")
    proof = Proof(kafka, influx, directory, "control", seed)
    readings = shuffled(seed)[: 96 * 30]
    said = list(steps(readings, directory / "state", batches=2))
    size = len(said) // CONTROL_KILLS + 1
    with proof.processes:
        proof.start()
        for number in range(CONTROL_KILLS):
            proof.kill_at("control.between", said[number * size : (number + 1) * size], code=CONTROL_CODE)
        proof.processes.stop("sink")
        proof.start()
        proof.wait_filled()
        kept = {one.time_ms for one in proof.store.readings("works.e01", 0, 2**53)}
        return len({one.t_ms for one in readings} - kept)


def _prove(
    kafka: LocalKafka, influx: LocalInflux, directory: Path, options: argparse.Namespace, console: Console
) -> dict[str, Any]:
    proof = Proof(kafka, influx, directory, "proof", options.seed)
    readings = shuffled(options.seed)
    console.print("the year, as the worker says it")
    said = list(steps(readings, directory / "state", batches=3))
    deeds = [name for name in (*FAILPOINTS, "sink", "influx", "influx") for _ in range(options.kills)]
    proof.chance.shuffle(deeds)
    size = -(-len(said) // len(deeds))
    with proof.processes:
        proof.start()
        for number, deed in enumerate(deeds):
            part = said[number * size : (number + 1) * size]
            console.print(f"kill {number + 1} of {len(deeds)}: {deed}")
            if deed == "influx":
                proof.kill_influx(part)
            elif deed == "sink":
                proof.kill_anywhere(part)
            else:
                proof.kill_at(deed, part)
        console.print("comparing")
        offsets = proof.wait_filled()
        differing = differences(proof.store, readings, independent.steel_year())
        batches = -(-len(readings) // 100)
        unknown = [number for number in range(1, batches + 1) if not _has_receipt(proof.store, f"b{number}")]
        differing += [f"batch b{number} has no receipt" for number in unknown]
        differing += [f"put aside: {item.message}" for item in proof.store.rejected().items]
        proof.processes.stop("sink")
        console.print("a new store from the same topics")
        return {
            "kills": dict(proof.kills),
            "all_kills": proof.kills.total(),
            "offsets": offsets,
            "compared": {"windows_and_readings": _compared(), "batches": batches},
            "differences": len(differing),
            "first_differences": differing[:SHOWN],
            "filling": _filling(proof, influx, directory),
        }


def _compared() -> int:
    year = independent.steel_year()
    return 4 * sum(len(windows) for windows in year.values()) + len(independent.steel_quarters())


def _has_receipt(store: InfluxStore, batch: str) -> bool:
    try:
        return bool(store.receipts(batch))
    except StoreError:
        return False


def _filling(proof: Proof, influx: LocalInflux, directory: Path) -> dict[str, Any]:
    """Have a new sink fill a new store, and return how fast it was."""
    settings = influx_settings(influx, directory / "again", kafka=proof.settings.kafka)
    store = InfluxStore(settings)
    began = time.monotonic()
    proof.start("again", prefix=settings.influx_prefix)
    until(lambda: store.offsets(), REACH_S, "the new sink has begun", 0.05)
    begun = time.monotonic()
    proof.wait_filled(store)
    seconds = time.monotonic() - begun
    points = metric(proof.installation.ports["again"], "qingyu_sink_points_total")
    return {
        "points": round(points),
        "seconds": round(seconds, 1),
        "start_s": round(begun - began, 1),
        "points_per_s": round(points / seconds),
        "sink_cpu_us_per_point": round(
            1e6 * metric(proof.installation.ports["again"], "process_cpu_seconds_total") / points, 2
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
