"""Access: an operator sees all, a viewer a territory with its members, an enterprise its own, a source nothing."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.topics import apply_topics
from tests.api.city import fill
from tests.api_server import OPERATOR, RunningApi, api_settings, running_api

TOKENS = {
    "steel": ("enterprise", "bz-steel"),
    "county": ("viewer", "county/bazhou"),
    "city": ("viewer", "city/bazhong"),
    "everything": ("viewer", None),
    "collector": ("source", "gw1"),
    "deputy": ("operator", None),
    "revoked": ("operator", None),
    "ended": ("operator", None),
}


def key(name: str) -> dict[str, Any]:
    role, subject = TOKENS[name]
    spec = {"hash": hashlib.sha256(name.encode()).hexdigest(), "role": role, "revoked": name == "revoked"}
    document = {"apiVersion": "qingyu/v1", "kind": "key", "id": f"key-{name}", "valid_from": "2018-01-01"}
    document |= {"valid_to": "2019-01-01"} if name == "ended" else {}
    return document | {"spec": spec | ({"subject": subject} if subject else {})}


@pytest.fixture(scope="module")
def city(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An api over the small city with keys whose tokens are their names; no test of this module changes it."""
    settings = api_settings(kafka.bootstrap, f"t{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("city"))
    apply_topics(settings)
    with running_api(settings) as api:
        fill(api)
        assert api.put([key(name) for name in TOKENS]).status_code == 200
        yield api


@pytest.fixture
def status(city: RunningApi) -> Callable[..., int]:
    def ask(token: str, path: str, **query: Any) -> int:
        return city.get(path, token=token, **query).status_code

    return ask


@pytest.mark.parametrize("token", ["", "nonsense", "revoked", "ended", "x" * 600, "\x7f"])
def test_a_token_that_opens_nothing_is_answered_with_401(city: RunningApi, token: str) -> None:
    answer = city.client.get("/v1/entities", headers={"Authorization": f"Bearer {token}".strip()})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_source_cannot_read(city: RunningApi) -> None:
    answer = city.get("/v1/entities", token="collector")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("token", "entity", "expected"),
    [
        ("steel", "enterprise/bz-steel", 200),
        ("steel", "meter/bz-steel.e01", 200),
        ("steel", "enterprise/other", 403),
        ("steel", "meter/other.e01", 403),
        ("steel", "county/bazhou", 403),
        ("steel", "enterprise/nobody", 403),
        ("county", "county/bazhou", 200),
        ("county", "park/bz-edz", 200),
        ("county", "enterprise/bz-steel", 200),
        ("county", "meter/bz-steel.e01", 200),
        ("county", "enterprise/other", 403),
        ("county", "county/nanjiang", 403),
        ("county", "city/bazhong", 403),
        ("city", "enterprise/other", 200),
        ("city", "county/nanjiang", 200),
        ("city", "province/sichuan", 403),
        ("everything", "province/sichuan", 200),
        ("deputy", "province/sichuan", 200),
        (OPERATOR, "meter/other.e01", 200),
    ],
)
def test_series_are_shown_to_whom_they_concern(
    status: Callable[..., int], token: str, entity: str, expected: int
) -> None:
    query = {"entity": entity, "metric": "qty.electricity"}

    assert status(token, "/v1/series", **query, window="hour") == expected
    assert status(token, "/v1/latest", **query) == expected
    assert status(token, "/v1/alarms", entity=entity) == expected
    assert status(token, "/v1/entities", **{"in": entity}) == expected


@pytest.mark.parametrize(
    ("token", "enterprises", "alarms", "rejects"),
    [
        ("steel", ["bz-steel"], ["bz-steel"], ["gw1"]),
        ("county", ["bz-steel"], ["bz-steel"], ["gw1"]),
        ("city", ["bz-steel", "other"], ["other", "bz-steel"], ["gw1"]),
        ("deputy", ["bz-steel", "other"], ["other", "bz-steel"], ["-", "gw1"]),
    ],
)
def test_lists_hold_what_the_caller_may_see(
    city: RunningApi, token: str, enterprises: list[str], alarms: list[str], rejects: list[str]
) -> None:
    def items(path: str, field: str, **query: Any) -> list[str]:
        return [
            item[field].removeprefix("enterprise/") for item in city.get(path, token=token, **query).json()["items"]
        ]

    assert items("/v1/entities", "entity", kind="enterprise") == enterprises
    assert items("/v1/registry/enterprise", "id") == enterprises
    assert items("/v1/alarms", "entity") == alarms
    assert items("/v1/rejected", "source") == rejects


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("steel", "/v1/registry/enterprise/bz-steel", 200),
        ("steel", "/v1/registry/enterprise/other", 403),
        ("steel", "/v1/registry/meter/other.e01", 403),
        ("steel", "/v1/registry/source/other1", 403),
        ("steel", "/v1/registry/carrier/electricity", 200),
        ("steel", "/v1/registry/limit/steel-limit", 200),
        ("steel", "/v1/registry/key/key-steel", 403),
        ("everything", "/v1/registry/key/key-steel", 403),
        ("deputy", "/v1/registry/key/key-steel", 200),
        ("steel", "/v1/registry/recipient/duty-room", 403),
        ("everything", "/v1/registry/recipient/duty-room", 403),
        ("deputy", "/v1/registry/recipient/duty-room", 200),
        ("city", "/v1/registry/route/everything", 403),
        ("deputy", "/v1/registry/route/everything", 200),
        ("steel", "/v1/alarms/00000000000000000000", 403),
        ("county", "/v1/alarms/00000000000000000000", 403),
        ("city", "/v1/alarms/00000000000000000000", 200),
        ("steel", "/v1/batches/b-17", 200),
        ("steel", "/v1/rejected?source=gw1", 200),
        ("steel", "/v1/rejected?source=other1", 403),
        ("steel", "/v1/rejected?source=-", 403),
    ],
)
def test_one_thing_is_shown_to_whom_it_concerns(
    status: Callable[..., int], city: RunningApi, token: str, path: str, expected: int
) -> None:
    answer = city.client.get(path, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == expected


@pytest.mark.parametrize("token", ["steel", "city", "everything", "collector"])
def test_only_an_operator_writes_to_the_registry(city: RunningApi, token: str) -> None:
    answer = city.client.post(
        "/v1/registry", json={"base": 0, "documents": []}, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 403


def test_keys_are_in_no_list_but_the_operators(city: RunningApi) -> None:
    assert city.get("/v1/registry/key", token="everything").json()["items"] == []
    assert len(city.get("/v1/registry/key", token="deputy").json()["items"]) == len(TOKENS)
