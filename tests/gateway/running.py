"""Runs a gateway in a thread with a socket of its own, and reads topics to their end."""

import asyncio
import socket
import threading
import time
from typing import Any, Self

import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from schemas.messages import Batch, Rejected, Reported, decode_readings, decode_rejected, decode_reported
from schemas.settings import Settings
from schemas.topics import READINGS, REJECTED, REPORTED, Topic
from services.gateway import create_app
from services.http.connection import server_config
from services.http.tokens import token_hash
from tests.registry_writing import STEEL, documents, write_set

OPERATOR = SecretStr("operator-token")
KEYS = (
    ("gw1-token", "source", "gw1", False),
    ("gw2-token", "source", "gw2", False),
    ("old-token", "source", "gw1", True),
    ("steel-token", "enterprise", "bz-steel", False),
    ("viewer-token", "viewer", None, False),
)


def key_documents() -> list[dict[str, Any]]:
    """Return a key document for each token of KEYS."""
    return [
        {
            "apiVersion": "qingyu/v1",
            "kind": "key",
            "id": token,
            "valid_from": "2018-01-01",
            "spec": {"hash": token_hash(token), "role": role, "subject": subject, "revoked": revoked},
        }
        for token, role, subject, revoked in KEYS
    ]


def write_registry(settings: Settings) -> None:
    """Write the steel works and the keys as set 1."""
    asyncio.run(write_set(settings, 1, [*documents(STEEL), *key_documents()]))


class Gateway:
    """A gateway that serves on a free port until the block ends."""

    def __init__(self, settings: Settings, *, wait: bool = True) -> None:
        self._wait = wait
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = server_config(create_app(settings), connections=settings.connections, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        ends = time.monotonic() + 30
        while self._wait and httpx.get(f"{self.address}/readyz").status_code != 200:
            assert time.monotonic() < ends, httpx.get(f"{self.address}/readyz").text
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(40)
        self._socket.close()
        assert not self._thread.is_alive()

    def client(self, token: str | None) -> httpx.Client:
        """Return a client that shows a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)


def topic_values(settings: Settings, topic: Topic) -> list[tuple[int, bytes | None, bytes]]:
    """Return (partition, key, value) of every record of a topic."""

    async def read() -> list[tuple[int, bytes | None, bytes]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
        partitions = [TopicPartition(settings.topic(topic), n) for n in range(settings.partitions)]
        found: list[tuple[int, bytes | None, bytes]] = []
        async with asyncio.timeout(200):
            await consumer.start()
            try:
                consumer.assign(partitions)
                await consumer.seek_to_beginning(*partitions)
                ends = await consumer.end_offsets(partitions)
                while any([await consumer.position(one) < ends[one] for one in partitions]):
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += [(one.partition, one.key, one.value or b"") for one in records]
            finally:
                await consumer.stop()
        return found

    return asyncio.run(read())


def batches(settings: Settings) -> list[tuple[str, Batch]]:
    """Return every batch on topic `readings` with its enterprise."""
    found: list[tuple[str, Batch]] = []
    for _, key, value in topic_values(settings, READINGS):
        message = decode_readings(value)
        assert message.enterprise is not None
        assert key == message.enterprise.encode()
        found += [(message.enterprise, batch) for batch in message.batches]
    return found


def readings(settings: Settings) -> list[tuple[str, int, int | None]]:
    """Return (meter, instant, count) of every reading on the topic, in order."""
    return [
        (batch.meters[i], t, v)
        for _, batch in batches(settings)
        for i, t, v in zip(batch.i, batch.t, batch.v, strict=True)
    ]


def rejected(settings: Settings) -> list[Rejected]:
    """Return every dead letter."""
    return [decode_rejected(value) for _, _, value in topic_values(settings, REJECTED)]


def reported(settings: Settings) -> list[Reported]:
    """Return every reported value."""
    return [decode_reported(value) for _, _, value in topic_values(settings, REPORTED)]
