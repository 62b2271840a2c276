"""What a process without another HTTP server says of itself, over a real socket."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from services.health import HealthServer

STATE: dict[str, Any] = {"ready": True}


@pytest.fixture
def address() -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("qingyu_test_things", "Things.", registry=registry).inc(3)
    STATE["ready"] = True
    with HealthServer("127.0.0.1", 0, lambda: (STATE["ready"], {"lag": 7}), registry) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_a_running_process_is_alive_whether_ready_or_not(address: str) -> None:
    STATE["ready"] = False
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_readiness_comes_with_its_figures(address: str) -> None:
    response = httpx.get(f"{address}/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "lag": 7})
    STATE["ready"] = False
    response = httpx.get(f"{address}/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "not ready", "lag": 7})


def test_metrics_are_in_the_form_of_prometheus(address: str) -> None:
    response = httpx.get(f"{address}/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "qingyu_test_things_total 3.0" in response.text


def test_any_other_path_is_not_found(address: str) -> None:
    assert httpx.get(f"{address}/secret").status_code == 404


def test_a_taken_port_is_an_error_at_once() -> None:
    with HealthServer("127.0.0.1", 0, lambda: (True, {})) as first, pytest.raises(OSError, match="in use"):
        HealthServer("127.0.0.1", first.port, lambda: (True, {}))
