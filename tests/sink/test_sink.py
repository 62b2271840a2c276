"""The sink on a real Kafka: what is said arrives once, whatever is killed, and it says what it is doing."""

import asyncio
import json
import resource
import time
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.messages import AlarmEvent, Batch, CalendarDocument, Condition, Heartbeat, Readings, Rejected, encode
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, ENGINE, READINGS, REJECTED, TOTALS
from schemas.windows import window
from services.sink.sink import Sink
from services.sink.step import Step, StepBuilder
from streams.stores.embedded import EmbeddedStore
from streams.stores.series import Move, Receipt, Refusal, StoreError
from tests.registry_writing import documents, write_set
from tests.sink.conftest import Message, SinkProcess, rebuild, send, until

STEEL = "enterprise/steel"
HOURS = 24
DAY = "2018-01-01"
DAY_MS = window(DAY).start_ms
HOUR_MS = 3_600_000
EVER = (0, 2**53)
FACTS: dict[str, Any] = {
    "v": 1, "id": "a1", "rule": "steel-limit", "rule_version": "1", "entity": STEEL, "start": "2018-01",
    "period": "month", "condition": "firing", "tier": "limit", "severity": "warning", "value": "95",
    "limit": "94", "unit": "kgce/t", "since": 1, "known": 2, "reason": "above", "coverage": 1.0, "seq": 1,
}  # fmt: skip


def day(values: dict[int, int], touched: list[int], period: str = DAY, entity: str = STEEL) -> Message:
    """The day document of an entity: hour -> kWh; an hour that is not given is not known yet."""
    row = [values[hour] * 10**6 if hour in values else None for hour in range(HOURS)]
    status: list[str | None] = ["provisional" if hour in values else None for hour in range(HOURS)]
    document = CalendarDocument(1, entity, period, "hour", {"qty.electricity": row}, status, touched, 1, None, [(0, 1)])
    return TOTALS, 0, f"{entity}|{period}".encode(), encode(document)


def readings(number: int, values: list[int], enterprise: str = "steel") -> Message:
    batch = Batch(f"b{number}", "gw", 50, ["steel.e01"], [1], [0] * len(values), list(range(len(values))), list(values))
    return READINGS, 1, enterprise.encode(), encode(Readings(1, 1, enterprise, [batch]))


def hours(store: EmbeddedStore, entity: str = STEEL) -> dict[int, float | None]:
    try:
        points = store.series(entity, "qty.electricity", "hour", *EVER)
    except StoreError as error:
        assert error.code == "store_absent"
        return {}
    return {(point.start_ms - DAY_MS) // HOUR_MS: point.value for point in points}


@pytest.fixture
def store(settings: Settings) -> EmbeddedStore:
    """The store as another process reads it."""
    return EmbeddedStore(settings.store_path)


def offset(store: EmbeddedStore, topic: str, partition: int = 0) -> int:
    read = store.offsets().get((topic, partition))
    return read.offset if read else 0


def store_one_hour(settings: Settings, sink: SinkProcess, store: EmbeddedStore) -> None:
    """Have a sink store the first hour of the day, and end."""
    send(settings, [day({0: 1}, [0])])
    sink.start()
    until(lambda: hours(store))
    sink.end()


def test_everything_that_is_said_is_found_in_the_store(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(
        settings,
        [
            readings(1, [15, 20]),
            (ALARM_CONDITIONS, 0, b"a1", encode(Condition(**FACTS))),
            (ALARM_EVENTS, 0, b"a1", encode(AlarmEvent(**FACTS, from_="ok", cause="raised", actor="engine"))),
            (REJECTED, 1, b"gw", encode(Rejected(1, "future", "too new", 50, {"batch": "b1", "index": 2}, "gw", [1]))),
            (ENGINE, 0, b"worker", encode(Heartbeat(1, "worker", "0", 1000, lag=7))),
        ],
    )
    send(settings, [day({0: 5, 1: 6}, [0])], "totals-1")
    sink.start()
    until(lambda: hours(store) == {0: 5.0, 1: 6.0})
    until(lambda: "worker" in store.heartbeats() and store.condition("a1") and store.receipts("b1")[0].rejected)
    assert [point.value for point in store.readings("steel.e01", *EVER)] == [1.5, 2.0]
    assert store.receipts("b1") == [Receipt("b1", "gw", 50, 2, [Refusal(2, "future", "too new")])]
    assert [event.cause for event in store.events("a1")] == ["raised"]
    assert [(point.state, point.margin) for point in store.alarms(STEEL, "steel-limit", *EVER)] == [(2.0, -1.0)]
    assert store.heartbeats()["worker"] == (1000, 7.0)
    status, health = until(lambda: (found := sink.ready()) and found[0] == 200 and found)
    assert (status, health["store"], health["kafka"], health["stalled"]) == (200, "ok", "ok", [])
    assert sink.end() == 0


def test_what_was_aborted_is_never_written(settings: Settings, sink: SinkProcess, store: EmbeddedStore) -> None:
    send(settings, [day({0: 666}, [0])], "totals-1", abort=True)
    send(settings, [day({1: 5}, [1])], "totals-1")
    sink.start()
    until(lambda: hours(store))
    assert hours(store) == {1: 5.0}


def test_idle_partitions_are_idle_past_the_marks_of_transactions(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 5}, [0])], "totals-1")
    send(settings, [day({0: 6}, [0])], "totals-1", abort=True)
    sink.start()
    until(lambda: hours(store))
    totals = settings.topic(TOTALS)
    # One record, its mark, an aborted record and its mark.
    until(lambda: offset(store, totals) == 4)
    name = f"{totals}/0"
    until(lambda: sink.ready()[1]["partitions"][name] == {"state": "idle", "lag": 0})
    assert f'qingyu_sink_stalled{{partition="0",topic="{totals}"}} 0.0' in sink.get("/metrics")[1]
    assert f'qingyu_sink_lag_offsets{{partition="0",topic="{totals}"}} 0.0' in sink.get("/metrics")[1]


