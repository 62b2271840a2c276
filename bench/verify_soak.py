"""The soak: everything runs for two hours under a steady load, and nothing may grow but what is kept.

    python -m bench.verify_soak [--seconds 7200] [--rate 1000] [--store influx|embedded]

500 enterprises with 20 registers each push five readings of each at a time, 1,000 readings a second in all. The clock
goes forty-eight times as fast, so that each is read every eight minutes by it, and four days pass in two hours: half
time and the end are at the same hour of a day. The four days before are sent first, by the hour, so that whatever
holds some days is full from the beginning. Alarms are raised, cleared and told, boards are open, the api is asked.
Every ten seconds it is noted what each process holds: memory of its own, open files, connections, and how much waits
for it. What there is at the end is compared with half time. It cannot go on after an interruption: what grows is seen
in one life.
Result: bench/results/soak.json; exit status 1 where something grows, was refused, or came to another number.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console

from bench.outcome import circumstances, conclude, write
from bench.page import soak_table, write_table
from bench.steady import ANSWER_S, METERS, START_MS, Hook, Load, documents
from bench.using import memory_mib
from schemas.windows import DAY_MS, HOUR_MS
from services.clock import Clock
from services.simulator.stack import INFLUX, ROLES, STORES, Stack, running_stack
from tests.registry_writing import write_set
from tests.running import metric

SECONDS, RATE = 7200, 1_000
SAMPLE_S = 10.0
# Half time and the end are so large a share of the whole, fifteen minutes of two hours: what a worker holds goes up and
# down within some, as what it wrote last goes to its disk.
SHARE = 1 / 8
# Memory at the end may be so much more than at half time.
GROWTH = 0.02
# Of the load: readings of each meter in a push, and how much faster the clock goes.
INSTANTS, SPEED = 5, 48.0
# So many messages may wait at any moment.
WAITING_SLACK = 100
PROBES = 40
QUARTER_MS = HOUR_MS // 4
# From here on, all registers are sent by the hour before the load begins.
HISTORY_MS = START_MS - 4 * DAY_MS
ABOVE_KWH, BELOW_KWH = 2_000_000, 100
BOARDS = ("city/bench", "county/bench", "enterprise/e000", "enterprise/e001")
ASK_S, RETRY_S, CALM_S = 0.5, 2.0, 120.0
# What waits for a process, by role, as its metrics say it.
WAITING = {
    "worker": "qingyu_worker_lag_messages",
    "territory": "qingyu_territory_lag_messages",
    "sink": "qingyu_sink_lag_offsets",
    "notifier": "qingyu_notifier_outstanding",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: memory of its own [MiB], open files, connections among them, and what waits for it.

    Tables of its local state are not counted among the files.
    """

    own_mib: float
    files: int
    connections: int
    waiting: int | None = None


def held(pid: int, waiting: int | None = None) -> Held:
    """Look at a process; raise OSError where it is not there."""
    files = connections = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            what = os.readlink(each)
            # Tables of a local state come and go as it puts them together.
            files += not what.endswith(".sst")
            connections += what.startswith("socket:")
    return Held(memory_mib(pid, "RssAnon"), files, connections, waiting)


def compared(samples: Sequence[tuple[float, Mapping[str, Held]]], seconds: float) -> dict[str, dict[str, Any]]:
    """Return by process what it held in a stretch before the middle and before the end of so many seconds.

    Of memory and what waits these are medians, of files and connections (the least, the most). `samples` are (seconds
    since the begin, what each process held).
    """
    stretch_s = max(seconds * SHARE, 2 * SAMPLE_S)
    found: dict[str, dict[str, Any]] = {}
    for name in samples[0][1]:
        one: dict[str, Any] = {}
        for when, end_s in (("half", seconds / 2), ("end", seconds)):
            here = [by[name] for at_s, by in samples if end_s - stretch_s < at_s <= end_s and name in by]
            one |= {
                f"{when}_mib": round(median(each.own_mib for each in here), 2),
                f"{when}_files": _span(each.files for each in here),
                f"{when}_connections": _span(each.connections for each in here),
            }
            if waits := [each.waiting for each in here if each.waiting is not None]:
                one[f"{when}_waiting"] = median(waits)
        one["growth"] = round(one["end_mib"] / one["half_mib"] - 1, 4)
        found[name] = one
    return found


def _span(counts: Iterable[int]) -> tuple[int, int]:
    seen = sorted(counts)
    return seen[0], seen[-1]


