"""`serve api` as a process: it is there until it is told to go, and says so when it cannot be."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.topics import apply_topics
from tests.api_server import OPERATOR, api_settings

Serving = tuple[subprocess.Popen[bytes], str, Path]


@pytest.fixture
def serving(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Iterator[Serving]:
    apply_topics(api_settings(kafka.bootstrap, prefix, tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "QINGYU_KAFKA": kafka.bootstrap,
        "QINGYU_TOPIC_PREFIX": prefix,
        "QINGYU_DATA": str(tmp_path),
        "QINGYU_API_PORT": str(port),
        "QINGYU_OPERATOR_TOKEN": OPERATOR,
    }
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", "from services.command.main import app; app()", "serve", "api"],
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait(120)


def until_ready(url: str) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the api is not ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(serving: Serving, number: signal.Signals) -> None:
    process, url, log = serving
    until_ready(url)
    document = {"apiVersion": "qingyu/v1", "kind": "enterprise", "id": "a", "valid_from": "2018-01-01", "spec": {}}
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    answer = httpx.post(f"{url}/v1/registry", json={"base": 0, "documents": [document]}, headers=headers, timeout=30)
    assert answer.json()["version"] == 1

    process.send_signal(number)

    assert process.wait(120) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert "registry set written" in {line["event"] for line in lines}


def test_a_port_that_is_taken_ends_it_with_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-c", "from services.command.main import app; app()", "serve", "api"],
            env=os.environ | {"QINGYU_API_PORT": port, "QINGYU_KAFKA": "127.0.0.1:9"},
            capture_output=True,
            text=True,
            timeout=200,
        )

    assert ended.returncode == 1
    assert "address already in use" in ended.stderr
