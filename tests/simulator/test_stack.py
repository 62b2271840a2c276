"""The demo's stack when something does not answer: an error that says so, and no traceback."""

from pathlib import Path

import pytest

from deploy.local import kafka
from deploy.local.cache import LocalServerError
from deploy.local.processes import Processes
from schemas.settings import Settings
from services.simulator import stack
from services.simulator.stack import Stack, StackError


def test_a_command_that_takes_too_long_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "COMMAND_LIMIT_S", 0.01)
    with Processes(tmp_path) as processes:
        running = Stack(Settings(), "", processes, {})
        with pytest.raises(StackError, match=r"qingyu version was not done after 0\.01 s"):
            running.command("version")


def test_a_named_broker_that_is_away_is_said_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_READY_LIMIT_S", 0.1)
    monkeypatch.setenv("QINGYU_KAFKA", "127.0.0.1:9")
    with pytest.raises(LocalServerError, match="QINGYU_KAFKA names it"), kafka.broker(tmp_path):
        pass
