"""The latency bench: from "accepted" of the gateway to the api, to the alarm, and to the webhook that is called.

    python -m bench.latency [--store embedded|influx].. [--rate READINGS_PER_S].. [--seconds S]

Everything runs on this machine. Enterprises with 20 registers each push batches of 200 readings; that is the load.
Meanwhile probes are sent, each the only reading of an enterprise that nothing is known of yet, and far above the
limit that holds for all: it must be asked for at the api, raise an alarm, and be told to a webhook, whose group was
never told of anything and so waits for nothing. Rates are 1,000 and 10,000 readings a second, then higher ones until
one is not kept up with. What comes is bench/results/latency.json.
"""

import argparse
import asyncio
import datetime as dt
import http.server
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from bench.board_latency import cpu_by_role
from bench.city import DAY, ENVELOPE, energy
from bench.outcome import circumstances, write
from bench.page import latency_table, write_table
from schemas.messages import decode_event
from schemas.topics import ALARM_EVENTS
from schemas.windows import SHANGHAI
from services.clock import Clock
from services.simulator.stack import ROLES, STORES, Stack, running_stack
from tests.registry_writing import write_set

ENTERPRISES, METERS, INSTANTS = 500, 20, 10
PROBES, PROBES_PER_S = 2400, 4.0
RATES = (1_000, 10_000)
CLIMB = (12_500, 15_000, 17_500, 20_000, 25_000, 30_000, 40_000)
# Where not even the highest of RATES is kept up with.
DESCENT = (7_500, 5_000, 2_500)
WARM_UP_S, MEASURED_S, CLIMB_S, PATIENCE_S = 20.0, 60.0, 40.0, 20.0
# A value is asked for so often, or after each tenth of the time that it has taken so far: so exactly its time is known,
# and a store that is behind is not asked to death.
ASK_EVERY_S, ASK_SHARE = 0.05, 0.1
P50_LIMIT_S, P99_LIMIT_S = 0.5, 2.0
# Less than this share accepted, or a probe that does not arrive, is not kept up with.
SUSTAINED = 0.97
# All readings of a run lie within one hour; a probe is the last quarter of the hour before.
START = dt.datetime(2026, 1, 5, 10, 5, tzinfo=SHANGHAI)
PROBED_AT = START.replace(minute=0)
PROBE_KWH = 2_000_000
# What each register counts in a second [0.01 kWh].
COUNTS_PER_S = 5
SINKS = ("api", "alarm", "webhook")


@dataclass(slots=True)
class Probe:
    """When a probe was accepted, and when it was seen where [monotonic s]."""

    accepted_s: float
    seen_s: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Row:
    """How long it took from the gateway's answer `to` somewhere, at a rate [s], for the probes that were seen there.

    None where none was seen. CPU is in cores by process.
    """

    readings_per_s: float
    to: str
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None
    store: str
    offered_per_s: float
    probes: int
    unseen: int
    sustained: bool
    cpu_cores: dict[str, float]
    highest: bool = False


def documents(hook: str) -> list[dict[str, Any]]:
    """Return the registry: the load's enterprises with their meters, those of the probes, and who is told."""
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

    def enterprise(name: str, meters: Iterable[tuple[str, dict[str, str]]]) -> None:
        source = f"s-{name}"
        found.append({**ENVELOPE, "kind": "enterprise", "id": name, "spec": {"county": [{"from": DAY, "id": "bench"}]}})
        found.append(
            {**ENVELOPE, "kind": "source", "id": source, "spec": {"enterprise": name, "rate_limit_per_s": 100_000}}
        )
        found.extend(
            {**ENVELOPE, "kind": "meter", "id": f"{name}.{meter}", "spec": {
                "carrier": "electricity", "unit": "kWh", "resolution": "0.01", "role": "input",
                "source": [{"from": DAY, "id": source}], **kind,
            }}
            for meter, kind in meters
        )  # fmt: skip

    for number in range(ENTERPRISES):
        enterprise(f"e{number:03}", ((f"m{meter:02}", {"type": "register"}) for meter in range(METERS)))
    for number in range(PROBES):
        enterprise(f"p{number:04}", [("q", {"type": "interval", "step": "15min"})])
    return found


