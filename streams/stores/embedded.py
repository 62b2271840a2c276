"""The embedded store is the series store in one SQLite file, for an installation without InfluxDB.

A table a measurement, ordered by series and time, so that a range of one series is one run of pages. The two tags of
a window's series, and a reading's meter, are kept once in table `series` and stand in the rows as a number.
"""

import json
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

from schemas.series import ALARM, ENGINE, FIELDS, MEMBER, READING, TAGS, WINDOW_MEASUREMENTS, Point
from schemas.windows import WINDOW_KINDS, WindowKind
from streams.stores import lists
from streams.stores.lists_file import ListsFile
from streams.stores.series import AlarmPoint, Entry, Move, ReadingPoint, WindowPoint, known, window_point
from streams.stores.store_file import StoreFile

VERSION = 6
# Heartbeats come every few seconds and nobody looks back further.
ENGINE_KEPT_MS = 7 * 86_400_000

_NUMBERED = (READING, *WINDOW_MEASUREMENTS)
_KEYS = {
    READING: ("series", "time_ms", "rev"),
    **{name: ("series", "time_ms") for name in WINDOW_MEASUREMENTS},
    **{name: (*TAGS[name], "time_ms") for name in (ALARM, ENGINE, MEMBER)},
}


def _quoted(names: Iterable[str], form: str = '"{}"') -> str:
    return ", ".join(form.format(name) for name in names)


def _table(measurement: str) -> str:
    types = {"series": "INTEGER", "time_ms": "INTEGER", "rev": "INTEGER"}
    keys = [f'"{name}" {types.get(name, "TEXT")} NOT NULL' for name in _KEYS[measurement]]
    fields = [f'"{name}" REAL' for name in FIELDS[measurement]]
    primary = f"PRIMARY KEY ({_quoted(_KEYS[measurement])})"
    return f'CREATE TABLE "{measurement}" ({", ".join([*keys, *fields, primary])}) WITHOUT ROWID'


def _upsert(measurement: str) -> str:
    keys, fields = _KEYS[measurement], FIELDS[measurement]
    marks = ", ".join("?" * (len(keys) + len(fields)))
    kept = _quoted(fields, '"{0}" = coalesce(excluded."{0}", "{0}")')
    return f'INSERT INTO "{measurement}" VALUES ({marks}) ON CONFLICT ({_quoted(keys)}) DO UPDATE SET {kept}'


SCHEMA = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, first TEXT NOT NULL, second TEXT NOT NULL, UNIQUE (first, second))",
    *(_table(measurement) for measurement in _KEYS),
    "CREATE INDEX alarm_rule ON alarm (rule, time_ms)",
    *lists.SCHEMA,
)
_UPSERTS = {measurement: _upsert(measurement) for measurement in _KEYS}
_WINDOW_COLUMNS = "time_ms, value, present, measured, estimated, missing, settled, revised"


