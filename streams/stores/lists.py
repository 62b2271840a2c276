"""The lists in a store's file: alarms, events, findings, revisions, rejected inputs, parts of batches, read offsets.

Each function works inside a transaction that the caller began.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from schemas.decimals import INT64_MAX
from schemas.deliveries import DeliveryNote
from schemas.messages import (
    AlarmEvent,
    Condition,
    Finding,
    Rejected,
    decode_condition,
    decode_event,
    decode_finding,
    decode_rejected,
    decode_revision,
    encode,
)
from schemas.series import ALARM, WINDOW_MEASUREMENTS, Point
from schemas.windows import window
from streams.stores import deliveries
from streams.stores.paging import LIMIT, Where, page
from streams.stores.series import (
    AlarmsPage,
    Earlier,
    Entry,
    Move,
    Part,
    Read,
    Receipt,
    Refusal,
    Refused,
    RejectedPage,
    Revised,
    RevisionsPage,
    StoreError,
)

SCHEMA = (
    "CREATE TABLE conditions (id TEXT PRIMARY KEY, entity TEXT NOT NULL, rule TEXT NOT NULL, condition TEXT NOT NULL, "
    "start_ms INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX conditions_start ON conditions (start_ms, id)",
    "CREATE INDEX conditions_entity ON conditions (entity, start_ms, id)",
    "CREATE TABLE events (id TEXT NOT NULL, seq INTEGER NOT NULL, document BLOB NOT NULL, PRIMARY KEY (id, seq)) "
    "WITHOUT ROWID",
    "CREATE TABLE findings (enterprise TEXT NOT NULL, start INTEGER NOT NULL, rule TEXT NOT NULL, meter TEXT NOT NULL, "
    "open INTEGER NOT NULL, document BLOB NOT NULL, PRIMARY KEY (enterprise, start, rule, meter)) WITHOUT ROWID",
    # Revisions of an entity stand in one partition: by offset they are in the order in which they were made.
    "CREATE TABLE revisions (entity TEXT NOT NULL, metric TEXT NOT NULL, kind TEXT NOT NULL, "
    'start_ms INTEGER NOT NULL, "offset" INTEGER NOT NULL, known INTEGER NOT NULL, before INTEGER, '
    "document BLOB NOT NULL, "
    'PRIMARY KEY (entity, metric, kind, start_ms, "offset")) WITHOUT ROWID',
    'CREATE INDEX revisions_known ON revisions (entity, known, "offset")',
    "CREATE TABLE rejected (key TEXT PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL, "
    "batch TEXT, document BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX rejected_at ON rejected (at, key)",
    "CREATE INDEX rejected_source ON rejected (source, at, key)",
    "CREATE INDEX rejected_batch ON rejected (batch) WHERE batch IS NOT NULL",
    "CREATE TABLE batches (batch TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, "
    '"offset" INTEGER NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL, received INTEGER NOT NULL, '
    'accepted INTEGER NOT NULL, PRIMARY KEY (batch, topic, partition, "offset", number)) WITHOUT ROWID',
    'CREATE TABLE offsets (topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, '
    "unread_since_ms INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID",
    # By entity the number of the last step that changed something of it; under "" the number of the last step.
    "CREATE TABLE changes (entity TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    *deliveries.SCHEMA,
)

_OF_ENTITIES = {ALARM, *WINDOW_MEASUREMENTS}


class AlarmFilter(NamedTuple):
    """Which alarms a page shows; None: all."""

    entities: Collection[str] | None
    rule: str | None
    condition: str | None
    from_ms: int | None
    to_ms: int | None


class RevisionFilter(NamedTuple):
    """Which revisions of an entity a page shows; None: all. The range [epoch ms] is of when they became known."""

    metric: str | None
    window: str | None
    from_ms: int | None
    to_ms: int | None


def put(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Write entries, each over an earlier one of its key."""
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for entry in entries:
        # An event is a condition with more fields, so it is asked for first.
        if isinstance(entry, AlarmEvent):
            rows["INSERT OR REPLACE INTO events VALUES (?, ?, ?)"].append((entry.id, entry.seq, encode(entry)))
        elif isinstance(entry, Condition):
            rows["INSERT OR REPLACE INTO conditions VALUES (?, ?, ?, ?, ?, ?)"].append(
                (entry.id, entry.entity, entry.rule, entry.condition, window(entry.start).start_ms, encode(entry))
            )
        elif isinstance(entry, DeliveryNote):
            rows[deliveries.PUT] += deliveries.rows(entry)
        elif isinstance(entry, Finding):
            rows["INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?)"].append(
                (entry.enterprise, entry.start, entry.rule, entry.meter, entry.open, encode(entry))
            )
        elif isinstance(entry, Refused):
            verb = "IGNORE" if entry.yields else "REPLACE"
            rows[f"INSERT OR {verb} INTO rejected VALUES (?, ?, ?, ?, ?, ?)"].append(_refused_row(entry))
        elif isinstance(entry, Revised):
            rows["INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"].append(_revised_row(entry))
        else:
            rows["INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)"].append(_part_row(entry))
    for statement, columns in rows.items():
        connection.executemany(statement, columns)


