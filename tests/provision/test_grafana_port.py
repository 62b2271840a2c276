"""Each way in which Grafana can fail is one clear line and an exit status, and never a traceback."""

import socket
from collections.abc import Iterator

import pytest

from services.provision.grafana_port import GrafanaError, GrafanaPort
from tests.provision.conftest import Push
from tests.provision.fake_grafana import ADMIN, FakeGrafana


@pytest.fixture
def port(grafana: FakeGrafana) -> Iterator[GrafanaPort]:
    with GrafanaPort(grafana.address, ADMIN, limit_s=200.0) as found:
        yield found


def code(port: GrafanaPort) -> str:
    with pytest.raises(GrafanaError) as caught:
        port.version()
        port.get("/v1/provisioning/policies")
    return caught.value.code


def test_an_answer_without_a_body_is_a_success(grafana: FakeGrafana, port: GrafanaPort):
    grafana.mutes["always"] = {"name": "always"}
    assert port.put("/v1/provisioning/mute-timings", "always", body={"name": "always"}) is None
    port.delete("/v1/provisioning/alert-rules", "none")


def test_what_is_not_there_is_none(port: GrafanaPort):
    assert port.dashboard("none") is None
    assert port.folder("none") is None
    assert port.get("/datasources/uid", "none") is None


def test_a_name_is_one_part_of_a_path(grafana: FakeGrafana, port: GrafanaPort):
    grafana.mutes["a b?c"] = {"name": "a b?c"}
    assert port.get("/v1/provisioning/mute-timings", "a b?c") == {"name": "a b?c"}


def test_a_grafana_below_a_path_is_found(grafana: FakeGrafana, push: Push):
    assert push(grafana=grafana.address + "/grafana/").exit_code == 0
    assert "qingyu-city" in grafana.boards


def test_a_page_in_the_place_of_an_answer_is_not_grafana(grafana: FakeGrafana, port: GrafanaPort):
    grafana.page = True
    assert code(port) == "not_grafana"


def test_a_silent_grafana_is_given_up_on(grafana: FakeGrafana):
    grafana.slow_s = 1.0
    with GrafanaPort(grafana.address, ADMIN, limit_s=0.3) as port:
        assert code(port) == "no_answer"


def test_a_database_that_is_away_is_told(grafana: FakeGrafana, port: GrafanaPort):
    grafana.database = "failing"
    assert code(port) == "failed"


def test_an_unknown_token_is_told(grafana: FakeGrafana, push: Push):
    done = push(grafana_token="other")
    assert (done.exit_code, grafana.writes) == (1, [])
    assert "does not know the token of QINGYU_GRAFANA_TOKEN" in done.stderr
    assert "other" not in done.output.replace("another", "")


def test_nobody_at_the_address_is_told(push: Push):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = push(grafana=address)
    assert done.exit_code == 1
    assert f"Grafana at {address} (QINGYU_GRAFANA) cannot be reached" in done.stderr


@pytest.mark.parametrize("address", ["grafana:3000", "http://", "ftp://grafana", "http://grafana/?a=b"])
def test_an_address_that_is_none_is_wrong_use(push: Push, address: str):
    done = push(grafana=address)
    assert done.exit_code == 2
    assert "write http://HOST:PORT" in done.stderr


@pytest.mark.parametrize("name", ["grafana_token", "grafana_influx_token"])
def test_a_token_that_is_not_set_is_wrong_use(push: Push, name: str):
    done = push(**{name: ""})
    assert done.exit_code == 2
    assert f"QINGYU_{name.upper()} is not set" in done.stderr
