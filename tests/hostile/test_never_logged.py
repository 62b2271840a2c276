"""Keys, secrets of webhooks and passwords: whatever goes right or wrong with them, no process ever writes them."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import encode
from schemas.topics import ALARM_EVENTS
from services.api.answers import EVENT
from services.http.tokens import token_hash
from tests.hostile.house import House, running_house
from tests.running import free_port, send_to, until

KEY, OPERATORS, HOOK, PASSWORD, INFLUX = (secrets.token_hex(16) for _ in range(5))
SECRETS = (KEY, OPERATORS, HOOK, PASSWORD, INFLUX)
OTHERS = ("worker", "territory", "sink", "notifier", "ticker")


@pytest.fixture(scope="module")
def house(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    environment: dict[str, Any] = {
        "QINGYU_OPERATOR_TOKEN": OPERATORS,
        "QINGYU_SECRET_HOOK": HOOK,
        "QINGYU_SECRET_SMTP_PASSWORD": PASSWORD,
        "QINGYU_SMTP_USER": "qingyu",
        "QINGYU_SMTP_HOST": "127.0.0.1",
        "QINGYU_SMTP_PORT": str(free_port()),
        "QINGYU_INFLUX_TOKEN": INFLUX,
        "QINGYU_NOTIFY_PRIVATE": "127.0.0.1",
        "QINGYU_NOTIFY_BACKLOG_S": "9e9",
    }
    folder: Path = tmp_path_factory.mktemp("quiet")
    with running_house(
        kafka.bootstrap, f"t{secrets.token_hex(4)}.", folder, operator=OPERATORS, **environment
    ) as found:
        for role in OTHERS:
            found.installation.start(role, **environment)
        found.installation.wait_ready(*OTHERS)
        yield found


def test_no_process_writes_a_secret_in_good_and_in_bad_times(house: House) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"
    channels = {"webhook": {"url": nowhere, "secret": "secret:hook"}, "mail": {"address": "duty@city.example"}}
    common = {"apiVersion": "qingyu/v1", "valid_from": "2018-01-01"}
    documents = [
        {**common, "kind": "key", "id": "quiet", "spec": {"hash": token_hash(KEY), "role": "source", "subject": "gw1"}},
        {**common, "kind": "recipient", "id": "loud", "spec": {"channels": channels}},
        {**common, "kind": "route", "id": "all", "spec": {"recipients": ["loud"]}},
    ]
    put = {"base": house.api.get("/v1/registry/key").json()["version"], "documents": documents}
    assert house.api.post("/v1/registry", json=put).status_code == 200
    for client in (house.gateway, house.api):
        for token in SECRETS:
            for shown in (f"Bearer {token}", f"Bearer {token}x", f"Basic {token}", token):
                client.post("/v1/readings", content=b"{", headers={"Authorization": shown})
                client.get(f"/v1/latest?token={token}", headers={"Authorization": shown})
        httpx.post(client.base_url.join("/login"), data={"token": f"{KEY}x", "next": "/board"})
    event = encode({**EVENT, "entity": "enterprise/bz-steel", "id": "f" * 20})
    send_to(house.installation.settings, 0, [event], ALARM_EVENTS, b"f" * 20)
    until(lambda: _tried(house), what="an attempt to tell somebody")
    for role in ("gateway", "api", *OTHERS):
        written = house.installation.log(role)
        assert written, role
        assert not [secret for secret in SECRETS if secret in written], role


def _tried(house: House) -> bool:
    figures = httpx.get(f"http://127.0.0.1:{house.installation.ports['notifier']}/metrics").text
    return any(
        line.startswith("qingyu_notifier_answers_total") and not line.endswith(" 0.0") for line in figures.splitlines()
    )
