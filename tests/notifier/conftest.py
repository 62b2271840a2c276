"""A notifier under test among real servers: Kafka, a webhook receiver that can misbehave, a mail server."""

import asyncio
import email
import email.policy
import http.server
import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.deliveries import DIGEST_KEY, READ_KEY, ROBOT_KEY, Delivery, decode_delivery
from schemas.escalation import ESCALATION_KEY
from schemas.messages import AlarmEvent, encode
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ALARM_EVENTS, DELIVERY
from services.notifier.notifier import Notifier
from services.simulator.mail_server import MailServer
from services.topics import apply_topics
from streams.domain.alarm import alarm_id
from tests.local_http import LocalHttp
from tests.notifier.robots import Robots
from tests.registry_writing import write_set
from tests.running import read
from tests.sink.conftest import send

SECRET = "under-the-bridge"
SECRETS = {"QINGYU_SECRET_HOOK": SECRET}
LIMIT_S = 200.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the receiver got."""

    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the receiver answers; a hang ends when the receiver does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hang: bool = False


class Receiver(LocalHttp):
    """A webhook receiver: by path, `plans` are the next answers, after which it answers with `usual`, else 200."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.plans: dict[str, list[Behaviour]] = defaultdict(list)
        self.usual: dict[str, Behaviour] = {}
        self.over = threading.Event()
        super().__init__(_handler(self))

    def keys(self, name: str) -> list[str]:
        return [call.key for call in self.calls[f"/{name}"]]

    def stop(self) -> None:
        self.over.set()
        super().stop()


def _handler(receiver: Receiver) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.calls[self.path].append(Call(headers, body, time.monotonic()))
            plan = receiver.plans[self.path]
            behaviour = plan.pop(0) if plan else receiver.usual.get(self.path, Behaviour())
            if behaviour.hang:
                receiver.over.wait(LIMIT_S)
                self.close_connection = True
                return
            self.send_response(behaviour.status)
            for name, value in behaviour.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"said")

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


class Mailbox:
    """A mail server's handler that keeps what came, and refuses the addresses that begin with `nobody`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    def of(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"


def document(kind: str, id_: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": "2018-01-01", "spec": spec, **more}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(
    enterprise: str, seq: int = 1, condition: str = "firing", *, start: str = "2026-01", **more: Any
) -> AlarmEvent:
    """Return a transition of an enterprise's alarm; each `start` is an alarm of its own."""
    entity = f"enterprise/{enterprise}"
    fields: dict[str, Any] = {
        "v": 1,
        "id": alarm_id("steel-limit", entity, start),
        "rule": "steel-limit",
        "rule_version": "5f0c3e8d12ab",
        "entity": entity,
        "start": start,
        "period": "month",
        "condition": condition,
        "tier": "limit" if condition == "firing" else None,
        "severity": "critical" if condition == "firing" else "info",
        "value": "97.234567",
        "limit": "94",
        "unit": "kgce/t",
        "since": now_ms(),
        "known": now_ms(),
        "reason": "ind.steel-intensity is 97.234567 kgce/t, above 94",
        "coverage": 0.98,
        "seq": seq,
        "from_": None if seq == 1 else "firing",
        "cause": {"firing": "raised", "ok": "cleared", "withdrawn": "corrected"}[condition],
        "actor": "engine",
    }
    return AlarmEvent(**fields | more)


def key_of_event(found: AlarmEvent) -> str:
    return f"{found.id}|{found.seq}"


def say(settings: Settings, *events: AlarmEvent) -> None:
    """Write events as workers do: in a transaction, to the partition of their entity."""
    messages = [
        (ALARM_EVENTS, partition_of(one.entity, settings.partitions), one.id.encode(), encode(one)) for one in events
    ]
    send(settings, messages, transaction=f"{settings.topic_prefix}worker-{uuid.uuid4().hex[:8]}")


def records(settings: Settings) -> list[Delivery]:
    """Return everything that was recorded of single deliveries, in order."""
    others = (READ_KEY, DIGEST_KEY.encode(), ROBOT_KEY.encode(), ESCALATION_KEY.encode())
    return [decode_delivery(each.value) for each in read(settings, DELIVERY) if not each.key.startswith(others)]


def until(found: Callable[[], Any], what: str = "it", limit_s: float = LIMIT_S, every_s: float = 0.02) -> Any:
    end = time.monotonic() + limit_s
    while not (result := found()):
        assert time.monotonic() < end, f"{what} did not happen within {limit_s} s"
        time.sleep(every_s)
    return result


