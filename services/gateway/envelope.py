"""The envelope is what holds a batch together: it can be read as a whole, or the request is refused with the place.

What is wrong with single items is no matter of the envelope: they are rejected one by one.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from schemas.pushed import (
    ColumnBatch,
    LooseRowBatch,
    PushedCorrection,
    ReportedBatch,
    RowBatch,
    decode_columns,
    decode_loose_rows,
    decode_reported_batch,
    decode_rows,
    number,
)
from services.http.problem import Problem

# A gateway decodes and checks a batch in one go; more than this would hold up all other senders.
MAX_READINGS = 100_000
MAX_REPORTED = 10_000
# Commas and opening brackets for each: seven fields, and what else a sender may put in. Without it, a few bytes that
# inflate to the largest body would take a gigabyte before anybody counts what they hold.
MARKS_EACH = 10
MAX_BATCH_LENGTH = 200
MAX_REASON_LENGTH = 500
MAX_NAME_LENGTH = 100
_PLACE = re.compile(r"(.*) - at `(\$.*)`", re.DOTALL)
_decode_any = msgspec.json.Decoder(Any, float_hook=number).decode
EnvelopeT = TypeVar("EnvelopeT")


class _Form(msgspec.Struct):
    readings: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_form = msgspec.json.Decoder(_Form).decode


def unreadable(path: str, message: str) -> Problem:
    """Return the 422 for an envelope that cannot be read, with the JSON path of the fault."""
    return Problem(422, "invalid_envelope", f"{path}: {message}", path=path)


def parse_batch(body: bytes) -> RowBatch | LooseRowBatch | ColumnBatch:
    """Return the batch that a body holds, in rows or in columns; raise the Problem 400, 413 or 422 otherwise."""
    _check_text(body, MAX_READINGS)
    batch = _parse_batch(body)
    if not 1 <= len(batch.batch) <= MAX_BATCH_LENGTH:
        raise unreadable("$.batch", f"a batch's id has 1 to {MAX_BATCH_LENGTH} characters")
    if isinstance(batch, ColumnBatch):
        _check_columns(batch)
    if batch.correction is not None:
        _check_correction(batch.correction)
    count = readings_of(batch)
    if count > MAX_READINGS:
        detail = f"the batch has {count} readings: send at most {MAX_READINGS}"
        raise Problem(413, "too_large", detail, limit=MAX_READINGS)
    return batch


def parse_reported(body: bytes) -> ReportedBatch:
    """Return the reported values that a body holds; raise the Problem 400, 413 or 422 otherwise."""
    _check_text(body, MAX_REPORTED)
    batch = _decoded(decode_reported_batch, body)
    if len(batch.values) > MAX_REPORTED:
        detail = f"the request has {len(batch.values)} values: send at most {MAX_REPORTED}"
        raise Problem(413, "too_large", detail, limit=MAX_REPORTED)
    if batch.batch is not None and not 1 <= len(batch.batch) <= MAX_BATCH_LENGTH:
        raise unreadable("$.batch", f"a batch's id has 1 to {MAX_BATCH_LENGTH} characters")
    return batch


def readings_of(batch: RowBatch | LooseRowBatch | ColumnBatch) -> int:
    """Return how many readings a batch has, before any is looked at; nulls in columns count too."""
    if isinstance(batch, ColumnBatch):
        return len(batch.meters) * len(batch.ts)
    return len(batch.readings)


def _parse_batch(body: bytes) -> RowBatch | LooseRowBatch | ColumnBatch:
    try:
        return decode_rows(body)
    except (msgspec.DecodeError, ArithmeticError, RecursionError):
        pass
    # Not plain rows: columns, rows of which some are misshapen, or not readable at all.
    form = _decoded(_decode_form, body)
    return _decoded(decode_columns if form.readings is msgspec.UNSET else decode_loose_rows, body)


def _decoded(decode: Callable[[bytes], EnvelopeT], body: bytes) -> EnvelopeT:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        said = error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(str(error)) from error
    except RecursionError as error:
        raise _not_json("it is nested too deeply") from error
    # The first fault of shape may stand before one of syntax, and what is no JSON at all is a 400.
    try:
        _decode_any(body)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(str(error)) from error
    except RecursionError as error:
        raise _not_json("it is nested too deeply") from error
    found = _PLACE.fullmatch(str(said))
    raise (unreadable(found[2], found[1]) if found else unreadable("$", str(said))) from said


def _check_text(body: bytes, most: int) -> None:
    marks = sum(body.count(mark) for mark in (b",", b"{", b"["))
    if marks > MARKS_EACH * most:
        detail = f"the body has {marks} commas and opening brackets, far more than {most} items need: send fewer"
        raise Problem(413, "too_large", detail, limit=most)
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise _not_json(f"it is not UTF-8 at byte {error.start}") from error


def _check_correction(correction: PushedCorrection) -> None:
    for name, text, most in (("reason", correction.reason, MAX_REASON_LENGTH), ("by", correction.by, MAX_NAME_LENGTH)):
        if text is not None and (not text.strip() or len(text) > most or not text.isprintable()):
            raise unreadable(f"$.correction.{name}", f"a line of 1 to {most} characters says it")


def _check_columns(batch: ColumnBatch) -> None:
    for name, table in (("values", batch.values), ("rev", batch.rev), ("quality", batch.quality)):
        if table is None:
            continue
        if len(table) != len(batch.meters):
            raise unreadable(f"$.{name}", f"{len(table)} rows for {len(batch.meters)} meters: one row a meter")
        for place, row in enumerate(table):
            if len(row) != len(batch.ts):
                message = f"{len(row)} entries for {len(batch.ts)} instants: one entry an instant, null for none"
                raise unreadable(f"$.{name}[{place}]", message)


def _not_json(message: str) -> Problem:
    return Problem(400, "not_json", f"the body is not JSON: {message}")
