"""Inputs are what a partition's step takes in: messages of topics `readings` and `reported`, checked and grouped.

What cannot be used becomes a rejection with its reason; the rest of its message and of the step goes on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from schemas.decimals import LARGEST_SCALE
from schemas.ids import ID_PATTERN, IdError, check_id, enterprise_of
from schemas.messages import (
    QUALITIES,
    UNREADABLE,
    VERSION,
    Batch,
    Correction,
    Readings,
    Rejected,
    Reported,
    Sold,
    decode_readings,
    decode_reported,
    decode_sold,
)
from schemas.windows import EARLIEST_MS, LATEST_MS, WindowError, window
from streams.domain.hour import VOID, Rows
from streams.domain.selling import foreign_id

LARGEST_INPUT_KEPT = 64 << 10


class Record(NamedTuple):
    """A message as it came: its topic's bare name, partition, offset, time of arrival [epoch ms] and bytes."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    value: bytes


class Origin(NamedTuple):
    """Where a batch came from: source, id, gateway's stamp, correction, and the highest tick [epoch ms] before it."""

    source: str
    batch: str
    received_ms: int
    correction: Correction | None
    seen_ms: int

    @property
    def known_ms(self) -> int:
        """When the batch became known [epoch ms]: an import may claim an earlier arrival than it had."""
        return max(self.received_ms, self.seen_ms)


class Readable(NamedTuple):
    """A batch whose columns fit each other: ids within the enterprise, their scales, and rows that index them."""

    meters: tuple[str, ...]
    scales: tuple[int, ...]
    rows: Rows
    origin: Origin


@dataclass(slots=True)
class Inputs:
    """What a step works on: batches and reports by enterprise, the ticks that rose, and what was refused.

    `before_ms` is the highest tick before all of it.
    """

    batches: dict[str, list[Readable]] = field(default_factory=dict[str, list[Readable]])
    reports: dict[str, list[Reported]] = field(default_factory=dict[str, list[Reported]])
    records: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    before_ms: int = 0
    ticks_ms: list[int] = field(default_factory=list[int])
    known_ms: int = 0
    readings: int = 0


class _Versioned(msgspec.Struct):
    v: int


class _Named(msgspec.Struct):
    seller: str | None = None


_decode_version = msgspec.json.Decoder(_Versioned).decode
_decode_named = msgspec.json.Decoder(_Named).decode


class UnusableError(ValueError):
    """A message or batch that cannot be used: a stable code and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_inputs(records: Iterable[Record], registered: Callable[[str], bool], version: int, tick_ms: int = 0) -> Inputs:
    """Return the inputs of some records, given which enterprises are registered and the registry's version.

    `tick_ms` [epoch ms] is the highest tick before them.
    """
    found = Inputs(before_ms=tick_ms)
    for record in records:
        try:
            if record.topic == "reported" and _is_sold(record):
                _read_sold(record, registered, version, found)
            elif record.topic == "reported":
                _read_report(record, registered, version, found)
            else:
                _read_readings(record, registered, version, found)
        except UnusableError as error:
            found.rejected.append(rejection(record, error.code, str(error)))
    return found


def rejection(record: Record, code: str, message: str, **where: Any) -> Rejected:
    """Return the dead letter of a record, or of a part of it that `where` names."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset, **where}
    large = len(record.value) > LARGEST_INPUT_KEPT
    text = f"sha256:{sha256(record.value).hexdigest()}" if large else record.value.decode(errors="backslashreplace")
    return Rejected(v=VERSION, code=code, message=message, at=record.at_ms, where=place, input=text)


def _decoded(record: Record, decode: Callable[[bytes], Any]) -> Any:
    try:
        message = decode(record.value)
    except msgspec.ValidationError as error:
        raise UnusableError(_code_of(record.value), f"not a message of this topic: {error}") from error
    except UNREADABLE as error:
        raise UnusableError("not_json", f"no JSON: {error}") from error
    if message.v != VERSION:
        raise UnusableError("unknown_version", f"version {message.v} of the message is not known; this reads {VERSION}")
    return message


def _code_of(value: bytes) -> str:
    """Tell a message of another version, whose shape is not known here, from a wrong one of this version."""
    try:
        named = _decode_version(value).v
    except UNREADABLE:
        return "bad_message"
    return "bad_message" if named == VERSION else "unknown_version"


def _check_registry(named: int, version: int) -> None:
    if named > version:
        raise UnusableError("registry_ahead", f"names registry version {named}; the registry ends at {version}")


def _read_readings(record: Record, registered: Callable[[str], bool], version: int, found: Inputs) -> None:
    message: Readings = _decoded(record, decode_readings)
    _check_registry(message.registry, version)
    if message.tick is not None:
        if not EARLIEST_MS <= message.tick < LATEST_MS:
            raise UnusableError("bad_time", f"tick {message.tick} lies outside of 1992 to 2200")
        if not found.ticks_ms or message.tick > found.ticks_ms[-1]:
            found.ticks_ms.append(message.tick)
        found.known_ms = max(found.known_ms, message.tick)
        return
    enterprise = message.enterprise
    if enterprise is None or not registered(enterprise):
        raise UnusableError("unknown_enterprise", f"enterprise {enterprise!r} is not registered")
    found.records.setdefault(enterprise, []).append(record)
    batches = found.batches.setdefault(enterprise, [])
    for place, batch in enumerate(message.batches):
        try:
            batches.append(_columns(batch, max((found.before_ms, *found.ticks_ms[-1:]))))
        except UnusableError as error:
            where = {"batch": batch.batch, "index": place}
            found.rejected.append(
                Rejected(
                    v=VERSION, code=error.code, message=str(error), at=record.at_ms, source=batch.source,
                    where={"topic": record.topic, "partition": record.partition, "offset": record.offset, **where},
                    input=_kept(batch),
                )
            )  # fmt: skip
            continue
        found.known_ms = max(found.known_ms, batch.received)
        found.readings += len(batch.t)


