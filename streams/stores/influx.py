"""The InfluxDB store is the series store of an installation with an InfluxDB 2: points there, lists in a file here.

Points go first; what else a step caused and the step itself follow, in one transaction of the file, when the server
has acknowledged every line. That transaction is begun before, so of two sinks one waits, and a step that begins
elsewhere is refused before it writes anything.
"""

import sqlite3
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog
from prometheus_client import Counter

from schemas.messages import VERSION as MESSAGE_VERSION
from schemas.messages import Rejected
from schemas.series import ALARM, BUCKET_OF, ENGINE, FIELDS, MEMBER, READING, TAGS, Point
from schemas.settings import Settings
from schemas.windows import WINDOW_KINDS, WindowKind
from streams.stores import influxql, lists
from streams.stores.influx_sending import Sending
from streams.stores.influx_server import ANSWER_S, InfluxServer
from streams.stores.line_protocol import line_of, series_and_time
from streams.stores.lists_file import ListsFile
from streams.stores.series import (
    AlarmPoint,
    Entry,
    Move,
    Place,
    ReadingPoint,
    Refused,
    StoreError,
    WindowPoint,
    known,
    window_point,
)
from streams.stores.store_file import StoreFile

VERSION = 4
SCHEMA = (
    *lists.SCHEMA,
    # The buckets that go with the lists: others of the same names have not what was written.
    "CREATE TABLE buckets (name TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID",
)
# A call that takes longer is broken off and goes on where it was when it is made again.
CALL_S = 30.0
# Entities that one statement names: InfluxDB's time grows with their square (500 at once 246 ms, in tens of 50 98 ms).
# An entity that is named takes five times as long as one that comes along with all others, so of more than MANY
# entities none is named.
TOGETHER, MANY = 50, 500
# The server's clock and the time of sending differ a little.
RETENTION_MARGIN_MS = 60_000
REFUSED_CODE = "refused_by_store"

_TOO_OLD = Counter("qingyu_sink_points_too_old", "Points not kept since their bucket keeps nothing so old.", ["bucket"])
_REFUSED = Counter("qingyu_sink_points_refused", "Points that InfluxDB refused and that were set aside.", ["bucket"])

_WINDOW_FIELDS = ("value", "present", "measured", "estimated", "missing", "settled", "revised")
_ALARM_FIELDS = FIELDS[ALARM]

_log = structlog.get_logger(__name__)


