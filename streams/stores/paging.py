"""Pages of a list in a store's file: by the key of the last item shown, so that a page costs the same wherever it lies.

Nothing is shown twice when entries arrive meanwhile.
"""

import json
import sqlite3
from collections.abc import Callable, Collection
from typing import Any

from streams.stores.series import CursorError

LIMIT = 1000


class Where:
    """Conditions of a query, all of which must hold, with their values."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.values: list[Any] = []

    def add(self, text: str, value: Any) -> None:
        """Let `text` hold with its one value; None sets no condition."""
        if value is not None:
            self.texts.append(text)
            self.values.append(value)

    def among(self, column: str, values: Collection[str] | None) -> None:
        """Let a column have one of some values; None sets no condition."""
        if values is not None:
            # One parameter however many values there are: SQLite bounds the number of parameters.
            self.add(f"{column} IN (SELECT value FROM json_each(?))", json.dumps(sorted(values)))


def page(
    connection: sqlite3.Connection,
    table: str,
    order: tuple[str, str],
    where: Where,
    after: str | None,
    limit: int,
    key: Callable[[str], int | str] = str,
) -> tuple[list[bytes], str | None]:
    """Return the documents of a page in descending `order`, and the cursor of the next one; None where none follows.

    `key` reads the second of the order's columns from a cursor. Raises CursorError for a cursor of another list.
    """
    first, second = order
    limit = max(1, min(limit, LIMIT))
    if after is not None:
        where.texts.append(f"({first}, {second}) < (?, ?)")
        where.values.extend(_cursor(after, key))
    text = f" WHERE {' AND '.join(where.texts)}" if where.texts else ""
    rows = connection.execute(
        f"SELECT document, {first}, {second} FROM {table}{text} ORDER BY {first} DESC, {second} DESC LIMIT ?",
        (*where.values, limit + 1),
    ).fetchall()
    following = f"{rows[limit - 1][1]}~{rows[limit - 1][2]}" if len(rows) > limit else None
    return [row[0] for row in rows[:limit]], following


def _cursor(text: str, key: Callable[[str], int | str]) -> tuple[int, int | str]:
    number, mark, rest = text.partition("~")
    try:
        if mark and number.removeprefix("-").isdecimal():
            return int(number), key(rest)
    except ValueError:
        pass
    raise CursorError(f"{text!r} is no cursor of this list; ask again without one")