class Hook:
    """A webhook receiver in a thread; `called_s` is when it was called of an entity first [monotonic s]."""

    def __init__(self) -> None:
        self.called_s: dict[str, float] = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at_s = time.monotonic()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for event in body.get("worst", (body.get("event"),)):
                    hook.called_s.setdefault(event["entity"], at_s)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


class Bench:
    """One installation under load; `probes` were sent so far, by entity."""

    def __init__(self, stack: Stack, hook: Hook, store: str, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._hook = hook
        self._store = store
        self._tell = tell
        self._clock = Clock.parse(stack.settings.clock)
        self._headers = {"Authorization": f"Bearer {stack.token}"}
        self._probes: dict[str, Probe] = {}
        self._sent = 0
        self._round = 0
        self._asking: set[asyncio.Task[None]] = set()

    async def rates(self, fixed: Sequence[int], climb: Sequence[int], measured_s: float) -> list[Row]:
        """Measure at some rates, then at higher ones until one is not kept up with."""
        rows: list[Row] = []
        listening = asyncio.create_task(self._listen())
        try:
            for rate in fixed:
                rows += await self.measure(rate, measured_s)
            further = climb if all(one.sustained for one in rows) else DESCENT if climb else ()
            for rate in further:
                found = await self.measure(rate, min(measured_s, CLIMB_S))
                rows += found
                if all(one.sustained for one in found) != (further is climb):
                    break
        finally:
            if listening.done():
                listening.result()
            listening.cancel()
            await asyncio.wait([listening], timeout=10.0)
        return rows

    async def measure(self, rate: int, measured_s: float) -> list[Row]:
        """Send at a rate [readings/s], and return what was measured after the warm-up."""
        self._probes = {}
        before: dict[str, float] = {}
        start_s = time.monotonic()
        from_s, until_s = start_s + WARM_UP_S, start_s + WARM_UP_S + measured_s
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        async with httpx.AsyncClient(
            base_url=self._stack.gateway, headers=self._headers, timeout=30.0, limits=limits
        ) as http:

            async def tick() -> None:
                while True:
                    await asyncio.sleep(5.0)
                    seen = sum(1 for one in self._probes.values() if len(one.seen_s) == len(SINKS))
                    self._tell(f"{self._store}, {rate:,}/s: {time.monotonic() - start_s:3.0f} s, "
                               f"{seen} of {len(self._probes)} probes are through")  # fmt: skip
                    if not before and time.monotonic() >= from_s:
                        before.update(cpu_by_role(self._stack))

            ticking = asyncio.create_task(tick())
            accepted_per_s, _ = await asyncio.gather(self._load(http, rate, until_s), self._probe(http, until_s))
            used = {role: total - before.get(role, 0.0) for role, total in cpu_by_role(self._stack).items()}
            used_s = time.monotonic() - from_s
            await self._rest()
            ticking.cancel()
        cores = {role: round(total / used_s, 3) for role, total in used.items()}
        counted = [one for one in self._probes.values() if one.accepted_s >= from_s]
        return self._rows(rate, accepted_per_s, counted, cores)

    def _rows(self, rate: int, accepted_per_s: float, counted: Sequence[Probe], cores: dict[str, float]) -> list[Row]:
        waits = {to: sorted(one.seen_s[to] - one.accepted_s for one in counted if to in one.seen_s) for to in SINKS}
        told = waits["webhook"]
        kept_up = (
            accepted_per_s >= SUSTAINED * rate
            and all(len(found) == len(counted) for found in waits.values())
            and bool(told)
            and _share(told, 0.99) < P99_LIMIT_S
        )
        return [
            Row(
                round(accepted_per_s, 1), to,
                *(round(_share(waits[to], share), 3) if waits[to] else None for share in (0.5, 0.95, 0.99, 1.0)),
                store=self._store, offered_per_s=rate, probes=len(counted), unseen=len(counted) - len(waits[to]),
                sustained=kept_up, cpu_cores=cores,
            )
            for to in SINKS
        ]  # fmt: skip

    async def _load(self, http: httpx.AsyncClient, rate: int, until_s: float) -> float:
        """Send batches at a steady rate until a time [monotonic s]; return the readings accepted by then [1/s]."""
        accepted = 0
        enterprises = max(1, min(ENTERPRISES, rate // METERS))
        every_s = METERS * INSTANTS / rate
        apart_ms = every_s * enterprises * 1000 / INSTANTS
        start_ms = int(START.timestamp() * 1000)
        pending: set[asyncio.Task[None]] = set()

        async def send(number: int) -> None:
            nonlocal accepted
            # The last instant of a batch is the present one; a register tells the time, so that it never falls.
            now_ms = self._clock.now_ms()
            times = [now_ms - round(apart_ms * step) for step in range(INSTANTS - 1, -1, -1)]
            counts = [(at_ms - start_ms + 3_600_000) * COUNTS_PER_S // 1000 for at_ms in times]
            self._round += 1
            answer = await http.post(
                "/v1/readings",
                json={
                    "source": f"s-e{number:03}",
                    "batch": f"b{self._round}",
                    "meters": [f"m{meter:02}" for meter in range(METERS)],
                    "ts": times,
                    "values": [[meter * 1000 + count / 100 for count in counts] for meter in range(METERS)],
                },
            )
            if answer.status_code == httpx.codes.ACCEPTED and time.monotonic() < until_s:
                accepted += answer.json()["accepted"]

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
        return accepted / (until_s - start_s)

    async def _probe(self, http: httpx.AsyncClient, until_s: float) -> None:
        """Send probes until a time [monotonic s]."""
        probed_ms = int(PROBED_AT.timestamp() * 1000)
        api = httpx.AsyncClient(base_url=self._stack.api, headers=self._headers, timeout=30.0)
        async with api:
            start_s, count = time.monotonic(), 0
            while (due_s := start_s + count / PROBES_PER_S) < until_s and self._sent < PROBES:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                name = f"p{self._sent:04}"
                count, self._sent = count + 1, self._sent + 1
                row = {"meter": "q", "ts": probed_ms, "value": PROBE_KWH}
                answer = await http.post("/v1/readings", json={"source": f"s-{name}", "batch": "b", "readings": [row]})
                if answer.status_code == httpx.codes.ACCEPTED and answer.json()["accepted"] == 1:
                    probe = self._probes[f"enterprise/{name}"] = Probe(time.monotonic())
                    task = asyncio.create_task(self._ask(api, f"enterprise/{name}", probe))
                    self._asking.add(task)
                    task.add_done_callback(self._asking.discard)
            if self._asking:
                await asyncio.wait(self._asking, timeout=PATIENCE_S)
            for task in self._asking:
                task.cancel()

    async def _ask(self, api: httpx.AsyncClient, entity: str, probe: Probe) -> None:
        query = {"entity": entity, "metric": "qty.electricity"}
        while time.monotonic() < probe.accepted_s + 2 * PATIENCE_S:
            with suppress(httpx.TransportError):
                hour = (await api.get("/v1/latest", params=query)).json().get("points", {}).get("hour")
                if hour and hour["value"]:
                    probe.seen_s["api"] = time.monotonic()
                    return
            await asyncio.sleep(max(ASK_EVERY_S, ASK_SHARE * (time.monotonic() - probe.accepted_s)))

    async def _listen(self) -> None:
        """Note when the alarm of a probe can be read by those who read committed records, and when it was told."""
        settings = self._stack.settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka, isolation_level="read_committed", enable_auto_commit=False
        )
        await consumer.start()
        try:
            tps = [TopicPartition(settings.topic(ALARM_EVENTS), number) for number in range(settings.partitions)]
            consumer.assign(tps)
            await consumer.seek_to_end(*tps)
            early: dict[str, float] = {}
            while True:
                for records in (await consumer.getmany(timeout_ms=20)).values():
                    at_s = time.monotonic()
                    early |= {decode_event(record.value or b"").entity: at_s for record in records}
                # The gateway's answer may be read here after what it caused.
                for entity, probe in self._probes.items():
                    for to, seen_s in (("alarm", early.get(entity)), ("webhook", self._hook.called_s.get(entity))):
                        if seen_s is not None:
                            probe.seen_s.setdefault(to, max(seen_s, probe.accepted_s))
        finally:
            await consumer.stop()

    async def _rest(self) -> None:
        """Wait until all probes are through, for as long as patience lasts."""
        for _ in range(int(PATIENCE_S / ASK_EVERY_S)):
            if all(len(one.seen_s) == len(SINKS) for one in self._probes.values()):
                return
            await asyncio.sleep(ASK_EVERY_S)


def _share(waits: Sequence[float], share: float) -> float:
    return waits[min(int(len(waits) * share), len(waits) - 1)]


def run(
    store: str, fixed: Sequence[int], climb: Sequence[int], measured_s: float, tell: Callable[[str], None]
) -> list[Row]:
    """Start everything on a store, measure, and stop it."""
    hook = Hook()
    try:
        with tempfile.TemporaryDirectory(prefix="qingyu-latency-") as folder:
            start_ms = int(START.timestamp() * 1000)
            with running_stack(Path(folder), start_ms, 1.0, lambda what: tell(f"{store}: {what}"), store) as stack:
                asyncio.run(write_set(stack.settings, 1, documents(hook.address)))
                stack.start(*ROLES)
                stack.wait_ready(*ROLES)
                tell(f"{store}: everything is ready")
                return asyncio.run(Bench(stack, hook, store, tell).rates(fixed, climb, measured_s))
    finally:
        hook.stop()


def marked(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows for the result file, those of the highest rate that was kept up with marked, of each store."""
    best = {store: max((one.offered_per_s for one in rows if one.store == store and one.sustained), default=None)
            for store in dict.fromkeys(one.store for one in rows)}  # fmt: skip
    return [asdict(one) | {"highest": one.sustained and one.offered_per_s == best[one.store]} for one in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status: 0 where the limits are held at the highest of RATES."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="only this store; writes no result")
    parser.add_argument("--rate", action="append", type=int, help="only this rate [readings/s]; writes no result")
    parser.add_argument("--seconds", type=float, default=MEASURED_S, help="how long each rate is measured")
    options = parser.parse_args(arguments)
    console, began = Console(stderr=True), time.monotonic()
    where = {**circumstances(), "readings_a_batch": METERS * INSTANTS}

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {text}", markup=False, highlight=False)

    rows: list[Row] = []
    for store in options.store or STORES:
        # How much is kept up with is a matter of the worker and the gateway, not of the store: climbed once.
        climb = CLIMB if store == STORES[0] and not options.rate else ()
        rows += run(store, options.rate or RATES, climb, options.seconds, tell)
    found = [{**row, **where} for row in marked(rows)]
    if not options.store and not options.rate and options.seconds >= MEASURED_S:
        write("latency", found)
        write_table("latency", latency_table(found))
    print(json.dumps([asdict(one) for one in rows], indent=1))
    judged = [one for one in rows if one.to == "webhook" and one.offered_per_s == max(options.rate or RATES)]
    held = all(one.sustained and (one.p50_s or 0) < P50_LIMIT_S and (one.p99_s or 0) < P99_LIMIT_S for one in judged)
    return 0 if held and judged else 1


if __name__ == "__main__":
    sys.exit(main())
