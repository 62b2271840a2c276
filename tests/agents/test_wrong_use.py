"""A worker whose Kafka is away waits and says so; one whose topics do not fit ends with the command that mends it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import NewTopic

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from services.topics import admin_client, apply_topics
from tests.running import Installation, free_port, until

ROLES = ("worker", "territory")
HASTE = "import streams.agents.preflight as preflight; preflight.FAULT_STANDS_S = 1.0"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs") as found:
        try:
            yield found
        finally:
            for name in found.names():
                found.kill(name)


def ended_with(installation: Installation, role: str) -> tuple[int, str]:
    """Return the exit status of a process and the errors it told."""
    status = installation.processes.wait(role, limit_s=200)
    log = installation.log(role)
    assert "Traceback" not in log
    return status, "\n".join(line for line in log.splitlines() if line.startswith("error: "))


def test_without_kafka_it_waits_says_so_now_and_then_and_ends_when_told(tmp_path: Path, processes: Processes) -> None:
    address = f"127.0.0.1:{free_port()}"
    installation = Installation(Settings(kafka=address, partitions=2, data=tmp_path), tmp_path, processes)
    for role in ROLES:
        installation.start(role)

    def refuses(role: str) -> str:
        ready, details = installation.ready(role)
        assert not ready
        return details.get("reason", "")

    for role in ROLES:
        until(
            lambda role=role: f"Kafka at {address} (QINGYU_KAFKA) does not answer" in refuses(role), what="the reason"
        )
    time.sleep(3)
    for role in ROLES:
        began = time.monotonic()
        assert processes.stop(role, grace_s=20) == 0
        assert time.monotonic() - began < 10
        log = installation.log(role)
        assert 1 <= len(log.splitlines()) <= 3, log
        assert log.count("waiting for Kafka") == len(log.splitlines())


def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path, processes: Processes
) -> None:
    installation = Installation(
        Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path), tmp_path, processes
    )
    for role in ROLES:
        installation.start(role, before=HASTE)
    for role in ROLES:
        status, errors = ended_with(installation, role)
        assert status == 1
        assert errors.count("\n") == 0
        assert f"no topic {prefix}readings, {prefix}reported" in errors
        assert "run `qingyu topics apply`" in errors


def test_topics_of_another_partition_count_are_refused_before_anything_is_read(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path, processes: Processes
) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=3, data=tmp_path)
    apply_topics(settings)
    installation = Installation(settings, tmp_path, processes)
    for role in ROLES:
        installation.start(role, before=HASTE, QINGYU_PARTITIONS="2")
    for role, topic in zip(ROLES, (READINGS, TOTALS), strict=True):
        status, errors = ended_with(installation, role)
        assert status == 1
        assert f"topic {settings.topic(topic)} has 3 partitions, QINGYU_PARTITIONS wants 2" in errors


def test_a_topic_that_is_made_a_moment_later_is_waited_for(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path, processes: Processes
) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path)
    apply_topics(settings)
    name = settings.topic(READINGS)
    with admin_client(settings) as admin:
        admin.delete_topics([name])
        installation = Installation(settings, tmp_path, processes)
        installation.start("worker")
        until(lambda: f"no topic {name}" in installation.ready("worker")[1].get("reason", ""), what="the reason")
        admin.create_topics([NewTopic(name, 2, 1)])
    installation.wait_ready("worker")
