"""The local copy of a partition's state: an ordered key-value file on disk, with the place in the changelog it is at.

It is a copy: the `state` topic is what lasts. A copy that lags reads on from its place, one that is lost or damaged is
made anew. Writes are not synced, since what a power cut takes is read again from the topic.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from streams.domain.hour import Hour
from streams.domain.packing import unpack
from streams.domain.state import BLOCK, CURSOR_KEY, HOUR, PLACE

# What was written last stays in memory until there is so much of it, in each partition; then it goes to the disk.
WRITE_BUFFER_BYTES = 4 << 20
# What was read of the files last stays in memory, too: so much of it, of all partitions of a process together. What
# steps use again is kept decoded by the fold; of what is read here the system keeps the pages.
READ_CACHE_BYTES = 8 << 20
POSITION_KEY = b"~position"  # next offset of the state topic to read
_HOUR = HOUR.encode()
_READ_CACHE = Cache(READ_CACHE_BYTES)
_BLOCK_PART = f"|{BLOCK}|".encode()


class StateError(Exception):
    """The local copy cannot be read or written (disk full, file damaged); the message says where and what to do."""


class StateStore:
    """The local copy of one partition's state; implements streams.domain.state.OrderedMap."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            options = Options(raw_mode=True)
            options.create_if_missing(True)
            options.set_keep_log_file_num(2)
            options.set_max_background_jobs(2)
            options.set_write_buffer_size(WRITE_BUFFER_BYTES)
            tables = BlockBasedOptions()
            tables.set_block_cache(_READ_CACHE)
            options.set_block_based_table_factory(tables)
            self._map = Rdict(str(directory), options)
        except Exception as error:
            raise StateError(
                f"local state {directory} cannot be opened: {error}; free the disk or remove it"
            ) from error

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, None when there is none."""
        return self._map.get(key)

    def last_before(self, key: bytes, floor: bytes) -> bytes | None:
        """Return the greatest key in `[floor, key)`, None when there is none."""
        entries = self._map.iter()
        entries.seek_for_prev(key)
        if entries.valid() and entries.key() == key:
            entries.prev()
        found = entries.key() if entries.valid() else None
        return found if found is not None and found >= floor else None

    def first_from(self, key: bytes, ceiling: bytes) -> bytes | None:
        """Return the least key in `[key, ceiling)`, None when there is none."""
        entries = self._map.iter()
        entries.seek(key)
        found = entries.key() if entries.valid() else None
        return found if found is not None and found < ceiling else None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield all entries whose key begins with a prefix, in order."""
        entries = self._map.iter()
        entries.seek(prefix)
        while entries.valid():
            key = entries.key()
            if not key.startswith(prefix):
                return
            yield key, entries.value()
            entries.next()

    @property
    def position(self) -> int:
        """The next offset of the state topic that this copy has not taken in."""
        return int(self.get(POSITION_KEY) or b"0")

    @property
    def cursor(self) -> bytes | None:
        """The cursor record of the partition, None when there is none."""
        return self.get(CURSOR_KEY)

    def write(self, puts: dict[bytes, bytes | None], position: int, without_blocks: Iterable[bytes] = ()) -> None:
        """Put entries (None removes a key) and the place in the changelog they bring the copy to, all or nothing.

        The blocks of the enterprises `without_blocks` are removed. Raises StateError when the disk takes no more.
        """
        batch = WriteBatch(raw_mode=True)
        for enterprise in without_blocks:
            batch.delete_range(enterprise + _BLOCK_PART, enterprise + _BLOCK_PART + b"~")
        for key, value in puts.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(POSITION_KEY, b"%d" % position)
        try:
            self._map.write(batch)
        except Exception as error:
            raise StateError(
                f"local state {self.directory} cannot be written: {error}; free the disk, then start the worker again"
            ) from error

    def take_changelog(self, records: dict[bytes, bytes | None], position: int) -> None:
        """Take in records of the state topic, and from hours also where their meters have readings.

        Of an enterprise whose hours come in, the quantities kept of its days are dropped: they are not on the topic,
        and another reading can change those of any day that a gap reaches into.
        """
        puts = dict(records)
        behind: set[bytes] = set()
        for key, value in records.items():
            enterprise, *rest = key.split(b"|")
            if rest[:1] != [_HOUR]:
                continue
            behind.add(enterprise)
            if value is not None:
                hour: Hour = unpack(value)
                text = rest[1]
                puts.update(
                    dict.fromkeys(
                        (b"|".join((enterprise, PLACE.encode(), meter.encode(), text)) for meter in hour.meters), b""
                    )
                )
        self.write(puts, position, behind)

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._map.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)
