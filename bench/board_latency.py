"""The board's latency bench: from "accepted" of the gateway to the figure sent to a page of the board, on either store.

    python -m bench.board_latency [--store embedded|influx]..

Everything runs on this machine: 100 enterprises with 20 registers each, read once a second and pushed every 5 seconds,
which is 20 batches of 100 readings a second. The boards of ten enterprises are open meanwhile. Every reading moves its
register by a known amount, so a figure that a page was sent tells which batches stand in it.
"""

import argparse
import asyncio
import datetime as dt
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import Progress

from bench.city import CV_KGCE, DAY, ENVELOPE, energy
from bench.outcome import circumstances, write
from bench.page import board_latency_table, write_table
from bench.using import cpu_s
from schemas.windows import SHANGHAI
from services.clock import Clock
from services.simulator.stack import ROLES, STORES, Stack, running_stack

ENTERPRISES, METERS, INSTANTS, EVERY_S = 100, 20, 5, 5.0
WATCHED = tuple(range(0, ENTERPRISES, 10))
WARM_UP_S, MEASURED_S, PATIENCE_S = 30.0, 60.0, 20.0
# All readings lie within one hour, so that its figure is the sum of what was sent.
START = dt.datetime(2026, 1, 5, 10, 10, tzinfo=SHANGHAI)
# A second moves each register by this [kWh], and so the enterprise's hour by 2.458 tce.
STEP_KWH = 1000
SECOND_KGCE = METERS * STEP_KWH * CV_KGCE
P95_LIMIT_S = 2.0
# The board tells browsers to wait so long before they connect again.
RETRY_S = 2.0
CITY = "city/bench"


@dataclass(slots=True)
class Watched:
    """An open page: when each batch was accepted, and when a figure that holds it was sent to it [monotonic s]."""

    entity: str
    accepted_s: dict[int, float] = field(default_factory=dict)
    seen_s: dict[int, float] = field(default_factory=dict)
    cuts: int = 0

    def sent(self, kgce: float, at_s: float) -> None:
        """Note a figure of this hour; it holds all batches up to the one that makes it up."""
        # The first reading is where a register begins: it makes no energy yet.
        seconds = round(kgce / SECOND_KGCE) + 1
        for batch in range(seconds // INSTANTS - 1, -1, -1):
            if batch in self.seen_s:
                return
            self.seen_s[batch] = at_s


@dataclass(frozen=True, slots=True)
class Run:
    """One store's run; times in seconds from "accepted" to "sent to the page", CPU in cores by process."""

    store: str
    readings_per_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float
    batches: int
    unseen: int
    cuts: int
    cpu_cores: dict[str, float]


def documents() -> list[dict[str, object]]:
    """Return the registry: a city with a county, and its enterprises with their meters."""
    found = [
        *energy(),
        {**ENVELOPE, "kind": "province", "id": "bench", "spec": {}},
        {**ENVELOPE, "kind": "city", "id": "bench", "spec": {"province": "bench"}},
        {**ENVELOPE, "kind": "county", "id": "bench", "spec": {"city": "bench"}},
    ]
    for number in range(ENTERPRISES):
        name = f"e{number:03}"
        found.append({**ENVELOPE, "kind": "enterprise", "id": name, "spec": {"county": [{"from": DAY, "id": "bench"}]}})
        found.append(
            {**ENVELOPE, "kind": "source", "id": f"s-{name}", "spec": {"enterprise": name, "rate_limit_per_s": 100_000}}
        )
        found += [
            {**ENVELOPE, "kind": "meter", "id": f"{name}.m{meter:02}", "spec": {
                "carrier": "electricity", "type": "register", "unit": "kWh", "resolution": "0.01", "role": "input",
                "source": [{"from": DAY, "id": f"s-{name}"}],
            }}
            for meter in range(METERS)
        ]  # fmt: skip
    return found


async def push(stack: Stack, watched: dict[int, Watched], until_s: float) -> int:
    """Send batches at a steady rate until a time [monotonic s]; return how many readings were accepted."""
    accepted = 0
    start_s = time.monotonic()
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=30.0) as http:

        async def send(number: int, round_: int) -> None:
            nonlocal accepted
            # The last instant of a batch is the present one.
            now_ms = Clock.parse(stack.settings.clock).now_ms()
            seconds = range(round_ * INSTANTS, (round_ + 1) * INSTANTS)
            rows = {
                "source": f"s-e{number:03}",
                "batch": f"b{round_}",
                "meters": [f"m{meter:02}" for meter in range(METERS)],
                "ts": [now_ms - 1000 * (seconds[-1] - second) for second in seconds],
                "values": [[meter * 1000 + second * STEP_KWH for second in seconds] for meter in range(METERS)],
            }
            answer = await http.post("/v1/readings", json=rows)
            answer.raise_for_status()
            accepted += answer.json()["accepted"]
            if number in watched:
                watched[number].accepted_s[round_] = time.monotonic()

        pending: set[asyncio.Task[None]] = set()
        count = 0
        while (due_s := start_s + count * EVERY_S / ENTERPRISES) < until_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            round_, number = divmod(count, ENTERPRISES)
            task = asyncio.create_task(send(number, round_))
            pending.add(task)
            task.add_done_callback(pending.discard)
            count += 1
        if pending:
            await asyncio.wait(pending, timeout=PATIENCE_S)
    return accepted


