"""A step of the sink is what some records from topics mean for the series store: points and list entries.

Of a calendar document only the last version at hand is written, with the children that any of the versions touched.
What cannot be read is put into the list of rejected inputs and passed over.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from aiokafka import ConsumerRecord

from schemas.deliveries import decode_note
from schemas.messages import (
    VERSION,
    CalendarDocument,
    Rejected,
    decode_calendar,
    decode_condition,
    decode_event,
    decode_finding,
    decode_heartbeat,
    decode_readings,
    decode_rejected,
    decode_revision,
)
from schemas.series import Point
from schemas.settings import Settings
from schemas.topics import (
    ALARM_CONDITIONS,
    ALARM_EVENTS,
    DELIVERY_LOG,
    ENGINE,
    FINDINGS,
    READINGS,
    REJECTED,
    REVISIONS,
    TOTALS,
    Topic,
)
from schemas.windows import window
from streams.domain.points import merge, point_of_condition, point_of_heartbeat, points_of, points_of_readings
from streams.stores.series import Entry, Part, Place, Refused, Revised

SOURCES: tuple[Topic, ...] = (
    READINGS,
    TOTALS,
    ALARM_CONDITIONS,
    ALARM_EVENTS,
    FINDINGS,
    REJECTED,
    ENGINE,
    REVISIONS,
    DELIVERY_LOG,
)
# What a message that makes no sense may raise on its way to points; nothing else is passed over.
UNUSABLE = (msgspec.MsgspecError, ValueError, LookupError, ArithmeticError, TypeError, RecursionError)
# Of an input that cannot be read so many bytes are shown; of a longer one its hash.
SHOWN_BYTES = 4096

Record = ConsumerRecord[Any, Any]
# The tiers of a limit, from the mildest, by its id.
Tiers = Mapping[str, Sequence[str]]


class Step(NamedTuple):
    """What records mean: points, entries, the records that cannot be read with the reasons, and counts by topic."""

    points: list[Point]
    entries: list[Entry]
    unreadable: list[tuple[Record, str]]
    topics: dict[str, int]


class _Document(NamedTuple):
    record: Record
    document: CalendarDocument
    everything: bool


class StepBuilder:
    """Reads records of the topics in SOURCES."""

    def __init__(self, settings: Settings) -> None:
        readers: dict[Topic, Callable[[Place, bytes], None]] = {
            READINGS: self._readings,
            ALARM_CONDITIONS: self._condition,
            ALARM_EVENTS: self._event,
            FINDINGS: self._finding,
            REJECTED: self._rejected,
            REVISIONS: self._revision,
            ENGINE: self._heartbeat,
            DELIVERY_LOG: self._delivery,
        }
        self._readers = {settings.topic(topic): reader for topic, reader in readers.items()}
        self._totals = settings.topic(TOTALS)
        self._prefix = settings.topic_prefix
        self._tiers: Tiers = {}
        self._points: list[Point] = []
        self._entries: list[Entry] = []

    def build(self, records: Iterable[tuple[Record, bool]], tiers: Tiers) -> Step:
        """Return what records mean; the second of each pair says whether a document's every child is to be written."""
        self._points, self._entries, self._tiers = [], [], tiers
        unreadable: list[tuple[Record, str]] = []
        topics: Counter[str] = Counter()
        documents: dict[tuple[str, str], _Document] = {}
        for record, everything in records:
            topics[record.topic] += 1
            # A deletion in a compacted topic: the store keeps what it has.
            if record.value is None:
                continue
            try:
                if record.topic == self._totals:
                    document = decode_calendar(record.value)
                    _check_version(document.v)
                    _gather(documents, record, document, everything=everything)
                else:
                    self._readers[record.topic](place_of(record), record.value)
            except UNUSABLE as error:
                unreadable.append((record, _reason(error)))
        for record, document, everything in documents.values():
            try:
                self._points += points_of(document, everything=everything)
            except UNUSABLE as error:
                unreadable.append((record, _reason(error)))
        self._entries += (aside(record, reason, self._prefix) for record, reason in unreadable)
        return Step(self._points, self._entries, unreadable, dict(topics))

    def _readings(self, place: Place, value: bytes) -> None:
        readings = decode_readings(value)
        _check_version(readings.v)
        self._points += points_of_readings(readings)
        self._entries += (
            Part(place, number, batch.batch, batch.source, batch.received, len(batch.v))
            for number, batch in enumerate(readings.batches)
        )

    def _condition(self, place: Place, value: bytes) -> None:
        condition = decode_condition(value)
        _check_version(condition.v)
        self._points.append(point_of_condition(condition, self._tiers.get(condition.rule, ())))
        self._entries.append(condition)

    def _event(self, place: Place, value: bytes) -> None:
        event = decode_event(value)
        _check_version(event.v)
        self._entries.append(event)

    def _finding(self, place: Place, value: bytes) -> None:
        finding = decode_finding(value)
        _check_version(finding.v)
        self._entries.append(finding)

    def _revision(self, place: Place, value: bytes) -> None:
        revision = decode_revision(value)
        _check_version(revision.v)
        window(revision.start)
        self._entries.append(Revised(place, revision))

    def _rejected(self, place: Place, value: bytes) -> None:
        rejected = decode_rejected(value)
        _check_version(rejected.v)
        self._entries.append(Refused(place, rejected))

    def _delivery(self, place: Place, value: bytes) -> None:
        note = decode_note(value)
        _check_version(note.v)
        self._entries.append(note)

    def _heartbeat(self, place: Place, value: bytes) -> None:
        heartbeat = decode_heartbeat(value)
        _check_version(heartbeat.v)
        self._points.append(point_of_heartbeat(heartbeat))


def _gather(
    documents: dict[tuple[str, str], _Document], record: Record, document: CalendarDocument, *, everything: bool
) -> None:
    key = document.entity, document.period
    earlier = documents.pop(key, None)
    if earlier is not None:
        document = merge(earlier.document, document)
        everything = everything or earlier.everything
    documents[key] = _Document(record, document, everything)


def place_of(record: Record) -> Place:
    """Return where a record stands."""
    return Place(record.topic, record.partition, record.offset)


def aside(record: Record, reason: str, topic_prefix: str) -> Refused:
    """Return the entry for a record that cannot be read; it yields to what another process said of the same one.

    Dead letters name topics without `topic_prefix`.
    """
    value = cast("bytes", record.value or b"")
    shown = value.decode(errors="replace") if len(value) <= SHOWN_BYTES else None
    where: dict[str, Any] = {
        "topic": record.topic.removeprefix(topic_prefix),
        "partition": record.partition,
        "offset": record.offset,
    }
    if shown is None:
        where["sha256"] = hashlib.sha256(value).hexdigest()
    return Refused(
        place_of(record),
        Rejected(
            VERSION, "unreadable", f"the sink cannot read this record: {reason}", record.timestamp, where, "-", shown
        ),
        yields=True,
    )


def _check_version(v: int) -> None:
    if v != VERSION:
        raise ValueError(f"it is of version {v}, version {VERSION} is known")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]
