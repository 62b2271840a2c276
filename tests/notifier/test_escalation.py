"""Steps of an escalation are told once, whatever is killed, and not to whom the alarm is in hand."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.deliveries import decode_note
from schemas.documents import Document, parse_document
from schemas.handling import Action, Handling
from schemas.messages import AlarmEvent, encode
from schemas.settings import Settings
from schemas.topics import ALARM_HANDLING, DELIVERY_LOG
from services.notifier.escalation import Escalation
from services.notifier.known import Known
from services.notifier.memory import Memory
from services.notifier.parcel import Item, note, parcel_of, record
from services.outbox import Message
from services.simulator.mail_server import MailServer
from streams.domain.attention import Attention
from streams.domain.registry import Snapshot
from streams.domain.routing import Routing
from tests.notifier.conftest import (
    SECRETS,
    House,
    Mailbox,
    Receiver,
    body_of,
    document,
    event,
    hook,
    now_ms,
    settings_of,
    start_house,
    until,
)  # fmt: skip
from tests.running import read
from tests.sink.conftest import send

MIN_MS = 60_000
RAISED = 1_767_225_600_000


def escalated(name: str, after: str, *recipients: str) -> list[dict[str, Any]]:
    steps = [{"after": after, "recipients": list(recipients)}]
    select = {"kind": "enterprise", "id": [name]}
    return [
        document("escalation", name, {"steps": steps}),
        document("route", f"{name}-2", {"select": select, "recipients": [name], "escalation": name}),
    ]


class Journal:
    """A topic in memory."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, messages: Iterable[Message]) -> None:
        self.messages += messages


