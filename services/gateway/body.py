"""The body of a request: read in chunks, inflated in chunks, and cut off at the first byte beyond either limit."""

import io
import zlib
from collections.abc import AsyncIterator, Iterator

import zstandard
from fastapi import Request
from starlette.requests import ClientDisconnect

from services.http.problem import Problem

CHUNK = 1 << 16
# What zstd may ask for to inflate a frame; a frame's header could name gigabytes.
ZSTD_WINDOW = 8 << 20
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, limit: int, decoded_limit: int) -> bytes:
    """Return the request's JSON text, inflated.

    At most `limit` bytes are taken as sent and `decoded_limit` after inflating. Raises the Problem 415 for another
    type or encoding than JSON in gzip, zstd or plain, 413 beyond a limit, 400 for a broken encoding or length.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        said = f"not {media_type!r}" if media_type else "not nothing"
        raise Problem(415, "unsupported_media_type", f"send Content-Type: application/json, {said}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "zstd"):
        raise Problem(
            415,
            "unsupported_encoding",
            f"Content-Encoding {encoding[:40]!r} is not known: send gzip, zstd or plain",
            {"Accept-Encoding": "gzip, zstd, identity"},
        )
    length = request.headers.get("content-length")
    if length is not None and length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(f"the body has {length[:20]} bytes, at most {limit} are taken", limit)
    sent = b"".join([chunk async for chunk in _within(request, limit)])
    if encoding == "identity":
        return sent
    inflate = _zstd(sent) if encoding == "zstd" else _gzip(sent)
    parts: list[bytes] = []
    size = 0
    try:
        for part in inflate:
            size += len(part)
            if size > decoded_limit:
                raise _too_large(f"the body inflates to more than {decoded_limit} bytes", decoded_limit)
            parts.append(part)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, "bad_encoding", f"the body is no {encoding}: {error}") from error
    return b"".join(parts)


async def _within(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(f"the body has more than the {limit} bytes that are taken", limit)
            yield chunk
    except ClientDisconnect as error:
        raise Problem(400, "incomplete", "the connection ended before the body did") from error


def _gzip(sent: bytes) -> Iterator[bytes]:
    rest = sent
    while rest:
        stream = zlib.decompressobj(_GZIP)
        while not stream.eof:
            part = stream.decompress(rest, CHUNK)
            rest = stream.unconsumed_tail
            if part:
                yield part
            elif not rest and not stream.eof:
                raise EOFError("it ends in the middle")
        rest = stream.unused_data


def _zstd(sent: bytes) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(
        io.BytesIO(sent), read_across_frames=True
    )
    while part := reader.read(CHUNK):
        yield part


def _too_large(detail: str, limit: int) -> Problem:
    return Problem(413, "too_large", f"{detail}: send smaller batches", limit=limit)
