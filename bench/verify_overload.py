"""The overload: a gateway held to a share of a core is offered ten times what it takes, amid idle connections.

    python -m bench.verify_overload [--seconds 300] [--connections 10000]

It must shed with 429 or 503 and Retry-After, keep exactly what it accepted, stay within its memory, and take all again
by itself when the load is over. Every batch has an id of its own; those answered with 202 are compared with those that
stand on the topic. Result: bench/results/overload.json.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from bench.gateway import NOW_MS, registry
from bench.outcome import circumstances, conclude, write
from bench.page import overload_table, write_table
from bench.pushing_raw import Answers, hold, offer
from bench.using import memory_mib
from deploy.local.kafka import broker
from deploy.local.processes import Processes
from schemas.messages import decode_readings
from schemas.settings import Settings
from schemas.topics import READINGS
from services.topics import apply_topics
from tests.registry_writing import write_set
from tests.running import Installation, read

SECONDS, CONNECTIONS = 300, 10_000
TIMES, SHARE, SLICE_S = 10, 0.2, 0.1
# So many senders, each of which waits for its answer, keep it busy and within its places for pushes.
PUSHES, CAPACITY_SENDERS, CAPACITY_S = 32, 24, 5.0
# What its limits let it take beside what it has at rest: pushes under way, and some 30 KiB a connection.
GROWTH_MIB = 256
RECOVERY_LIMIT_S = 60.0
PAGE = Path(__file__).parents[1] / "docs" / "threat-model.md"


@contextmanager
def held_to(share: float, pid: int) -> Iterator[None]:
    """Let a process run for a share of the time only: it is stopped for the rest of every tenth of a second."""
    over = threading.Event()

    def hold_it() -> None:
        while not over.is_set():
            os.kill(pid, SIGCONT)
            over.wait(SLICE_S * share)
            os.kill(pid, SIGSTOP)
            over.wait(SLICE_S * (1 - share))
        os.kill(pid, SIGCONT)

    holding = threading.Thread(target=hold_it, daemon=True)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join(10)


def overload(kafka: str, prefix: str, directory: Path, seconds: float, connections: int) -> dict[str, Any]:
    """Overload a gateway and return what became of it."""
    settings = Settings(kafka=kafka, topic_prefix=prefix, partitions=2, operator_token=SecretStr("bench"))
    apply_topics(settings)
    asyncio.run(write_set(settings, 1, registry()))
    with Processes(directory / "logs") as processes:
        installation = Installation(settings, directory, processes)
        installation.start("gateway", QINGYU_PUSHES=str(PUSHES), QINGYU_GATHER_S="0.03")
        installation.wait_ready("gateway")
        pid, port = processes.pid("gateway"), installation.ports["gateway"]
        warm = asyncio.run(offer(port, "warm", None, 1.0, CAPACITY_SENDERS, NOW_MS))
        before_mib = memory_mib(pid, "VmRSS")
        with held_to(SHARE, pid):
            takes = asyncio.run(offer(port, "takes", None, CAPACITY_S, CAPACITY_SENDERS, NOW_MS))
            rate = max(1.0, takes.counts[202] / CAPACITY_S) * TIMES
            with hold(port, connections) as held:
                loaded = asyncio.run(offer(port, "loaded", rate, seconds, 8 * PUSHES, NOW_MS))
            ended_s = time.monotonic()
            after = Answers()
            while not after.counts[202] and time.monotonic() < ended_s + RECOVERY_LIMIT_S:
                after = after + asyncio.run(offer(port, f"after{time.monotonic()}", None, 0.5, 1, NOW_MS))
            recovered_s = time.monotonic() - ended_s
            then = asyncio.run(offer(port, "then", rate / TIMES / 2, CAPACITY_S, PUSHES // 4, NOW_MS))
        peak_mib, after_mib = memory_mib(pid, "VmHWM"), memory_mib(pid, "VmRSS")
        kept = Counter(
            batch.batch for record in read(settings, READINGS) for batch in decode_readings(record.value).batches
        )
    every = warm + takes + loaded + after + then
    return {
        "seconds": seconds,
        "share_of_a_core": SHARE,
        "takes_batches_per_s": takes.counts[202] / CAPACITY_S,
        "offered_batches_per_s": rate,
        "sent": loaded.sent,
        "answers": {str(status): count for status, count in sorted(loaded.counts.items())},
        "unanswered": loaded.sent - loaded.counts.total(),
        "codes": dict(sorted(loaded.codes.items())),
        "without_retry_after": every.without_retry_after,
        "accepted": len(every.accepted),
        "lost": len(every.accepted - kept.keys()),
        "doubled": sum(kept[each] > 1 for each in every.accepted),
        "kept_though_refused": len(every.shed & kept.keys()),
        "connections_held": connections,
        "connections_opened": held[0],
        "memory_mib": {"before": round(before_mib, 1), "peak": round(peak_mib, 1), "after": round(after_mib, 1)},
        "recovered_s": round(recovered_s, 2),
        "refused_after": then.sent - then.counts[202],
    }


def sound(found: dict[str, Any]) -> bool:
    """Tell whether a gateway came through as it must."""
    memory = found["memory_mib"]
    shed = sum(count for status, count in found["answers"].items() if status in ("429", "503"))
    return (
        (found["lost"], found["doubled"], found["kept_though_refused"], found["without_retry_after"]) == (0, 0, 0, 0)
        and shed > 0
        and set(found["answers"]) <= {"202", "429", "503"}
        and memory["peak"] - memory["before"] < GROWTH_MIB
        and found["recovered_s"] < RECOVERY_LIMIT_S
        and found["refused_after"] == 0
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Overload a gateway; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_overload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of overload")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="idle ones that are held open meanwhile")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="qingyu-overload-"))
    with broker(directory / "kafka") as kafka:
        prefix = f"overload{int(time.time())}."
        result = {
            **circumstances(),
            **overload(kafka.bootstrap, prefix, directory, options.seconds, options.connections),
        }
    if (options.seconds, options.connections) == (SECONDS, CONNECTIONS):
        write("overload", result)
        write_table("overload", overload_table(result), PAGE)
    shown = "it shed, kept exactly what it accepted, stayed within its memory and recovered" if sound(result) else None
    return conclude(Console(), result, directory, shown)


if __name__ == "__main__":
    sys.exit(main())
