"""An open load: batches sent at a rate that does not wait for the answers, over kept connections, each answer noted.

Sockets by hand: a client library would take more of a core for a request than the gateway takes to refuse it.
"""

import asyncio
import json
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ANSWER_LIMIT_S = 30.0
READINGS = 20


@dataclass(slots=True)
class Answers:
    """What was answered: counts by status, refusals by code, the ids of batches accepted and of those shed."""

    sent: int = 0
    counts: Counter[int] = field(default_factory=Counter[int])
    codes: Counter[str] = field(default_factory=Counter[str])
    accepted: set[str] = field(default_factory=set[str])
    shed: set[str] = field(default_factory=set[str])
    without_retry_after: int = 0

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(
            self.sent + other.sent,
            self.counts + other.counts,
            self.codes + other.codes,
            self.accepted | other.accepted,
            self.shed | other.shed,
            self.without_retry_after + other.without_retry_after,
        )

    def note(self, name: str, head: bytes, body: bytes) -> None:
        """Note the answer to a batch."""
        status = int(head[9:12])
        self.counts[status] += 1
        if status == 202:
            self.accepted.add(name)
            return
        code = json.loads(body)["code"]
        self.codes[code] += 1
        if status in (429, 503) and b"retry-after:" not in head.lower():
            self.without_retry_after += 1
        # Of others, as one that Kafka did not acknowledge in time, nobody knows whether they were kept.
        if code in ("overloaded", "rate_limited"):
            self.shed.add(name)


async def offer(port: int, label: str, rate_per_s: float | None, seconds: float, senders: int, now_ms: int) -> Answers:
    """Send batches at a rate, or, without one, each sender the next when it has its answer; return the answers."""
    found = Answers()
    ends_s = time.monotonic() + seconds
    due: asyncio.Queue[int] = asyncio.Queue()
    over = asyncio.Event()

    async def plan() -> None:
        started_s, number = time.monotonic(), 0
        while (now_s := time.monotonic()) < ends_s:
            while rate_per_s is not None and number < (now_s - started_s) * rate_per_s:
                due.put_nowait(number)
                number += 1
            await asyncio.sleep(0.01)
        over.set()

    async def sender(place: int) -> None:
        number, stream = place, None
        while not over.is_set():
            if rate_per_s is not None:
                try:
                    number = await asyncio.wait_for(due.get(), 0.2)
                except TimeoutError:
                    continue
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    stream = stream or await asyncio.open_connection("127.0.0.1", port)
                    name = f"{label}-{number}"
                    found.sent += 1
                    found.note(name, *await _asked(stream, _body(name, number, now_ms)))
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                if stream is not None:
                    stream[1].transport.abort()
                stream = None
            number += senders
        if stream is not None:
            stream[1].transport.abort()

    await asyncio.gather(plan(), *(sender(place) for place in range(senders)))
    return found


async def _asked(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], body: bytes) -> tuple[bytes, bytes]:
    reader, writer = stream
    head = b"POST /v1/readings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    return answer, await reader.readexactly(length)


def _body(name: str, number: int, now_ms: int) -> bytes:
    rows = [{"meter": "m0", "ts": now_ms - (number * READINGS + n) * 1000, "value": n} for n in range(READINGS)]
    return json.dumps({"source": "gw", "batch": name, "readings": rows}).encode()


@contextmanager
def hold(port: int, count: int) -> Iterator[list[int]]:
    """Hold so many connections open that ask nothing, opening again what is closed; yield how many were opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    over, opened, held = threading.Event(), [0], list[socket.socket]()

    def keep() -> None:
        while not over.is_set():
            for each in [one for one in held if _is_closed(one)]:
                held.remove(each)
                each.close()
            while len(held) < count and not over.is_set():
                with suppress(OSError):
                    one = socket.create_connection(("127.0.0.1", port), timeout=2)
                    one.setblocking(False)
                    held.append(one)
                    opened[0] += 1
            over.wait(1)

    keeping = threading.Thread(target=keep, daemon=True)
    keeping.start()
    try:
        yield opened
    finally:
        over.set()
        keeping.join(10)
        for each in held:
            each.close()


def _is_closed(one: socket.socket) -> bool:
    try:
        return not one.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