async def watch(stack: Stack, watched: Watched) -> None:
    """Keep a page open, as a browser does, and note every figure of the hour's energy that is sent to it."""
    hour_ms = int(START.replace(minute=0).timestamp() * 1000)
    async with httpx.AsyncClient(base_url=stack.api, cookies={"qingyu_token": stack.token}, timeout=30.0) as http:
        while True:
            with suppress(httpx.TransportError):
                async with http.stream("GET", f"/board/live/{watched.entity}") as page:
                    page.raise_for_status()
                    async for line in page.aiter_lines():
                        if line.startswith("data: "):
                            for at_ms, tce, *_ in json.loads(line[6:]).get("points", {}).get("hours", ()):
                                if at_ms == hour_ms and tce is not None:
                                    watched.sent(tce * 1000, time.monotonic())
            watched.cuts += 1
            await asyncio.sleep(RETRY_S)


async def measure(stack: Stack, store: str, progress: Progress) -> Run:
    """Open the pages, send, and return what was measured after the warm-up."""
    watched = {number: Watched(f"enterprise/e{number:03}") for number in WATCHED}
    # The city's page is open too: it costs what it costs, though its sum does not tell the batches.
    shown = [*watched.values(), Watched(CITY)]
    pages = [asyncio.create_task(watch(stack, one)) for one in shown]
    bar = progress.add_task(f"{store}: sending", total=WARM_UP_S + MEASURED_S)
    start_s = time.monotonic()
    cpu: dict[str, float] = {}

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0)
            progress.update(bar, completed=time.monotonic() - start_s)
            if not cpu and time.monotonic() - start_s >= WARM_UP_S:
                cpu.update(cpu_by_role(stack))

    ticking = asyncio.create_task(tick())
    accepted = await push(stack, watched, start_s + WARM_UP_S + MEASURED_S)
    elapsed_s = time.monotonic() - start_s
    used = {role: (total - cpu.get(role, 0.0)) / (elapsed_s - WARM_UP_S) for role, total in cpu_by_role(stack).items()}
    give_up_s = time.monotonic() + PATIENCE_S
    while any(one.accepted_s.keys() - one.seen_s.keys() for one in watched.values()):
        if time.monotonic() > give_up_s:
            break
        await asyncio.sleep(0.1)
    for page in pages:
        if page.done():
            page.result()
    for task in (ticking, *pages):
        task.cancel()
    await asyncio.wait([ticking, *pages], timeout=10.0)
    counted = [
        (one.seen_s.get(batch), at_s)
        for one in watched.values()
        for batch, at_s in one.accepted_s.items()
        if at_s >= start_s + WARM_UP_S
    ]
    waits = sorted(seen - at for seen, at in counted if seen is not None)
    if not waits:
        raise RuntimeError("no batch was seen on a page: the bench has measured nothing")
    return Run(
        store,
        round(accepted / elapsed_s, 1),
        *(round(waits[min(int(len(waits) * share), len(waits) - 1)], 3) for share in (0.5, 0.95, 0.99, 1.0)),
        batches=len(counted),
        unseen=len(counted) - len(waits),
        cuts=sum(one.cuts for one in shown),
        cpu_cores={role: round(cores, 3) for role, cores in used.items()},
    )


def cpu_by_role(stack: Stack) -> dict[str, float]:
    """Return the CPU time that each process has used [s]."""
    found: dict[str, float] = {}
    for role in stack.processes.names():
        with suppress(OSError, IndexError):
            found[role] = cpu_s(stack.processes.pid(role))
    return found


def run(store: str, progress: Progress) -> Run:
    """Start everything on a store, measure, and stop it."""
    start_ms = int(START.timestamp() * 1000)
    with tempfile.TemporaryDirectory(prefix="qingyu-latency-") as folder:
        starting = progress.add_task(f"{store}: starting", total=None)
        with running_stack(Path(folder), start_ms, 1.0, lambda _: None, store) as stack:
            roles = [role for role in ROLES if role != "notifier"]
            stack.start(*roles)
            stack.wait_ready("api")
            file = Path(folder) / "registry.yaml"
            file.write_text("\n---\n".join(map(json.dumps, documents())), encoding="utf-8")
            stack.command("apply", str(file))
            stack.wait_ready(*roles)
            progress.update(starting, total=1, completed=1)
            return asyncio.run(measure(stack, store, progress))


def main(stores: Sequence[str]) -> dict[str, Any]:
    """Measure on each store, write the result file, and return what it holds."""
    with Progress(console=Console(stderr=True)) as progress:
        runs = [run(store, progress) for store in stores]
    result = {
        **circumstances(),
        "readings_a_batch": METERS * INSTANTS,
        "limit_p95_s": P95_LIMIT_S,
        "runs": [asdict(one) for one in runs],
    }
    write("board-latency", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.board_latency", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="only this store, and write no page")
    options = parser.parse_args()
    found = main(options.store or STORES)
    if not options.store:
        write_table("board-latency", board_latency_table(found))
    print(json.dumps(found, indent=1))
    sys.exit(0 if all(run["p95_s"] < P95_LIMIT_S and not run["unseen"] for run in found["runs"]) else 1)
