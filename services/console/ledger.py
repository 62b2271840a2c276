"""A ledger keeps the pieces of a page by key with the number of the change that made each what it is.

So whoever has seen change n is told just what differs since, however long he was away, and nothing is queued for him.
"""

from collections.abc import Mapping
from typing import Any


class Ledger:
    """Pieces by key; `number` counts the changes."""

    __slots__ = ("_pieces", "number")

    def __init__(self) -> None:
        self.number = 0
        self._pieces: dict[str, tuple[int, Any]] = {}

    def put(self, pieces: Mapping[str, Any]) -> bool:
        """Take over what the pieces are now; return whether anything differs. What is not there any more is dropped."""
        changed = {
            key: value for key, value in pieces.items() if (old := self._pieces.get(key)) is None or old[1] != value
        }
        gone = self._pieces.keys() - pieces.keys()
        if not changed and not gone:
            return False
        self.number += 1
        for key in gone:
            del self._pieces[key]
        for key, value in changed.items():
            self._pieces[key] = (self.number, value)
        return True

    def since(self, number: int) -> dict[str, Any]:
        """Return what changed after change `number` (0: everything)."""
        return {key: value for key, (changed, value) in self._pieces.items() if changed > number}
