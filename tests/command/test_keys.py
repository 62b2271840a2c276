"""Keys: the token is shown once, its hash is kept, and a revoked one opens nothing."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.api_server import RunningApi
from tests.command.conftest import Command

ENTERPRISE = "{apiVersion: qingyu/v1, kind: enterprise, id: a, valid_from: 2018-01-01, spec: {}}"


@pytest.fixture
def enterprise(qingyu: Command, tmp_path: Path) -> str:
    (tmp_path / "a.yaml").write_text(ENTERPRISE)
    assert qingyu("apply", tmp_path / "a.yaml").exit_code == 0
    return "a"


def test_a_new_key_opens_at_once_and_only_its_hash_is_kept(qingyu: Command, api: RunningApi, enterprise: str) -> None:
    made = json.loads(qingyu("key", "new", "--role", "enterprise", "--subject", enterprise, "--json").stdout)

    assert api.get("/v1/entities", token=made["token"]).status_code == 200
    kept = qingyu("get", "key", made["id"]).stdout
    assert hashlib.sha256(made["token"].encode()).hexdigest() in kept
    assert made["token"] not in kept


def test_a_revoked_key_opens_nothing(qingyu: Command, api: RunningApi) -> None:
    made = json.loads(qingyu("key", "new", "--role", "operator", "--name", "duty desk", "--json").stdout)
    assert api.get("/v1/entities", token=made["token"]).status_code == 200

    assert qingyu("key", "revoke", made["id"]).stdout == f"key {made['id']} is revoked\n"

    assert api.get("/v1/entities", token=made["token"]).status_code == 401
    assert qingyu("get", "enterprise", token=made["token"]).stderr.startswith("error: unauthorized: ")
    assert qingyu("key", "revoke", made["id"]).stdout == f"key {made['id']} was revoked already\n"


def test_the_token_stands_in_a_line_of_its_own(qingyu: Command) -> None:
    first, token, warning = qingyu("key", "new", "--role", "viewer").stdout.splitlines()

    assert first.startswith("key viewer-")
    assert token.split(" ")[0] == "token" and len(token.split(" ")[1]) >= 43
    assert "not shown again" in warning


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--role", "enterprise"), "bad_subject"),
        (("--role", "enterprise", "--subject", "nobody"), "missing_reference"),
        (("--role", "operator", "--subject", "a"), "bad_subject"),
        (("--role", "viewer", "--id", "No Id"), "bad_id"),
    ],
)
def test_a_key_that_fits_nobody_is_refused(qingyu: Command, arguments: tuple[str, ...], code: str) -> None:
    refused = qingyu("key", "new", *arguments)

    assert refused.exit_code == 2
    assert f"{code}: " in refused.stderr
    assert "token" not in refused.stdout


def test_the_id_of_a_key_is_not_used_again(qingyu: Command) -> None:
    assert qingyu("key", "new", "--role", "viewer", "--id", "v1").exit_code == 0

    assert qingyu("key", "new", "--role", "viewer", "--id", "v1").exit_code == 1


def test_revoking_what_is_not_there_fails(qingyu: Command) -> None:
    assert qingyu("key", "revoke", "nobody").stderr == "error: no key nobody is registered\n"
