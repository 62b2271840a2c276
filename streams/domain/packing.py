"""Packing turns an hour into bytes and back: columns as differences in the narrowest integers, then zstd.

Equal hours pack to equal bytes. The first byte is the version of the form.
"""

import struct

import numpy as np
import zstandard

from streams.domain.hour import NO_ROWS, Hour, Ints, Rows

FORM = 1
_HEAD = struct.Struct("<BqHII")  # form, start [epoch ms], meters, rows, conflicts
_WIDTHS = (np.dtype("i1"), np.dtype("<i2"), np.dtype("<i4"), np.dtype("<i8"))
_LIMITS = tuple(np.iinfo(width).max for width in _WIDTHS)
_compress = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress
_decompress = zstandard.ZstdDecompressor().decompress


class PackingError(ValueError):
    """Bytes are no packed hour of a form known here; the state was written by another version or is damaged."""


def pack(hour: Hour) -> bytes:
    """Return the bytes of an hour."""
    names = "\n".join(hour.meters).encode()
    parts = [
        _HEAD.pack(FORM, hour.start_ms, len(hour.meters), len(hour.rows.t), len(hour.conflicts.t)),
        struct.pack("<I", len(names)),
        names,
        bytes(hour.scales),
    ]
    for rows in (hour.rows, hour.conflicts):
        if len(rows.t):
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
    for column, base in zip(rows, (0, start_ms, 0, 0, 0, start_ms), strict=True):
        _put_column(parts, column, base)


def _put_column(parts: list[bytes], column: Ints, base: int) -> None:
    """Write a column as (kind, first value, body): kind 4 says that all values are equal and there is no body."""
    first = int(column[0])
    if (column == first).all():
        parts.append(struct.pack("<Bq", 4, first - base))
        return
    steps = np.diff(column)
    # A difference of far values may wrap around; the sum on reading wraps back.
    top = max(int(steps.max()), -int(steps.min()) - 1)
    kind = 0
    while top > _LIMITS[kind]:
        kind += 1
    parts.append(struct.pack("<Bq", kind, first - base))
    parts.append(steps.astype(_WIDTHS[kind]).tobytes())


def _get_rows(raw: bytes, at: int, count: int, start_ms: int) -> tuple[Rows, int]:
    if not count:
        return NO_ROWS, at
    columns: list[Ints] = []
    for base in (0, start_ms, 0, 0, 0, start_ms):
        kind, first = struct.unpack_from("<Bq", raw, at)
        at += 9
        if kind == 4:
            columns.append(np.full(count, first + base, np.int64))
            continue
        width = _WIDTHS[kind]
        steps = np.frombuffer(raw, width, count - 1, at)
        at += width.itemsize * (count - 1)
        column = np.empty(count, np.int64)
        column[0] = first + base
        np.cumsum(steps, out=column[1:])
        column[1:] += first + base
        columns.append(column)
    return Rows(*columns), at
