"""State is what a partition remembers: an ordered map of bytes, one key for each hour, document, alarm and report.

Keys begin with the enterprise's id, so everything of one enterprise stands together. Two kinds of keys are derived
from the others and kept on the local disk only: where a meter has readings, and the quantities of a day's hours.
"""

from collections.abc import Iterator
from typing import Protocol

from schemas.windows import HOUR_MS

CURSOR_KEY = b"~cursor"

HOUR, DOCUMENT, ALARM, REPORT, FINDING, HEAD, PLACE, BLOCK = "h", "c", "a", "r", "f", "~", "m", "d"


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
    """An ordered map in memory, for replay and tests; linear in look-ups of neighbours."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, None when there is none."""
        return self.entries.get(key)

    def last_before(self, key: bytes, floor: bytes) -> bytes | None:
        """Return the greatest key in `[floor, key)`, None when there is none."""
        return max((each for each in self.entries if floor <= each < key), default=None)

    def first_from(self, key: bytes, ceiling: bytes) -> bytes | None:
        """Return the least key in `[key, ceiling)`, None when there is none."""
        return min((each for each in self.entries if key <= each < ceiling), default=None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield all entries whose key begins with a prefix, in order."""
        yield from sorted((key, value) for key, value in self.entries.items() if key.startswith(prefix))

    def write(self, puts: dict[bytes, bytes | None]) -> None:
        """Put every entry; a value of None removes its key."""
        for key, value in puts.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value


def state_key(enterprise: str, kind: str, *rest: str) -> bytes:
    """Return the key of a kind of record of an enterprise."""
    return "|".join((enterprise, kind, *rest)).encode()


def hour_text(start_ms: int) -> str:
    """Return an hour as 8 hex digits that sort as the hours do."""
    return f"{start_ms // HOUR_MS:08x}"


def hour_of(key: bytes) -> int:
    """Return the start [epoch ms] of the hour that a key ends with."""
    return int(key[-8:], 16) * HOUR_MS
