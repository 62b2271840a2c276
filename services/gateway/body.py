"""The body of a request: read in chunks, inflated in chunks, and cut off at the first byte beyond either limit."""

import io
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import zstandard
from fastapi import Request
from starlette.requests import ClientDisconnect

from services.http.bodies import CLOSE
from services.http.problem import Problem

CHUNK = 1 << 16
# What zstd may ask for to inflate a frame; a frame's header could name gigabytes.
ZSTD_WINDOW = 8 << 20
_GZIP = 16 + zlib.MAX_WBITS
# Packers in parallel write a member for each block of 64 KiB or more; each costs, also one that holds nothing.
GZIP_MEMBERS = 1000


async def read_body(request: Request, limit: int, decoded_limit: int, weigh: Callable[[int], None]) -> bytes:
    """Return the request's JSON text, inflated.

    At most `limit` bytes are taken as sent and `decoded_limit` after inflating; `weigh` is told of each part's bytes
    and may refuse. Raises the Problem 415 for another type or encoding than JSON in gzip, zstd or plain, 413 beyond a
    limit, 400 for a broken encoding or length.
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
    sent = b"".join([chunk async for chunk in _within(request, limit, weigh)])
    if encoding == "identity":
        return sent
    return unpacked(sent, encoding, decoded_limit, weigh)


def unpacked(sent: bytes, encoding: str, limit: int, weigh: Callable[[int], None]) -> bytes:
    """Return what was packed as gzip or zstd; raise the Problem 413 beyond `limit` bytes, 400 for a broken packing."""
    inflate = _zstd(sent) if encoding == "zstd" else _gzip(sent)
    parts: list[bytes] = []
    size = 0
    try:
        for part in inflate:
            size += len(part)
            if size > limit:
                raise _too_large(f"the body inflates to more than {limit} bytes", limit)
            weigh(len(part))
            parts.append(part)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, "bad_encoding", f"the body is no {encoding}: {error}") from error
    return b"".join(parts)


async def _within(request: Request, limit: int, weigh: Callable[[int], None]) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(f"the body has more than the {limit} bytes that are taken", limit)
            weigh(len(chunk))
            yield chunk
    except ClientDisconnect as error:
        raise Problem(400, "incomplete", "the connection ended before the body did") from error


def _gzip(sent: bytes) -> Iterator[bytes]:
    # In slices: what a stream leaves over is copied, and of a whole body that would be done again and again.
    stream, members = zlib.decompressobj(_GZIP), 1
    for at in range(0, len(sent), CHUNK):
        rest = sent[at : at + CHUNK]
        while rest:
            if stream.eof:
                members += 1
                if members > GZIP_MEMBERS:
                    raise EOFError(f"it has more than {GZIP_MEMBERS} members")
                stream = zlib.decompressobj(_GZIP)
            part = stream.decompress(rest, CHUNK)
            if part:
                yield part
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    # What the last slice held may be more than one part.
    while not stream.eof:
        part = stream.decompress(b"", CHUNK)
        if not part:
            raise EOFError("it ends in the middle")
        yield part


def _zstd(sent: bytes) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(
        io.BytesIO(sent), read_across_frames=True
    )
    while part := reader.read(CHUNK):
        yield part


def _too_large(detail: str, limit: int) -> Problem:
    return Problem(413, "too_large", f"{detail}: send smaller batches", CLOSE, limit=limit)
