"""Kafka killed and started again while batches come in: what got a 202 is in the topic, all the rest was told."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from tests.gateway.pushing import TS_MS, batch, problem, push, row
from tests.gateway.running import OPERATOR, Gateway, readings, write_registry

SENDERS = 4


def test_without_kafka_the_gateway_starts_and_asks_to_come_again() -> None:
    settings = Settings(kafka="127.0.0.1:9", operator_token=OPERATOR)
    with Gateway(settings, wait=False) as gateway, gateway.client("operator-token") as client:
        response = push(client, batch(row()))
        assert problem(response) == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503


class _Sender(threading.Thread):
    """Sends one batch after the other, each again and again until it is answered with 202."""

    def __init__(self, gateway: Gateway, name: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._gateway = gateway
        self._stop_told = stop
        self.accepted: set[int] = set()
        self.statuses: set[int] = set()
        self.at_ms = 0

    def run(self) -> None:
        offset = int(self.name) * 1_000_000
        with self._gateway.client("gw1-token") as client:
            number = 0
            while not self._stop_told.is_set():
                instants = [TS_MS - offset - number * 10 - n for n in range(5)]
                body = batch(*[row(n, ts=at) for n, at in enumerate(instants)], id_=f"{self.name}-{number}")
                while (response := push(client, body)).status_code != 202:
                    assert response.status_code == 503, response.text
                    assert int(response.headers["retry-after"]) >= 1
                    self.statuses.add(response.status_code)
                    time.sleep(0.2)
                assert response.json()["accepted"] == 5
                self.accepted.update(instants)
                number += 1
                time.sleep(0.01)


def _while_sending(own: LocalKafka, settings: Settings, kills: int, pause_s: float) -> list[_Sender]:
    stop = threading.Event()
    with Gateway(settings) as gateway:
        senders = [_Sender(gateway, str(n), stop) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(kills):
            time.sleep(1.5)
            own.kill()
            time.sleep(pause_s)
            own.restart()
        counts = [len(sender.accepted) for sender in senders]
        ends = time.monotonic() + 60
        while any(len(one.accepted) <= n for one, n in zip(senders, counts, strict=True)) and time.monotonic() < ends:
            time.sleep(0.1)
        while (ready := httpx.get(f"{gateway.address}/readyz")).status_code != 200:
            assert time.monotonic() < ends, ready.text
            time.sleep(0.1)
        stop.set()
        for sender in senders:
            sender.join(40)
            assert not sender.is_alive()
    return senders


@pytest.mark.timeout(600)
def test_whatever_was_accepted_is_there_after_kafka_was_killed_under_load(tmp_path: Path) -> None:
    with LocalKafka.start(tmp_path) as own:
        settings = Settings(
            kafka=own.bootstrap, topic_prefix="k.", operator_token=OPERATOR, ack_timeout_s=1.0, gather_s=0.01
        )
        apply_topics(settings)
        write_registry(settings)
        senders = _while_sending(own, settings, kills=1, pause_s=2.5)
        there = {t for _, t, _ in readings(settings)}
    accepted = set[int]().union(*(sender.accepted for sender in senders))
    assert len(accepted) > 100
    assert accepted <= there
    assert set[int]().union(*(sender.statuses for sender in senders)) == {503}