class EmbeddedStore(ListsFile):
    """SeriesStore and Listing in the file at `path`; may be shared by threads.

    Each call ends within `limit_s` seconds (a write may wait 5 s more for another writer). `page_limit` bounds the
    file [pages of 4 KiB].
    """

    def __init__(self, path: Path, *, limit_s: float = 30.0, page_limit: int | None = None) -> None:
        super().__init__(StoreFile(path, SCHEMA, VERSION, limit_s=limit_s, page_limit=page_limit))
        self._numbers: dict[tuple[str, str], int] = {}
        self._epoch = ""
        self._write_lock = threading.Lock()

    def write(self, points: Sequence[Point]) -> None:
        """Put points in; see SeriesStore."""
        self.keep(points, (), ())

    def keep(self, points: Sequence[Point], entries: Sequence[Entry], moves: Sequence[Move]) -> None:
        """Write points, list entries and moves in one transaction; see Listing."""
        with self._writing() as connection:
            lists.move(connection, moves)
            self._put(connection, points)
            lists.put(connection, entries)
            lists.touch(connection, points, entries)

    def replace_members(self, points: Sequence[Point]) -> None:
        """Replace measurement `member`; see SeriesStore."""
        if any(point.measurement != MEMBER for point in points):
            raise ValueError("replace_members takes points of measurement member only")
        with self._writing() as connection:
            connection.execute(f"DELETE FROM {MEMBER}")
            self._put(connection, points)

    def series(self, entity: str, metric: str, window: WindowKind, from_ms: int, to_ms: int) -> list[WindowPoint]:
        """Return a range of a metric; see SeriesStore."""
        with self._file.reading() as connection:
            rows = connection.execute(
                f'SELECT {_WINDOW_COLUMNS} FROM "{known(window)}" JOIN series ON id = series '
                "WHERE first = ? AND second = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms",
                (entity, metric, from_ms, to_ms),
            )
            return [window_point(*row) for row in rows]

    def cross_section(
        self, window: WindowKind, start_ms: int, entities: Collection[str], metrics: Collection[str]
    ) -> dict[tuple[str, str], WindowPoint]:
        """Return one window of many series; see SeriesStore."""
        chosen = json.dumps(sorted(entities)), json.dumps(sorted(metrics))
        with self._file.reading() as connection:
            rows = connection.execute(
                f'SELECT first, second, {_WINDOW_COLUMNS} FROM "{known(window)}" JOIN series ON id = series '
                "WHERE id IN (SELECT series.id FROM json_each(?) AS entity CROSS JOIN json_each(?) AS metric "
                "JOIN series ON first = entity.value AND second = metric.value) AND time_ms = ?",
                (*chosen, start_ms),
            )
            return {(row[0], row[1]): window_point(*row[2:]) for row in rows}

    def latest(self, entity: str, metric: str) -> dict[WindowKind, WindowPoint]:
        """Return the newest point of each window kind; see SeriesStore."""
        found: dict[WindowKind, WindowPoint] = {}
        with self._file.reading() as connection:
            number = connection.execute(
                "SELECT id FROM series WHERE first = ? AND second = ?", (entity, metric)
            ).fetchone()
            for window in WINDOW_KINDS if number else ():
                for condition in ("AND present = 1", ""):
                    row = connection.execute(
                        f'SELECT {_WINDOW_COLUMNS} FROM "{window}" WHERE series = ? {condition} '
                        "ORDER BY time_ms DESC LIMIT 1",
                        number,
                    ).fetchone()
                    if row is not None:
                        found[window] = window_point(*row)
                        break
        return found

    def readings(self, meter: str, from_ms: int, to_ms: int) -> list[ReadingPoint]:
        """Return a meter's readings; see SeriesStore."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT time_ms, max(rev), value, quality, void FROM reading JOIN series ON id = series "
                "WHERE first = ? AND second = '' AND time_ms >= ? AND time_ms < ? GROUP BY time_ms ORDER BY time_ms",
                (meter, from_ms, to_ms),
            )
            return [
                ReadingPoint(time_ms, rev, None if void else value, int(quality or 0), bool(void))
                for time_ms, rev, value, quality, void in rows
            ]

    def alarms(self, entity: str | None, rule: str | None, from_ms: int, to_ms: int) -> list[AlarmPoint]:
        """Return evaluations; see SeriesStore."""
        wanted = [(f"{column} = ?", value) for column, value in (("entity", entity), ("rule", rule)) if value]
        where = " AND ".join([*(text for text, _ in wanted), "time_ms >= ?", "time_ms < ?"])
        with self._file.reading() as connection:
            rows = connection.execute(
                f'SELECT entity, rule, time_ms, state, tier, value, "limit", margin FROM alarm WHERE {where} '
                "ORDER BY time_ms, entity, rule",
                (*(value for _, value in wanted), from_ms, to_ms),
            )
            return [AlarmPoint(*row) for row in rows]

    def heartbeats(self) -> dict[str, tuple[int, float | None]]:
        """Return the newest heartbeats; see SeriesStore."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT process, max(time_ms), lag FROM engine GROUP BY process")
            return {process: (time_ms, lag) for process, time_ms, lag in rows}

    def members(self, group: str) -> list[tuple[str, str]]:
        """Return a group's members; see SeriesStore."""
        with self._file.reading() as connection:
            return connection.execute(
                'SELECT DISTINCT entity, name FROM member WHERE "group" = ? ORDER BY entity', (group,)
            ).fetchall()

    def drop_all(self) -> None:
        """Make the file's tables anew; see SeriesStore."""
        with self._file.writing() as connection:
            self._file.create(connection)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            try:
                with self._file.writing() as connection:
                    yield connection
            except BaseException:
                # New series got their numbers in this transaction and lost them with it.
                self._epoch = ""
                raise

    def _put(self, connection: sqlite3.Connection, points: Sequence[Point]) -> None:
        epoch = self._file.epoch(connection)
        if epoch != self._epoch:
            self._numbers.clear()
            self._epoch = epoch
        rows: dict[str, list[tuple[float | str | None, ...]]] = defaultdict(list)
        numbers = self._numbers
        beats: dict[str, int] = {}
        for measurement, tags, time_ms, fields in points:
            for field in fields:
                if field is not None and not isfinite(field):
                    raise ValueError(f"{measurement} {'|'.join(tags)} at {time_ms}: {fields} are not all finite")
            if measurement in _NUMBERED:
                series = (tags[0], "" if measurement == READING else tags[1])
                number = numbers.get(series) or self._number(connection, series)
                key = (number, time_ms, int(tags[1])) if measurement == READING else (number, time_ms)
                rows[measurement].append((*key, *fields))
            else:
                rows[measurement].append((*tags, time_ms, *fields))
                if measurement == ENGINE:
                    beats[tags[0]] = time_ms
        for measurement, columns in rows.items():
            # Pages of neighbouring keys are then touched once; sorting keeps the order of equal keys.
            columns.sort(key=lambda row: row[:2])
            connection.executemany(_UPSERTS[measurement], columns)
        for process, time_ms in beats.items():
            connection.execute(
                "DELETE FROM engine WHERE process = ? AND time_ms < ?", (process, time_ms - ENGINE_KEPT_MS)
            )

    def _number(self, connection: sqlite3.Connection, series: tuple[str, ...]) -> int:
        first, second = series
        found = connection.execute("SELECT id FROM series WHERE first = ? AND second = ?", series).fetchone()
        if found is None:
            found = connection.execute(
                "INSERT INTO series (first, second) VALUES (?, ?) RETURNING id", series
            ).fetchone()
        self._numbers[first, second] = found[0]
        return found[0]
