"""A town is broken in ten ways under load and loses and doubles nothing; and what would show a loss does show it.

The whole proof, 200 faults of all kinds on both stores, is `make chaos`; this is its quick form.
"""

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from bench.chaos import CATCH_UP_LIMIT_S, faults_of
from bench.faults.kinds import KINDS, QUICK, plan
from bench.faults.round import run_round, summary
from bench.faults.wire import Wires
from bench.kills.load import cast
from bench.page import chaos_table
from bench.telling.audience import Listener
from bench.telling.hearing import compare_heard
from bench.telling.receivers import Receivers
from deploy.local.kafka import LocalKafka
from schemas.deliveries import DeliveryNote
from schemas.messages import VERSION

SEED = 11


@pytest.mark.timeout(1200)
def test_ten_faults_of_different_kinds_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    kinds = [next(each for each in KINDS if each.name == name and not each.on_influx) for name in QUICK]
    found = run_round(
        tmp_path, kinds, cast(2, 3), seed=SEED, rate_per_s=2, on_influx=False, limit_s=2 * CATCH_UP_LIMIT_S
    )
    result = summary([found])
    assert found["first_differences"] == []
    assert [result[name] for name in ("lost", "doubled", "alarms_lost", "alarms_doubled")] == [0, 0, 0, 0]
    assert result["by_kind"] == dict.fromkeys(sorted(QUICK), 1)
    assert result["compared"]["topic meter hours"] > 0
    assert result["compared"]["transitions told"] > 0
    assert all(result["control_least"].values()), result["control_least"]


# What the proof would say of a loss


def good(**fields: Any) -> dict[str, Any]:
    """Return a result that shows what it should."""
    none = dict.fromkeys(("lost", "doubled", "alarms_lost", "alarms_doubled"), 0)
    return {"faults": 200, **none, "control_least": {"withheld": 3}, "commit": "c", "changed_files": [], **fields}


def test_a_result_without_a_loss_is_no_fault() -> None:
    assert faults_of(good(), 200) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"lost": 1},
        {"doubled": 1},
        {"alarms_lost": 1},
        {"alarms_doubled": 1},
        {"faults": 199},
        {"control_least": {"withheld": 0}},
        {"commit": ""},
        {"changed_files": ["M streams/agents/partition.py"]},
    ],
)
def test_a_result_shows_nothing_where(wrong: dict[str, Any]) -> None:
    assert faults_of(good(**wrong), 200)


def test_a_delivery_noted_again_byte_for_byte_is_one_and_noted_anew_is_two() -> None:
    listener = Listener("desk")
    note = DeliveryNote(VERSION, 5, [("a1", 1)], "delivered", "HTTP 200", "desk", "webhook", key="a1|1")
    with Receivers(SEED) as receivers:
        receivers.told["desk"] = ["a1|1"]
        assert compare_heard(listener, {"a1|1"}, receivers, [note, note]).wrong == []
        anew = msgspec.structs.replace(note, at=6)
        assert compare_heard(listener, {"a1|1"}, receivers, [note, anew]).wrong


# Which faults are done


def test_every_kind_of_a_store_comes_equally_often_and_the_same_seed_does_the_same() -> None:
    rounds = plan(200, SEED, lambda number: number % 2 == 0, 20)
    assert [len(one) for one in rounds] == [20] * 10
    counts = Counter(each.name for one in rounds for each in one)
    assert set(counts) == {each.name for each in KINDS}
    both = [counts[each.name] for each in KINDS if each.on_influx is None]
    assert max(both) - min(both) <= 2
    assert plan(200, SEED, lambda number: number % 2 == 0, 20) == rounds
    assert plan(200, SEED + 1, lambda number: number % 2 == 0, 20) != rounds


def test_the_page_shows_each_kind_with_its_times() -> None:
    one = {
        "store": "embedded file", "faults": [{"kind": "SIGKILL sink", "catch_up_s": 2.5}], "accepted": 12,
        "compared": {"topic meter hours": 3}, "lost": 0, "doubled": 0, "alarms_lost": 0, "alarms_doubled": 0,
        "first_differences": [], "controls": {"withheld": 3}, "duration_s": 1.0,
    }  # fmt: skip
    where = {"commit": "c" * 40, "machine": {"python": "3.11", "cores": 2, "load": 1.0}}
    table = chaos_table({**where, "catch_up_limit_s": 120.0, **summary([one, one])})
    assert "| SIGKILL sink | 2 | 2.5 | 2.5 |" in table
    assert "24 readings accepted" in table


# The way that is broken


@pytest.fixture
def echo() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that gives back what it gets, and what it got."""
    got: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                got.append(data)
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], got
        server.shutdown(socket.SHUT_RDWR)


def said(to: socket.socket, text: bytes) -> bytes:
    to.sendall(text)
    return to.recv(100)


def test_a_silent_wire_keeps_what_is_sent_and_brings_it_when_it_is_mended(echo: tuple[int, list[bytes]]) -> None:
    port, got = echo
    with Wires() as wires:
        broken, other = wires.lay(), wires.lay()
        broken.to = other.to = port
        with (
            socket.create_connection(("127.0.0.1", broken.port), 60) as one,
            socket.create_connection(("127.0.0.1", other.port), 60) as two,
        ):
            assert said(one, b"first") == b"first"
            broken.set("held")
            one.sendall(b"kept")
            assert said(two, b"by the other") == b"by the other"
            assert got == [b"first", b"by the other"]
            broken.set("whole")
            assert one.recv(100) == b"kept"
            broken.set("deaf")
            one.sendall(b"heard")
            while b"heard" not in got:
                pass
            broken.set("whole")
            assert one.recv(100) == b"heard"


def test_a_cut_wire_ends_its_connections_and_takes_none_until_it_is_mended(echo: tuple[int, list[bytes]]) -> None:
    with Wires() as wires:
        wire = wires.lay()
        wire.to = echo[0]
        with socket.create_connection(("127.0.0.1", wire.port), 60) as one:
            assert said(one, b"first") == b"first"
            wire.set("cut")
            with contextlib.suppress(ConnectionError):
                assert one.recv(100) == b""
        wire.set("whole")
        with socket.create_connection(("127.0.0.1", wire.port), 60) as one:
            assert said(one, b"again") == b"again"


def test_who_comes_to_kafka_by_a_door_is_sent_back_to_that_door(tmp_path: Path) -> None:
    with Wires() as wires:
        wire = wires.lay()
        with LocalKafka.start(tmp_path, doors=[wire.port]) as kafka:
            wire.to = kafka.behind(wire.port)

            async def ports() -> set[int]:
                consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{wire.port}")
                await consumer.start()
                try:
                    await consumer.topics()
                    return {broker.port for broker in consumer._client.cluster.brokers()}
                finally:
                    await consumer.stop()

            assert asyncio.run(ports()) == {wire.port}
