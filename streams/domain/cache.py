"""A cache keeps decoded objects of a partition's state between steps."""

from collections import OrderedDict
from typing import Any

from schemas.messages import CalendarDocument
from streams.domain.block import Block
from streams.domain.hour import Hour

# Of each enterprise, by what they hold, so many objects that were used last stay decoded: the hour that readings come
# for and the one before, and both where late ones go; a day and the one before; of documents these days with their
# month and year.
KEPT: dict[type, int] = {Hour: 4, Block: 2, CalendarDocument: 4}


class Cache:
    """Decoded objects of a partition, the least recently used dropped first; it may be empty at any time.

    A decoded hour of minute data is 3 KiB a meter and more, a day's block 1 KiB: what is kept of them decides the
    memory of a worker. Of each enterprise `KEPT` of them stay, so that memory does not grow with time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._objects: OrderedDict[bytes, Any] = OrderedDict()
        self._used: dict[bytes, list[bytes]] = {}  # by enterprise and kind, the least recently used first

    def get(self, key: bytes) -> Any:
        """Return the object under a key, None when it is not here."""
        found = self._objects.get(key)
        if found is not None:
            self._objects.move_to_end(key)
        return found

    def put(self, objects: dict[bytes, Any]) -> None:
        """Take over objects; None removes a key."""
        for key, value in objects.items():
            if value is None:
                self._objects.pop(key, None)
            else:
                self._objects[key] = value
                self._objects.move_to_end(key)
                if type(value) in KEPT:
                    self._note(key, KEPT[type(value)])
        while len(self._objects) > self._limit:
            self._objects.popitem(last=False)

    def _note(self, key: bytes, kept: int) -> None:
        """Note that one of a kind was used, and drop what is more than is kept of its enterprise."""
        used = self._used.setdefault(key.rpartition(b"|")[0], [])
        if key in used:
            used.remove(key)
        used.append(key)
        if len(used) > kept:
            self._objects.pop(used.pop(0), None)
