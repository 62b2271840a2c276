"""The bench of throughput: Qingyu and what one would use instead, on the same readings, held to the same results.

Every contender reads them from a real Kafka in a process of its own, on a core of its own, and what it comes to is
compared with what the readings were made from: one that is wrong is disqualified. Three runs each, interleaved; a run
that is done is not done again after an interruption. Result: bench/results/throughput.json.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from bench.contenders import aiokafka_loop, confluent_loop, faust_per_event, kafka_streams, qingyu, quix
from bench.contenders.contender import Contender, Task
from bench.contenders.readings import OF_ENTERPRISE, expected
from bench.contenders.running import own_core, run, stay_off
from bench.contenders.topics import remove_topics
from bench.kept import Kept
from bench.outcome import circumstances, write
from bench.page import throughput_table, write_table
from deploy.local.cache import LocalServerError
from deploy.local.kafka import broker

CONTENDERS = tuple(
    each.CONTENDER for each in (qingyu, faust_per_event, quix, kafka_streams, aiokafka_loop, confluent_loop)
)
READINGS, ROUNDS = 2_000_000, 3
# Errors of one contender that leave the others to be measured.
_FAILURES = (RuntimeError, TimeoutError, LocalServerError, OSError, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that is to be made: the number-th of a contender with so many readings, `batch` of them a message."""

    contender: Contender
    batch: int
    readings: int
    number: int

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.contender.name}/{self.batch}/{self.readings}/{self.number}"


def plan(scale: float, rounds: int, only: Sequence[str]) -> list[Entry]:
    """Return the runs, a round of all after the other, every second one backwards."""
    chosen = [each for each in CONTENDERS if not only or each.name in only]
    found: list[Entry] = []
    for number in range(rounds):
        one = [
            Entry(each, batch, max(round(readings * scale / OF_ENTERPRISE), 1) * OF_ENTERPRISE, number)
            for each in chosen
            for batch, readings in each.readings.items()
        ]
        found += one if number % 2 == 0 else one[::-1]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; return the exit status: 1 where a contender failed or was wrong."""
    options = _options(arguments)
    entries = plan(options.readings / READINGS, options.rounds, options.only)
    whole = options.readings == READINGS and not options.only and options.rounds == ROUNDS
    console, kept = Console(stderr=True), Kept("throughput")
    todo = [each for each in entries if each.name not in kept.runs]
    console.print(
        f"{len(entries)} runs, {len(entries) - len(todo)} of them done; the whole takes half an hour to an hour"
    )
    if todo:
        _run_all(todo, kept, console)
    found = summary([kept.runs[each.name] for each in entries])
    table = throughput_table(found)
    if whole:
        write("throughput", found)
        write_table("throughput", table)
        if not any("failed" in each for each in found):
            kept.forget()
    console.print(table, markup=False, soft_wrap=True)
    return 0 if all(each["correct"] for each in found) else 1


def _run_all(todo: Sequence[Entry], kept: Kept, console: Console) -> None:
    # Topics that have just been made have no leader for a moment, and a line for every time that is asked.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    core = own_core()
    stay_off(core)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qingyu-bench-") as folder, broker(Path(folder) / "kafka") as kafka:
        for place, entry in enumerate(todo):
            name = f"{entry.contender.name}.{entry.batch}.{entry.number}"
            prefix = f"{Path(folder).name}.{name}."
            task = Task(kafka.bootstrap, prefix, entry.batch, entry.readings, str(Path(folder) / name))
            done = _one(entry, task, core, console)
            kept.keep(entry.name, done)
            remove_topics(kafka.bootstrap, prefix)
            left = (time.monotonic() - began) / (place + 1) * (len(todo) - place - 1) / 60
            console.print(f"{_clock(began)}  {_line(entry, done)}; about {left:.0f} min left", markup=False)


def _one(entry: Entry, task: Task, core: int | None, console: Console) -> dict[str, Any]:
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task(f"{entry.contender.name}, batches of {entry.batch}", total=1.0)
        try:
            done = run(
                entry.contender,
                task,
                entry.number,
                expected(entry.readings),
                core,
                lambda share: progress.update(bar, completed=share),
            )
        except _FAILURES as error:
            # One that cannot run is told in the result, and the others are measured all the same.
            return {"contender": entry.contender.name, "batch": entry.batch, "readings": entry.readings,
                    "correct": False, "failed": f"{type(error).__name__}: {error}"}  # fmt: skip
    return asdict(done)


def summary(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the result: by contender and batch the medians and the spread, and in what circumstances."""
    where, found = circumstances(), []
    for (contender, batch), group in _grouped(runs):
        measured = [each for each in group if "failed" not in each]
        one: dict[str, Any] = {"contender": contender, "batch": batch, "readings": group[0]["readings"]}
        for name, digits in _FIGURES.items():
            values = [each[name] for each in measured]
            one[name] = round(median(values), digits) if values else None
            one[f"{name}_spread"] = [round(min(values), digits), round(max(values), digits)] if values else None
        one["correct"] = all(each["correct"] for each in group)
        one["runs"] = len(measured)
        if failed := [each["failed"] for each in group if "failed" in each]:
            one["failed"] = failed
        found.append({**one, "about": _about(contender), **where})
    return found


_FIGURES = {"cpu_us_per_reading": 3, "readings_per_s": 0, "peak_mib": 0, "changelog_bytes_per_reading": 2}


def _grouped(runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, int], list[Mapping[str, Any]]]]:
    places = [each.name for each in CONTENDERS]
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for each in runs:
        groups.setdefault((each["contender"], each["batch"]), []).append(each)
    yield from sorted(groups.items(), key=lambda each: (places.index(each[0][0]), each[0][1]))


def _about(contender: str) -> str:
    return next(each.about for each in CONTENDERS if each.name == contender)


def _line(entry: Entry, done: Mapping[str, Any]) -> str:
    head = f"{entry.contender.name}, batches of {entry.batch}, run {entry.number + 1}"
    if "failed" in done:
        return f"{head}: FAILED, {done['failed']}"
    checked = "all results right" if done["correct"] else "WRONG"
    return f"{head}: {done['cpu_us_per_reading']:.2f} µs a reading, {done['readings_per_s']:,.0f} a second, {checked}"


def _clock(began: float) -> str:
    return f"{time.monotonic() - began:6.0f} s"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--readings", type=int, default=READINGS,
                        help="of those given most; the others shrink alike (2,000,000)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each contender (default 3)")
    parser.add_argument("--only", action="append", default=[], choices=[each.name for each in CONTENDERS],
                        help="only this contender; repeatable. Only the whole bench writes its result")  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