def test_caught_up_only_touched_children_are_written(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 1, 1: 1, 2: 1}, [2])])
    sink.start()
    until(lambda: hours(store) == {0: 1.0, 1: 1.0, 2: 1.0})
    # Hour 1 changes without being touched: no such document exists, but it shows what is read.
    send(settings, [day({0: 1, 1: 9, 2: 2}, [2])])
    until(lambda: hours(store)[2] == 2.0)
    assert hours(store) == {0: 1.0, 1: 1.0, 2: 2.0}


def test_after_a_long_absence_every_child_is_written(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 1, 1: 1}, [1])])
    sink.start()
    until(lambda: hours(store) == {0: 1.0, 1: 1.0})
    sink.end()
    with store._file.writing() as connection:
        connection.execute("UPDATE offsets SET unread_since_ms = unread_since_ms - 13 * 3600000")
    # Between the two, a version that touched hour 0 was compacted away.
    send(settings, [day({0: 7, 1: 8}, [1])])
    sink.start()
    until(lambda: hours(store) == {0: 7.0, 1: 8.0})


def test_a_record_that_cannot_be_read_is_put_aside_and_nothing_else_is_lost(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    huge = encode(Readings(1, 1, "steel", [Batch("b", "gw", 1, ["steel.e01"], [0], [0], [10**25], [1])]))
    bad = [
        (TOTALS, 0, b"x", b"no json"),
        (TOTALS, 0, b"x", encode({"v": 1, "entity": "city/a"})),
        (READINGS, 1, b"steel", b'{"v":9,"registry":1}'),
        (READINGS, 1, b"steel", b"\xff\xfe" * 5000),
        (READINGS, 1, b"steel", huge),
        (ALARM_CONDITIONS, 0, b"x", encode(Condition(**{**FACTS, "id": "a2", "condition": "unheard-of"}))),
        (ALARM_CONDITIONS, 0, b"x", encode(Condition(**{**FACTS, "id": "a3", "start": "yesterday"}))),
        (ENGINE, 0, b"x", b"[]"),
        (REJECTED, 0, b"x", b'{"v":1}'),
        (REJECTED, 0, b"x", encode(Rejected(1, "bad_time", "late", 10**25, {"topic": "readings"}, "gw", ""))),
    ]
    send(settings, [bad[0], day({0: 5}, [0]), *bad[1:], day({1: 6}, [1]), readings(1, [10])])
    sink.start()
    until(lambda: hours(store) == {0: 5.0, 1: 6.0} or 1 in hours(store))
    until(lambda: len(store.rejected().items) == len(bad))
    until(lambda: store.receipts("b1"))
    items = store.rejected(code="unreadable").items
    assert {item.where["topic"] for item in items} == {
        topic.name for topic in (TOTALS, READINGS, ALARM_CONDITIONS, ENGINE, REJECTED)
    }
    assert [item.input for item in items if item.input == "no json"] == ["no json"]
    assert [len(item.where["sha256"]) for item in items if "sha256" in item.where] == [64]
    until(lambda: sink.ready()[0] == 200)
    # Counted after they are written, so they can be seen in the store a moment earlier.
    counted = f'qingyu_sink_unreadable_total{{topic="{settings.topic(READINGS)}"}} 3.0'
    until(lambda: counted in sink.get("/metrics")[1])


@pytest.mark.parametrize("place", ["sink.before-write", "sink.after-write", "sink.after-commit"])
def test_killed_anywhere_the_sink_loses_and_doubles_nothing(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore, place: str
) -> None:
    expected = {hour: float(hour + 1) for hour in range(4)}
    days = [day({at: at + 1 for at in range(hour + 1)}, [hour]) for hour in expected]
    send(settings, [*(readings(number, [10] * 7) for number in range(10)), *days])
    sink.start(QINGYU_FAILPOINT=place)
    sink.wait_killed()
    sink.start()
    until(lambda: hours(store) == expected)
    until(lambda: store.receipts("b9"))
    receipts = [store.receipts(f"b{number}") for number in range(10)]
    assert [found[0].accepted for found in receipts] == [7] * 10
    assert offset(store, settings.topic(READINGS), 1) == 10


def test_a_store_that_has_more_than_kafka_is_not_written_until_it_is_made_anew(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    store_one_hour(settings, sink, store)
    # As if Kafka came back from a backup that is older than the store: what the store has beyond it is not there.
    with store._file.writing() as connection:
        connection.execute(
            'UPDATE offsets SET "offset" = 6 WHERE topic = ? AND partition = 0', (settings.topic(TOTALS),)
        )
    send(settings, [day({0: 2}, [0])])
    sink.start()
    said = until(lambda: (found := sink.ready()[1].get("store", "")).startswith("store_ahead") and found)
    assert f"{settings.topic(TOTALS)}/0 up to offset 6" in said
    assert "ends at 2" in said
    assert hours(store) == {0: 1.0}
    assert rebuild(settings).returncode == 0
    assert hours(store) == {0: 2.0}


def test_while_the_store_refuses_nothing_is_committed_and_it_goes_on_afterwards(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    store_one_hour(settings, sink, store)
    # Another process in a transaction without an end stands for a store that refuses.
    blocker = EmbeddedStore(settings.store_path)
    with blocker._file.writing():
        sink.start()
        send(settings, [day({1: 2}, [1]), readings(1, [5])])
        status, health = until(lambda: (found := sink.ready()) and "store_busy" in found[1].get("store", "") and found)
        assert status == 503
        assert health["lag"] > 0
        assert hours(store) == {0: 1.0}
    until(lambda: hours(store) == {0: 1.0, 1: 2.0})
    until(lambda: sink.ready()[0] == 200)
    assert store.receipts("b1")[0].accepted == 1


def test_a_step_that_is_given_up_on_stopping_is_not_passed_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next step is read while one is being written; where that one never is, nothing behind it may be noted as read.
    asked: list[Move] = []
    built: asyncio.Queue[Step] = asyncio.Queue()

    class Refusing(EmbeddedStore):
        def keep(self, points: Any, entries: Any, moves: Sequence[Move]) -> None:
            asked.extend(moves)
            raise StoreError("store_busy", "it refuses")

    def build(self: StepBuilder, records: Any, tiers: Any) -> Step:
        step = real(self, records, tiers)
        built.put_nowait(step)
        return step

    real = StepBuilder.build
    monkeypatch.setattr(StepBuilder, "build", build)

    # What is done now and then waits for the step in hand; here it is done once, before there is one.
    ticked = asyncio.Event()

    async def tick(_: Sink) -> None:
        ticked.set()

    monkeypatch.setattr("services.sink.sink.TICK_S", 3600)
    monkeypatch.setattr(Sink, "_tick", tick)

    async def run() -> None:
        sink = Sink(settings, Refusing(settings.store_path), tells=False)
        running = asyncio.create_task(sink.run())
        async with asyncio.timeout(60):
            await ticked.wait()
            await asyncio.to_thread(send, settings, [day({0: 1}, [0])])
            await built.get()
            await asyncio.to_thread(send, settings, [day({1: 2}, [1])])
            await built.get()
            sink.stop()
            await running

    EmbeddedStore(settings.store_path).write([])
    asyncio.run(run())
    assert {move.after.offset for move in asked} == {1}


def test_on_a_full_disk_nothing_is_half_written_and_the_sink_goes_on_when_there_is_room(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 1}, [0])])
    sink.start()
    until(lambda: hours(store) and sink.ready()[0] == 200)
    assert sink.process is not None
    # The system refuses every write beyond this, as it does on a full disk.
    wal = settings.store_path.with_name(settings.store_path.name + "-wal")
    resource.prlimit(sink.process.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, resource.RLIM_INFINITY))
    send(settings, [*(readings(n, list(range(5000))) for n in range(20)), day({1: 2}, [1])])
    status, health = until(lambda: (found := sink.ready()) and "store_full" in found[1].get("store", "") and found)
    assert status == 503
    assert health["lag"] > 0
    assert not store.receipts("b0")
    assert len(store.readings("steel.e01", *EVER)) == 0
    resource.prlimit(sink.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: hours(store) == {0: 1.0, 1: 2.0} and store.receipts("b19"))
    assert len(store.readings("steel.e01", *EVER)) == 5000
    until(lambda: sink.ready()[0] == 200)


