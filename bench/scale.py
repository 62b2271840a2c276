"""The bench of scale: what a reading costs the worker, by meters, enterprises, history, late data and workers.

    python -m bench.scale [--small] [--only NAME]..

Cost must be linear in readings and flat in history. Rounds of all cases, every second one backwards; medians. A run
that is done is not done again after an interruption. Result: bench/results/scale.json.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from bench.contenders.topics import remove_topics
from bench.growing import Case, cases, run, small_cases
from bench.growth import scale_table
from bench.kept import Kept
from bench.outcome import circumstances, write
from bench.page import write_table
from bench.sizing import write_sizing
from deploy.local.kafka import broker

# What each case is held against.
CONTROLS = {
    "1,000 meters": "usual",
    "100,000 meters": "usual",
    "10 enterprises": "usual",
    "100 enterprises": "usual",
    "2,000 enterprises": "usual",
    "a day of history": "1,000 meters",
    "a month of history": "1,000 meters",
    "a year of history": "1,000 meters",
    "two workers": "usual",
    "5 % late": "usual",
    "50 % late": "usual",
}


def summary(runs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return by case the medians of its runs, the spread of CPU, and ratios to its control; and what CPU is made of."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for each in runs:
        groups.setdefault(each["case"], []).append(each)
    rows: dict[str, dict[str, Any]] = {}
    for name, group in groups.items():
        row = {key: value if isinstance(value, (str, dict)) else median(each[key] for each in group)
               for key, value in group[0].items()}  # fmt: skip
        cpu = [each["cpu_us_per_reading"] for each in group]
        row |= {"correct": all(each["correct"] for each in group), "runs": len(group)}
        rows[name] = {**row, "cpu_us_per_reading_spread": [min(cpu), max(cpu)]}
    for name, row in rows.items():
        control = rows.get(CONTROLS.get(name, ""))
        if control is not None:
            row["control"] = control["case"]
            for key in ("cpu_us_per_reading", "readings_per_s"):
                row[f"{key}_ratio"] = round(row[key] / control[key], 3)
    return {"cases": list(rows.values()), "cpu": parts_of_cpu(rows.values())}


def parts_of_cpu(rows: Iterable[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return what a reading, a visit and a step of a partition take [us], by least squares over cases with one worker.

    None where there are too few cases. None of the parts is negative: what would be is left out.
    """
    chosen = [each for each in rows if each["workers"] == 1 and not each["late"] and not each["history_days"]]
    if len(chosen) < 4:
        return None
    names = ["reading", "visit", "step"]
    cpu = np.array([each["cpu_us_per_reading"] for each in chosen])
    while True:
        # Relative to the readings, so that no case weighs more than another.
        per_reading = np.array([[each[f"{name}s"] / each["readings"] for name in names] for each in chosen])
        found, *_ = np.linalg.lstsq(per_reading, cpu, rcond=None)
        low = int(np.argmin(found))
        if found[low] >= 0:
            off = float(np.abs(per_reading @ found / cpu - 1).max())
            parts = dict.fromkeys(("reading", "visit", "step"), 0.0) | dict(zip(names, found.tolist(), strict=True))
            return {**{f"{name}_us": round(each, 3) for name, each in parts.items()}, "largest_error": round(off, 3)}
        names.pop(low)


def measure_all(chosen: Sequence[tuple[Case, int]], kept: Kept | None, console: Console) -> list[dict[str, Any]]:
    """Measure cases in rounds; return their runs."""
    rounds = max(times for _, times in chosen)
    todo = [
        (number, case)
        for number in range(rounds)
        for case, times in (chosen if number % 2 == 0 else chosen[::-1])
        if number < times
    ]
    done: dict[str, dict[str, Any]] = {} if kept is None else dict(kept.runs)
    names = {(number, case): f"{case.name}/{case.readings}/{number}" for number, case in todo}
    left = [each for each in todo if names[each] not in done]
    console.print(f"{len(todo)} runs, {len(todo) - len(left)} of them done; about 25 minutes on a quiet machine")
    began = time.monotonic()
    if left:
        with tempfile.TemporaryDirectory(prefix="qingyu-scale-") as folder, broker(Path(folder) / "kafka") as kafka:
            for number, case in left:
                prefix = f"{Path(folder).name}.{len(done)}."
                found = run(kafka, prefix, Path(folder) / str(len(done)), case)
                found["case"] = found.pop("name")
                done[names[number, case]] = found
                if kept is not None:
                    kept.keep(names[number, case], found)
                remove_topics(kafka.bootstrap, prefix)
                console.print(
                    f"{time.monotonic() - began:6.0f} s  {case.name}, run {number + 1}: "
                    f"{found['cpu_us_per_reading']:.2f} us a reading, {found['readings_per_s']:,} readings/s, "
                    f"{'all right' if found['correct'] else 'WRONG'}",
                    markup=False,
                    highlight=False,
                )
    return [done[names[each]] for each in todo]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return the exit status: 1 where a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few seconds; writes no result")
    parser.add_argument("--only", action="append", default=[], choices=[case.name for case, _ in cases()],
                        help="only this case, once; writes no result")  # fmt: skip
    options = parser.parse_args(arguments)
    # Topics that have just been made have no leader for a moment, and a line for every time that is asked.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    whole = not options.small and not options.only
    chosen = [(case, 1) for case, _ in cases() if case.name in options.only] or list(cases())
    where, kept = circumstances(), Kept("scale") if whole else None
    runs = measure_all(list(small_cases()) if options.small else chosen, kept, Console(stderr=True))
    found = {**where, **summary(runs)}
    if kept is not None:
        write("scale", found)
        write_table("scale", scale_table(found))
        write_sizing()
        kept.forget()
    Console().print_json(data=found)
    return 0 if all(each["correct"] for each in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