class RunningNotifier:
    """The notifier on a loop in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.notifier: Notifier | None = None

    def start(self) -> None:
        self._thread.start()
        assert self._begun.wait(LIMIT_S)
        until(lambda: self.state()[0], f"readiness {self.state()}")

    def state(self) -> tuple[bool, dict[str, Any]]:
        assert self.notifier is not None
        return self.notifier.state()

    def stop(self) -> None:
        assert self.notifier is not None
        assert self._loop is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.notifier.stop)
            self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.notifier = Notifier(self.settings)
        self._begun.set()
        await self.notifier.run()


@dataclass(slots=True)
class House:
    """An installation with a running notifier; each name is an enterprise, a recipient and a route of its own."""

    settings: Settings
    receiver: Receiver
    mailbox: Mailbox
    mail_server: MailServer
    running: RunningNotifier
    version: int = 1
    robots: Robots | None = None

    def register(self, *raws: dict[str, Any]) -> None:
        self.version += 1
        asyncio.run(write_set(self.settings, self.version, raws))

    def say(self, *events: AlarmEvent) -> None:
        say(self.settings, *events)

    def calls(self, name: str, count: int) -> list[Call]:
        """Return the calls of a path as soon as there are so many."""
        return until(
            lambda: len(found := self.receiver.calls[f"/{name}"]) >= count and found, f"{count} calls of {name}"
        )

    def mails(self, address: str, count: int = 1) -> list[EmailMessage]:
        return until(lambda: len(found := self.mailbox.of(address)) >= count and found, f"{count} mails to {address}")

    def outcome(self, name: str, outcome: str) -> Delivery:
        """Return the record with an outcome as soon as it stands in the topic."""
        return until(
            lambda: next(
                (one for one in records(self.settings) if (one.recipient, one.outcome) == (name, outcome)), None
            ),
            f"{outcome} of {name}, {self.running.state()}",
            # Reading a topic takes a connection each time.
            every_s=0.2,
        )

    def restart(self) -> None:
        """Stop the notifier and start another one, with the settings of the house."""
        self.running.stop()
        self.running = RunningNotifier(self.settings)
        self.running.start()


def hook(receiver: Receiver, name: str, secret: str = "secret:hook", **more: Any) -> list[dict[str, Any]]:
    """Return an enterprise, a recipient with a webhook, and the route between them, all of one name."""
    channels = {"webhook": {"url": f"{receiver.address}/{name}", "secret": secret}}
    return [
        document("enterprise", name, {}, name={"zh": f"企业{name}", "en": f"Works {name}"}),
        document("recipient", name, {"channels": channels}, **more),
        document("route", name, {"select": {"kind": "enterprise", "id": [name]}, "recipients": [name]}),
    ]


def mailed(name: str, language: str, address: str) -> list[dict[str, Any]]:
    """Return the same with a mailbox."""
    return [
        document("enterprise", name, {}, name={"zh": f"企业{name}", "en": f"Works {name}"}),
        document("recipient", name, {"channels": {"mail": {"address": address}}, "language": language}),
        document("route", name, {"select": {"kind": "enterprise", "id": [name]}, "recipients": [name]}),
    ]


LIMIT_DOCUMENTS = [
    document("product", "crude-steel", {"unit": "t"}),
    document(
        "indicator",
        "steel-intensity",
        {"type": "intensity", "numerator": "energy.cv", "denominator": "output.crude-steel", "unit": "kgce/t"},
    ),
    document(
        "limit",
        "steel-limit",
        {"indicator": "steel-intensity", "tiers": [{"id": "limit", "max": "94"}], "source": "test"},
        name={"zh": "粗钢单位产品能耗", "en": "Energy per tonne of steel"},
    ),
]


def settings_of(kafka: LocalKafka | ForeignKafka, smtp_port: int, folder: Path, **more: Any) -> Settings:
    fields: dict[str, Any] = {
        "kafka": kafka.bootstrap,
        "topic_prefix": f"t{uuid.uuid4().hex[:8]}.",
        "partitions": 2,
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_tls": "none",
        "smtp_from": "qingyu@city.example",
        "public": "https://board.city.example",
        "secrets": folder,
        "notify_timeout_s": 2.0,
        "notify_private": "127.0.0.1",
        "notify_fallback_s": 1.0,
        "notify_retry_s": 0.05,
        "notify_give_up_s": 600.0,
    }
    return Settings(**fields | more)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    # Not for the package: modules use the same paths, and one would find the calls of another.
    found = Receiver()
    yield found
    found.stop()


def start_house(
    settings: Settings, receiver: Receiver, mailbox: Mailbox, server: MailServer, documents: Sequence[Any]
) -> House:
    apply_topics(settings)
    asyncio.run(write_set(settings, 1, [*LIMIT_DOCUMENTS, *documents]))
    return House(settings, receiver, mailbox, server, RunningNotifier(settings))


def body_of(call: Call) -> dict[str, Any]:
    return json.loads(call.body)
