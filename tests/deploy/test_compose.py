"""docker-compose.yml, checked without a container engine: commands, settings, files, ports, order and closed doors.

Its form is checked against the compose specification by `make lint`.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from deploy.secret_files import FOLDER, NOTIFIER, SECRETS
from schemas.settings import Settings
from services.command.main import app
from services.command.serving import Role

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "qingyu:local"}
OTHERS = {name: one for name, one in SERVICES.items() if name not in OURS}
LASTING = {name: one for name, one in SERVICES.items() if one["restart"] != "no"}
PAGE = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
# What the host may set, each with a default.
VARIABLE = re.compile(r"\$\{(\w+)(:-[^}]*)?\}")
SETTINGS = {f"QINGYU_{name.upper()}" for name in Settings.model_fields}


def _environment(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


def _mounts(name: str) -> list[tuple[str, str, bool]]:
    """The volumes of a service as (source, target, read-only); what the host may set by its default."""
    found: list[tuple[str, str, bool]] = []
    for text in SERVICES[name].get("volumes", ()):
        plain = VARIABLE.sub(lambda match: match[2][2:], text)
        source, target, *mode = plain.split(":")
        found.append((source, target, mode == ["ro"]))
    return found


def test_every_process_of_qingyu_is_there_and_nothing_is_without_one():
    served = {one["command"][2] for one in OURS.values() if one["command"][:2] == ["qingyu", "serve"]}
    assert served == {role.value for role in Role}
    assert set(OTHERS) == {"kafka", "influxdb", "grafana"}


def test_other_images_are_named_by_exact_tags():
    images = {one["image"] for one in OTHERS.values()}
    assert images == {"apache/kafka:4.3.1", "influxdb:2.9.1", "grafana/grafana:12.4.12"}
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+", image) for image in images)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_is_one_that_the_command_line_takes(name: str, monkeypatch: pytest.MonkeyPatch):
    assert OURS[name].get("entrypoint", ["qingyu-entrypoint"])[0] == "qingyu-entrypoint"
    words = [*OURS[name].get("entrypoint", [""])[1:], *OURS[name]["command"]]
    assert words[0] == "qingyu"
    # Up to where it would begin to work: wrong options and roles are refused before.
    monkeypatch.setattr("services.command.serving.Settings", _stop)
    monkeypatch.setattr("services.command.main.Settings", _stop)
    monkeypatch.setattr("services.command.influx.Settings", _stop)
    monkeypatch.setattr("services.command.status.Settings", _stop)
    done = CliRunner().invoke(app, words[1:])
    assert isinstance(done.exception, _StoppedError), done.output


class _StoppedError(Exception):
    pass


def _stop(*_: object, **__: object) -> Settings:
    raise _StoppedError


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_is_one_and_its_value_is_taken(name: str):
    environment = _environment(name)
    values = {key: VARIABLE.sub(lambda match: match[2][2:], value) for key, value in environment.items()}
    plain = {key: value for key, value in values.items() if not key.endswith("_FILE")}
    from_files = {key.removesuffix("_FILE") for key in values if key.endswith("_FILE")}
    assert set(plain) | from_files <= SETTINGS
    Settings.model_validate({key.removeprefix("QINGYU_").lower(): value for key, value in plain.items()})


def test_what_the_host_may_set_has_a_default_and_stands_on_the_page():
    # Twice the sign is one for the container's own shell.
    for name, default in VARIABLE.findall(TEXT.replace("$$", "")):
        assert default, name
        assert f"`{name}`" in PAGE, name


def test_no_secret_has_a_default_or_stands_in_the_file():
    assert {one["file"] for one in COMPOSE["secrets"].values()} == {f"./{FOLDER}/{name}" for name in SECRETS}
    assert set(COMPOSE["secrets"]) == set(SECRETS)
    used = {name for one in SERVICES.values() for name in one.get("secrets", ())}
    assert used == set(SECRETS)
    for name in SERVICES:
        for key, value in _environment(name).items():
            if re.search(r"TOKEN|PASSWORD|SECRET", key) and key != "QINGYU_SECRETS":
                assert key.endswith("_FILE"), (name, key)
                assert value.startswith(("/run/secrets/", "/run/tokens/")), (name, key)


def test_a_secret_that_a_service_reads_is_given_to_it():
    for name, one in SERVICES.items():
        text = " ".join(
            [*map(str, one["command"] if isinstance(one.get("command"), list) else ()), *_environment(name).values()]
        )
        read = set(re.findall(r"/run/secrets/(\w+)", text))
        assert read == set(one.get("secrets", ())), name
        if "/run/tokens/" in text:
            assert any(target == "/run/tokens" and read_only for _, target, read_only in _mounts(name)), name


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mounted_file_is_there_and_every_volume_is_declared(name: str):
    for source, target, read_only in _mounts(name):
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
        elif source != f"./{FOLDER}/{NOTIFIER}":
            assert (ROOT / source).exists(), source
        # What belongs to the repository or the operator is never written by a container.
        assert read_only or not source.startswith("."), target


def test_every_volume_is_used_and_has_one_writer_but_the_lists():
    writers: dict[str, list[str]] = {volume: [] for volume in COMPOSE["volumes"]}
    for name in SERVICES:
        for source, _, read_only in _mounts(name):
            if source in writers and not read_only:
                writers[source].append(name)
    assert writers.pop("lists-data") == ["api", "sink"]
    assert {volume: len(names) for volume, names in writers.items()} == dict.fromkeys(writers, 1)


def test_grafana_finds_the_files_where_its_own_settings_look():
    targets = {target: source for source, target, _ in _mounts("grafana")}
    provider = yaml.safe_load((ROOT / "dashboards/provisioning/dashboards/qingyu.yaml").read_text(encoding="utf-8"))
    assert targets[provider["providers"][0]["options"]["path"]] == "./dashboards/json"
    folder = ROOT / targets["/etc/grafana/provisioning"]
    assert {path.name for path in folder.iterdir()} == {"alerting", "dashboards", "datasources"}


def test_grafana_has_every_variable_that_its_files_name():
    # One that is not set ends Grafana's start.
    files = (ROOT / "dashboards" / "provisioning").rglob("*.yaml")
    named = {
        name for file in files for name in re.findall(r"(?<!\$)\$\{?(QINGYU_\w+)", file.read_text(encoding="utf-8"))
    }
    script = SERVICES["grafana"]["command"][0]
    exported = set(re.search(r"export ([A-Z_ ]+)", script)[1].split())  # pyright: ignore[reportOptionalSubscript]
    assert named == exported | {key for key in _environment("grafana") if key.startswith("QINGYU_")}


def test_grafanas_start_script_stops_where_a_token_is_missing(tmp_path: Path):
    script = SERVICES["grafana"]["command"][0].replace("$$", "$").replace("/run.sh", "env")
    there = script.replace("/run/", f"{tmp_path}/")
    run = {"capture_output": True, "text": True, "timeout": 30, "check": False}
    assert subprocess.run(["/bin/sh", "-c", there], **run).returncode != 0
    for path in ("tokens/token", "secrets/grafana_hook_token"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(f"of {path}")
    shown = subprocess.run(["/bin/sh", "-c", there], **run)
    assert "QINGYU_GRAFANA_INFLUX_TOKEN=of tokens/token" in shown.stdout
    assert "QINGYU_GRAFANA_HOOK_TOKEN=of secrets/grafana_hook_token" in shown.stdout


def test_grafanas_alertmanager_looks_again_soon_after_the_files_are_read():
    assert _environment("grafana")["GF_UNIFIED_ALERTING_ALERTMANAGER_CONFIG_POLL_INTERVAL"] == "10s"


def test_only_the_doors_are_published_and_on_this_machine_alone_unless_wished():
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert set(published) == {"api", "gateway", "grafana"}
    for name, port in (("api", 8000), ("gateway", 8001), ("grafana", 3000)):
        assert published[name] == [f"${{QINGYU_PUBLISH:-127.0.0.1}}:{port}:{port}"]
        assert str(port) in PAGE
    assert (Settings().api_port, Settings().gateway_port) == (8000, 8001)


def test_who_needs_no_way_out_has_none():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, one in SERVICES.items() if "outside" in one["networks"]}
    assert outside == {"api", "gateway", "grafana", "notifier"}
    assert all("inside" in one["networks"] for one in SERVICES.values())


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_no_more_rights_and_room_than_it_needs(name: str):
    one = SERVICES[name]
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in one
    assert one["mem_limit"]
    assert one["cpus"]
    assert one["pids_limit"]
    assert one["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    if name != "kafka":  # Its start script writes into the image's own folders.
        assert one["read_only"] is True
        assert any(each.startswith("/tmp:") for each in one["tmpfs"])
    if name in OTHERS:  # Ours has its user in the image.
        assert not one["user"].startswith("0")


@pytest.mark.parametrize("name", sorted(LASTING))
def test_what_lasts_is_started_again_and_asked_how_it_is(name: str):
    assert LASTING[name]["restart"] == "unless-stopped"
    check = LASTING[name]["healthcheck"]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(check)
    if name in OURS:
        port = {"api": 8000, "gateway": 8001}.get(name, int(_environment(name)["QINGYU_METRICS_PORT"]))
        assert check["test"] == ["CMD", "python", "-m", "deploy.healthy", str(port)]


def test_it_starts_in_an_order_that_can_work():
    ready = "service_healthy", "service_completed_successfully"
    after = {name: dict(one.get("depends_on", {})) for name, one in SERVICES.items()}
    for waits in after.values():
        for first, wait in waits.items():
            assert wait["condition"] == ready[SERVICES[first]["restart"] == "no"]
    assert set(after["topics"]) == {"kafka"}
    assert set(after["influx-tokens"]) == {"influxdb"}
    for name, one in OURS.items():
        if one["command"][:2] == ["qingyu", "serve"]:
            assert "topics" in after[name]
        if "QINGYU_INFLUX_TOKEN_FILE" in _environment(name) and name != "influx-tokens":
            assert "influx-tokens" in after[name]
    order: list[str] = []
    while len(order) < len(after):
        free = [name for name, waits in after.items() if name not in order and set(waits) <= set(order)]
        assert free, f"a loop among {set(after) - set(order)}"
        order += free


def test_who_keeps_the_series_in_influxdb_has_its_token_and_nobody_else_has():
    holders = {name for name in OURS if "QINGYU_INFLUX_TOKEN_FILE" in _environment(name)}
    assert holders == {"api", "sink", "influx-tokens"}
    assert all(_environment(name)["QINGYU_STORE"] == "influx" for name in OURS)


def test_its_only_broker_is_not_asked_for_more_replicas_than_there_are():
    environment = _environment("kafka")
    assert {value for key, value in environment.items() if key.endswith(("REPLICATION_FACTOR", "_ISR"))} == {"1"}
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_page_explains_every_service_volume_and_secret():
    for name in (*SERVICES, *COMPOSE["volumes"], *SECRETS):
        assert f"`{name}`" in PAGE, name


@pytest.mark.parametrize("target", ["up", "down", "logs"])
def test_make_runs_compose_and_says_in_one_line_when_there_is_none(target: str, tmp_path: Path):
    for name in ("sh", "make", "python3", "sed"):
        (tmp_path / name).symlink_to(_which(name))
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    make = ["make", "--no-print-directory", target]
    run = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(make, env=environment, **run)
    assert done.returncode != 0
    assert done.stderr.startswith("error: docker compose is not there")
    shown = subprocess.run([*make, "--dry-run", "COMPOSE=docker compose"], env=environment, **run)
    assert f"docker compose {target}" in shown.stdout
    if target == "up":
        made, started, told = (shown.stdout.index(one) for one in ("secret_files\n", "compose up", "--how-to"))
        assert made < started < told


def _which(name: str) -> str:
    for folder in os.environ["PATH"].split(os.pathsep):
        if os.access(Path(folder) / name, os.X_OK):
            return str(Path(folder) / name)
    raise AssertionError(f"{name} is not on PATH")
