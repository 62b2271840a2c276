"""Requests that cannot be read, or come from nobody: each gets an answer with a stable code, and harms nothing."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import zstandard

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from tests.gateway.pushing import JSON, TS, TS_MS, batch, problem, push, row
from tests.gateway.running import OPERATOR, Gateway, write_registry


@pytest.fixture(scope="module")
def gateway(kafka: LocalKafka) -> Iterator[Gateway]:
    # None of these tests reads what another wrote, so one gateway does for all.
    settings = Settings(kafka=kafka.bootstrap, topic_prefix="refusals.", operator_token=OPERATOR, gather_s=0.01)
    apply_topics(settings)
    write_registry(settings)
    with Gateway(settings) as running:
        yield running


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b'{"source":"gw1"',
        b'{"source":"gw1","batch":"b","readings":[{"meter":"e01","ts":1,"value":NaN}]}',
        b'{"source":"gw1","batch":"b","readings":[{"meter":"e01","ts":1,"value":Infinity}]}',
        b'{"source":"gw1","batch":"b","readings":[{"meter":"e01","ts":1,"value":-Infinity}]}',
        b'{"source":"gw1","batch":"b","readings":[{"meter":"e01","ts":1,"value":"\xff"}]}',
        b'{"source":5,"batch":"b","readings":[NaN]}',
        b'{"source":"gw1","batch":"b","readings":' + b"[" * 100_000,
        b'{"source":"gw1","batch":"b","readings":[{"meter":"e01","ts":1,"value":' + b'{"a":' * 50_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_a_400(client: httpx.Client, body: bytes) -> None:
    assert problem(push(client, body)) == (400, "not_json")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "$"),
        (5, "$"),
        ({}, "$"),
        ({"source": "gw1", "batch": "b"}, "$"),
        ({"source": 5, "batch": "b", "readings": []}, "$.source"),
        ({"source": "gw1", "batch": "", "readings": []}, "$.batch"),
        ({"source": "gw1", "batch": "b", "readings": {}}, "$.readings"),
        ({"source": "gw1", "batch": "b", "readings": [], "reading": []}, "$"),
        ({"source": "gw1", "batch": "b", "meters": ["e01"], "ts": [TS], "values": []}, "$.values"),
        ({"source": "gw1", "batch": "b", "meters": ["e01"], "ts": [TS], "values": [[1, 2]]}, "$.values[0]"),
        ({"source": "gw1", "batch": "b", "meters": [1], "ts": [TS], "values": [[1]]}, "$.meters[0]"),
        ({"source": "gw1", "batch": "b", "meters": ["e01"], "ts": [TS], "values": [[1]], "rev": []}, "$.rev"),
        ({"source": "gw1", "batch": "b", "meters": ["e01"], "ts": [TS], "values": [7]}, "$.values[0]"),
    ],
)
def test_an_envelope_that_cannot_be_read_is_a_422_with_the_place(client: httpx.Client, body: Any, path: str) -> None:
    response = push(client, body)
    assert problem(response) == (422, "invalid_envelope")
    assert response.json()["path"] == path


@pytest.mark.parametrize("token", [None, "nobodys", "old-token", "ü"])
def test_without_a_good_key_the_answer_is_401(gateway: Gateway, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
    response = httpx.post(f"{gateway.address}/v1/readings", content=b"{}", headers=headers)  # type: ignore[arg-type]
    assert problem(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("token", "source", "status"),
    [
        ("gw1-token", "gw2", 403),
        ("gw1-token", "nobody", 403),
        ("steel-token", "other1", 403),
        ("steel-token", "nobody", 403),
        ("viewer-token", "gw1", 403),
        ("operator-token", "nobody", 422),
        ("steel-token", "gw1", 202),
        ("operator-token", "other1", 202),
    ],
)
def test_a_key_pushes_for_its_own_sources_only(gateway: Gateway, token: str, source: str, status: int) -> None:
    with gateway.client(token) as client:
        assert push(client, batch(row(), source=source)).status_code == status


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_a_415(client: httpx.Client, content_type: str) -> None:
    response = client.post("/v1/readings", content=b"{}", headers={"Content-Type": content_type})
    assert problem(response) == (415, "unsupported_media_type")


def test_another_encoding_is_a_415(client: httpx.Client) -> None:
    assert problem(push(client, b"{}", **{"Content-Encoding": "br"})) == (415, "unsupported_encoding")


def _zlib_members(data: bytes) -> bytes:
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("gzip", _zlib_members), ("zstd", zstandard.compress)],
)
def test_a_packed_body_is_unpacked(client: httpx.Client, encoding: str, pack: Any) -> None:
    body = json.dumps(batch(row(1), row(2))).encode()
    assert push(client, pack(body), **{"Content-Encoding": encoding}).json()["accepted"] == 2


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_broken_packing_is_a_400(client: httpx.Client, encoding: str) -> None:
    assert push(client, b"not packed at all", **{"Content-Encoding": encoding}).status_code == 400
    half = gzip.compress(json.dumps(batch(*[row(n) for n in range(100)])).encode())[:-30]
    assert push(client, half, **{"Content-Encoding": "gzip"}).status_code == 400


def _bomb(pack: Any) -> bytes:
    return pack(b"[" + b" " * (64 << 20)) * 16


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_a_bomb_is_refused_long_before_it_is_unpacked(client: httpx.Client, encoding: str, pack: Any) -> None:
    bomb = _bomb(pack)
    assert len(bomb) < 2 << 20
    response = push(client, bomb, **{"Content-Encoding": encoding})
    assert problem(response) == (413, "too_large")
    assert response.elapsed.total_seconds() < 5


def test_a_body_of_100_mb_is_refused_by_its_length(client: httpx.Client) -> None:
    assert problem(push(client, b" " * 100_000_000)) == (413, "too_large")


def test_a_body_of_100_mb_without_a_length_is_cut_off(client: httpx.Client) -> None:
    chunks = (b" " * 1_000_000 for _ in range(100))
    response = client.post("/v1/readings", content=chunks, headers=JSON)
    assert problem(response) == (413, "too_large")


def test_too_many_readings_in_one_batch_are_a_413(client: httpx.Client) -> None:
    body = {"source": "gw1", "batch": "b", "meters": ["e01"] * 400, "ts": [TS_MS] * 300, "values": [[1] * 300] * 400}
    assert problem(push(client, body)) == (413, "too_large")


def test_wrong_paths_and_methods_are_problems_too(client: httpx.Client) -> None:
    assert problem(client.get("/v1/nothing")) == (404, "not_found")
    assert problem(client.get("/v1/readings")) == (405, "method_not_allowed")


def test_health_needs_no_key(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.address}/healthz").status_code == 200
    ready = httpx.get(f"{gateway.address}/readyz")
    assert (ready.status_code, ready.json()["registry"]) == (200, 1)
    with gateway.client("gw1-token") as client:
        push(client, batch(row()))
    metrics = httpx.get(f"{gateway.address}/metrics").text
    assert 'qingyu_gateway_readings_total{outcome="accepted"}' in metrics
    assert 'qingyu_gateway_requests_total{path="/v1/readings",status="202"}' in metrics


def test_the_openapi_page_has_examples(gateway: Gateway) -> None:
    paths = httpx.get(f"{gateway.address}/openapi.json").json()["paths"]
    examples = paths["/v1/readings"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"rows", "columns", "correction"}
