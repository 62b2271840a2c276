"""`qingyu influx tokens` gives api, sink and Grafana a token each, once, on a real InfluxDB."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from deploy.local.influx import ForeignInflux, LocalInflux
from tests.command.conftest import Command


def _status(server: LocalInflux | ForeignInflux, token: str, bucket: str, *, write: bool) -> int:
    path = f"write?org={server.org}&bucket={bucket}&precision=ms" if write else f"buckets?name={bucket}"
    request = urllib.request.Request(
        f"{server.address}/api/v2/{path}",
        data=b"probe value=1.0 1600000000000" if write else None,
        headers={"Authorization": f"Token {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.fixture
def environment(influx: LocalInflux | ForeignInflux, prefix: str) -> dict[str, str]:
    return {
        "QINGYU_STORE": "influx",
        "QINGYU_INFLUX": influx.address,
        "QINGYU_INFLUX_ORG": influx.org,
        "QINGYU_INFLUX_TOKEN": influx.token,
        "QINGYU_INFLUX_PREFIX": prefix,
        "QINGYU_RAW_RETENTION": "forever",
    }


def test_tokens_are_made_once_and_one_of_them_only_reads(
    alone: Command, influx: LocalInflux | ForeignInflux, environment: dict[str, str], prefix: str, tmp_path: Path
) -> None:
    store, grafana = tmp_path / "store", tmp_path / "grafana"
    arguments = ("influx", "tokens", "--store", store, "--grafana", grafana)

    first = alone(*arguments, **environment)
    assert first.exit_code == 0, first.output
    assert "2 of 2 tokens made" in first.output
    texts = store.read_text(), grafana.read_text()
    assert all(text not in first.output for text in texts)
    assert [file.stat().st_mode & 0o777 for file in (store, grafana)] == [0o640, 0o640]

    assert _status(influx, texts[0], f"{prefix}day", write=True) == 204
    assert _status(influx, texts[1], f"{prefix}day", write=False) == 200
    assert _status(influx, texts[1], f"{prefix}day", write=True) in (401, 403, 404)

    again = alone(*arguments, **environment)
    assert "0 of 2 tokens made" in again.output
    assert (store.read_text(), grafana.read_text()) == texts


def test_a_token_that_is_not_valid_any_more_is_made_anew(
    alone: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    store, grafana = tmp_path / "store", tmp_path / "grafana"
    store.write_text("of-a-server-that-was-thrown-away")
    done = alone("influx", "tokens", "--store", store, "--grafana", grafana, **environment)
    assert done.exit_code == 0, done.output
    assert store.read_text() != "of-a-server-that-was-thrown-away"


def test_without_the_right_to_make_tokens_it_says_so_in_one_line(
    alone: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = environment | {"QINGYU_INFLUX_TOKEN": "wrong"}
    done = alone("influx", "tokens", "--store", tmp_path / "a", "--grafana", tmp_path / "b", **wrong)
    assert done.exit_code == 1
    assert "QINGYU_INFLUX_TOKEN" in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
