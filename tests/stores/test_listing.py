"""What every listing must do: alarms, rejected inputs, receipts, and the offsets that go with them."""

from typing import Any

import pytest

from schemas.messages import AlarmEvent, Cause, Condition, Finding, Rejected, Revision
from schemas.series import Point
from schemas.windows import window
from streams.stores.series import (
    CursorError,
    Earlier,
    Listing,
    Move,
    Part,
    Place,
    Read,
    Receipt,
    Refusal,
    Refused,
    Revised,
    StoreError,
)

FACTS: dict[str, Any] = {
    "v": 1,
    "rule": "peak",
    "rule_version": "1",
    "entity": "enterprise/steel",
    "start": "2018-01-01T08",
    "period": "episode",
    "condition": "firing",
    "tier": None,
    "severity": "warning",
    "value": "410.5",
    "limit": "400",
    "unit": "kWh",
    "since": 1,
    "known": 2,
    "reason": "above",
    "coverage": 1.0,
    "seq": 1,
}


def condition(id_: str, **changes: Any) -> Condition:
    return Condition(**{**FACTS, "id": id_, **changes})


def event(id_: str, seq: int, cause: str = "raised") -> AlarmEvent:
    return AlarmEvent(**{**FACTS, "id": id_, "seq": seq}, from_="ok", cause=cause, actor="engine")


def place(offset: int, topic: str = "rejected") -> Place:
    return Place(topic, 0, offset)


def refused(offset: int, at: int = 100, *, source: str = "gw", code: str = "future", **where: Any) -> Refused:
    return Refused(place(offset), Rejected(1, code, f"message {offset}", at, where, source))


def revised(offset: int, known: int, before: int | None, after: int | None, **changes: Any) -> Revised:
    facts = {"metric": "qty.electricity", "start": "2018-03-01", "entity": "enterprise/steel", **changes}
    kind = window(facts["start"]).kind
    return Revised(
        place(offset, "revisions"),
        Revision(v=1, window=kind, before=before, after=after, known=known, cause=Cause(registry=2), **facts),
    )


def put(store: Listing, *entries: Any) -> None:
    store.keep((), entries, ())


def test_an_alarm_is_kept_once_as_it_was_said_last(store: Listing) -> None:
    put(store, condition("a"), event("a", 1))
    put(store, condition("a", condition="ok", seq=2), event("a", 2, "cleared"), event("a", 1))
    assert store.condition("a") == condition("a", condition="ok", seq=2)
    assert store.events("a") == [event("a", 1), event("a", 2, "cleared")]
    assert store.condition("b") is None
    assert store.events("b") == []


def test_alarms_are_found_by_entity_rule_condition_and_start(store: Listing) -> None:
    put(
        store,
        condition("a"),
        condition("b", entity="park/p", start="2018-01-01T09"),
        condition("c", rule="other", start="2018-01", condition="ok"),
    )

    def ids(**wanted: Any) -> list[str]:
        return [item.id for item in store.conditions(**wanted).items]

    assert ids() == ["b", "a", "c"]
    assert ids(entities=["park/p"]) == ["b"]
    assert ids(entities=[]) == []
    assert ids(entities=[f"park/{n}" for n in range(5000)] + ["park/p"]) == ["b"]
    assert ids(rule="other") == ["c"]
    assert ids(condition="firing") == ["b", "a"]
    nine = 1_514_768_400_000
    assert ids(from_ms=nine) == ["b"]
    assert ids(to_ms=nine) == ["a", "c"]


