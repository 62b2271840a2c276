"""Measures what a reading costs the gateway: its own work alone, and the whole way over HTTP into a real Kafka.

    python -m bench.gateway [--kafka]

Batches have 200 readings of 10 meters, numbers with two decimal places, instants as text.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from deploy.local.kafka import broker
from schemas.messages import VERSION, Batch, Readings, encode
from schemas.settings import Settings
from services.gateway.app import create_app
from services.gateway.envelope import parse_batch
from services.gateway.receiving import check
from services.http.connection import server_config
from services.topics import apply_topics
from tests.registry_writing import snapshot_of, write_set

METERS, INSTANTS = 10, 20
READINGS = METERS * INSTANTS
NOW_MS = 1_795_219_200_000


def registry() -> list[dict[str, Any]]:
    """Return an enterprise with ten meters and one source that may send as fast as it can."""

    def document(kind: str, id_: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": "2018-01-01", "spec": spec}

    usual = {"carrier": "electricity", "type": "interval", "unit": "kWh", "resolution": "0.01", "step": "1min"}
    meters = [
        document("meter", f"e.m{n}", **usual, role="input", source=[{"from": "2018-01-01", "id": "gw"}])
        for n in range(METERS)
    ]
    return [
        document("carrier", "electricity", unit="kWh", medium="electricity"),
        document("enterprise", "e"),
        document("source", "gw", enterprise="e", rate_limit_per_s=1_000_000),
        *meters,
    ]


def _value(meter: int, instant: int) -> float:
    return round(1000 * meter + 0.83 * instant + 0.01, 2)


def bodies() -> dict[str, bytes]:
    """Return the same batch in the forms a collector may send."""
    meters = [f"m{n}" for n in range(METERS)]
    instants = [
        time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(NOW_MS // 1000 + 28_800 - 60 * n)) for n in range(INSTANTS)
    ]
    rows = [{"meter": m, "ts": t, "value": _value(i, j)} for j, t in enumerate(instants) for i, m in enumerate(meters)]
    columns = [[_value(i, j) for j in range(INSTANTS)] for i in range(METERS)]
    named = {"source": "gw", "batch": "b"}
    return {
        "rows": json.dumps({**named, "readings": rows}).encode(),
        "rows with rev": json.dumps({**named, "readings": [{**row, "rev": 0} for row in rows]}).encode(),
        "columns": json.dumps({**named, "meters": meters, "ts": instants, "values": columns}).encode(),
        "columns, text": json.dumps(
            {**named, "meters": meters, "ts": instants, "values": [[str(one) for one in row] for row in columns]}
        ).encode(),
    }


def own_work() -> None:
    """Print the CPU of decoding, checking and encoding one reading."""
    snapshot = snapshot_of(registry())
    source = snapshot.sources["gw"]

    def take(body: bytes) -> None:
        checked = check(parse_batch(body), source, snapshot, NOW_MS)
        assert len(checked.v) == READINGS, checked.rejected[:1]
        batch = Batch("b", "gw", NOW_MS, checked.meters, checked.scale, checked.i, checked.t, checked.v)
        encode(Readings(VERSION, 1, "e", [batch]))

    for name, body in bodies().items():
        cpu_us = _cpu_us(lambda body=body: take(body))
        print(f"{name:14} {len(body) / READINGS:5.1f} bytes, {cpu_us:5.2f} us of CPU a reading")


def _cpu_us(work: Callable[[], None], seconds: float = 2.0) -> float:
    best = float("inf")
    for _ in range(3):
        started, rounds = time.process_time(), 0
        while time.process_time() - started < seconds / 3:
            work()
            rounds += 1
        best = min(best, (time.process_time() - started) / rounds)
    return best / READINGS * 1e6


async def whole_way(settings: Settings, senders: int = 8, seconds: float = 8.0) -> None:
    """Print rate, CPU and latency of the gateway, which alone runs in this process; its senders are another."""
    await write_set(settings, 1, registry())
    config = server_config(create_app(settings), connections=settings.connections, port=settings.gateway_port)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    address = f"http://127.0.0.1:{settings.gateway_port}"
    async with httpx.AsyncClient() as client:
        for _ in range(300):
            if server.started and (await client.get(f"{address}/readyz")).status_code == 200:
                break
            await asyncio.sleep(0.1)
    for form in ("rows", "columns"):
        before = resource.getrusage(resource.RUSAGE_SELF)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.gateway", "--send", address, form, str(senders), str(seconds),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), seconds + 60)
        after = resource.getrusage(resource.RUSAGE_SELF)
        said = json.loads(out)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"{form:8} {said['batches'] * READINGS / said['seconds']:8.0f} readings/s, "
            f"{cpu_s / said['batches'] / READINGS * 1e6:5.2f} us of CPU a reading, "
            f"answer p50 {said['p50'] * 1000:.0f} ms, p99 {said['p99'] * 1000:.0f} ms"
        )
    server.should_exit = True
    await serving


def send(address: str, form: str, senders: int, seconds: float) -> None:
    """Send batches from threads and print what came of it as JSON."""
    body = bodies()[form]
    headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}

    def one(_: int) -> list[float]:
        waits: list[float] = []
        ends = time.monotonic() + seconds
        with httpx.Client(headers=headers) as client:
            while time.monotonic() < ends:
                started = time.monotonic()
                answer = client.post(f"{address}/v1/readings", content=body)
                assert answer.status_code == 202, answer.text
                waits.append(time.monotonic() - started)
        return waits

    started = time.monotonic()
    with ThreadPoolExecutor(senders) as pool:
        waits = sorted(wait for found in pool.map(one, range(senders)) for wait in found)
    took = time.monotonic() - started
    print(
        json.dumps(
            {"batches": len(waits), "seconds": took, "p50": waits[len(waits) // 2], "p99": waits[-len(waits) // 100]}
        )
    )


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", action="store_true", help="measure the whole way too")
    parser.add_argument("--send", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        address, form, senders, seconds = options.send
        send(address, form, int(senders), float(seconds))
        return
    own_work()
    if options.kafka:
        with tempfile.TemporaryDirectory() as directory, broker(Path(directory)) as kafka:
            settings = Settings(
                kafka=kafka.bootstrap, topic_prefix="bench.", operator_token=SecretStr("bench"), gateway_port=18_001
            )
            apply_topics(settings)
            asyncio.run(whole_way(settings))


if __name__ == "__main__":
    main()
