"""A stand-in for Grafana, empty or with everything pushed into it, and the command that pushes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.command.main import app
from services.provision.grafana_port import GrafanaPort
from services.provision.push import Wanted, changes
from tests.provision.fake_grafana import ADMIN, FakeGrafana, running

Push = Callable[..., Result]
INFLUX, INFLUX_TOKEN, HOOK, HOOK_TOKEN = "http://influxdb:8086", "reading-token", "http://postbox/alerts", "hook-token"


@pytest.fixture(scope="session")
def server() -> Iterator[FakeGrafana]:
    found = FakeGrafana()
    with running(found):
        yield found


@pytest.fixture(scope="session")
def states(server: FakeGrafana) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a Grafana is before and after a push."""
    empty = server.state()
    with GrafanaPort(server.address, ADMIN) as port:
        for change in changes(port, Wanted(INFLUX, INFLUX_TOKEN, "", HOOK, HOOK_TOKEN)):
            change.mend()
    server.writes.clear()
    return empty, server.state()


@pytest.fixture
def grafana(server: FakeGrafana, states: tuple[dict[str, Any], dict[str, Any]]) -> FakeGrafana:
    """An empty Grafana."""
    server.restore(states[0])
    return server


@pytest.fixture
def full(server: FakeGrafana, states: tuple[dict[str, Any], dict[str, Any]]) -> FakeGrafana:
    """A Grafana that everything of ours was pushed into."""
    server.restore(states[1])
    return server


@pytest.fixture
def push(server: FakeGrafana, monkeypatch: pytest.MonkeyPatch) -> Push:
    """Run `qingyu dashboards push`; names given are settings."""

    def run(*arguments: str, **settings: str) -> Result:
        chosen = {
            "grafana": server.address,
            "grafana_token": ADMIN,
            "grafana_influx": INFLUX,
            "grafana_influx_token": INFLUX_TOKEN,
            "grafana_hook": HOOK,
            "grafana_hook_token": HOOK_TOKEN,
            **settings,
        }
        environment = {f"QINGYU_{name.upper()}": value for name, value in chosen.items() if value}
        for name in chosen:
            monkeypatch.delenv(f"QINGYU_{name.upper()}", raising=False)
        return CliRunner().invoke(app, ["dashboards", "push", *arguments], env=environment)

    return run