class Lanes:
    """Lanes that tell nothing before they are asked to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[AlarmEvent, str, str, Callable[[], None]]] = []

    def put(self, event: AlarmEvent, targets: Iterable[tuple[str, str]], done: Callable[[], None]) -> None:
        self.waiting += [(event, *one, done) for one in targets]


class Part:
    """The part of a notifier that escalates, on a journal that outlives it."""

    def __init__(self, journal: Journal) -> None:
        settings = Settings()
        self.memory = Memory(settings, journal)
        for offset, message in enumerate(journal.messages):
            self.memory.take(message.key or b"", message.value, offset)

        async def read_to_end() -> None:
            return

        known = SimpleNamespace(
            attention=Attention(), on_handling=[], registry=SimpleNamespace(on_change=[]), read_to_end=read_to_end
        )
        self.lanes = Lanes()
        self.escalation = Escalation(cast("Known", known), self.memory, self.lanes)
        raws = [
            document("enterprise", "works", {}),
            *(document("recipient", one, {"channels": {"mail": {"address": f"{one}@x.example"}}}) for one in "ab"),
            document("recipient", "works", {"channels": {"mail": {"address": "w@x.example"}}}),
            *escalated("works", "10min", "a", "b"),
        ]
        self.routing = Routing.of(Snapshot.build(1, [_parsed(raw) for raw in raws]))

    def turn(self, at_ms: int) -> list[str]:
        """Return the keys of what the lanes are given at an instant."""
        before = len(self.lanes.waiting)
        asyncio.run(self.escalation.turn(self.routing, at_ms))
        return [f"{to}: {_key(one)}" for one, to, _, _ in self.lanes.waiting[before:]]

    def deliver(self) -> None:
        """Record the first of what waits, as a lane does."""
        found, recipient, channel, done = self.lanes.waiting.pop(0)
        parcel = parcel_of(recipient, channel, found.id, [Item(found, done, 0)])
        before = self.memory.said(recipient, channel, found.id)
        written = record(recipient, channel, parcel, "delivered", "200", 0, before)
        asyncio.run(self.memory.say(written, note(recipient, channel, parcel, "delivered", "200", 0)))
        done()


def _parsed(raw: dict[str, Any]) -> Document:
    found = parse_document(raw)
    assert not isinstance(found, list), found
    return found


def _key(one: AlarmEvent) -> str:
    return parcel_of("", "", one.id, [Item(one, lambda: None, 0)]).message.key.removeprefix(f"{one.id}|")


def test_a_kill_neither_forgets_a_step_nor_tells_it_under_another_key() -> None:
    journal = Journal()
    first = Part(journal)
    raised = event("works", known=RAISED)
    assert first.escalation.take(raised, first.routing, RAISED) == []
    assert first.turn(RAISED + 9 * MIN_MS) == []
    due = ["a: 1|escalation|works|1", "b: 1|escalation|works|1"]
    assert first.turn(RAISED + 10 * MIN_MS) == due
    assert first.turn(RAISED + 11 * MIN_MS) == []
    first.deliver()
    # Killed: one recipient has it, for the other one it is not recorded.
    second = Part(journal)
    assert second.turn(RAISED + 60 * MIN_MS) == due
    said = second.memory.said("a", "mail", raised.id)
    assert said is not None
    assert said.steps == {"1|escalation|works|1"}  # by which its lane passes it over
    second.deliver()
    second.deliver()
    assert second.turn(RAISED + 61 * MIN_MS) == []
    assert Part(journal).turn(RAISED + 62 * MIN_MS) == []


def test_an_end_is_for_whom_a_step_was_told_and_then_nothing_is_left() -> None:
    journal = Journal()
    first = Part(journal)
    first.escalation.take(event("works", known=RAISED), first.routing, RAISED)
    first.turn(RAISED + 10 * MIN_MS)
    first.deliver()
    over = event("works", 2, "ok", known=RAISED + 11 * MIN_MS)
    assert first.escalation.take(over, first.routing, over.known) == [("a", "mail"), ("b", "mail")]
    first.deliver()
    first.turn(RAISED + 12 * MIN_MS)
    second = Part(journal)
    assert second.turn(RAISED + 99 * MIN_MS) == []
    assert len(second.escalation) == 0
    # Read again after a kill: the end is still for both.
    assert second.escalation.take(over, second.routing, over.known) == [("a", "mail"), ("b", "mail")]


@pytest.fixture(scope="module")
def house(
    kafka: LocalKafka | ForeignKafka, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    documents = [one for name in ("left", "held", "head") for one in hook(receiver, f"up-{name}")]
    documents += escalated("up-left", "1s", "up-head") + escalated("up-held", "2s", "up-head")
    with pytest.MonkeyPatch.context() as patch, MailServer(Mailbox()) as server:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        settings = settings_of(kafka, server.port, tmp_path_factory.mktemp("secrets"))
        found = start_house(settings, receiver, Mailbox(), server, documents)
        found.running.start()
        yield found
        found.running.stop()


def test_nobody_acknowledges_and_the_head_is_told_once_and_of_the_end(house: House) -> None:
    held = event("up-held")
    action = Action("x", "acknowledged", now_ms(), "Li Lei", "k", 1)
    handling = Handling(1, held.id, held.rule, held.entity, 1, now_ms(), "Li Lei", [action], action)
    send(house.settings, [(ALARM_HANDLING, 0, held.id.encode(), encode(handling))])
    left = event("up-left")
    house.say(held, left)
    (call,) = house.calls("up-head", 1)
    body = body_of(call)
    assert body["key"] == call.key == f"{left.id}|1|escalation|up-left|1"
    assert body["title"]["zh"].startswith("升级·严重告警：企业up-left")
    assert body["event"]["cause"] == "escalated"
    assert body["event"]["because"] == "escalated: step 1, nobody acknowledged within 1 second"
    reasons = until(
        lambda: [
            one.reason
            for one in (decode_note(each.value) for each in read(house.settings, DELIVERY_LOG))
            if any(one.steps)
        ],
        every_s=0.2,
    )
    assert reasons[0].startswith("escalated: step 1, nobody acknowledged within 1 second; ")
    house.restart()
    house.say(event("up-left", 2, "ok"))
    assert [one.key for one in house.calls("up-head", 2)] == [call.key, f"{left.id}|2"]
