"""The ingest bench: what the gateway bears from real senders, and how fast the sink fills either store.

    python -m bench.ingest [--small] [--only pushing|storing]

Senders are wrk, a load generator of its own program. Three rounds of all loads; medians. Result:
bench/results/ingest.json.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench.growth import ingest_table
from bench.outcome import circumstances, write
from bench.page import write_table
from bench.pushing import Load, Pushing, loads
from bench.sizing import write_sizing
from bench.storing import SIZE, SMALL_SIZE, Size, store_runs
from bench.using import cores_here, limit
from deploy.local.kafka import ForeignKafka, LocalKafka, broker
from services.simulator.stack import STORES

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: rounds, how long each load lasts [s], which loads, how much goes into the stores."""

    rounds: int
    seconds: float
    loads: tuple[Load, ...]
    size: Size


WHOLE = Extent(3, 8.0, tuple(loads()), SIZE)
SMALL = Extent(1, 1.0, (loads()[3], loads()[-2]), SMALL_SIZE)


def pushing(kafka: LocalKafka | ForeignKafka, prefix: str, folder: Path, extent: Extent, tell: Tell) -> list[Any]:
    """Measure the gateway under each load; return a row for each."""
    bench = Pushing(kafka, f"{prefix}push.", folder)
    runs: dict[Load, list[dict[str, Any]]] = {load: [] for load in extent.loads}
    for number in range(extent.rounds):
        for load in extent.loads if number % 2 == 0 else extent.loads[::-1]:
            found = bench.measure(load, number, extent.seconds)
            runs[load].append(found)
            tell(f"round {number + 1}, {load.name}: {found['readings_per_s']:,.0f} readings/s, "
                 f"p99 {found['p99_s'] * 1000:.0f} ms, {'all kept' if found['correct'] else 'WRONG'}")  # fmt: skip
    return [_row(load, each) for load, each in runs.items()]


def _row(load: Load, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of a load's runs."""
    figures = {
        name: round(median(run[name] for run in runs), 4) for name, value in runs[0].items() if isinstance(value, float)
    }
    cores = {role: round(median(run["cpu_cores"][role] for run in runs), 3) for role in runs[0]["cpu_cores"]}
    rates = [round(run["readings_per_s"]) for run in runs]
    return {
        **asdict(load), **figures, "readings_per_s_spread": [min(rates), max(rates)], "cpu_cores": cores,
        "limit": limit(cores, {"gateway": load.gateways}, cores_here()), "correct": all(run["correct"] for run in runs),
    }  # fmt: skip


def measure(
    kafka: LocalKafka | ForeignKafka,
    prefix: str,
    folder: Path,
    extent: Extent,
    tell: Tell,
    parts: Sequence[str] = ("pushing", "storing"),
    stores: Sequence[str] = STORES,
) -> dict[str, Any]:
    """Return all figures of the ingest."""
    found: dict[str, Any] = dict(circumstances())
    if "pushing" in parts:
        found["gateway"] = pushing(kafka, prefix, folder, extent, tell)
    if "storing" in parts:
        found["sink"] = store_runs(kafka, prefix, folder, stores, extent.size, tell)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return the exit status: 1 where something that was accepted is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few seconds of each part; writes no result")
    parser.add_argument("--only", action="append", choices=("pushing", "storing"), help="this part; writes no result")
    options = parser.parse_args(arguments)
    # Topics that have just been made have no leader for a moment, and a line for every time that is asked.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console, began = Console(stderr=True), time.monotonic()
    console.print("gateway and sink, about twelve minutes on a quiet machine")

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {text}", markup=False, highlight=False)

    with tempfile.TemporaryDirectory(prefix="qingyu-ingest-") as name, broker(Path(name) / "kafka") as kafka:
        extent = SMALL if options.small else WHOLE
        parts = options.only or ("pushing", "storing")
        found = measure(kafka, f"{Path(name).name}.", Path(name), extent, tell, parts)
    if not options.small and not options.only:
        write("ingest", found)
        write_table("ingest", ingest_table(found))
        write_sizing()
    Console().print_json(data=found)
    return 0 if all(row["correct"] for part in ("gateway", "sink") for row in found.get(part, ())) else 1


if __name__ == "__main__":
    sys.exit(main())
