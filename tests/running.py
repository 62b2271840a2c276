"""Processes of Qingyu as a test runs them, each as the command starts it, and topics read to their end."""

import asyncio
import contextlib
import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.local.processes import TRY_AGAIN, Processes
from schemas.messages import CalendarDocument, decode_calendar
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS, REPORTED, TOTALS, Topic

# Nothing takes nearly so long on idle cores; on a crowded machine a start alone can take half a minute.
LIMIT_S = 200.0
_SERVE = "from services.command.main import app; app()"
KILLED = -9

ResultT = TypeVar("ResultT")


class Found(NamedTuple):
    """A record of a topic; `at_ms` is when the broker had it [epoch ms]."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    at_ms: int


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metric(port: int, name: str) -> float:
    """Return what a process says of a metric at /metrics: the sum over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    found = [float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
    if not found:
        raise AssertionError(f"no metric {name}")
    return sum(found)


def until(found: Callable[[], ResultT], limit_s: float = LIMIT_S, what: str = "it", every_s: float = 0.1) -> ResultT:
    """Return what `found` returns as soon as that is true; fail after `limit_s` [s]."""
    end = time.monotonic() + limit_s
    while not (result := found()):
        assert time.monotonic() < end, f"{what} did not happen within {limit_s} s"
        time.sleep(every_s)
    return result


def run(work: Coroutine[Any, Any, ResultT], limit_s: float = LIMIT_S) -> ResultT:
    """Run a coroutine to its end, within a limit [s]."""

    async def limited() -> ResultT:
        async with asyncio.timeout(limit_s):
            return await work

    return asyncio.run(limited())


class Installation:
    """The processes of one installation on a Kafka that runs; `processes` keeps them."""

    def __init__(self, settings: Settings, directory: Path, processes: Processes) -> None:
        self.settings = settings
        self.directory = directory
        self.processes = processes
        self.ports: dict[str, int] = {}

    def environment(self, name: str, **more: str) -> dict[str, str]:
        """Return the environment of a process; every one has a data folder of its own, but for the series store."""
        settings = self.settings
        port = self.ports.setdefault(name, free_port())
        token = settings.operator_token
        return {
            "QINGYU_KAFKA": settings.kafka,
            "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
            "QINGYU_PARTITIONS": str(settings.partitions),
            "QINGYU_DATA": str(self.directory / name),
            "QINGYU_STORE": str(self.directory / "series.sqlite"),
            "QINGYU_METRICS_PORT": str(port),
            "QINGYU_API_PORT": str(port),
            "QINGYU_GATEWAY_PORT": str(port),
            "QINGYU_INSTANCE": name,
            "QINGYU_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
            **({"QINGYU_OPERATOR_TOKEN": token.get_secret_value()} if token else {}),
            **more,
        }

    def start(
        self, role: str, name: str = "", *, restart_on: Iterable[int] = (TRY_AGAIN,), before: str = "", **more: str
    ) -> str:
        """Start a process of a role and return its name.

        `before` is Python that it runs first; `more` are further environment variables.
        """
        name = name or role
        command = (sys.executable, "-c", f"{before}\n{_SERVE}", "serve", role)
        self.processes.start(name, command, env=self.environment(name, **more), restart_on=tuple(restart_on))
        return name

    def data(self, name: str) -> Path:
        """Return the data folder of a process."""
        return self.directory / name

    def ready(self, name: str) -> tuple[bool, dict[str, Any]]:
        """Return what a process says at /readyz; it says nothing while it does not listen."""
        with contextlib.suppress(OSError):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5) as answer:
                    return True, json.load(answer)
            except urllib.error.HTTPError as error:
                return False, json.load(error)
        return False, {}

    def wait_ready(self, *names: str, limit_s: float = LIMIT_S) -> None:
        """Wait until processes say that they are ready."""
        for name in names:
            try:
                until(lambda name=name: self.ready(name)[0], limit_s, f"readiness of {name}")
            except AssertionError as error:
                raise AssertionError(f"{error}; it says {self.ready(name)[1]}; {self.log(name)[-3000:]}") from error

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        return self.processes.log(name).read_text(encoding="utf-8", errors="replace")

    def wait_done(self, limit_s: float = LIMIT_S) -> None:
        """Wait until the workers have taken in all that stands on their input topics."""
        until(lambda: lag(self.settings) == 0, limit_s, "all input taken in", 0.3)

    def is_stored(self) -> bool:
        """Tell whether the sink has written all that stands on its topics now, but for heartbeats, which never end."""
        is_ready, state = self.ready("sink")
        names = [name for name in state.get("partitions", {}) if "engine/" not in name]
        try:
            return is_ready and run(_is_behind_none(self.settings, names), 20)
        except (KafkaError, TimeoutError, OSError):
            return False


