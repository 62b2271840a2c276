"""Buckets of one test alone on an InfluxDB that many share, and what stands in them."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from deploy.local.influx import ForeignInflux, LocalInflux
from schemas.settings import Settings


def influx_settings(server: LocalInflux | ForeignInflux, data: Path, **more: Any) -> Settings:
    """Return the settings of a store with new buckets on a server and its lists in a folder."""
    chosen: dict[str, Any] = {
        "store": "influx",
        "data": data,
        "influx": server.address,
        "influx_org": server.org,
        "influx_token": SecretStr(server.token),
        "influx_prefix": f"t{uuid.uuid4().hex[:8]}-",
        "raw_retention": "forever",
    }
    return Settings(**{**chosen, **more})


def store_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a process use the InfluxDB of settings, and its buckets there."""
    assert settings.influx_token is not None
    return {
        "QINGYU_STORE": "influx",
        "QINGYU_INFLUX": settings.influx,
        "QINGYU_INFLUX_ORG": settings.influx_org,
        "QINGYU_INFLUX_TOKEN": settings.influx_token.get_secret_value(),
        "QINGYU_INFLUX_PREFIX": settings.influx_prefix,
        "QINGYU_RAW_RETENTION": settings.raw_retention,
    }


@contextlib.contextmanager
def removing(settings: Settings) -> Iterator[None]:
    """Remove the buckets afterwards."""
    try:
        yield
    finally:
        with http(settings) as client:
            for id_ in bucket_ids(client, settings).values():
                client.delete(f"/api/v2/buckets/{id_}").raise_for_status()


def http(settings: Settings) -> httpx.Client:
    """Return a client of the server with the settings' token."""
    assert settings.influx_token is not None
    token = settings.influx_token.get_secret_value()
    return httpx.Client(base_url=settings.influx, headers={"Authorization": f"Token {token}"}, timeout=30)


def bucket_ids(client: httpx.Client, settings: Settings) -> dict[str, str]:
    """Return the ids of the buckets that the settings name, as far as they are there."""
    found: dict[str, str] = {}
    for kind in ("raw", "hour", "day"):
        name = settings.influx_prefix + kind
        answer = client.get("/api/v2/buckets", params={"name": name, "org": settings.influx_org})
        found |= {each["name"]: each["id"] for each in answer.json().get("buckets", ())}
    return found