def _part_row(part: Part) -> tuple[Any, ...]:
    return part.batch, *part.place, part.number, part.source, part.received, part.accepted


def _revised_row(entry: Revised) -> tuple[Any, ...]:
    revision = entry.revision
    start_ms = window(revision.start).start_ms
    # A number of more than 64 bits is kept as text: SQLite's integers end there.
    before = revision.before
    return (
        revision.entity,
        revision.metric,
        revision.window,
        start_ms,
        entry.place.offset,
        revision.known,
        before if before is None or abs(before) <= INT64_MAX else str(before),
        encode(revision),
    )


def _refused_row(entry: Refused) -> tuple[Any, ...]:
    rejected = entry.rejected
    batch = rejected.where.get("batch")
    return (
        refused_key(entry),
        rejected.at,
        rejected.source,
        rejected.code,
        batch if isinstance(batch, str) else None,
        encode(rejected),
    )


def refused_key(entry: Refused) -> str:
    """Return the key of a rejected input: the place of the input itself where the reject names one, else its own.

    So an input that two processes could not read stands in the list once.
    """
    where = entry.rejected.where
    parts: Iterable[Any] = entry.place
    if {"topic", "partition", "offset"} <= where.keys():
        parts = (where["topic"], where["partition"], where["offset"])
        if "index" in where:
            parts = (*parts, where.get("batch"), json.dumps(where["index"]))
    return "|".join(str(part) for part in parts)


def move(connection: sqlite3.Connection, moves: Sequence[Move]) -> None:
    """Move offsets on; raise StoreError `store_moved` when one is not where its move begins."""
    for topic, partition, before, after in moves:
        if before is None:
            done = connection.execute(
                "INSERT INTO offsets VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (topic, partition, *after)
            )
        else:
            done = connection.execute(
                'UPDATE offsets SET "offset" = ?, unread_since_ms = ? '
                'WHERE topic = ? AND partition = ? AND "offset" = ?',
                (*after, topic, partition, before),
            )
        if done.rowcount != 1:
            raise StoreError(
                "store_moved",
                f"{topic}/{partition} was not read up to {before}: the store was dropped or another sink writes it",
            )


def touch(connection: sqlite3.Connection, points: Iterable[Point], entries: Iterable[Entry]) -> None:
    """Note of which entities something is written; readings are followed by what they change."""
    entities = {tags[0] for measurement, tags, _, _ in points if measurement in _OF_ENTITIES}
    for entry in entries:
        if isinstance(entry, Condition):
            entities.add(entry.entity)
        elif isinstance(entry, Finding):
            entities.add(f"enterprise/{entry.enterprise}")
        elif isinstance(entry, Revised):
            entities.add(entry.revision.entity)
    if not entities:
        return
    upsert = "INSERT INTO changes VALUES (?, ?) ON CONFLICT DO UPDATE SET number = excluded.number"
    number = 1 + changed(connection, ("",))
    connection.executemany(upsert, ((entity, number) for entity in sorted({"", *entities})))


def changed(connection: sqlite3.Connection, entities: Collection[str]) -> int:
    """Return the number of the last step that wrote something of one of the entities, 0: none did."""
    (number,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM changes WHERE entity IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(entities)),),
    ).fetchone()
    return number


def offsets(connection: sqlite3.Connection) -> dict[tuple[str, int], Read]:
    """Return how far each (topic, partition) was read."""
    rows = connection.execute('SELECT topic, partition, "offset", unread_since_ms FROM offsets')
    return {(topic, partition): Read(offset, since) for topic, partition, offset, since in rows}


