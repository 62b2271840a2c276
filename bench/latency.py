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
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from bench.board_latency import cpu_by_role
from bench.outcome import circumstances, write
from bench.page import latency_table, write_table
from bench.steady import ANSWER_S, INSTANTS, METERS, PATIENCE_S, START, START_MS, Hook, Load, documents
from schemas.messages import decode_event
from schemas.topics import ALARM_EVENTS
from services.clock import Clock
from services.simulator.stack import ROLES, STORES, Stack, running_stack
from tests.registry_writing import write_set

PROBES, PROBES_PER_S = 2400, 4.0
RATES = (1_000, 10_000)
CLIMB = (12_500, 15_000, 17_500, 20_000, 25_000, 30_000, 40_000)
# Where not even the highest of RATES is kept up with.
DESCENT = (7_500, 5_000, 2_500)
WARM_UP_S, MEASURED_S, CLIMB_S = 20.0, 60.0, 40.0
# A value is asked for so often, or after each tenth of the time that it has taken so far: so exactly its time is known,
# and a store that is behind is not asked to death.
ASK_EVERY_S, ASK_SHARE = 0.05, 0.1
P50_LIMIT_S, P99_LIMIT_S = 0.5, 2.0
# Less than this share accepted, or a probe that does not arrive, is not kept up with.
SUSTAINED = 0.97
# All readings of a run lie within one hour; a probe is the last quarter of the hour before.
PROBED_AT = START.replace(minute=0)
PROBE_KWH = 2_000_000
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
        self._load = Load()
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
            base_url=self._stack.gateway, headers=self._headers, timeout=ANSWER_S, limits=limits
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
            accepted_per_s, _ = await asyncio.gather(
                self._load.run(http, self._clock, rate, until_s), self._probe(http, until_s)
            )
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

    async def _probe(self, http: httpx.AsyncClient, until_s: float) -> None:
        """Send probes until a time [monotonic s]."""
        probed_ms = int(PROBED_AT.timestamp() * 1000)
        api = httpx.AsyncClient(base_url=self._stack.api, headers=self._headers, timeout=ANSWER_S)
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
    with (
        Hook() as hook,
        tempfile.TemporaryDirectory(prefix="qingyu-latency-") as folder,
        running_stack(Path(folder), START_MS, 1.0, lambda what: tell(f"{store}: {what}"), store) as stack,
    ):
        asyncio.run(write_set(stack.settings, 1, documents(hook.url, PROBES)))
        stack.start(*ROLES)
        stack.wait_ready(*ROLES)
        tell(f"{store}: everything is ready")
        return asyncio.run(Bench(stack, hook, store, tell).rates(fixed, climb, measured_s))


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
