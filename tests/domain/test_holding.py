"""What becomes of a correction that waits hangs on the order of its events alone; only what replaces has to wait."""

from schemas.messages import VERSION, Batch, Correction, HeldEvent
from streams.domain.checking import Checked
from streams.domain.holding import Held, fold, needs_second_person, parted
from streams.domain.registry import Snapshot
from tests.folding import REGISTRY, document, documents, instant

SENT = Batch("b", "gw1", 5, ["e01"], [2], [0], [900_000], [500], [1], None, Correction("why", "Li Lei"))
NOW_MS = instant("2018-03-02T12:00")


def event(what: str, by: str, at: int = 7) -> HeldEvent:
    more = {"batches": [SENT], "enterprise": "works", "registry": 1} if what == "waiting" else {}
    return HeldEvent(VERSION, "c", what, at, by, f"key-{by}", None, **more)


def test_the_first_decision_in_the_log_has_decided_and_what_is_rejected_may_be_sent_again() -> None:
    held: dict[str, Held] = {}
    fold(held, [event("confirmed", "too early"), event("waiting", "Li Lei"), event("confirmed", "A", 8)])
    fold(held, [event("rejected", "B"), event("waiting", "Li Lei")])
    (found,) = held["c"].batches
    assert (held["c"].state, found.received, found.correction) == ("confirmed", 8, Correction("why", "Li Lei", "A"))
    fold(held, [event("published", "A"), event("rejected", "B")])
    assert (held["c"].state, held["c"].readings, held["c"].batches[0].t) == ("published", 1, [])
    again: dict[str, Held] = {}
    fold(again, [event("waiting", "Li Lei"), event("rejected", "B"), event("waiting", "Li Lei")])
    assert (again["c"].state, again["c"].decided) == ("waiting", None)


def test_a_reading_waits_when_it_replaces_another_of_an_hour_that_had_settled() -> None:
    spec = [{"from": "2018-03-02", "corrections": "settled"}]
    snapshot = Snapshot.build(1, documents(REGISTRY, document("settings", "default", second_person=spec)))
    old, new = instant("2018-03-01T08:15"), instant("2018-03-02T11:15")
    checked = Checked(["e01"], [2], [0, 0, 0, 0], [old, old + 1, old + 2, new], [1, None, 3, 4], {0: 1, 3: 2})
    assert needs_second_person(checked, snapshot, NOW_MS, correcting=False) == {0, 1}
    assert needs_second_person(checked, snapshot, NOW_MS, correcting=True) == {0, 1, 2, 3}
    assert needs_second_person(checked, snapshot, instant("2018-03-01T23:00"), correcting=True) == set()
    rest, aside = parted(checked, {0, 1})
    assert (rest.v, rest.revisions, aside.v, aside.revisions) == ([3, 4], {1: 2}, [1, None], {0: 1})
