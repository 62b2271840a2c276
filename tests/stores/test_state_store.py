"""The local copy of a partition's state, by turns in the hands of two workers and after a worker was killed."""

import os
from pathlib import Path

from schemas.messages import decode_calendar
from streams.domain.fold import Cursor, Effects, PartitionFold
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.domain.registry import Snapshot
from streams.stores.state import READ_CACHE_BYTES, WRITE_BUFFER_BYTES, StateStore
from tests.folding import REGISTRY, batch, documents, message, meter

PLANS = Plans(Snapshot.build(1, documents(REGISTRY, meter("e01"), meter("r01", "register", role="sub"))))


def quarter(hour: int) -> bytes:
    """Return a message of one reading of 1 kWh."""
    return message(batch([("e01", f"2018-03-01T{hour:02}:30", "1")]))


class Copy:
    """A worker's copy of the partition."""

    def __init__(self, directory: Path) -> None:
        self.store = StateStore(directory)
        self.told: dict[str, list[int | None]] = {}

    def step(self, cursor: Cursor, value: bytes, *, kept: bool = True) -> Effects:
        """Make a step as a worker that has just opened the partition; it may be killed before it keeps it."""
        fold = PartitionFold(0, self.store, lambda _: True)
        fold.follow(PLANS)
        effects = fold.step(cursor, [Record("readings", 0, cursor.readings, 0, value)])
        if kept:
            self.store.write({**effects.durable, **effects.local}, effects.cursor.step)
        for each in effects.outputs:
            document = decode_calendar(each.value)
            if document.of == "hour":
                self.told[each.entity] = document.metrics["qty.electricity"]
        return effects


def test_hours_that_another_worker_took_in_are_not_forgotten_by_their_meters(tmp_path: Path) -> None:
    one, other = Copy(tmp_path / "one"), Copy(tmp_path / "other")
    first = one.step(Cursor(), quarter(8))
    other.store.take_changelog(first.durable, 1)
    second = other.step(first.cursor, quarter(9))
    one.store.take_changelog(second.durable, 2)
    one.step(second.cursor, quarter(10))
    assert one.told["meter/works.e01"][8:11] == one.told["enterprise/works"][8:11] == [10**6] * 3


def test_a_step_committed_by_a_worker_that_was_killed_before_it_kept_it_is_whole(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "one")
    first = copy.step(Cursor(), quarter(8))
    second = copy.step(first.cursor, quarter(9), kept=False)
    copy.store.take_changelog(second.durable, 2)
    copy.step(second.cursor, quarter(10))
    assert copy.told["meter/works.e01"][8:11] == copy.told["enterprise/works"][8:11] == [10**6] * 3


def test_an_alarm_of_a_rule_of_any_name_is_no_hour(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "one")
    alarm = b"works|a|h|enterprise/works|2018-03-01T08"
    store.take_changelog({alarm: b"{}"}, 1)
    assert store.get(alarm) == b"{}"


def test_the_days_of_other_enterprises_stay(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "one")
    store.write({b"works|d|2018-03-01": b"1", b"works2|d|2018-03-01": b"2", b"works|h|00000001": b""}, 1)
    store.take_changelog({b"works|h|00000002": None}, 2)
    assert [key for key, _ in store.scan(b"works")] == [b"works2|d|2018-03-01", b"works|h|00000001"]


def test_what_is_written_last_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    taken = list[int]()
    for number in range(4 * WRITE_BUFFER_BYTES >> 20):
        store.write({f"works|h|{number}".encode(): os.urandom(1 << 20)}, number)
        taken.append(store._map.property_int_value("rocksdb.cur-size-all-mem-tables") or 0)
    assert max(taken) > WRITE_BUFFER_BYTES / 2
    # One is written to while the one before goes to the disk.
    assert max(taken) < 3 * WRITE_BUFFER_BYTES


def test_what_was_read_last_takes_no_more_memory_in_all_partitions_together_than_it_may(tmp_path: Path) -> None:
    stores = [StateStore(tmp_path / name) for name in ("0", "1", "2")]
    keys = [f"works|h|{number:05}".encode() for number in range(READ_CACHE_BYTES >> 12)]
    taken = list[int]()
    for store in stores:
        store.write({key: os.urandom(1 << 12) for key in keys}, 1)
        store._map.flush()
        for key in keys:
            store.get(key)
        taken.append(store._map.property_int_value("rocksdb.block-cache-usage") or 0)
    assert READ_CACHE_BYTES / 2 < max(taken) < 1.1 * READ_CACHE_BYTES
