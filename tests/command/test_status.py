"""`topics apply`, `rejected list` and `status` at the terminal."""

import json
import time
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.messages import VERSION, Heartbeat, Rejected, encode
from schemas.topics import ENGINE, READINGS, TOPICS
from streams.stores.series import Place, Refused
from tests.api_server import RunningApi
from tests.command.conftest import Command


def beat(api: RunningApi, process: str, *, ago_s: float = 0.0, **figures: Any) -> None:
    producer: Any = KafkaProducer(bootstrap_servers=api.settings.kafka)
    heartbeat = Heartbeat(VERSION, process, "0.1.0", int((time.time() - ago_s) * 1000), **figures)
    try:
        producer.send(api.settings.topic(ENGINE), encode(heartbeat), process.encode(), partition=0).get(10)
    finally:
        producer.close()


def test_topics_are_created_by_one_command_and_then_left_alone(qingyu: Command, prefix: str) -> None:
    other = f"{prefix}other."

    first = qingyu("topics", "apply", "--json", QINGYU_TOPIC_PREFIX=other)
    second = qingyu("topics", "apply", QINGYU_TOPIC_PREFIX=other)

    assert set(json.loads(first.stdout)["created"]) == {other + topic.name for topic in TOPICS}
    assert (second.exit_code, second.stdout) == (0, "0 created, 0 changed\n")


def test_topics_that_would_break_keys_exit_with_one(qingyu: Command, api: RunningApi) -> None:
    refused = qingyu("topics", "apply", QINGYU_PARTITIONS="7")

    assert refused.exit_code == 1
    name = api.settings.topic(READINGS)
    assert f"error: topic {name} has 2 partitions, wanted 7: every key would move" in refused.stderr
    assert refused.stderr.splitlines()[-1] == "error: nothing was changed"


def test_status_tells_the_last_heartbeat_of_each_process(qingyu: Command, api: RunningApi) -> None:
    beat(api, "worker-1", lag=9)
    beat(api, "worker-1", lag=3, step_s=0.012, counts={"readings": 7})

    told = qingyu("status", "--json", QINGYU_GATEWAY=api.url)

    assert told.exit_code == 0, told.output
    api_, gateway, worker = json.loads(told.stdout)["items"]
    assert (api_["state"], gateway["state"]) == ("ready", "ready")
    assert (worker["process"], worker["state"], worker["lag"], worker["counts"]) == (
        "worker-1",
        "alive",
        3,
        {"readings": 7},
    )


def test_status_exits_with_one_when_a_server_is_away(qingyu: Command, api: RunningApi) -> None:
    beat(api, "worker-1")

    told = qingyu("status")

    assert told.exit_code == 1
    states = {line.split()[0]: line.split()[1] for line in told.stdout.splitlines()[1:]}
    assert states == {"api": "ready", "gateway": "away", "worker-1": "alive"}


def test_status_exits_with_one_when_a_process_is_silent(
    qingyu: Command, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(api, "worker-1")
    monkeypatch.setattr("services.command.status.SILENT_S", 0.0)

    told = qingyu("status", QINGYU_GATEWAY=api.url)

    assert told.exit_code == 1
    assert "worker-1  silent" in told.stdout


def test_rejected_inputs_are_listed_the_newest_first(qingyu: Command, api: RunningApi) -> None:
    entries = [
        Refused(
            Place("rejected", 0, n),
            Rejected(
                VERSION, "unknown_meter", f"no meter e{n}", 1_514_764_800_000 + n, {"batch": "b", "index": n}, "s"
            ),
        )
        for n in range(3)
    ]
    api.store.keep([], entries, [])

    listed = qingyu("rejected", "list", "--limit", "2")

    assert listed.exit_code == 0, listed.stderr
    assert [line.rstrip().split("  ")[-1] for line in listed.stdout.splitlines()] == [
        "message",
        "no meter e2",
        "no meter e1",
    ]
    assert len(json.loads(qingyu("rejected", "list", "--json").stdout)["items"]) == 3
