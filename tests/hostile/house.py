"""A house under attack: a gateway and an api as the command starts them, with a small city, and what one asks them."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from bench.using import memory_mib
from deploy.local.processes import Processes
from schemas.settings import Settings
from services.topics import apply_topics
from streams.stores.embedded import EmbeddedStore
from tests.api.city import city_documents, fill
from tests.api_server import OPERATOR, RunningApi
from tests.gateway.pushing import TS
from tests.gateway.running import key_documents
from tests.registry_writing import write_set
from tests.running import Installation

SOURCE = "gw1-token"
CONNECTIONS = 120
# Short limits of time, so that tests need not wait for the real ones.
_SHORT = """
import services.http.connection, services.http.bodies
services.http.connection.HEAD_LIMIT_S = services.http.bodies.LIMIT_S = 3.0
"""


@dataclass(frozen=True, slots=True)
class House:
    """The two processes, with clients for who means well."""

    installation: Installation
    gateway: httpx.Client
    api: httpx.Client

    def address(self, role: str) -> tuple[str, int]:
        """Return where a process listens."""
        return "127.0.0.1", self.installation.ports[role]

    def connect(self, role: str, *parts: bytes) -> socket.socket:
        """Open a connection and send some bytes over it, part by part."""
        opened = socket.create_connection(self.address(role), timeout=60)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            opened.sendall(part)
        return opened

    def raw(self, role: str, sent: bytes) -> bytes:
        """Return all that is answered to some bytes until the process closes the connection."""
        with self.connect(role, sent) as opened:
            return answered(opened)

    def rss_mib(self, role: str, *, peak: bool = False) -> float:
        """Return the memory of a process, or the most that it ever had [MiB]."""
        return memory_mib(self.installation.processes.pid(role), "VmHWM" if peak else "VmRSS")

    def serves(self) -> None:
        """See that who means well is served by both."""
        body = {"source": "gw1", "batch": "good", "readings": [{"meter": "e01", "ts": TS, "value": 1}]}
        # Over connections of their own: one that was kept open may have gone for others.
        answer = httpx.post(
            self.gateway.base_url.join("/v1/readings"), json=body, headers=self.gateway.headers, timeout=120
        )
        assert (answer.status_code, answer.json().get("accepted")) == (202, 1), answer.text
        asked = {"entity": "enterprise/bz-steel", "metric": "qty.electricity"}
        answer = httpx.get(self.api.base_url.join("/v1/latest"), params=asked, headers=self.api.headers, timeout=120)
        assert answer.status_code == 200, answer.text


def answered(opened: socket.socket) -> bytes:
    """Return what comes over a connection until it is closed."""
    found = b""
    try:
        while part := opened.recv(1 << 16):
            found += part
    except ConnectionResetError:
        pass
    return found


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an answer that must be a refusal of the sender's, in the one form."""
    assert 400 <= answer.status_code < 500, f"{answer.status_code} to {answer.request.url}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    return answer.status_code, body["code"]


@contextmanager
def running_house(
    kafka: str, prefix: str, folder: Path, before: str = _SHORT, operator: str = OPERATOR, **changed: Any
) -> Iterator[House]:
    """Run gateway and api until the end of the `with`; `changed` are environment variables."""
    settings = Settings(kafka=kafka, topic_prefix=prefix, partitions=2, operator_token=SecretStr(operator))
    apply_topics(settings)
    asyncio.run(write_set(settings, 1, [*city_documents(), *key_documents()]))
    limits = {"QINGYU_CONNECTIONS": str(CONNECTIONS), "QINGYU_GATHER_S": "0.01", **changed}
    with Processes(folder / "logs") as processes:
        installation = Installation(settings, folder, processes)
        for role in ("gateway", "api"):
            installation.start(role, before=before, **limits)
        installation.wait_ready("gateway", "api")
        clients = [
            httpx.Client(
                base_url=f"http://127.0.0.1:{installation.ports[role]}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=120,
            )
            for role, token in (("gateway", SOURCE), ("api", operator))
        ]
        with clients[0] as gateway, clients[1] as api:
            store = EmbeddedStore(folder / "series.sqlite")
            # The set is there already: only the store is filled.
            fill(RunningApi(settings, "", api, store, None))  # type: ignore[arg-type]
            store.close()
            yield House(installation, gateway, api)