class InfluxStore(ListsFile):
    """SeriesStore and Listing on the InfluxDB and the file of the settings; may be shared by threads."""

    def __init__(self, settings: Settings, *, answer_s: float = ANSWER_S, call_s: float = CALL_S) -> None:
        super().__init__(StoreFile(settings.store_path, SCHEMA, VERSION))
        self._settings = settings
        self._server = InfluxServer(settings, answer_s)
        self._call_s = call_s
        self._lock = threading.Lock()
        # What the buckets keep [ms] by name, as long as the file has this epoch.
        self._kept_ms: dict[str, int | None] = {}
        self._epoch = ""
        self._begun_with: dict[str, list[str]] = {}
        self._begun: list[Sending] = []

    def write(self, points: Sequence[Point]) -> None:
        """Put points in; see SeriesStore."""
        self.keep(points, (), ())

    def keep(self, points: Sequence[Point], entries: Sequence[Entry], moves: Sequence[Move]) -> None:
        """Write points, then list entries and moves in one transaction; see Listing."""
        lines = self._lines(points)
        with self._writing() as connection:
            lists.move(connection, moves)
            lists.put(connection, entries)
            lists.put(connection, self._send(connection, lines))
            lists.touch(connection, points, entries)

    def replace_members(self, points: Sequence[Point]) -> None:
        """Replace measurement `member`, the new ones first, so that it is never empty; see SeriesStore."""
        if any(point.measurement != MEMBER for point in points):
            raise ValueError("replace_members takes points of measurement member only")
        lines = self._lines(points)
        tags = TAGS[MEMBER]
        with self._writing() as connection:
            lists.put(connection, self._send(connection, lines))
            [found] = self._server.query(f"SELECT {influxql.columns(['value'], tags)} FROM {self._from(MEMBER)}")
            present = {tuple(row[2:]) for series in found for row in series.rows}
            for gone in sorted(present - {point.tags for point in points}):
                self._server.delete(self._bucket(MEMBER), MEMBER, dict(zip(tags, gone, strict=True)))

    def series(self, entity: str, metric: str, window: WindowKind, from_ms: int, to_ms: int) -> list[WindowPoint]:
        """Return a range of a metric; see SeriesStore."""
        [found] = self._server.query(
            f"{self._select_windows(window, entity, metric)} AND {influxql.between(from_ms, to_ms)}"
        )
        return [window_point(*row) for series in found for row in series.rows]

    def cross_section(
        self, window: WindowKind, start_ms: int, entities: Collection[str], metrics: Collection[str]
    ) -> dict[tuple[str, str], WindowPoint]:
        """Return one window of many series; see SeriesStore."""
        if not entities or not metrics:
            return {}
        asked = (
            f"SELECT {influxql.columns(_WINDOW_FIELDS, ('entity', 'metric'))} FROM {self._from(known(window))} "
            f"WHERE {influxql.one_of('metric', metrics)} AND {influxql.between(start_ms, start_ms + 1)}"
        )
        if len(entities) > MANY:
            answers = self._server.query(asked)
        else:
            named = sorted(entities)
            some = (named[first : first + TOGETHER] for first in range(0, len(named), TOGETHER))
            answers = self._server.query(*(f"{asked} AND {influxql.one_of('entity', each)}" for each in some))
        wanted = set(entities)
        rows = (row for answer in answers for series in answer for row in series.rows if row[-2] in wanted)
        return {(row[-2], row[-1]): window_point(*row[:-2]) for row in rows}

    def latest(self, entity: str, metric: str) -> dict[WindowKind, WindowPoint]:
        """Return the newest point of each window kind; see SeriesStore."""
        newest = "ORDER BY time DESC LIMIT 1"
        asked = [
            f"{self._select_windows(window, entity, metric)} {condition} {newest}"
            for window in WINDOW_KINDS
            for condition in ("AND present = 1", "")
        ]
        found: dict[WindowKind, WindowPoint] = {}
        for number, answer in enumerate(self._server.query(*asked)):
            for series in answer:
                found.setdefault(WINDOW_KINDS[number // 2], window_point(*series.rows[0]))
        return found

    def readings(self, meter: str, from_ms: int, to_ms: int) -> list[ReadingPoint]:
        """Return a meter's readings; see SeriesStore."""
        [found] = self._server.query(
            f"SELECT {influxql.columns(FIELDS[READING], ('rev',))} FROM {self._from(READING)} "
            f"WHERE meter = {influxql.string(meter)} AND {influxql.between(from_ms, to_ms)}"
        )
        points: dict[int, ReadingPoint] = {}
        for time_ms, value, quality, void, rev in (row for series in found for row in series.rows):
            if time_ms not in points or int(rev) > points[time_ms].rev:
                points[time_ms] = ReadingPoint(
                    time_ms, int(rev), None if void else value, int(quality or 0), bool(void)
                )
        return [points[time_ms] for time_ms in sorted(points)]

    def alarms(self, entity: str | None, rule: str | None, from_ms: int, to_ms: int) -> list[AlarmPoint]:
        """Return evaluations; see SeriesStore."""
        wanted = {"entity": entity, "rule": rule}
        where = [f"{tag} = {influxql.string(value)}" for tag, value in wanted.items() if value]
        [found] = self._server.query(
            f"SELECT {influxql.columns(_ALARM_FIELDS, ('entity', 'rule'))} FROM {self._from(ALARM)} "
            f"WHERE {' AND '.join([*where, influxql.between(from_ms, to_ms)])}"
        )
        points = (AlarmPoint(*row[-2:], *row[:-2]) for series in found for row in series.rows)
        return sorted(points, key=lambda point: (point.start_ms, point.entity, point.rule))

    def heartbeats(self) -> dict[str, tuple[int, float | None]]:
        """Return the newest heartbeats; see SeriesStore."""
        [found] = self._server.query(
            f"SELECT {influxql.columns(FIELDS[ENGINE])} FROM {self._from(ENGINE)} "
            "GROUP BY process ORDER BY time DESC LIMIT 1"
        )
        return {series.tags["process"]: (series.rows[0][0], series.rows[0][2]) for series in found}

    def members(self, group: str) -> list[tuple[str, str]]:
        """Return a group's members; see SeriesStore."""
        [found] = self._server.query(
            f"SELECT {influxql.columns(['value'], ('entity', 'name'))} FROM {self._from(MEMBER)} "
            f'WHERE "group" = {influxql.string(group)}'
        )
        return sorted({(row[2], row[3]) for series in found for row in series.rows})

    def drop_all(self) -> None:
        """Make the buckets and the file's tables anew; see SeriesStore."""
        from streams.stores.influx_admin import InfluxAdmin

        # Nobody writes meanwhile: the file's lock is held until the lists have gone too.
        with self._writing() as connection:
            made = InfluxAdmin(self._settings).make_anew()
            self._file.create(connection)
            connection.executemany("INSERT INTO buckets VALUES (?, ?)", ((name, one.id) for name, one in made.items()))

    def close(self) -> None:
        """Close all connections; see SeriesStore."""
        super().close()
        self._server.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._file.writing() as connection:
                    yield connection
            except StoreError as error:
                if error.code in ("store_absent", "store_denied"):
                    # The buckets may be others when this is mended.
                    self._epoch = ""
                raise
            except BaseException:
                self._epoch = ""
                raise

    def _lines(self, points: Sequence[Point]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for point in points:
            if (line := line_of(point)) is not None:
                found[self._bucket(point.measurement)].append(line)
        return found

    def _send(self, connection: sqlite3.Connection, lines: dict[str, list[str]]) -> list[Refused]:
        """Write lines and return those set aside; what was done of them when it last failed is not done again."""
        self._know_buckets(connection)
        if lines != self._begun_with:
            self._begun_with = lines
            self._begun = [Sending(bucket, self._young(bucket, given)) for bucket, given in lines.items()]
        end_s = time.monotonic() + self._call_s
        for sending in self._begun:
            sending.run(self._server, end_s)
        self._begun_with = {}
        return [entry for sending in self._begun for entry in self._told(sending)]

    def _know_buckets(self, connection: sqlite3.Connection) -> None:
        """Learn what the buckets keep, make those that are missing, and notice that they are not those known."""
        from streams.stores.influx_admin import InfluxAdmin

        epoch = self._file.epoch(connection)
        if epoch == self._epoch:
            return
        self._begun_with = {}
        filled: dict[str, str] = dict(connection.execute("SELECT name, id FROM buckets").fetchall())
        admin = InfluxAdmin(self._settings)
        present = {name: bucket.id for name, bucket in admin.buckets().items()}
        for name, id_ in filled.items():
            if present.get(name) != id_:
                raise StoreError(
                    "store_absent",
                    f"bucket {name} of InfluxDB at {self._settings.influx} was removed, and all that was in it: run "
                    "`qingyu store rebuild` to fill it again from the topics",
                )
        found = admin.complete()
        connection.executemany(
            "INSERT OR REPLACE INTO buckets VALUES (?, ?)", [(name, bucket.id) for name, bucket in found.items()]
        )
        self._kept_ms = {name: bucket.retention_ms for name, bucket in found.items()}
        self._epoch = epoch

    def _young(self, bucket: str, lines: list[str]) -> list[str]:
        """Return the lines that the bucket keeps, and count the others."""
        kept_ms = self._kept_ms.get(bucket)
        if kept_ms is None:
            return lines
        oldest_ms = time.time_ns() // 1_000_000 - kept_ms + RETENTION_MARGIN_MS
        young = [line for line in lines if int(line.rpartition(" ")[2]) >= oldest_ms]
        _TOO_OLD.labels(bucket).inc(len(lines) - len(young))
        return young

    def _told(self, sending: Sending) -> Iterator[Refused]:
        if sending.too_old:
            # The bucket keeps less than was known of it.
            self._epoch = ""
            _TOO_OLD.labels(sending.bucket).inc(sending.too_old)
        if sending.refused:
            _REFUSED.labels(sending.bucket).inc(len(sending.refused))
            line, words = sending.refused[0]
            _log.warning(
                "lines that InfluxDB refused were set aside", count=len(sending.refused), first=line, words=words
            )
        now_ms = time.time_ns() // 1_000_000
        for line, words in sending.refused:
            # The same point refused again is the same entry.
            place = Place(f"influx.{sending.bucket}", 0, zlib.crc32(series_and_time(line).encode()))
            where = {"bucket": sending.bucket, "point": series_and_time(line)}
            yield Refused(place, Rejected(MESSAGE_VERSION, REFUSED_CODE, words, now_ms, where, input=line))

    def _bucket(self, measurement: str) -> str:
        return self._settings.influx_prefix + BUCKET_OF[measurement]

    def _from(self, measurement: str) -> str:
        return f"{influxql.name(self._bucket(measurement))}..{influxql.name(measurement)}"

    def _select_windows(self, window: WindowKind, entity: str, metric: str) -> str:
        return (
            f"SELECT {influxql.columns(_WINDOW_FIELDS)} FROM {self._from(known(window))} "
            f"WHERE entity = {influxql.string(entity)} AND metric = {influxql.string(metric)}"
        )