def test_pages_show_everything_once_even_when_entries_arrive_between_them(store: Listing) -> None:
    put(store, *(condition(f"a{n}", start=f"2018-01-01T{n // 3:02}") for n in range(20)))
    seen: list[str] = []
    cursor = None
    while True:
        page = store.conditions(after=cursor, limit=6)
        seen += [item.id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
        put(store, condition(f"new{len(seen)}", start="2019-01-01"))
    assert sorted(seen) == sorted(f"a{n}" for n in range(20))
    assert len(seen) == 20


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.5~a", "~", "é~a"])
def test_a_cursor_of_somewhere_else_is_refused(store: Listing, cursor: str) -> None:
    with pytest.raises(CursorError, match="cursor"):
        store.conditions(after=cursor)


def test_rejected_inputs_are_listed_newest_first_and_once(store: Listing) -> None:
    entries = [refused(n, 100 + n, source=f"gw-{n % 2}", code="future" if n % 3 else "bad_time") for n in range(6)]
    put(store, *entries)
    put(store, *entries)
    assert [item.at for item in store.rejected().items] == [105, 104, 103, 102, 101, 100]
    assert [item.at for item in store.rejected(sources=["gw-1"]).items] == [105, 103, 101]
    assert [item.at for item in store.rejected(code="bad_time").items] == [103, 100]
    page = store.rejected(limit=4)
    assert [item.at for item in store.rejected(limit=4, after=page.next).items] == [101, 100]


def test_an_input_that_two_processes_could_not_read_stands_once_with_what_the_other_said(store: Listing) -> None:
    where = {"topic": "readings", "partition": 0, "offset": 7}
    own = Refused(place(7, "readings"), Rejected(1, "unreadable", "sink", 5, where), yields=True)
    other = Refused(place(0), Rejected(1, "no_json", "worker", 6, where))
    put(store, own)
    put(store, other)
    put(store, own)
    assert [item.message for item in store.rejected().items] == ["worker"]


def test_a_receipt_sums_the_parts_of_a_batch_and_tells_what_was_rejected(store: Listing) -> None:
    entries = [
        Part(place(3, "readings"), 0, "b1", "gw", 50, 3),
        Part(place(3, "readings"), 1, "b1", "gw", 50, 4),
        Part(place(3, "readings"), 2, "b2", "gw", 50, 9),
        refused(1, 50, batch="b1", index=8),
        refused(2, 50, batch="b1", index=[0, 3]),
        refused(3, 50, batch="b1", index=2),
    ]
    put(store, *entries)
    put(store, *entries)
    expected = [
        Refusal([0, 3], "future", "message 2"),
        Refusal(2, "future", "message 3"),
        Refusal(8, "future", "message 1"),
    ]
    assert store.receipts("b1") == [Receipt("b1", "gw", 50, 7, expected)]
    assert store.receipts("none") == []


def test_a_batch_sent_again_is_not_counted_twice_and_sources_do_not_mix(store: Listing) -> None:
    put(store, Part(place(3, "readings"), 0, "b", "gw-1", 50, 3), refused(1, 50, source="gw-1", batch="b", index=1))
    put(store, Part(place(9, "readings"), 0, "b", "gw-1", 70, 4))
    put(store, refused(2, 60, source="gw-2", batch="b", index=0))
    assert store.receipts("b") == [
        Receipt("b", "gw-1", 70, 4, []),
        Receipt("b", "gw-2", 60, 0, [Refusal(0, "future", "message 2")]),
    ]


def test_offsets_move_with_what_was_written(store: Listing) -> None:
    point = Point("hour", ("city/a", "energy.cv"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0))
    store.keep([point], [condition("a")], [Move("totals", 0, None, Read(5, 100)), Move("totals", 1, None, Read(2, 90))])
    store.keep((), (), [Move("totals", 0, 5, Read(8, 120))])
    assert store.offsets() == {("totals", 0): Read(8, 120), ("totals", 1): Read(2, 90)}


@pytest.mark.parametrize("before", [None, 4, 6])
def test_a_step_that_begins_elsewhere_is_refused_whole(store: Listing, before: int | None) -> None:
    store.keep((), (), [Move("totals", 0, None, Read(5, 100))])
    moves = [Move("totals", 1, None, Read(2, 90)), Move("totals", 0, before, Read(9, 100))]
    with pytest.raises(StoreError) as caught:
        store.keep((), [condition("a")], moves)
    assert caught.value.code == "store_moved"
    assert store.condition("a") is None
    assert store.offsets() == {("totals", 0): Read(5, 100)}


def finding(
    start: int, *, is_open: bool = True, enterprise: str = "steel", rule: str = "register.unexplained"
) -> Finding:
    return Finding(1, enterprise, f"meter/{enterprise}.e01", rule, start, start + 1, "fall", is_open)


def test_findings_of_an_enterprise_come_newest_first_and_healed_ones_only_when_asked_for(store: Listing) -> None:
    put(store, finding(1), finding(3), finding(2), finding(9, enterprise="cement"))
    put(store, finding(3, is_open=False))
    assert [one.start for one in store.findings("steel")] == [2, 1]
    assert [(one.start, one.open) for one in store.findings("steel", open_only=False)] == [
        (3, False),
        (2, True),
        (1, True),
    ]
    assert [one.start for one in store.findings("steel", limit=1)] == [2]


def window_point_of(entity: str) -> Point:
    return Point("hour", (entity, "energy.cv"), 0, (1.0, 1.0, 3600.0, 0.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("points", "entries", "entity"),
    [
        ([window_point_of("enterprise/steel")], [], "enterprise/steel"),
        ([], [condition("a")], "enterprise/steel"),
        ([], [finding(1)], "enterprise/steel"),
    ],
    ids=["window", "alarm", "finding"],
)
def test_what_is_written_of_an_entity_is_a_change_of_it_and_of_no_other(
    store: Listing, points: list[Point], entries: list[Any], entity: str
) -> None:
    store.keep([window_point_of("enterprise/cement")], (), ())
    before, other = store.changed([entity, "city/bazhong"]), store.changed(["enterprise/cement"])
    for _ in range(2):
        store.keep(points, entries, ())
        assert store.changed([entity, "city/bazhong"]) != before
        before = store.changed([entity, "city/bazhong"])
    assert store.changed(["enterprise/cement"]) == other
    assert store.changed(["city/bazhong"]) == 0


EVER = (0, 2**53)


def test_revisions_of_an_entity_are_listed_the_last_known_first_and_once(store: Listing) -> None:
    entries = [
        revised(0, 100, 1, 2),
        revised(1, 100, 2, 3, start="2018-03"),
        revised(2, 110, None, 2**70, metric="energy.cv"),
        revised(3, 120, 3, None),
        revised(9, 130, 3, 4, entity="city/bazhong"),
    ]
    put(store, *entries)
    put(store, *entries)

    def found(**wanted: Any) -> list[int]:
        steel = [entry.revision for entry in entries]
        return [steel.index(item) for item in store.revisions("enterprise/steel", **wanted).items]

    assert found() == [3, 2, 1, 0]
    assert found(metric="energy.cv") == [2]
    assert found(window="month") == [1]
    assert found(from_ms=110, to_ms=120) == [2]
    first = store.revisions("enterprise/steel", limit=3)
    rest = store.revisions("enterprise/steel", after=first.next)
    assert [item.known for item in first.items + rest.items] == [120, 110, 100, 100]
    assert rest.next is None
    with pytest.raises(CursorError, match="cursor"):
        store.revisions("enterprise/steel", after="1~a")


def test_what_a_window_was_at_an_instant_is_what_the_next_revision_changed(store: Listing) -> None:
    start_ms = window("2018-03-01").start_ms
    put(
        store,
        revised(4, 100, 5, 6),
        revised(5, 110, 6, 2**70),
        revised(6, 120, 2**70, None),
        revised(7, 120, 1, 2, metric="energy.cv"),
        revised(8, 120, 1, 2, start="2018-03"),
    )

    def earlier(as_of_ms: int) -> dict[int, Earlier]:
        return store.earlier("enterprise/steel", "qty.electricity", "day", *EVER, as_of_ms)

    assert earlier(99) == {start_ms: Earlier(5, revised=False)}
    assert earlier(100) == {start_ms: Earlier(6, revised=True)}
    assert earlier(119) == {start_ms: Earlier(2**70, revised=True)}
    assert earlier(120) == {}
    assert store.earlier("enterprise/steel", "qty.electricity", "day", start_ms + 1, 2**53, 0) == {}


def test_a_revision_changes_its_entity(store: Listing) -> None:
    before = store.changed(["enterprise/steel"])
    put(store, revised(0, 100, 1, 2))
    assert store.changed(["enterprise/steel"]) > before
    assert store.changed(["city/bazhong"]) == 0
