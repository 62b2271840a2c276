"""Bodies as collectors send them, and what the answers say."""

import json
from typing import Any

import httpx

TS = "2026-11-20T08:15:00+08:00"
TS_MS = 1_795_133_700_000
JSON = {"Content-Type": "application/json"}


def row(value: Any = 1, meter: str = "e01", ts: Any = TS, **more: Any) -> dict[str, Any]:
    return {"meter": meter, "ts": ts, "value": value, **more}


def batch(*rows: Any, source: str = "gw1", id_: str = "b1") -> dict[str, Any]:
    return {"source": source, "batch": id_, "readings": list(rows)}


def push(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/readings", content=content, headers={**JSON, **headers})


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["detail"]
    return response.status_code, body["code"]
