"""What the embedded store owes to being a file: other processes, full disks, removed files, long questions."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.series import Point
from streams.stores.embedded import EmbeddedStore
from streams.stores.series import Move, Read, StoreError

TAGS = ("enterprise/a", "qty.water")
READER = """
import sys, time
from pathlib import Path
from streams.stores.embedded import EmbeddedStore
store, seen = EmbeddedStore(Path(sys.argv[1])), set()
print("ready", flush=True)
while True:
    points = store.series("enterprise/a", "qty.water", "hour", 0, 2**53)
    values = {point.value for point in points}
    assert len(points) == 500 and len(values) == 1, (len(points), values)
    seen |= values
    if values == {-1.0}:
        break
print(len(seen))
"""


def step(value: float, count: int = 500) -> list[Point]:
    return [Point("hour", TAGS, n, (value, 1.0, None, None, None, 0.0, 0.0)) for n in range(count)]


def code_of(store_call: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        store_call()
    return caught.value.code


def test_a_reader_in_another_process_sees_whole_steps_only_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    store = EmbeddedStore(path)
    store.write(step(0.0))
    with subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for value in range(1, 200):
            store.write(step(float(value)))
        store.write(step(-1.0))
        output, _ = reader.communicate(timeout=120)
    assert reader.returncode == 0
    assert int(output) > 2
    store.close()


def test_a_full_disk_is_a_clear_error_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    small = EmbeddedStore(path, page_limit=120)
    small.keep(step(1.0, 100), (), [Move("totals", 0, None, Read(1, 0))])

    def too_much() -> None:
        small.keep(step(2.0, 50_000), (), [Move("totals", 0, 1, Read(2, 0))])

    assert code_of(too_much) == "store_full"
    assert {p.value for p in small.series(*TAGS, "hour", 0, 2**53)} == {1.0}
    assert small.offsets() == {("totals", 0): Read(1, 0)}
    small.close()
    roomy = EmbeddedStore(path)
    roomy.keep(step(2.0, 50_000), (), [Move("totals", 0, 1, Read(2, 0))])
    assert len(roomy.series(*TAGS, "hour", 0, 2**53)) == 50_000
    roomy.close()


def test_there_is_no_store_before_something_was_written(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "none" / "series.sqlite")
    assert code_of(lambda: store.series(*TAGS, "hour", 0, 1)) == "store_absent"
    assert store.offsets() == {}
    assert not (tmp_path / "none").exists()


def test_a_reader_of_a_file_that_is_just_being_made_reads_that_it_is_not_filled(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    maker = sqlite3.connect(path, isolation_level=None)
    maker.execute("BEGIN IMMEDIATE")
    reader = EmbeddedStore(path)
    assert code_of(lambda: reader.series(*TAGS, "hour", 0, 1)) == "store_absent"
    maker.close()
    reader.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    path.write_bytes(b"something else entirely" * 1000)
    assert code_of(lambda: EmbeddedStore(path).write(step(1.0))) == "store_damaged"


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    store = EmbeddedStore(path)
    with store._file.writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    assert code_of(lambda: store.write(step(1.0))) == "store_version"
    store.close()


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert code_of(lambda: EmbeddedStore(tmp_path / "file" / "series.sqlite").write(step(1.0))) == "store_unwritable"


def test_writer_and_reader_notice_that_the_file_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    writer, reader = EmbeddedStore(path), EmbeddedStore(path)
    writer.keep(step(1.0), (), [Move("totals", 0, None, Read(5, 0))])
    assert len(reader.series(*TAGS, "hour", 0, 2**53)) == 500
    for file in tmp_path.iterdir():
        file.unlink()
    assert code_of(lambda: reader.series(*TAGS, "hour", 0, 1)) == "store_absent"
    assert code_of(lambda: writer.keep((), (), [Move("totals", 0, 5, Read(6, 0))])) == "store_moved"
    writer.keep(step(2.0, 3), (), [Move("totals", 0, None, Read(6, 0))])
    assert [p.value for p in reader.series(*TAGS, "hour", 0, 2**53)] == [2.0] * 3
    writer.close()
    reader.close()


def test_a_writer_notices_that_another_process_dropped_the_store(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    writer, operator = EmbeddedStore(path), EmbeddedStore(path)
    writer.write([Point("hour", ("city/x", "energy.cv"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0)), *step(1.0)])
    operator.drop_all()
    writer.write(step(2.0, 2))
    assert [p.value for p in operator.series(*TAGS, "hour", 0, 2**53)] == [2.0, 2.0]
    assert operator.series("city/x", "energy.cv", "hour", 0, 2**53) == []
    writer.close()
    operator.close()


def test_a_second_writer_gets_an_answer_in_time(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    first, second = EmbeddedStore(path), EmbeddedStore(path, limit_s=0.3)
    with first._file.writing():
        began = time.monotonic()
        assert code_of(lambda: second.write(step(1.0))) == "store_busy"
        assert time.monotonic() - began < 3
    second.write(step(1.0))
    first.close()
    second.close()


def test_a_question_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "series.sqlite", limit_s=0.2)
    store.write(step(1.0))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"

    def ask() -> None:
        with store._file.reading() as connection:
            connection.execute(endless).fetchone()

    assert code_of(ask) == "store_timeout"
    assert len(store.series(*TAGS, "hour", 0, 2**53)) == 500
    store.close()


def test_old_heartbeats_make_room(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "series.sqlite")
    day_ms = 86_400_000
    for day in range(20):
        store.write([Point("engine", ("sink",), day * day_ms, (0.0, 0.0))])
    with store._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM engine").fetchone() == (8,)
    store.close()
