"""A target is a decoder as a fuzzer sees it: bytes go in, and nothing but its declared errors may come out."""

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from schemas import deliveries, messages
from schemas.messages import UNREADABLE, VERSION, Batch, Readings, Reported, encode
from services.command.document_files import FileDocument, read_text
from services.command.importing import read_lines
from services.command.output import CommandError
from services.gateway.body import unpacked
from services.gateway.envelope import parse_batch, parse_reported
from services.gateway.examples import READINGS, REPORTED
from services.gateway.receipts import dead_letters, receipt
from services.gateway.receiving import check
from services.http.problem import Problem
from services.sink.step import UNUSABLE
from streams.domain.counting import Fault
from streams.domain.inputs import Record, read_inputs
from streams.domain.points import points_of, points_of_readings
from streams.domain.registration import register
from streams.domain.registry import Snapshot
from streams.domain.reporting import check_reported, reported_row
from tests.registry_writing import STEEL, documents, snapshot_of

NOW_MS = 1_795_219_200_000
INFLATED_LIMIT = 1 << 20
# What may be answered for a body that cannot be used.
_REFUSED = (400, 413, 422)
_decode_any = msgspec.json.Decoder().decode


class Target(NamedTuple):
    """A decoder, the errors that it declares, and true bodies to begin with."""

    take: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...]
    seeds: list[bytes]


@cache
def _snapshot() -> Snapshot:
    return snapshot_of(documents(STEEL))


def _refused(take: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def taken(body: bytes) -> None:
        try:
            take(body)
        except Problem as problem:
            if problem.status not in _REFUSED:
                raise
            json.dumps(json.loads(bytes(problem.response().body)))

    return taken


@_refused
def _batch(body: bytes) -> None:
    batch = parse_batch(body)
    snapshot = _snapshot()
    checked = check(batch, snapshot.sources["gw1"], snapshot, NOW_MS)
    dead_letters(checked.rejected, "gw1", {"batch": batch.batch}, NOW_MS, 4)
    json.dumps(receipt(batch.batch, len(checked.v), checked.rejected)).encode()
    kept = Batch(batch.batch, "gw1", NOW_MS, checked.meters, checked.scale, checked.i, checked.t, checked.v)
    # What the gateway lets in, the worker takes.
    message = encode(Readings(VERSION, 1, "bz-steel", [kept]))
    read = read_inputs([Record("readings", 0, 0, NOW_MS, message)], lambda _: True, 1)
    assert not read.rejected, read.rejected


@_refused
def _reported(body: bytes) -> None:
    for item in parse_reported(body).values:
        row = reported_row(item)
        if not isinstance(row, Fault):
            row = check_reported(row, _snapshot(), "operator", NOW_MS)
        if isinstance(row, Reported):
            encode(row)


def _packed(encoding: str) -> Callable[[bytes], None]:
    return _refused(lambda body: _batch(unpacked(body, encoding, INFLATED_LIMIT, lambda _: None)))


def _input(topic: str) -> Callable[[bytes], None]:
    def take(value: bytes) -> None:
        for each in read_inputs([Record(topic, 0, 0, NOW_MS, value)], lambda _: True, 1).rejected:
            encode(each)

    return take


def _stored(value: bytes) -> None:
    try:
        points_of_readings(messages.decode_readings(value))
    except UNUSABLE:
        points_of(messages.decode_calendar(value), everything=True)


def _message(value: bytes) -> None:
    for decode in (
        messages.decode_condition, messages.decode_event, deliveries.decode_delivery, deliveries.decode_note,
        messages.decode_revision, messages.decode_finding, messages.decode_held, messages.decode_rejected,
        messages.decode_registry,
    ):  # fmt: skip
        try:
            encode(decode(value))
        except UNREADABLE:
            continue


def _documents(value: bytes) -> None:
    found = [each for each in read_text(value.decode(), "a.yaml") if isinstance(each, FileDocument)]
    register(_snapshot().documents, [each.raw for each in found])


def _posted_documents(value: bytes) -> None:
    read = _decode_any(value)
    register(_snapshot().documents, [each for each in read if isinstance(each, dict)] if isinstance(read, list) else [])


def _csv(value: bytes) -> None:
    list(read_lines(Path("a.csv"), value.decode("utf-8-sig")))


def _examples(described: dict[str, Any]) -> list[bytes]:
    found = described["requestBody"]["content"]["application/json"]["examples"]
    return [json.dumps(each["value"]).replace("bz-steel-gw1", "gw1").encode() for each in found.values()]


def targets() -> dict[str, Target]:
    """Return the targets by name."""
    rows, inputs = _examples(READINGS), _kafka_messages()
    cities = [each.read_bytes() for each in sorted(Path("services/simulator/city").glob("*.yaml"))]
    small = [json.dumps(documents(STEEL)).encode()]
    return {
        "batch": Target(_batch, (), rows),
        "reported": Target(_reported, (), _examples(REPORTED)),
        "gzip": Target(_packed("gzip"), (), [gzip.compress(each) for each in rows]),
        "zstd": Target(_packed("zstd"), (), [zstandard.compress(each) for each in rows]),
        "topic readings": Target(_input("readings"), (), inputs),
        "topic reported": Target(_input("reported"), (), inputs),
        "sink": Target(_stored, UNUSABLE, inputs),
        "messages": Target(_message, (), inputs),
        "yaml": Target(_documents, (UnicodeDecodeError,), [STEEL.encode(), *(each[:3000] for each in cities)]),
        "set": Target(_posted_documents, UNREADABLE, small),
        "csv": Target(
            _csv, (UnicodeDecodeError, CommandError), [b"meter,ts,value,rev\ne01,2026-11-20T08:15:00,1.5,0\n"]
        ),
    }


def _kafka_messages() -> list[bytes]:
    from services.api.answers import ALARM, EVENT, REJECTED, REVISION

    batch = Batch("b", "gw1", NOW_MS, ["e01"], [2], [0, 0], [NOW_MS - 900_000, NOW_MS], [150, None], [0, 1], [0, 2])
    return [
        encode(Readings(VERSION, 1, "bz-steel", [batch])),
        encode(Readings(VERSION, 1, tick=NOW_MS)),
        encode(messages.Sold(VERSION, 1, "enterprise/other", "bz-steel", batch)),
        encode(
            Reported(VERSION, 1, "enterprise/bz-steel", "output.crude-steel", "2018-03", 5, "5", "t", 0, "op", NOW_MS)
        ),
        encode(
            messages.CalendarDocument(
                VERSION,
                "enterprise/bz-steel",
                "2018-03-01",
                "hour",
                {"energy.cv": [1] * 24},
                ["settled"] * 24,
                [8],
                1,
                "demo-2018",
                [(0, 1)],
            )
        ),
        *(json.dumps(each).encode() for each in (ALARM, EVENT, REJECTED, REVISION)),
    ]
