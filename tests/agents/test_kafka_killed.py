"""Kafka is killed and started again while batches come in: what was accepted counts, once, up to the county."""

import json
import threading
import time
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import LocalKafka
from deploy.local.processes import TRY_AGAIN, Processes
from schemas.documents import canonical
from schemas.settings import Settings
from schemas.topics import REJECTED
from services.http.tokens import token_hash
from services.topics import apply_topics
from tests.folding import REGISTRY, document, documents, meter, value_of
from tests.registry_writing import write_set
from tests.running import Installation, read, run, totals, until

SENDERS = 3
BEGIN_MS = 1_519_833_600_000  # 2018-03-01 in Shanghai
KEY = "works-token"
COUNTY = (
    document("city", "town"),
    document("county", "east", city="town"),
    document("enterprise", "works", county=[{"from": "2018-01-01", "id": "east"}]),
    document("key", "works-key", hash=token_hash(KEY), role="source", subject="works-gw1"),
    *(meter(f"e{number}") for number in range(SENDERS)),
)


class Sender(threading.Thread):
    """Sends a meter's quarter-hours in batches of four, each until it is accepted, some of them twice."""

    def __init__(self, address: str, number: int) -> None:
        super().__init__(daemon=True)
        self.accepted = 0
        self.refused: set[int] = set()
        self._address = address
        self._number = number
        self._told = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
            hour = 0
            while not self._told.is_set():
                stamps = [BEGIN_MS + (hour * 4 + place + 1) * 900_000 for place in range(4)]
                values = [f"{self._number + 1}.{hour % 97:02}"] * 4
                body = {
                    "source": "works-gw1", "batch": f"{self._number}-{hour}", "sent": stamps[-1],
                    "meters": [f"e{self._number}"], "ts": stamps, "values": [values],
                }  # fmt: skip
                for _ in range(2 if hour % 20 == 0 else 1):
                    self._until_accepted(client, body)
                hour += 1
                self.accepted = hour
                time.sleep(0.02)

    def _until_accepted(self, client: httpx.Client, body: dict[str, object]) -> None:
        while (answer := client.post("/v1/readings", json=body)).status_code != 202:
            assert answer.status_code == 503, answer.text
            self.refused.add(answer.status_code)
            time.sleep(0.2)
        assert answer.json()["accepted"] == 4, answer.text

    def end(self) -> None:
        self._told.set()
        self.join(60)
        assert not self.is_alive()

    def expected(self, hour: int) -> int:
        """Return what an accepted hour comes to [0.01 kWh]."""
        return 4 * (100 * (self._number + 1) + hour % 97)


@pytest.mark.timeout(600)
def test_what_was_accepted_while_kafka_was_killed_counts_once_up_to_the_county(tmp_path: Path) -> None:
    with LocalKafka.start(tmp_path / "kafka") as own, Processes(tmp_path / "logs") as processes:
        settings = Settings(kafka=own.bootstrap, topic_prefix="k.", partitions=2, data=tmp_path, session_timeout_s=3.0)
        apply_topics(settings)
        run(write_set(settings, 1, [json.loads(canonical(each)) for each in documents(REGISTRY, *COUNTY)]))
        installation = Installation(settings, tmp_path, processes)
        roles = ("gateway", "worker", "territory")
        for role in roles:
            installation.start(role, QINGYU_ACK_TIMEOUT_S="2")
        installation.wait_ready(*roles)
        senders = [Sender(f"http://127.0.0.1:{installation.ports['gateway']}", number) for number in range(SENDERS)]
        for each in senders:
            each.start()
        time.sleep(1.5)
        own.kill()
        time.sleep(3)
        own.restart()
        before = [each.accepted for each in senders]
        until(lambda: all(each.accepted > one + 5 for each, one in zip(senders, before, strict=True)), what="batches")
        for each in senders:
            each.end()
        installation.wait_done()
        installation.wait_ready(*roles)

        stands = totals(settings)
        assert min(each.accepted for each in senders) > 10
        assert set[int]().union(*(each.refused for each in senders)) == {503}
        for hour in range(max(each.accepted for each in senders)):
            name = f"2018-03-{hour // 24 + 1:02}T{hour % 24:02}"
            wanted = sum(each.expected(hour) for each in senders if hour < each.accepted)
            found = value_of(stands, "qty.electricity", name, "enterprise/works")
            assert found is not None
            assert found * 100 == wanted, name
        until(
            lambda: (
                value_of(totals(settings), "qty.electricity", "2018-03", "county/east")
                == value_of(stands, "qty.electricity", "2018-03", "enterprise/works")
            ),
            20,
            "the county's total",
        )
        assert read(settings, REJECTED) == []
        for role in roles:
            assert set(processes.endings(role)) <= {TRY_AGAIN}, installation.log(role)[-3000:]
            assert processes.alive(role)
