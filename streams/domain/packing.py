"""Packing turns an hour into bytes and back: columns as differences in the narrowest integers, then zstd.

Equal hours pack to equal bytes. The first byte is the version of the form.
"""

import struct
from bisect import bisect_left
from typing import Any

import numpy as np
import zstandard

from streams.domain.hour import NO_ROWS, Hour, Rows

FORM = 1
_HEAD = struct.Struct("<BqHII")  # form, start [epoch ms], meters, rows, conflicts
_WIDTHS: tuple[np.dtype[np.signedinteger[Any]], ...] = (
    np.dtype("i1"),
    np.dtype("<i2"),
    np.dtype("<i4"),
    np.dtype("<i8"),
)
_LIMITS = tuple(np.iinfo(width).max for width in _WIDTHS)
_COLUMN = struct.Struct("<Bq")
_TIMES = (1, 5)  # columns t and received are written against the hour's start
_compress = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress
_decompress = zstandard.ZstdDecompressor().decompress


class PackingError(ValueError):
    """Bytes are no packed hour of a form known here; the state was written by another version or is damaged."""


def pack(hour: Hour) -> bytes:
    """Return the bytes of an hour."""
    names = "\n".join(hour.meters).encode()
    parts = [
        _HEAD.pack(FORM, hour.start_ms, len(hour.meters), len(hour.rows), len(hour.conflicts)),
        struct.pack("<I", len(names)),
        names,
        bytes(hour.scales),
    ]
    for rows in (hour.rows, hour.conflicts):
        if len(rows):
            _put_rows(parts, rows, hour.start_ms)
    return _compress(b"".join(parts))


def unpack(data: bytes) -> Hour:
    """Return the hour that `pack` wrote; raise PackingError for anything else."""
    try:
        raw = _decompress(data)
        form, start_ms, meters, rows, conflicts = _HEAD.unpack_from(raw)
        if form != FORM:
            raise PackingError(f"packed hour of form {form}; this version reads form {FORM}")
        at = _HEAD.size
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        names = raw[at : at + length].decode()
        at += length
        scales = tuple(raw[at : at + meters])
        at += meters
        kept, at = _get_rows(raw, at, rows, start_ms)
        rivals, at = _get_rows(raw, at, conflicts, start_ms)
    except (zstandard.ZstdError, struct.error, ValueError, IndexError) as error:
        raise PackingError(f"{len(data)} bytes are no packed hour: {error}") from error
    return Hour(start_ms, tuple(names.split("\n")) if names else (), scales, kept, rivals)


def _put_rows(parts: list[bytes], rows: Rows, start_ms: int) -> None:
    """Write each column as (kind, first value, body): kind 4 says that all values are equal and there is no body."""
    # A difference of far values may wrap around; the sum on reading wraps back.
    steps = np.diff(rows.columns, axis=1)
    first = rows.columns[:, 0].tolist()
    top = steps.max(axis=1, initial=0).tolist()
    low = steps.min(axis=1, initial=0).tolist()
    for column in range(6):
        kind = 4
        if top[column] or low[column]:
            kind = bisect_left(_LIMITS, max(top[column], -low[column] - 1))
        parts.append(_COLUMN.pack(kind, first[column] - (start_ms if column in _TIMES else 0)))
        if kind != 4:
            parts.append(steps[column].astype(_WIDTHS[kind]).tobytes())


def _get_rows(raw: bytes, at: int, count: int, start_ms: int) -> tuple[Rows, int]:
    if not count:
        return NO_ROWS, at
    columns = np.zeros((6, count), np.int64)
    for column in range(6):
        head: tuple[int, int] = _COLUMN.unpack_from(raw, at)
        kind, first = head
        at += _COLUMN.size
        columns[column, 0] = first + (start_ms if column in _TIMES else 0)
        if kind != 4:
            width = _WIDTHS[kind]
            columns[column, 1:] = np.frombuffer(raw, width, count - 1, at)
            at += width.itemsize * (count - 1)
    return Rows(np.cumsum(columns, axis=1)), at
