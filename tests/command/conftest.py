"""The command against a running api on a real Kafka."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.command.main import app
from services.topics import apply_topics
from tests.api_server import OPERATOR, RunningApi, api_settings, running_api

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    # The api of these tests lives in their process: its log would stand in the command's output.
    with structlog.testing.capture_logs():
        yield
    # A process that was served in here bound its log to the runner's standard error, which is closed by now.
    structlog.reset_defaults()


@pytest.fixture
def api(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Iterator[RunningApi]:
    settings = api_settings(kafka.bootstrap, prefix, tmp_path / "data")
    apply_topics(settings)
    with running_api(settings) as found:
        yield found


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command where no server is there; `env` adds to its environment."""
    for name in ("QINGYU_TOKEN", "QINGYU_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path, **env: str) -> Result:
        servers = {"QINGYU_API": "http://127.0.0.1:9", "QINGYU_GATEWAY": "http://127.0.0.1:9"}
        return CliRunner().invoke(
            app, [str(one) for one in arguments], env=servers | {"QINGYU_KAFKA": "127.0.0.1:9"} | env
        )

    return run


@pytest.fixture
def qingyu(api: RunningApi, alone: Command) -> Command:
    """The command with the address of the api and its operator token."""

    def run(*arguments: str | Path, token: str = OPERATOR, **env: str) -> Result:
        servers = {
            "QINGYU_API": api.url,
            "QINGYU_KAFKA": api.settings.kafka,
            "QINGYU_TOPIC_PREFIX": api.settings.topic_prefix,
            "QINGYU_PARTITIONS": str(api.settings.partitions),
            "QINGYU_TOKEN": token,
        }
        return alone(*arguments, **(servers | env))

    return run
