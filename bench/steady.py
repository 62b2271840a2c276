"""The steady load is what enterprises push at a rate: batches of registers that tell the time.

A register's count follows from the instant alone, so what a stretch of time must come to follows from its ends.
"""

import asyncio
import datetime as dt
import http.server
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.city import DAY, ENVELOPE, energy
from schemas.windows import DAY_MS, SHANGHAI
from services.clock import Clock
from tests.local_http import LocalHttp

ENTERPRISES, METERS, INSTANTS = 500, 20, 10
START = dt.datetime(2026, 1, 5, 3, 5, tzinfo=SHANGHAI)
START_MS = int(START.timestamp() * 1000)
# What each register counts in a second [0.01 kWh], and so long before the start it began at 0.
COUNTS_PER_S = 5
BEGAN_MS = DAY_MS * 5
ANSWER_S = 30.0
# So long the last answers are waited for.
PATIENCE_S = 20.0


def documents(hook: str, probes: int) -> list[dict[str, Any]]:
    """Return the registry: the load's enterprises with their meters, others of one meter each, and who is told."""
    found: list[dict[str, Any]] = [
        *energy(),
        {**ENVELOPE, "kind": "province", "id": "bench", "spec": {}},
        {**ENVELOPE, "kind": "city", "id": "bench", "spec": {"province": "bench"}},
        {**ENVELOPE, "kind": "county", "id": "bench", "spec": {"city": "bench"}},
        {**ENVELOPE, "kind": "recipient", "id": "duty", "spec": {
            "channels": {"webhook": {"url": hook, "secret": "secret:postbox"}},
        }},
        {**ENVELOPE, "kind": "route", "id": "duty", "spec": {"recipients": ["duty"]}},
    ]  # fmt: skip
    meters = [(f"m{meter:02}", {"type": "register"}) for meter in range(METERS)]
    for number in range(ENTERPRISES):
        found += _enterprise(f"e{number:03}", meters)
    for number in range(probes):
        found += _enterprise(f"p{number:04}", [("q", {"type": "interval", "step": "15min"})])
    return found


def _enterprise(name: str, meters: Iterable[tuple[str, dict[str, str]]]) -> list[dict[str, Any]]:
    source = f"s-{name}"
    return [
        {**ENVELOPE, "kind": "enterprise", "id": name, "spec": {"county": [{"from": DAY, "id": "bench"}]}},
        {**ENVELOPE, "kind": "source", "id": source, "spec": {"enterprise": name, "rate_limit_per_s": 100_000}},
        *(
            {**ENVELOPE, "kind": "meter", "id": f"{name}.{meter}", "spec": {
                "carrier": "electricity", "unit": "kWh", "resolution": "0.01", "role": "input",
                "source": [{"from": DAY, "id": source}], **kind,
            }}
            for meter, kind in meters
        ),
    ]  # fmt: skip


class Hook(LocalHttp):
    """A webhook's receiver; `called_s` is when it was called of an entity first [monotonic s], `calls` how often."""

    def __init__(self) -> None:
        self.called_s: dict[str, float] = {}
        self.calls = 0
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        """Where it is called."""
        return f"{self.address}/hook"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at_s = time.monotonic()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.calls += 1
                for event in body.get("worst", (body.get("event"),)):
                    hook.called_s.setdefault(event["entity"], at_s)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


@dataclass(slots=True)
class Load:
    """What was sent so far: readings accepted in all, batches answered otherwise, and of each enterprise the counts.

    A batch has so many `instants` of all meters of an enterprise, if the rate is enough for so many. `speed` is
    how fast the clock goes by which readings are stamped. `counts` has by enterprise the first and the last count that
    each of its registers was sent [0.01 kWh], without what is the register's own.
    """

    instants: int = INSTANTS
    speed: float = 1.0
    accepted: int = 0
    refused: int = 0
    counts: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])

    async def catch_up(self, http: httpx.AsyncClient, times: Sequence[int]) -> None:
        """Send what all registers had counted at some instants [epoch ms], as who is connected late does."""
        for number in range(ENTERPRISES):
            await self._push(http, number, times)

    async def run(self, http: httpx.AsyncClient, clock: Clock, rate: int, until_s: float) -> float:
        """Send batches at a rate [readings/s] until a time [monotonic s]; return the readings accepted by then [1/s].

        The last instant of a batch is the present one.
        """
        # By the clock of the readings no register is read more than once a second.
        enterprises = max(1, min(ENTERPRISES, int(rate * self.speed) // METERS))
        every_s = METERS * self.instants / rate
        apart_ms = every_s * enterprises * 1000 / self.instants * self.speed
        pending: set[asyncio.Task[None]] = set()
        before, in_time = self.accepted, 0

        async def send(number: int) -> None:
            nonlocal in_time
            now_ms = clock.now_ms()
            times = [now_ms - round(apart_ms * step) for step in range(self.instants - 1, -1, -1)]
            await self._push(http, number, times)
            if time.monotonic() < until_s:
                in_time = self.accepted - before

        start_s = time.monotonic()
        count = 0
        while (due_s := start_s + count * every_s) < until_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            task = asyncio.create_task(send(count % enterprises))
            pending.add(task)
            task.add_done_callback(pending.discard)
            count += 1
        if pending:
            await asyncio.wait(pending, timeout=PATIENCE_S)
        return in_time / (until_s - start_s)

    async def _push(self, http: httpx.AsyncClient, number: int, times: Sequence[int]) -> None:
        # A register tells the time, so that it never falls.
        counts = [(at_ms - START_MS + BEGAN_MS) * COUNTS_PER_S // 1000 for at_ms in times]
        body = {
            "source": f"s-e{number:03}",
            "batch": f"b{times[-1]}-{number}",
            "meters": [f"m{meter:02}" for meter in range(METERS)],
            "ts": times,
            "values": [[meter * 1000 + count / 100 for count in counts] for meter in range(METERS)],
        }
        try:
            answer = await http.post("/v1/readings", json=body)
        except httpx.TransportError:
            self.refused += 1
            return
        if answer.status_code != httpx.codes.ACCEPTED:
            self.refused += 1
            return
        self.accepted += answer.json()["accepted"]
        first, last = self.counts.get(number, (counts[0], counts[-1]))
        self.counts[number] = min(first, counts[0]), max(last, counts[-1])