def _risen(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether the least and the most have risen.

    A pool lets go of a connection that was not used for some seconds and opens it again, so that the number goes up
    and down, and the one seen more often is chance. What is never let go is in every look after it.
    """
    return all(now > then for then, now in zip(before, after, strict=True))


def faults_of(result: Mapping[str, Any]) -> list[str]:
    """Return what grew or went wrong in a soak; none where all is well. Servers are told of, but not judged."""
    found = [f"{name}: {result[name]}" for name in ("refused", "wrong", "ended") if result[name]]
    # The first hour of the probes and the last may be untold.
    if result["told"] < max(1, result["meant"] - 2 * PROBES):
        found.append(f"{result['told']} messages were told, {result['meant']} were meant")
    for name, one in result["processes"].items():
        if name not in ROLES:
            continue
        if one["growth"] > GROWTH:
            found.append(f"{name}: {one['half_mib']} MiB at half time, {one['end_mib']} at the end")
        found += [
            f"{name}: {what} {one[f'half_{what}']} at half time, {one[f'end_{what}']} at the end"
            for what in ("files", "connections")
            if _risen(one[f"half_{what}"], one[f"end_{what}"])
        ]
        if one.get("end_waiting", 0) > 2 * one.get("half_waiting", 0) + WAITING_SLACK:
            found.append(f"{name}: {one['half_waiting']} waited at half time, {one['end_waiting']} at the end")
    return found


class Soak:
    """One installation under a steady load, and what was seen of it."""

    def __init__(self, stack: Stack, hook: Hook, console: Console, seconds: float) -> None:
        self._stack = stack
        self._hook = hook
        self._console = console
        self._seconds = seconds
        self._clock = Clock.parse(stack.settings.clock)
        self._headers = {"Authorization": f"Bearer {stack.token}"}
        self._samples: list[tuple[float, dict[str, Held]]] = []
        self._load = Load(instants=INSTANTS, speed=SPEED)
        self._counts = dict.fromkeys(("asked", "shown", "cuts", "probed"), 0)

    async def run(self, rate: int) -> dict[str, Any]:
        """Load it for so long; return what was seen, and whether every enterprise came to what it was sent."""
        # As senders do, each connection stays open.
        limits = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=None)
        async with httpx.AsyncClient(
            base_url=self._stack.gateway, headers=self._headers, timeout=ANSWER_S, limits=limits
        ) as http:
            await self._load.catch_up(http, [*range(HISTORY_MS, START_MS + 1, HOUR_MS)])
            await self._probe_before(http)
            began_s = time.monotonic()
            until_s = began_s + self._seconds
            beside = [asyncio.create_task(self._show(each)) for each in BOARDS]
            beside += [asyncio.create_task(each) for each in (self._ask(), self._look(began_s), self._probe(until_s))]
            try:
                accepted_per_s = await self._load.run(http, self._clock, rate, until_s)
            finally:
                for task in beside:
                    task.cancel()
                ended = await asyncio.gather(*beside, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception):
                raise one
        wrong = await self._wrong()
        return {
            "seconds": self._seconds,
            "offered_per_s": rate,
            "accepted_per_s": round(accepted_per_s, 1),
            "accepted": self._load.accepted,
            "refused": self._load.refused,
            "enterprises": len(self._load.counts),
            "wrong": wrong,
            "ended": sum(len(self._stack.processes.endings(role)) for role in ROLES),
            "told": self._hook.calls,
            # Every hour by the clock each probe goes above its limit or below it.
            "meant": round(PROBES * self._seconds * SPEED * 1000 / HOUR_MS),
            "boards": len(BOARDS),
            **self._counts,
            "processes": compared(self._samples, self._seconds),
            "course": self._course(),
        }

    async def _look(self, began_s: float) -> None:
        """Note every few seconds what each process holds."""
        processes = self._stack.processes
        pids = {role: processes.pid(role) for role in ROLES} | servers(processes.pid(role) for role in ROLES)
        while True:
            await asyncio.sleep(SAMPLE_S)
            by: dict[str, Held] = {}
            for name, pid in pids.items():
                # One that ended is told by its endings.
                with suppress(OSError):
                    waiting = WAITING.get(name)
                    said = None
                    if waiting is not None:
                        said = int(await asyncio.to_thread(metric, self._stack.ports[name], waiting))
                    by[name] = held(pid, said)
            at_s = time.monotonic() - began_s
            self._samples.append((at_s, by))
            if len(self._samples) % 6 == 0:
                told = ", ".join(f"{name} {each.own_mib:.0f}" for name, each in by.items())
                waits = ", ".join(f"{name} {each.waiting}" for name, each in by.items() if each.waiting is not None)
                self._console.print(
                    f"{at_s:6.0f} s of {self._seconds:.0f}  {self._load.accepted:,} accepted; MiB: {told}; "
                    f"waiting: {waits}", markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip

    def _course(self) -> list[dict[str, Any]]:
        """Return some samples over the whole time, for whoever looks for the beginning of a growth."""
        every = max(1, len(self._samples) // 24)
        return [
            {"at_s": round(at_s), "own_mib": {name: round(each.own_mib, 1) for name, each in by.items()}}
            for at_s, by in self._samples[every - 1 :: every]
        ]

    async def _show(self, entity: str) -> None:
        """Keep a page of the board open, as a browser does."""
        cookies = {"qingyu_token": self._stack.token}
        async with httpx.AsyncClient(base_url=self._stack.api, cookies=cookies, timeout=ANSWER_S) as http:
            while True:
                with suppress(httpx.TransportError):
                    async with http.stream("GET", f"/board/live/{entity}") as page:
                        page.raise_for_status()
                        async for line in page.aiter_lines():
                            self._counts["shown"] += line.startswith("data: ")
                self._counts["cuts"] += 1
                await asyncio.sleep(RETRY_S)

    async def _ask(self) -> None:
        async with httpx.AsyncClient(base_url=self._stack.api, headers=self._headers, timeout=ANSWER_S) as http:
            while True:
                entity = f"enterprise/e{self._counts['asked'] % 100:03}"
                with suppress(httpx.TransportError):
                    answer = await http.get("/v1/latest", params={"entity": entity, "metric": "energy.cv"})
                    self._counts["asked"] += answer.status_code == httpx.codes.OK
                await asyncio.sleep(ASK_S)

    async def _probe_before(self, http: httpx.AsyncClient) -> None:
        """Let all probes be below their limit until the load begins: a day is as large as those that come."""
        quarters = range(HISTORY_MS + QUARTER_MS, START_MS + 1, QUARTER_MS)
        rows = [{"meter": "q", "ts": at_ms, "value": BELOW_KWH} for at_ms in quarters]
        for number in range(PROBES):
            (await _push_probe(http, number, "before", rows)).raise_for_status()

    async def _probe(self, until_s: float) -> None:
        """Let some enterprises be above their limit in one hour and below it in the next."""
        async with httpx.AsyncClient(base_url=self._stack.gateway, headers=self._headers, timeout=ANSWER_S) as http:
            while time.monotonic() < until_s:
                at_ms = self._clock.now_ms() // QUARTER_MS * QUARTER_MS
                for number in range(PROBES):
                    # What is stamped with the end of a quarter belongs to the hour in which that begins.
                    above = ((at_ms - QUARTER_MS) // HOUR_MS + number) % 2 == 0
                    row = {"meter": "q", "ts": at_ms, "value": ABOVE_KWH if above else BELOW_KWH}
                    with suppress(httpx.TransportError):
                        answer = await _push_probe(http, number, f"b{at_ms}-{number}", [row])
                        self._counts["probed"] += answer.status_code == httpx.codes.ACCEPTED
                await asyncio.sleep(max(0.0, (at_ms + QUARTER_MS - self._clock.now_ms()) / 1000 / SPEED))

    async def _wrong(self) -> int:
        """Return how many enterprises do not come to the quantity that they were sent, once all of it is stored."""
        end_s, wrong = time.monotonic() + CALM_S, len(self._load.counts)
        async with httpx.AsyncClient(base_url=self._stack.api, headers=self._headers, timeout=ANSWER_S) as http:
            while wrong and time.monotonic() < end_s:
                await asyncio.sleep(RETRY_S)
                wrong = 0
                for number, (first, last) in self._load.counts.items():
                    answer = await http.get("/v1/series", params={
                        "entity": f"enterprise/e{number:03}", "metric": "qty.electricity", "window": "hour",
                        "from": _iso(HISTORY_MS // HOUR_MS * HOUR_MS), "to": _iso(self._clock.now_ms() + HOUR_MS),
                    })  # fmt: skip
                    answer.raise_for_status()
                    found = sum(each["value"] or 0 for each in answer.json()["points"])
                    wrong += abs(found - METERS * (last - first) / 100) > 1e-3
        return wrong


async def _push_probe(
    http: httpx.AsyncClient, number: int, batch: str, rows: Sequence[Mapping[str, Any]]
) -> httpx.Response:
    return await http.post("/v1/readings", json={"source": f"s-p{number:04}", "batch": batch, "readings": rows})


def _iso(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))


def servers(others: Any) -> dict[str, int]:
    """Return the children of this process that are servers, by the name of their program; not `others`."""
    known, found = set(others), dict[str, int]()
    names = {"java": "Kafka", "influxd": "InfluxDB"}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            name = names.get((folder / "comm").read_text().strip())
            if parent == os.getpid() and int(folder.name) not in known and name:
                found[name] = int(folder.name)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long; shorter ones write no result")
    parser.add_argument("--rate", type=int, default=RATE, help="readings a second, at least 1")
    parser.add_argument("--store", choices=STORES, default=INFLUX, help="where the series are kept")
    options = parser.parse_args(arguments)
    console, directory = Console(), Path(tempfile.mkdtemp(prefix="qingyu-soak-"))
    where = {**circumstances(), "store": options.store}
    with Hook() as hook, running_stack(directory, START_MS, SPEED, console.print, options.store) as stack:
        asyncio.run(write_set(stack.settings, 1, documents(hook.url, PROBES)))
        stack.start(*ROLES)
        stack.wait_ready(*ROLES)
        result = {**where, **asyncio.run(Soak(stack, hook, console, options.seconds).run(options.rate))}
    faults = faults_of(result)
    if options.seconds >= SECONDS:
        write("soak", result)
        write_table("soak", soak_table(result))
    for one in faults:
        console.print(one, style="red", markup=False)
    shown = None if faults else "nothing grew, nothing was refused, every enterprise came to what it was sent"
    return conclude(console, result, directory, shown)


if __name__ == "__main__":
    sys.exit(main())
