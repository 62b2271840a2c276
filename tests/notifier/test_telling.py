"""What `make verify-notifier` compares with: who should be told of what, and that a loss would be found."""

import pytest

from bench.kills.failpoints import of_notifier
from bench.telling.alarms import Alarms
from bench.telling.audience import LISTENERS, documents, should_be_told
from bench.verify_notifier import faults_of
from schemas.messages import AlarmEvent
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot
from streams.domain.routing import Routing, Said, unsaid

GOOD = {
    "missing": 0, "unexpected": 0, "wrong": 0, "recipients": {"chat": {"overrun": 0}}, "control_missing": 2,
    "kills": {"notifier.taken": 10}, "kills_each": 10, "changed_files": [], "commit": "5f0c3e8d12ab",
}  # fmt: skip


def events(alarms: int) -> list[AlarmEvent]:
    made = Alarms(7)
    for _ in range(alarms // 5):
        made.write(5)
    made.rest()
    return made.events


def test_a_kill_is_planned_before_and_after_fetch_send_answer_and_record() -> None:
    steps = [
        f"notifier.{when}-{what}" for what in ("fetch", "send", "answer", "record") for when in ("before", "after")
    ]
    assert set(steps) <= set(of_notifier())


def test_the_transitions_of_each_alarm_come_in_order() -> None:
    last: dict[str, int] = {}
    for one in events(200):
        assert one.seq == last.get(one.id, 0) + 1
        last[one.id] = one.seq
    assert len(last) == 200


def test_who_should_be_told_is_whom_the_routes_lead_to() -> None:
    accepted = register((), documents("http://127.0.0.1:1"))
    assert isinstance(accepted, Accepted), accepted
    routing = Routing.of(Snapshot.build(1, accepted.documents))
    found: dict[str, set[str]] = {one.name: set() for one in LISTENERS}
    said: dict[tuple[str, str], Said] = {}
    made = events(300)
    for one in made:
        for target in routing.decide(one, one.known).targets:
            before = said.get((target.recipient, one.id))
            if unsaid(one, before) is None:
                found[target.recipient].add(f"{one.id}|{one.seq}")
                said[target.recipient, one.id] = Said(one.seq, one.condition)
    assert found == should_be_told(made)
    assert all(found.values())


def test_a_proof_without_fault_shows_something() -> None:
    assert faults_of(GOOD, ["notifier.taken"], controlled=True) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"missing": 1}, "missing"),
        ({"unexpected": 1}, "unexpected"),
        ({"wrong": 1}, "wrong"),
        ({"recipients": {"chat": {"overrun": 1}}}, "robot"),
        ({"control_missing": 0}, "control"),
        ({"kills": {}}, "notifier.taken"),
        ({"changed_files": [" M services/notifier/lane.py"]}, "not committed"),
        ({"commit": ""}, "not committed"),
    ],
)
def test_a_proof_with_a_fault_shows_nothing(wrong: dict[str, object], word: str) -> None:
    (fault,) = faults_of(GOOD | wrong, ["notifier.taken"], controlled=True)
    assert word in fault
