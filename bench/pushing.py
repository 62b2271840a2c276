"""Pushing is what the gateway bears: senders push batches over real HTTP until it answers no faster.

Each load has gateways of its own, freshly started, on the same Kafka. What they accepted is counted on the topic.
"""

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from bench import city, wrk
from bench.using import Using, memory_mib
from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.messages import decode_readings
from schemas.settings import Settings
from schemas.topics import READINGS
from schemas.windows import SHANGHAI
from services.topics import apply_topics
from tests.registry_writing import write_set
from tests.running import Installation

ENTERPRISES, METERS, INSTANTS = 100, 20, 10
TOKEN = "bench-" + "0" * 32
WARM_UP_S = 1.0
MANY, FEW = 64, 4


@dataclass(frozen=True, slots=True)
class Load:
    """What is pushed: batches in a form, so many readings each, plain or compressed, over connections to gateways."""

    form: str
    readings: int
    encoding: str
    gateways: int
    connections: int

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.form}/{self.readings}/{self.encoding}/{self.gateways}/{self.connections}"


def loads() -> list[Load]:
    """Return all loads: both forms, plain and gzip, on one and two gateways; single readings; and a calm gateway."""
    whole = METERS * INSTANTS
    found = [
        Load(form, whole, encoding, gateways, MANY)
        for gateways in (1, 2)
        for form in ("rows", "columns")
        for encoding in ("identity", "gzip")
    ]
    return [*found, Load("rows", 1, "identity", 1, MANY), Load("columns", whole, "identity", 1, FEW)]


def bodies(load: Load) -> Iterator[bytes]:
    """Yield a batch of each enterprise as a load sends it."""
    names = [f"m{meter:02}" for meter in range(METERS)]
    minutes = range(INSTANTS)
    times = [_text(city.START_MS + minute * city.MINUTE_MS) for minute in minutes]
    values = [[city.value(meter, minute) / 100 for minute in minutes] for meter in range(METERS)]
    rows = [
        {"meter": name, "ts": at, "value": values[meter][minute]}
        for minute, at in enumerate(times)
        for meter, name in enumerate(names)
    ]
    for number in range(ENTERPRISES):
        envelope = {"source": f"s-{city.enterprise_id(number)}", "batch": "b"}
        columns = {"meters": names, "ts": times, "values": values}
        whole = {**envelope, "readings": rows[: load.readings]} if load.form == "rows" else {**envelope, **columns}
        text = json.dumps(whole, separators=(",", ":")).encode()
        yield gzip.compress(text, 6) if load.encoding == "gzip" else text


def _text(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, SHANGHAI).isoformat()


class Pushing:
    """An installation of gateways on a Kafka, with a registry of enterprises that push."""

    def __init__(self, kafka: LocalKafka | ForeignKafka, prefix: str, folder: Path) -> None:
        self._kafka_pid = kafka.pid if isinstance(kafka, LocalKafka) else None
        self._folder = folder
        self._settings = Settings(
            kafka=kafka.bootstrap, topic_prefix=prefix, data=folder, operator_token=SecretStr(TOKEN)
        )
        apply_topics(self._settings)
        asyncio.run(write_set(self._settings, 1, city.documents(enterprises=ENTERPRISES, meters=METERS)))

    def measure(self, load: Load, number: int, seconds: float) -> dict[str, Any]:
        """Push a load for so long and return its figures; `correct` tells whether Kafka has all that was accepted."""
        folder = self._folder / f"{load.name.replace('/', '-')}-{number}"
        wrk.write_bodies(folder / "bodies", bodies(load))
        with Processes(folder / "logs") as processes:
            installation = Installation(self._settings, folder, processes)
            names = [installation.start("gateway", f"gateway-{each}") for each in range(load.gateways)]
            installation.wait_ready(*names)
            addresses = [f"http://127.0.0.1:{installation.ports[name]}/v1/readings" for name in names]

            def send(for_s: float) -> tuple[list[wrk.Sent], float]:
                return wrk.send(addresses, folder / "bodies", token=TOKEN, encoding=load.encoding,
                                connections=load.connections, seconds=for_s)  # fmt: skip

            send(WARM_UP_S)
            ends = asyncio.run(_ends(self._settings))
            pids = {name: processes.pid(name) for name in names}
            with Using(pids if self._kafka_pid is None else {**pids, "kafka": self._kafka_pid}) as using:
                sent, sender_s = send(seconds)
            gateway_s = sum(using.cpu_s[name] for name in names)
            peak = max(memory_mib(processes.pid(name), "VmHWM") for name in names)
        kept = asyncio.run(_kept(self._settings, ends))
        requests = sum(one.requests for one in sent)
        roles = {"gateway": gateway_s, "kafka": using.cpu_s.get("kafka"), "sender": sender_s}
        return {
            "requests_per_s": sum(one.requests / one.seconds for one in sent),
            "readings_per_s": sum(one.requests / one.seconds for one in sent) * load.readings,
            # Of two gateways the slower one.
            "p50_s": max(one.p50_s for one in sent),
            "p99_s": max(one.p99_s for one in sent),
            "max_s": max(one.max_s for one in sent),
            "peak_mib": peak,
            "body_bytes": sum(each.stat().st_size for each in (folder / "bodies").iterdir()) / ENTERPRISES,
            "gateway_cpu_us_per_reading": gateway_s / (requests * load.readings) * 1e6,
            "kafka_cpu_us_per_reading": using.cpu_s.get("kafka", 0.0) / (requests * load.readings) * 1e6,
            "cpu_cores": using.cores({role: each for role, each in roles.items() if each is not None}),
            # What was under way when the sending ended is kept too.
            "correct": not sum(one.refused + one.failed for one in sent) and kept >= requests * load.readings,
        }


async def _ends(settings: Settings) -> dict[TopicPartition, int]:
    return await _reading(settings, lambda _: None, {})


async def _kept(settings: Settings, begins: Mapping[TopicPartition, int]) -> int:
    """Return how many readings the topic has had since."""
    counts: list[int] = []
    await _reading(
        settings, lambda value: counts.append(sum(len(one.v) for one in decode_readings(value).batches)), begins
    )
    return sum(counts)


async def _reading(
    settings: Settings, found: Callable[[bytes], object], begins: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Hand over what the topic of readings has from some places on; return its ends."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    await consumer.start()
    try:
        tps = [TopicPartition(settings.topic(READINGS), number) for number in range(settings.partitions)]
        ends = await consumer.end_offsets(tps)
        consumer.assign(list(begins))
        for tp, place in begins.items():
            consumer.seek(tp, place)
        while begins and any([await consumer.position(tp) < ends[tp] for tp in begins]):
            for records in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
                for each in records:
                    found(each.value or b"")
    finally:
        await consumer.stop()
    return ends
