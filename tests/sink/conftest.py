"""A sink under test: its settings, a writer of messages, and the sink as a process that can be killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from schemas.topics import Topic
from services.topics import apply_topics

Message = tuple[Topic, int, bytes, bytes]
COMMAND = "from services.command.main import app; app()"
RUN = "from schemas.settings import Settings; from services.sink.main import serve; serve(Settings())"


def store_environment(settings: Settings) -> dict[str, str]:
    """Return what tells a process which store is meant."""
    token = settings.influx_token
    return {
        "QINGYU_STORE": settings.store,
        "QINGYU_DATA": str(settings.data),
        "QINGYU_INFLUX": settings.influx,
        "QINGYU_INFLUX_ORG": settings.influx_org,
        "QINGYU_INFLUX_TOKEN": token.get_secret_value() if token else "",
        "QINGYU_INFLUX_PREFIX": settings.influx_prefix,
        "QINGYU_RAW_RETENTION": settings.raw_retention,
    }


def rebuild(settings: Settings, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `qingyu store rebuild --json` to its end."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "store", "rebuild", "--json", *options],
        env={
            **os.environ,
            "QINGYU_KAFKA": settings.kafka,
            "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
            "QINGYU_PARTITIONS": str(settings.partitions),
            **store_environment(settings),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class SinkProcess:
    """The sink in a process of its own."""

    def __init__(self, settings: Settings, port: int, log: Path) -> None:
        self._environment = {
            **os.environ,
            "QINGYU_KAFKA": settings.kafka,
            "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
            "QINGYU_PARTITIONS": str(settings.partitions),
            **store_environment(settings),
            "QINGYU_METRICS_PORT": str(port),
        }
        self._port = port
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN], env={**self._environment, **settings}, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self.end(signal.SIGKILL)

    def wait_killed(self, limit_s: float = 200) -> None:
        assert self.process is not None
        assert self.process.wait(limit_s) == -signal.SIGKILL, self._log.read_text()
        self.process = None

    def end(self, number: signal.Signals = signal.SIGTERM, limit_s: float = 30) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(limit_s)
        self.process = None
        return code

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ready(self) -> tuple[int, dict[str, Any]]:
        status, text = self.get("/readyz")
        return status, json.loads(text) if status else {}

    def log(self) -> str:
        return self._log.read_text()


def until(found: Callable[[], Any], limit_s: float = 200) -> Any:
    """Return what `found` returns as soon as it is true."""
    end = time.monotonic() + limit_s
    while not (result := found()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return result


def send(
    settings: Settings, messages: Sequence[Message], transaction: str | None = None, *, abort: bool = False
) -> None:
    """Write messages, in one transaction where its id is given."""

    async def run() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", transactional_id=transaction)
        async with asyncio.timeout(200):
            await producer.start()
            try:
                if transaction:
                    await producer.begin_transaction()
                waiting = [
                    await producer.send(settings.topic(topic), value, key, partition)
                    for topic, partition, key, value in messages
                ]
                await asyncio.gather(*waiting)
                if transaction:
                    await (producer.abort_transaction() if abort else producer.commit_transaction())
            finally:
                await producer.stop()

    asyncio.run(run())


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone, and an empty place for the store."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, store=str(tmp_path / "series.sqlite"))
    apply_topics(found)
    return found


@pytest.fixture
def sink(settings: Settings, tmp_path: Path, free_port: int) -> Iterator[SinkProcess]:
    """A sink that is not started yet; it is ended with the test."""
    found = SinkProcess(settings, free_port, tmp_path / "sink.log")
    yield found
    if found.process is not None:
        found.end(signal.SIGKILL)


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
