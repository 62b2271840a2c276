"""The list of deliveries in a store's file: what became of each event of an alarm on its way to whom, and why not.

Each function works inside a transaction that the caller began.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.deliveries import DeliveryNote

SCHEMA = (
    # `why` tells apart for how many reasons nothing was sent, and steps of escalations from events; else one row.
    "CREATE TABLE deliveries (alarm TEXT NOT NULL, seq INTEGER NOT NULL, recipient TEXT NOT NULL, "
    "channel TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, "
    '"by" TEXT, key TEXT, digest TEXT, PRIMARY KEY (alarm, seq, recipient, channel, why)) WITHOUT ROWID',
    "CREATE INDEX deliveries_digest ON deliveries (digest, alarm, seq) WHERE digest IS NOT NULL",
)
PUT = "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
NOT_SENT, DIGEST = "not_sent", "digest|"


class Delivered(NamedTuple):
    """What became of an event: `outcome` is one of those of Delivery, or `not_sent`, and `reason` says why.

    `recipient` and `channel` are None where nothing was sent to anybody for this reason; `by` stood in the way.
    `key` is the message's, `digest` the id of the digest that it was in. `at` [epoch ms] is real time.
    """

    alarm: str
    seq: int
    recipient: str | None
    channel: str | None
    at: int
    outcome: str
    reason: str
    by: str | None
    key: str | None
    digest: str | None


class DigestPage(NamedTuple):
    """A page of a digest's events; `total` is how many there are, `next` the cursor of the next page."""

    items: list[Delivered]
    total: int
    next: str | None


def rows(note: DeliveryNote) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a note, one for each event."""
    why = f"{note.reason}|{note.by or ''}" if note.outcome == NOT_SENT else ""
    steps = note.steps or [""] * len(note.members)
    digest = note.key.removeprefix(DIGEST) if note.key is not None and note.key.startswith(DIGEST) else None
    to = (note.recipient or "", note.channel or "")
    for (alarm, seq), step in zip(note.members, steps, strict=True):
        yield (alarm, seq, *to, why or step, note.at, note.outcome, note.reason, note.by, note.key, digest)


def of_alarm(connection: sqlite3.Connection, alarm: str) -> list[Delivered]:
    """Return what became of all events of an alarm, by seq, recipient and channel."""
    found = connection.execute(f"{_SELECT} WHERE alarm = ? ORDER BY seq, recipient, channel, why", (alarm,))
    return [_delivered(row) for row in found]


def of_digest(connection: sqlite3.Connection, digest: str, after: str | None, limit: int) -> DigestPage:
    """Return a page of the events of a digest, by alarm and seq; empty when there is no such digest."""
    alarm, _, seq = (after or "").partition("~")
    found = connection.execute(
        f"{_SELECT} WHERE digest = ? AND (alarm, seq) > (?, ?) ORDER BY alarm, seq LIMIT ?",
        (digest, alarm, int(seq) if seq.isdecimal() else -1, limit + 1),
    ).fetchall()
    (total,) = connection.execute("SELECT count(*) FROM deliveries WHERE digest = ?", (digest,)).fetchone()
    items = [_delivered(row) for row in found[:limit]]
    return DigestPage(items, total, f"{items[-1].alarm}~{items[-1].seq}" if len(found) > limit else None)


_SELECT = 'SELECT alarm, seq, recipient, channel, at, outcome, reason, "by", key, digest FROM deliveries'


def _delivered(row: tuple[Any, ...]) -> Delivered:
    alarm, seq, recipient, channel, *rest = row
    return Delivered(alarm, seq, recipient or None, channel or None, *rest)
