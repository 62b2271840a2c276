"""The store file is one SQLite database in WAL mode: one process writes it, any number of others read meanwhile.

A transaction that was committed survives the death of the process. After a power cut the file may lose its last
transactions (`synchronous=NORMAL`, several times faster), but always the newest ones and whole: so whatever must agree
with the data, as the read offsets do, stands in the same file.
"""

import os
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.stores.series import StoreError

# Steps of SQLite's machine between two looks at the clock: about a millisecond.
CLOCK_STEPS = 20_000
# Frames in the write-ahead file before it is folded into the main file: 16 MiB, so that a page that many
# transactions touch is folded once.
CHECKPOINT_PAGES = 4096
WAL_LIMIT_BYTES = 64 << 20
CACHE_KIB = 64 << 10

_ADVICE = {
    "store_full": "free some space; the sink goes on by itself",
    "store_busy": "another process holds the write lock for too long; is a second sink running?",
    "store_timeout": "ask for a shorter range",
    "store_damaged": "stop the sink, remove the file and start again: it is filled from the topics",
    "store_unwritable": "let this user write the file and its folder",
    "store_failed": "see the reason",
}


def _code_of(error: sqlite3.Error) -> str:
    name: str = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR_WRITE") or name.startswith("SQLITE_IOERR_SHMSIZE"):
        return "store_full"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "store_busy"
    if name == "SQLITE_INTERRUPT":
        return "store_timeout"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ")):
        return "store_damaged"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return "store_unwritable"
    return "store_failed"


class _Open:
    """A connection of one thread, the file it belongs to, and the time at which the present call must end."""

    __slots__ = ("__weakref__", "connection", "deadline", "file_id", "writes")

    def __init__(self, connection: sqlite3.Connection, file_id: tuple[int, int]) -> None:
        self.connection = connection
        self.file_id = file_id
        self.deadline = 0.0
        self.writes = False
        connection.set_progress_handler(lambda: time.monotonic() > self.deadline, CLOCK_STEPS)


class StoreFile:
    """Transactions on the file at `path`; `schema` is made at the first write, under the number `version`.

    `limit_s` bounds every transaction. `page_limit` bounds the file [pages of 4 KiB], as a full disk would.
    A file that was removed or replaced is noticed at the next transaction.
    """

    def __init__(
        self, path: Path, schema: Sequence[str], version: int, *, limit_s: float = 30.0, page_limit: int | None = None
    ) -> None:
        self.path = path
        self.limit_s = limit_s
        self._schema = schema
        self._version = version
        self._page_limit = page_limit
        self._local = threading.local()
        self._all: weakref.WeakSet[_Open] = weakref.WeakSet()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the file throughout; raise StoreError when there is none."""
        with self._guard():
            opened = self._opened(writing=False)
            opened.connection.execute("BEGIN")
            try:
                self._check_version(opened.connection)
                yield opened.connection
            finally:
                self._end(opened, "ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that writes; all is committed at the end, or nothing when anything was raised."""
        with self._guard():
            opened = self._opened(writing=True)
            opened.connection.execute("BEGIN IMMEDIATE")
            try:
                if self._version_of(opened.connection) == 0:
                    self.create(opened.connection)
                self._check_version(opened.connection)
                yield opened.connection
                opened.connection.execute("COMMIT")
            except BaseException:
                self._end(opened, "ROLLBACK")
                raise

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the tables anew, whatever is there, within the transaction of `connection`."""
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in self._schema:
            connection.execute(statement)
        connection.execute("CREATE TABLE epoch (id TEXT NOT NULL)")
        connection.execute("INSERT INTO epoch VALUES (?)", (uuid.uuid4().hex,))
        connection.execute(f"PRAGMA user_version = {self._version}")

    @staticmethod
    def epoch(connection: sqlite3.Connection) -> str:
        """Return a text that changes when the tables are made anew: what was remembered of the old ones is void."""
        return connection.execute("SELECT id FROM epoch").fetchone()[0]

    def close(self) -> None:
        """Close the connections of all threads."""
        for opened in list(self._all):
            opened.connection.close()
        self._local = threading.local()

    def _opened(self, *, writing: bool) -> _Open:
        opened: _Open | None = getattr(self._local, "opened", None)
        if opened is not None and opened.file_id != self._file_id():
            opened.connection.close()
            opened = self._local.opened = None
        if opened is None:
            if not writing and self._file_id() is None:
                raise StoreError("store_absent", f"there is no series store at {self.path} yet; start the sink")
            opened = self._open()
        opened.deadline = time.monotonic() + self.limit_s
        if writing and not opened.writes:
            # The writer's alone, and it lasts in the file: SQLite refuses it at once, without waiting, while another
            # process turns the same new file to it.
            opened.connection.execute("PRAGMA journal_mode = WAL")
            opened.writes = True
        return opened

    def _open(self) -> _Open:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Each thread has its own; `close` alone reaches over threads.
        connection = sqlite3.connect(
            self.path, timeout=min(5.0, self.limit_s), isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
            if self._page_limit is not None:
                connection.execute(f"PRAGMA max_page_count = {self._page_limit}")
        except BaseException:
            connection.close()
            raise
        file_id = self._file_id()
        if file_id is None:
            connection.close()
            raise StoreError("store_failed", f"{self.path} was removed while it was opened; try again")
        opened = _Open(connection, file_id)
        self._local.opened = opened
        self._all.add(opened)
        return opened

    def _file_id(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    @staticmethod
    def _version_of(connection: sqlite3.Connection) -> int:
        return connection.execute("PRAGMA user_version").fetchone()[0]

    def _check_version(self, connection: sqlite3.Connection) -> None:
        found = self._version_of(connection)
        if found == 0:
            raise StoreError("store_absent", f"the series store at {self.path} is not filled yet; start the sink")
        if found != self._version:
            raise StoreError(
                "store_version",
                f"{self.path} has layout {found}, this program needs {self._version}; "
                "stop the sink, remove the file and start again: it is filled from the topics",
            )

    def _end(self, opened: _Open, statement: str) -> None:
        opened.deadline = time.monotonic() + self.limit_s
        if opened.connection.in_transaction:
            opened.connection.execute(statement)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = _code_of(error)
            raise StoreError(code, f"series store {self.path}: {error}; {_ADVICE[code]}") from error
        except OSError as error:
            raise StoreError("store_unwritable", f"series store {self.path}: {error}") from error
