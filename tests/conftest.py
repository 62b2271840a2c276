"""What every test may ask for: a real Kafka, a real InfluxDB, and names that no other test uses."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.local.influx import ForeignInflux, LocalInflux, influx
from deploy.local.kafka import ForeignKafka, LocalKafka, broker

# Two processes test at once: how long an example takes tells how busy the machine is.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka | ForeignKafka]:
    """One ready broker for the session, its address in ``.bootstrap``; a test that kills a broker starts its own."""
    named = "QINGYU_KAFKA" in os.environ
    directory = Path() if named else tmp_path_factory.mktemp("kafka")
    with broker(directory) as found:
        yield found


@pytest.fixture(scope="session", name="influx")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInflux | ForeignInflux]:
    """One ready InfluxDB for the session (.address .org .token); a test that kills one starts its own LocalInflux."""
    with influx(tmp_path_factory.mktemp("influx")) as found:
        yield found


@pytest.fixture
def prefix() -> str:
    """Topic prefix of this test alone, such as ``t3f2a9c01.``; many tests share one broker."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Forget afterwards where a command of this test sent its logs: that stream is closed, and who logs would fail."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the two files of one long test each: come last, one process would do both while the other waits."""
    items.sort(key=lambda item: "upgrade" not in item.path.parts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests measured, also where they pass (`record_property("measured", ...)`)."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {value}")