def conditions(connection: sqlite3.Connection, wanted: AlarmFilter, after: str | None, limit: int) -> AlarmsPage:
    """Return a page of alarms, the newest start first."""
    where = Where()
    where.among("entity", wanted.entities)
    where.add("rule = ?", wanted.rule)
    where.add("condition = ?", wanted.condition)
    where.add("start_ms >= ?", wanted.from_ms)
    where.add("start_ms < ?", wanted.to_ms)
    rows, following = page(connection, "conditions", ("start_ms", "id"), where, after, limit)
    return AlarmsPage([decode_condition(row) for row in rows], following)


def condition(connection: sqlite3.Connection, id_: str) -> Condition | None:
    """Return what an alarm is now."""
    row = connection.execute("SELECT document FROM conditions WHERE id = ?", (id_,)).fetchone()
    return None if row is None else decode_condition(row[0])


def events(connection: sqlite3.Connection, id_: str) -> list[AlarmEvent]:
    """Return the transitions of an alarm, by seq."""
    rows = connection.execute("SELECT document FROM events WHERE id = ? ORDER BY seq", (id_,))
    return [decode_event(row[0]) for row in rows]


def findings(connection: sqlite3.Connection, enterprise: str, open_only: bool, limit: int) -> list[Finding]:
    """Return the findings of an enterprise, the newest start first."""
    rows = connection.execute(
        "SELECT document FROM findings WHERE enterprise = ? AND open >= ? ORDER BY start DESC, rule, meter LIMIT ?",
        (enterprise, int(open_only), max(1, min(limit, LIMIT))),
    )
    return [decode_finding(row[0]) for row in rows]


def revisions(
    connection: sqlite3.Connection,
    entity: str,
    wanted: RevisionFilter,
    after: str | None,
    limit: int,
) -> RevisionsPage:
    """Return a page of an entity's revisions, the last known first."""
    where = Where()
    where.add("entity = ?", entity)
    where.add("metric = ?", wanted.metric)
    where.add("kind = ?", wanted.window)
    where.add("known >= ?", wanted.from_ms)
    where.add("known < ?", wanted.to_ms)
    rows, following = page(connection, "revisions", ("known", '"offset"'), where, after, limit, int)
    return RevisionsPage([decode_revision(row) for row in rows], following)


def earlier(
    connection: sqlite3.Connection, entity: str, metric: str, kind: str, from_ms: int, to_ms: int, as_of_ms: int
) -> dict[int, Earlier]:
    """Return, by start [epoch ms], what the windows of a range were that were revised after an instant."""
    rows = connection.execute(
        "SELECT start_ms, known, before FROM revisions "
        'WHERE entity = ? AND metric = ? AND kind = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms, "offset"',
        (entity, metric, kind, from_ms, to_ms),
    )
    found: dict[int, Earlier] = {}
    revised: set[int] = set()
    for start_ms, known_ms, before in rows:
        if start_ms in found:
            continue
        if known_ms <= as_of_ms:
            revised.add(start_ms)
        else:
            found[start_ms] = Earlier(None if before is None else int(before), start_ms in revised)
    return found


def rejected(
    connection: sqlite3.Connection, sources: Collection[str] | None, code: str | None, after: str | None, limit: int
) -> RejectedPage:
    """Return a page of rejected inputs, the newest first."""
    where = Where()
    where.among("source", sources)
    where.add("code = ?", code)
    rows, following = page(connection, "rejected", ("at", "key"), where, after, limit)
    return RejectedPage([decode_rejected(row) for row in rows], following)


def receipts(connection: sqlite3.Connection, batch: str) -> list[Receipt]:
    """Return a batch's receipts: for each source the parts and refusals of the time it was received last."""
    accepted: dict[tuple[int, str], int] = defaultdict(int)
    for source, received, count in connection.execute(
        "SELECT source, received, accepted FROM batches WHERE batch = ?", (batch,)
    ):
        accepted[received, source] += count
    refusals: dict[tuple[int, str], list[Refusal]] = defaultdict(list)
    for (document,) in connection.execute("SELECT document FROM rejected WHERE batch = ?", (batch,)):
        found: Rejected = decode_rejected(document)
        refusals[found.at, found.source].append(Refusal(found.where.get("index"), found.code, found.message))
    last: dict[str, Receipt] = {}
    for received, source in sorted(accepted.keys() | refusals.keys(), reverse=True):
        if source not in last:
            refused = sorted(refusals[received, source], key=lambda refusal: _index_order(refusal.index))
            last[source] = Receipt(batch, source, received, accepted[received, source], refused)
    return list(last.values())


def _index_order(index: Any) -> tuple[int, ...]:
    if isinstance(index, int):
        return (index,)
    return tuple(at for at in index if isinstance(at, int)) if isinstance(index, list) else ()