def _kept(batch: Batch) -> Any:
    data = msgspec.json.encode(batch)
    return f"sha256:{sha256(data).hexdigest()}" if len(data) > LARGEST_INPUT_KEPT else msgspec.to_builtins(batch)


def _columns(batch: Batch, seen_ms: int) -> Readable:
    count = len(batch.t)
    quality, revision = batch.q, batch.rev
    for name, column in (("i", batch.i), ("v", batch.v), ("rev", revision), ("q", quality)):
        if column is not None and len(column) != count:
            raise UnusableError("bad_message", f"column {name} has {len(column)} values, t has {count}")
    meters, scales = tuple(batch.meters), tuple(batch.scale)
    _check_meters(meters, scales)
    values = batch.v
    voids = None in values
    try:
        plain = [value or 0 for value in values] if voids else cast("list[int]", values)
        columns = np.zeros((6, count), np.int64)
        columns[5] = batch.received
        for place, column in enumerate((batch.i, batch.t, plain, revision, quality)):
            if column is not None:
                columns[place] = np.array(column, np.int64)
        rows = Rows(columns)
    except OverflowError as error:
        raise UnusableError("out_of_range", f"a number does not fit 64 bits: {error}") from error
    if count:
        low: list[int] = columns.min(axis=1).tolist()
        high: list[int] = columns.max(axis=1).tolist()
        if low[0] < 0 or high[0] >= len(meters):
            raise UnusableError("bad_message", f"column i points outside of its {len(meters)} meters")
        if low[1] < EARLIEST_MS or high[1] >= LATEST_MS:
            raise UnusableError("bad_time", "a time lies outside of 1992 to 2200")
        if low[3] < 0 or low[4] < 0 or high[4] >= len(QUALITIES):
            raise UnusableError("bad_message", "a revision is negative or a quality is not known")
    if voids:
        rows.q[[value is None for value in values]] = VOID
    origin = Origin(batch.source, batch.batch, batch.received, batch.correction, seen_ms)
    return Readable(meters, scales, rows, origin)


@lru_cache(maxsize=16_384)
def _check_meters(meters: tuple[str, ...], scales: tuple[int, ...]) -> None:
    """Raise UnusableError unless these are ids and decimal places; cached, since a source's batches name the same."""
    if len(scales) != len(meters) or len(set(meters)) != len(meters):
        raise UnusableError("bad_message", "meters repeat, or scale and meters differ in length")
    if not all(map(ID_PATTERN.fullmatch, meters)) or not all(0 <= scale <= LARGEST_SCALE for scale in scales):
        raise UnusableError("bad_message", f"a meter is no id, or a scale is not within 0 to {LARGEST_SCALE}")


def _is_sold(record: Record) -> bool:
    try:
        return _decode_named(record.value).seller is not None
    except UNREADABLE:
        return False


def _read_sold(record: Record, registered: Callable[[str], bool], version: int, found: Inputs) -> None:
    """Take readings of another enterprise's meter in, under an id that no meter of one's own can have."""
    sold: Sold = _decoded(record, decode_sold)
    _check_registry(sold.registry, version)
    enterprise = enterprise_of(sold.entity)
    if enterprise is None or not registered(enterprise):
        raise UnusableError("unknown_enterprise", f"{sold.entity!r} is no enterprise that is registered")
    stamps = sold.received
    if len(sold.batch.meters) != 1 or (stamps is not None and len(stamps) != len(sold.batch.t)):
        raise UnusableError("bad_message", "not of one meter, or received and t differ in length")
    try:
        seller = check_id(sold.seller)
    except IdError as error:
        raise UnusableError("bad_message", str(error)) from error
    readable = _columns(sold.batch, max((found.before_ms, *found.ticks_ms[-1:])))
    if stamps is not None:
        readable.rows.received[:] = stamps
    meters = (foreign_id(f"{seller}.{readable.meters[0]}"),)
    found.records.setdefault(enterprise, []).append(record)
    found.batches.setdefault(enterprise, []).append(readable._replace(meters=meters))
    found.known_ms = max(found.known_ms, sold.batch.received)


def _read_report(record: Record, registered: Callable[[str], bool], version: int, found: Inputs) -> None:
    report: Reported = _decoded(record, decode_reported)
    _check_registry(report.registry, version)
    enterprise = enterprise_of(report.entity)
    if enterprise is None:
        return  # of a territory: for the territory agent
    if not registered(enterprise):
        raise UnusableError("unknown_enterprise", f"enterprise {enterprise!r} is not registered")
    try:
        period = window(report.period)
    except WindowError as error:
        raise UnusableError("bad_time", str(error)) from error
    if period.kind == "hour":
        raise UnusableError("bad_time", f"{report.period} is an hour: a value is reported for a day or longer")
    found.records.setdefault(enterprise, []).append(record)
    found.reports.setdefault(enterprise, []).append(report)
    found.known_ms = max(found.known_ms, report.received)
