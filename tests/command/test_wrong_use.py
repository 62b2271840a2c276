"""Wrong use exits with 2, failures with 1, each with one clear line and never a traceback."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command.conftest import Command


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("serve",),
        ("serve", "coffee"),
        ("apply",),
        ("diff", "--no-such-option", "x"),
        ("get",),
        ("key", "new"),
        ("key", "new", "--role", "king"),
        ("key", "revoke"),
        ("rejected", "list", "--limit", "0"),
        ("topics", "apply", "--wait-s", "soon"),
    ],
)
def test_wrong_arguments_exit_with_two(alone: Command, arguments: tuple[str, ...]) -> None:
    refused = alone(*arguments)

    assert refused.exit_code == 2
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("apply", "/no/such/file.yaml"), {"QINGYU_TOKEN": "x"}, "/no/such/file.yaml is no file and no folder"),
        (("get", "meter"), {}, "no token: set QINGYU_TOKEN"),
        (("get", "meter"), {"QINGYU_TOKEN": "x", "QINGYU_API": "nonsense"}, "QINGYU_API is 'nonsense'"),
        (("topics", "apply"), {"QINGYU_PARTITIONS": "0"}, "QINGYU_PARTITIONS: Input should be greater than"),
        (("serve", "api"), {"QINGYU_CLOCK": "noon"}, "QINGYU_CLOCK is 'noon'"),
    ],
)
def test_invalid_input_exits_with_two(
    alone: Command, arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    refused = alone(*arguments, **env)

    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"error: {said}")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("get", "meter"), "the api at http://127.0.0.1:9 (QINGYU_API) cannot be reached"),
        (("topics", "apply"), "Kafka at 127.0.0.1:9 (QINGYU_KAFKA) cannot be reached"),
        (("status",), "Kafka at 127.0.0.1:9 (QINGYU_KAFKA) cannot be reached"),
        (("rejected", "list"), "the api at http://127.0.0.1:9 (QINGYU_API) cannot be reached"),
    ],
)
def test_a_server_that_is_away_is_named_and_exits_with_one(
    alone: Command, arguments: tuple[str, ...], said: str
) -> None:
    failed = alone(*arguments, QINGYU_TOKEN="x")

    assert failed.exit_code == 1
    assert failed.stderr.startswith(f"error: {said}")
    assert len(failed.stderr.splitlines()) == 1


def test_errors_come_as_json_too(alone: Command) -> None:
    failed = alone("get", "meter", "--json", QINGYU_TOKEN="x")

    assert "cannot be reached" in json.loads(failed.stdout)["error"]


@pytest.mark.parametrize("command", ["serve", "apply", "diff", "get", "key", "topics", "rejected", "status"])
def test_every_command_has_help(alone: Command, command: str) -> None:
    assert alone(command, "--help").exit_code == 0


def test_the_installed_command_runs() -> None:
    program = shutil.which("qingyu")
    assert program is not None

    told = subprocess.run(
        [program, "version", "--json"], env=os.environ, capture_output=True, text=True, timeout=60, check=True
    )
    wrong = subprocess.run([program, "apply", str(Path("/no/such"))], capture_output=True, text=True, timeout=60)

    assert json.loads(told.stdout)["version"]
    assert (wrong.returncode, wrong.stdout) == (2, "")