async def _is_behind_none(settings: Settings, names: Iterable[str]) -> bool:
    # Kafka is asked: the sink's own word on the ends is as old as the last time that it asked.
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=settings.group("sink"))
    await consumer.start()
    try:
        parts = [name.rpartition("/") for name in names]
        ends = await consumer.end_offsets([TopicPartition(topic, int(number)) for topic, _, number in parts])
        return all([end <= (await consumer.committed(one) or 0) for one, end in ends.items()])
    finally:
        await consumer.stop()


async def _read(settings: Settings, topic: Topic, committed: bool) -> list[Found]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16 << 20,
    )
    count = settings.partitions if topic.partitioned else 1
    tps = [TopicPartition(settings.topic(topic), number) for number in range(count)]
    await consumer.start()
    try:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        found: list[Found] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=300, max_records=5000)).values():
                found += [
                    Found(each.partition, each.offset, each.key or b"", each.value or b"", each.timestamp)
                    for each in records
                ]
        return found
    finally:
        await consumer.stop()


def read(settings: Settings, topic: Topic, *, committed: bool = True, limit_s: float = 120) -> list[Found]:
    """Return all records of a topic, of each partition in order."""
    return run(_read(settings, topic, committed), limit_s)


def totals(settings: Settings) -> dict[str, CalendarDocument]:
    """Return what stands on topic `totals` for readers of committed records, by key."""
    return {each.key.decode(): decode_calendar(each.value) for each in read(settings, TOTALS)}


async def _lag(settings: Settings) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=settings.group("worker"))
    await consumer.start()
    try:
        total = 0
        tps = [TopicPartition(settings.topic(READINGS), number) for number in range(settings.partitions)]
        tps += [TopicPartition(settings.topic(REPORTED), number) for number in range(settings.partitions)]
        reported = settings.topic(REPORTED)
        for tp, end in (await consumer.end_offsets(tps)).items():
            done = await consumer.committed(tp) or 0
            # What a worker passes on to another enterprise ends with marks of its transactions, which nobody takes in.
            total += len(await unread(settings, tp, done, end)) if tp.topic == reported else max(0, end - done)
        return total
    finally:
        await consumer.stop()


async def unread(settings: Settings, tp: TopicPartition, first: int, end: int) -> list[int]:
    """Return the offsets of the committed records in a stretch of a partition, which must end."""
    if first >= end:
        return []
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, first)
        found: list[int] = []
        while await consumer.position(tp) < end:
            found += [each.offset for each in (await consumer.getmany(tp, timeout_ms=300)).get(tp, ())]
        return found
    finally:
        await consumer.stop()


def lag(settings: Settings) -> int:
    """Return how many input messages are not taken in by committed steps; 1 while Kafka cannot tell."""
    try:
        return run(_lag(settings), 20)
    except (KafkaError, TimeoutError, OSError):
        return 1


async def _send(settings: Settings, topic: Topic, messages: Iterable[tuple[int, bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True, max_request_size=16 << 20)
    await producer.start()
    try:
        name = settings.topic(topic)
        sent = [await producer.send(name, value, key, partition) for partition, key, value in messages]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def send_records(settings: Settings, topic: Topic, records: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Write (partition, key, value) in their order."""
    run(_send(settings, topic, records))


def send(settings: Settings, messages: Iterable[tuple[str, bytes]], topic: Topic = READINGS) -> None:
    """Write (enterprise, message) to the partitions of their enterprises, as the gateway does."""
    count = settings.partitions
    send_records(settings, topic, [(partition_of_key(key, count), key.encode(), value) for key, value in messages])


def send_to(
    settings: Settings, partition: int, values: Iterable[bytes], topic: Topic = READINGS, key: bytes = b"works"
) -> None:
    """Write any bytes to a partition, under one key."""
    send_records(settings, topic, [(partition, key, value) for value in values])