def test_a_store_that_was_dropped_is_filled_again_from_the_topics(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 1}, [0]), readings(1, [5])])
    sink.start()
    until(lambda: hours(store) and store.receipts("b1"))
    store.drop_all()
    send(settings, [day({1: 2}, [1], entity="city/a")])
    until(lambda: hours(store) == {0: 1.0} and hours(store, "city/a") == {1: 2.0} and store.receipts("b1"))


def test_a_file_that_was_removed_is_filled_again_from_the_topics(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    send(settings, [day({0: 1}, [0])])
    sink.start()
    until(lambda: hours(store))
    for file in settings.store_path.parent.glob("series.sqlite*"):
        file.unlink()
    send(settings, [day({1: 2}, [1], entity="city/a")])
    until(lambda: hours(store, "city/a") == {1: 2.0} and hours(store) == {0: 1.0})


def test_members_follow_the_registry(settings: Settings, sink: SinkProcess, store: EmbeddedStore) -> None:
    text = """
{apiVersion: qingyu/v1, kind: city, id: cd, name: {zh: 成都}, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: county, id: bz, valid_from: 2018-01-01, spec: {city: cd}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: steel, name: {zh: 钢厂, en: Steel}, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: bz}]}}
"""
    asyncio.run(write_set(settings, 1, documents(text)))
    sink.start()
    until(lambda: store.offsets())
    until(lambda: store.members("city/cd") == [(STEEL, "钢厂")])
    assert store.members("county/bz") == [(STEEL, "钢厂")]
    asyncio.run(write_set(settings, 2, documents(text.replace("钢厂", "新钢厂").split("---")[2])))
    until(lambda: store.members("city/cd") == [(STEEL, "新钢厂")])
    store.drop_all()
    until(lambda: store.members("city/cd") == [(STEEL, "新钢厂")])


def test_the_sink_tells_the_engine_topic_that_it_lives(
    settings: Settings, sink: SinkProcess, store: EmbeddedStore
) -> None:
    sink.start()
    until(lambda: store.offsets() and "sink" in store.heartbeats())
    assert time.time() * 1000 - store.heartbeats()["sink"][0] < 60_000


def test_without_kafka_the_sink_waits_and_says_so(settings: Settings, sink: SinkProcess, free_port: int) -> None:
    sink.start(QINGYU_KAFKA="127.0.0.1:9")
    status, health = until(lambda: (found := sink.ready()) and found[0] and found)
    assert status == 503
    assert health["registry_loaded"] is False
    assert sink.end() == 0
    assert json.dumps(health)
