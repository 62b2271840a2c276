"""State is what a partition remembers: an ordered map of bytes, one key for each hour, document, alarm and report.

Keys begin with the enterprise's id, so everything of one enterprise stands together. Two kinds of keys are derived
from the others and kept on the local disk only: where a meter has readings, and the quantities of a day's hours.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Protocol

from schemas.windows import HOUR_MS

CURSOR_KEY = b"~cursor"

HOUR, DOCUMENT, ALARM, REPORT, FINDING, SALE, HEAD, PLACE, BLOCK = "h", "c", "a", "r", "f", "s", "~", "m", "d"
MOVED = "t"  # which alarms' figures are to be told when the day ends


class OrderedMap(Protocol):
    """An ordered map of bytes to bytes, as a local key-value store gives it."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, None when there is none."""
        ...

    def last_before(self, key: bytes, floor: bytes) -> bytes | None:
        """Return the greatest key in `[floor, key)`, None when there is none."""
        ...

    def first_from(self, key: bytes, ceiling: bytes) -> bytes | None:
        """Return the least key in `[key, ceiling)`, None when there is none."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield all entries whose key begins with a prefix, in order."""
        ...


class MemoryMap:
    """An ordered map in memory, for scenarios and tests."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []  # in order

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, None when there is none."""
        return self.entries.get(key)

    def last_before(self, key: bytes, floor: bytes) -> bytes | None:
        """Return the greatest key in `[floor, key)`, None when there is none."""
        place = bisect_left(self._keys, key)
        return self._keys[place - 1] if place and self._keys[place - 1] >= floor else None

    def first_from(self, key: bytes, ceiling: bytes) -> bytes | None:
        """Return the least key in `[key, ceiling)`, None when there is none."""
        place = bisect_left(self._keys, key)
        return self._keys[place] if place < len(self._keys) and self._keys[place] < ceiling else None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield all entries whose key begins with a prefix, in order."""
        first = bisect_left(self._keys, prefix)
        keys = list(takewhile(lambda key: key.startswith(prefix), islice(self._keys, first, None)))
        yield from ((key, self.entries[key]) for key in keys)

    def write(self, puts: dict[bytes, bytes | None]) -> None:
        """Put every entry; a value of None removes its key."""
        for key, value in puts.items():
            if value is not None:
                if key not in self.entries:
                    insort(self._keys, key)
                self.entries[key] = value
            elif self.entries.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]


def state_key(enterprise: str, kind: str, *rest: str) -> bytes:
    """Return the key of a kind of record of an enterprise."""
    return "|".join((enterprise, kind, *rest)).encode()


def hour_text(start_ms: int) -> str:
    """Return an hour as 8 hex digits that sort as the hours do."""
    return f"{start_ms // HOUR_MS:08x}"


def hour_of(key: bytes) -> int:
    """Return the start [epoch ms] of the hour that a key ends with."""
    return int(key[-8:], 16) * HOUR_MS
