"""An installation is every process of Qingyu on this machine, for as long as stories are played live.

Its clock is held: it shows what the stories say, and time passes by ticks alone.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.kafka import broker
from deploy.local.processes import Processes
from schemas.decimals import MICRO
from schemas.messages import VERSION, Condition, Finding, Readings, decode_finding, encode
from schemas.pushed import ReportedRow, Row
from schemas.settings import Settings
from schemas.topics import FINDINGS, READINGS
from schemas.windows import Window, local_datetime
from services.clock import HELD, hold
from services.command.client import Client
from services.simulator.stack import Stack
from services.topics import apply_topics
from streams.domain.lookup import NOTHING, Known, Shares

# One partition keeps everything in one order, so what was sent last comes out last.
PARTITIONS = 1
ROLES = ("api", "gateway", "worker", "territory", "sink")
STOP_LIMIT_S = 10.0
# Each moment waits for a round of the territories.
ROUND_S = "0.1"
ANSWER_S = 30.0
READ_LIMIT_S = 30.0


@dataclass(slots=True)
class Installation:
    """A running installation, as people outside meet it; `version` is that of its registry."""

    settings: Settings
    clock: Path
    api: Client
    gateway: httpx.Client
    stack: Stack
    version: int = 0

    def show(self, at_ms: int) -> None:
        """Let every clock show an instant [epoch ms]."""
        hold(self.clock, at_ms)

    def health(self) -> str:
        """Return what every process says of itself, in one line."""
        return ", ".join(f"{one.name} {one.state}, {one.restarts} restarts" for one in self.stack.healths())

    def recomputing(self) -> bool:
        """Tell whether the worker computes again what a change of the registry touched."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.stack.ports['worker']}/readyz", timeout=ANSWER_S).json()
        except (httpx.HTTPError, ValueError):
            return False
        return any(each["recomputing"] for each in answer.get("partitions", {}).values())

    def tick(self, at_ms: int) -> None:
        """Say through the topic that it is an instant [epoch ms], as the ticker does."""
        tick = encode(Readings(VERSION, self.version, tick=at_ms))
        asyncio.run(_send(self.settings, tick))

    def register(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Put documents into the registry; raise CommandError when they are refused."""
        answer = self.api.post("/v1/registry", {"base": self.version, "documents": list(documents)})
        self.version = answer["version"]

    def push(self, source: str, batch: str, rows: Sequence[Row]) -> list[str]:
        """Push readings to the gateway; return what it refuses, code first."""
        return self._sent("/v1/readings", {"source": source, "batch": batch, "readings": rows})

    def report(self, row: ReportedRow) -> list[str]:
        """Post a reported value; return what is refused, code first."""
        return self._sent("/v1/reported", {"values": [row]})

    def _sent(self, path: str, body: Any) -> list[str]:
        answer = self.gateway.post(path, content=msgspec.json.encode(body))
        answer.raise_for_status()
        return [f"{one['code']} ({one['message']})" for one in answer.json()["rejected"]]

    def known(self, entity: str, metric: str, window: Window) -> Known:
        """Return what the api says of a metric in a window."""
        begin, end = (local_datetime(at).isoformat() for at in (window.start_ms, window.end_ms))
        query = {"entity": entity, "metric": metric, "window": window.kind, "from": begin, "to": end, "exact": "true"}
        points = self.api.get("/v1/series", **query)["points"]
        if not points:
            return NOTHING
        (point,) = points
        micro = None if point["value"] is None else int(Fraction(point["value"]) * MICRO)
        parts = point["measured"], point["estimated"], point["missing"]
        expected = None not in parts and sum(parts) > 0
        return Known(micro, point["status"], Shares(*map(Fraction, parts)) if expected else None)

    def conditions(self, entity: str) -> list[Condition]:
        """Return the alarms of an entity as the api has them."""
        found = self.api.items("/v1/alarms", 1000, entity=entity)
        names = Condition.__struct_fields__
        return [msgspec.convert({name: one.get(name) for name in names}, Condition, strict=False) for one in found]

    def findings(self) -> dict[bytes, Finding]:
        """Return the findings that stand on their topic, by key."""
        return asyncio.run(_read_findings(self.settings))


@contextlib.contextmanager
def running(folder: Path, start_ms: int) -> Iterator[Installation]:
    """Start an installation in a folder, its clock at an instant [epoch ms]; nothing of it outlives the block.

    Kafka is that of QINGYU_KAFKA, or one of its own. Raises StackError or LocalServerError when it cannot start.
    """
    token = secrets.token_urlsafe(16)
    clock = folder / "clock"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    hold(clock, start_ms)
    with contextlib.ExitStack() as servers:
        kafka = servers.enter_context(broker(folder / "kafka"))
        ports = _ports()
        environment = {
            "QINGYU_KAFKA": kafka.bootstrap,
            "QINGYU_TOPIC_PREFIX": f"scenarios-{secrets.token_hex(3)}.",
            "QINGYU_PARTITIONS": str(PARTITIONS),
            "QINGYU_STORE": "",
            "QINGYU_ROUND_S": ROUND_S,
            "QINGYU_DATA": str(folder / "data"),
            "QINGYU_CLOCK": f"{HELD}{clock}",
            "QINGYU_OPERATOR_TOKEN": token,
            "QINGYU_TOKEN": token,
            "QINGYU_API_PORT": str(ports["api"]),
            "QINGYU_GATEWAY_PORT": str(ports["gateway"]),
            "QINGYU_API": f"http://127.0.0.1:{ports['api']}",
            "QINGYU_GATEWAY": f"http://127.0.0.1:{ports['gateway']}",
        }
        settings = Settings.model_validate({name.removeprefix("QINGYU_").lower(): v for name, v in environment.items()})
        apply_topics(settings)
        processes = Processes(folder / "logs", env=environment)
        servers.callback(processes.stop_all, grace_s=STOP_LIMIT_S)
        stack = Stack(settings, token, processes, ports, environment)
        stack.start(*ROLES)
        stack.wait_ready(*ROLES)
        api = servers.enter_context(Client(settings))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        gateway = servers.enter_context(httpx.Client(base_url=settings.gateway, headers=headers, timeout=ANSWER_S))
        yield Installation(settings, clock, api, gateway, stack)


async def _send(settings: Settings, message: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
    async with asyncio.timeout(READ_LIMIT_S), producer:
        for partition in range(PARTITIONS):
            await producer.send_and_wait(settings.topic(READINGS), message, partition=partition)


async def _read_findings(settings: Settings) -> dict[bytes, Finding]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, isolation_level="read_committed", enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    found: dict[bytes, Finding] = {}
    async with asyncio.timeout(READ_LIMIT_S), consumer:
        tps = [TopicPartition(settings.topic(FINDINGS), partition) for partition in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.update({each.key or b"": decode_finding(each.value or b"") for each in records})
    return found


def _ports() -> dict[str, int]:

    ports: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        for role in ROLES:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports[role] = probe.getsockname()[1]
    return ports
