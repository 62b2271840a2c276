"""A local Kafka starts ready, keeps what was acknowledged when it is killed, and answers wrong use in one line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import TopicPartition

from deploy.local.cache import LocalServerError
from deploy.local.coordinators import wait_until_ready
from deploy.local.kafka import LocalKafka, broker, running, stop


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker that the tests of this module may kill."""
    with LocalKafka.start(tmp_path_factory.mktemp("own")) as found:
        yield found


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line and return what it said."""
    whole = {name: value for name, value in os.environ.items() if name != "QINGYU_KAFKA"} | env
    line = [sys.executable, "-m", "deploy.local.kafka", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False, env=whole)


def create(bootstrap: str, topic: str) -> None:
    """Make a topic of one partition."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()


def send(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Send values and return when all are acknowledged."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for sent in [producer.send(topic, value) for value in values]:
        sent.get(timeout=120)
    producer.close()


def read(bootstrap: str, topic: str, group: str) -> tuple[list[bytes], int | None]:
    """All values of a topic, and the offset the group had committed before; commits the end."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    before = consumer.committed(partition)
    end = consumer.end_offsets([partition])[partition]
    consumer.seek(partition, 0)
    values: list[bytes] = []
    deadline_s = time.monotonic() + 120
    while len(values) < end and time.monotonic() < deadline_s:
        for records in consumer.poll(timeout_ms=200).values():
            values += [record.value for record in records]
    consumer.commit()
    consumer.close()
    return values, before


def test_records_and_committed_offsets_outlive_a_sigkill(own: LocalKafka, prefix: str) -> None:
    topic, values = f"{prefix}kept", [b"%d" % number for number in range(100)]
    create(own.bootstrap, topic)
    send(own.bootstrap, topic, values)
    read(own.bootstrap, topic, f"{prefix}group")
    address, first = own.bootstrap, own.pid

    own.kill()
    own.restart()

    assert own.bootstrap == address
    assert own.pid != first
    # Asked at once: ready means that the coordinator has read the offsets it keeps.
    assert read(own.bootstrap, topic, f"{prefix}group") == (values, 100)


def test_a_paused_broker_does_not_answer_until_it_is_resumed(own: LocalKafka) -> None:
    own.pause()
    with pytest.raises(LocalServerError) as error:
        wait_until_ready(own.bootstrap, limit_s=0.1)
    own.resume()
    wait_until_ready(own.bootstrap, limit_s=120)
    assert error.value.code == "not_ready"


def test_a_second_broker_in_the_same_directory_is_refused(own: LocalKafka) -> None:
    with pytest.raises(LocalServerError) as error:
        LocalKafka.start(own.log.parent)
    assert error.value.code == "already_running"
    wait_until_ready(own.bootstrap, limit_s=120)


def test_a_port_in_use_is_named(own: LocalKafka, tmp_path: Path) -> None:
    port = int(own.bootstrap.rpartition(":")[2])
    with pytest.raises(LocalServerError, match=f"port {port} is in use"):
        LocalKafka.start(tmp_path, port=port)


def test_a_broker_that_is_there_already_is_used_and_none_is_started(
    own: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGYU_KAFKA", own.bootstrap)
    with broker(tmp_path / "none") as found:
        assert found.bootstrap == own.bootstrap
    assert not (tmp_path / "none").exists()


def test_a_broker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends a child with its parent")
    code = (
        "import pathlib, sys, time; from deploy.local.kafka import LocalKafka;"
        "LocalKafka.start(pathlib.Path(sys.argv[1])); print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + 120
    while running(tmp_path) is not None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert running(tmp_path) is None


def test_the_command_starts_a_broker_that_stays_until_it_is_stopped(tmp_path: Path, unused_port: int) -> None:
    place = ("--dir", str(tmp_path))
    try:
        started = command("start", *place, "--port", str(unused_port))
        assert (started.returncode, started.stdout) == (0, f"127.0.0.1:{unused_port}\n"), started.stderr
        status = command("status", *place)
        assert status.returncode == 0
        assert status.stdout.startswith(f"127.0.0.1:{unused_port} ")
        assert command("start", *place).stdout == f"127.0.0.1:{unused_port} (was running)\n"
        assert command("stop", *place).returncode == 0
    finally:
        stop(tmp_path)
    assert command("status", *place).returncode == 1


@pytest.fixture
def unused_port() -> int:
    """A port below those of outgoing connections, that only this test uses."""
    return 19_092


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required: action"),
        (("begin",), "'begin'"),
        (("start", "--port", "x"), "'x' is no port between 1 and 65535"),
        (("start", "--port", "70000"), "'70000' is no port"),
        (("stop", "now"), "now"),
    ],
)
def test_wrong_use_of_the_command_is_answered_in_one_line_and_status_2(arguments: tuple[str, ...], said: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr


def test_without_java_and_maven_one_line_says_what_to_install(tmp_path: Path) -> None:
    done = command("start", "--dir", str(tmp_path), PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install openjdk-17" in done.stderr
    assert "apt-get install maven" in done.stderr
    assert "brew install" in done.stderr
