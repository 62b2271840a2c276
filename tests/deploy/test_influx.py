"""A local InfluxDB starts set up, keeps what was acknowledged when it is killed, and says what it lacks in one line."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import influxd
from deploy.local.cache import LocalServerError
from deploy.local.influx import ForeignInflux, LocalInflux, influx


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInflux]:
    """A server that the tests of this module may kill."""
    with LocalInflux.start(tmp_path_factory.mktemp("own")) as found:
        yield found


def ask(server: LocalInflux, path: str, body: bytes | None = None, timeout_s: float = 10.0) -> bytes:
    """Send a request with the server's token and return the answer's body."""
    headers = {"Authorization": f"Token {server.token}"}
    request = urllib.request.Request(server.address + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return answer.read()


def values(server: LocalInflux) -> list[float]:
    """All values of measurement m."""
    said = json.loads(ask(server, "/query?db=setup&q=SELECT%20v%20FROM%20m"))
    return [row[1] for row in said["results"][0].get("series", [{"values": []}])[0]["values"]]


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line and return what it said."""
    line = [sys.executable, "-m", "deploy.local.influxd", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=os.environ | env)


def test_points_outlive_a_sigkill_at_the_same_address_with_the_same_token(own: LocalInflux) -> None:
    ask(own, "/api/v2/write?org=qingyu&bucket=setup&precision=s", b"m v=1.5 1700000000")
    address, token, first = own.address, own.token, own.pid

    own.kill()
    assert not own.is_alive()
    own.restart()

    assert (own.address, own.token) == (address, token)
    assert own.pid != first
    assert values(own) == [1.5]


def test_a_paused_server_does_not_answer_until_it_is_resumed(own: LocalInflux) -> None:
    own.pause()
    with pytest.raises(TimeoutError):
        ask(own, "/health", timeout_s=0.3)
    own.resume()
    assert json.loads(ask(own, "/health"))["status"] == "pass"


def test_the_token_is_readable_by_its_owner_only(own: LocalInflux) -> None:
    assert (own.log.parent / "token").stat().st_mode & 0o777 == 0o600


def test_a_server_that_ends_at_its_start_is_shown_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("in the way", encoding="utf-8")
    with pytest.raises(LocalServerError) as error:
        LocalInflux.start(tmp_path)
    assert error.value.code == "broker_ended"
    assert "influxd.log" in str(error.value)


def test_a_named_server_is_used_as_it_is(own: LocalInflux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGYU_INFLUX", own.address)
    monkeypatch.setenv("QINGYU_INFLUX_TOKEN", own.token)
    with influx(tmp_path / "untouched") as found:
        assert found == ForeignInflux(own.address, "qingyu", own.token)
    assert not (tmp_path / "untouched").exists()


def test_a_named_server_that_does_not_answer_is_told_with_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGYU_INFLUX", "http://127.0.0.1:9")
    started_s = time.monotonic()
    with pytest.raises(LocalServerError, match="QINGYU_INFLUX names it"), influx(tmp_path):
        pass
    assert time.monotonic() - started_s < 30


def test_a_named_program_is_used_instead_of_building_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("QINGYU_INFLUX", sys.executable)
    assert influxd.fetch() == Path(sys.executable)
    assert not list(tmp_path.iterdir())


def test_everything_that_building_lacks_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "go").write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n", encoding="utf-8")
    (tmp_path / "go").chmod(0o755)
    done = command("check", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), QINGYU_INFLUX="")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    for told in ("go 1.25.10 or newer", "1.19.8 is here", "rust 1.83", "gcc", "pkg-config", "QINGYU_INFLUX"):
        assert told in done.stderr


def test_a_path_that_is_no_program_is_named() -> None:
    done = command("fetch", QINGYU_INFLUX="/no/such/influxd")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "/no/such/influxd" in done.stderr


def test_wrong_use_is_answered_in_one_line() -> None:
    done = command("build")
    assert (done.returncode, done.stderr) == (2, "usage: python3 -m deploy.local.influxd check|fetch\n")
