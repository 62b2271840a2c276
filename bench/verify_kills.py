"""`make verify-kills` kills a running installation everywhere and shows that nothing is lost and nothing doubled.

An own Kafka, gateway, api, ticker, two workers, territory and sink run while seeded load goes in over HTTP
(`bench.kills.load`). Each failpoint in the source kills its process ten times, at a passing drawn by the seed; workers
are stopped for longer than their session and woken; Kafka is killed ten times. Then everything in the topics and in
the store is compared with an independent calculation (`bench.kills.comparing` says what exactly is proven). A control
with a faulty worker shows that the comparison finds a loss. Result: bench/results/kills.json; exit status 1 on any
difference, or when the control finds none.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.kills import control, failpoints
from bench.kills.city import WORKERS, City
from bench.kills.killing import KillError
from bench.kills.load import cast
from bench.kills.proof import Deeds, kill_at_failpoints, kill_kafka, stop_and_wake
from bench.kills.sending import SendingError
from bench.outcome import circumstances, conclude, write
from deploy.local.kafka import LocalKafka
from deploy.local.processes import Processes
from tests.running import KILLED, until

SEED = 20260301
RATE_PER_S = 4.0
STOPS = 10
CONTROL_KILLS = 3
SHOWN = 20
TELL_S = 30.0


class Board:
    """What the terminal shows: the phase, and the figures as they grow."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._console = console
        self._began = time.monotonic()
        self._phase = ""
        self._told = 0.0
        self.city: City | None = None

    def __enter__(self) -> "Board":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def phase(self, text: str) -> None:
        """Begin a phase; without a terminal that is a line."""
        self._phase = text
        if not self._console.is_terminal:
            self._console.print(f"{time.monotonic() - self._began:6.0f} s  {text}")

    def tell(self, text: str) -> None:
        """Show how far the phase is; without a terminal only now and then."""
        if not self._console.is_terminal:
            if time.monotonic() - self._told > TELL_S:
                self._told = time.monotonic()
                self._console.print(f"{time.monotonic() - self._began:6.0f} s  {self._phase}: {text}")
            return
        table = Table.grid(padding=(0, 2))
        table.add_row(f"{time.monotonic() - self._began:.0f} s", self._phase, text)
        if self.city is not None:
            sending = self.city.sending
            table.add_row(
                "", "load", f"{sending.days} days, {sending.batches} batches taken, {sending.repeats} pushes repeated"
            )
        self._live.update(table, refresh=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    options = _options(arguments)
    unknown = [name for name in options.only if name not in failpoints.in_source()]
    if unknown:
        print(f"error: no failpoint {', '.join(unknown)}; there are: {', '.join(failpoints.in_source())}")
        return 2
    console = Console()
    began = time.monotonic()
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="qingyu-kills-"))
        kafka = stack.enter_context(LocalKafka.start(directory / "kafka"))
        board = stack.enter_context(Board(console))
        try:
            found = 0
            if not options.no_control:
                board.phase("control: a worker that loses, to be found out")
                found = run_control(kafka, directory / "control", options.seed, board)
            result = run_proof(kafka, directory / "city", options, board)
        except (KillError, SendingError, AssertionError) as error:
            board.phase("failed")
            console.print(f"the proof could not be brought to its end: {error}", style="red", markup=False)
            console.print("\n".join(getattr(error, "__notes__", ())), markup=False)
            console.print(f"logs and topics are kept in {directory}")
            return 1
    result |= {"control_found": found, "duration_s": round(time.monotonic() - began)}
    whole = not options.only and not options.no_control
    if whole:
        write("kills", {**circumstances(), "seed": options.seed, "kills_each": options.kills, **result})
    ok = not result["differences"] and (found > 0 or options.no_control)
    return conclude(console, result, directory, "nothing lost, nothing doubled" if ok else None)


def run_proof(kafka: LocalKafka, directory: Path, options: argparse.Namespace, board: Board) -> dict[str, Any]:
    """Kill everything everywhere and compare; return the figures."""
    deeds = Deeds()
    with Processes(directory / "logs") as processes, ExitStack() as stack:
        city = City(
            kafka.bootstrap, directory, processes, cast(), prefix="kills.", seed=options.seed, rate_per_s=RATE_PER_S
        )
        board.city = city
        stack.push(lambda _, error, __: _witness(city, error))
        board.phase("starting")
        city.start()
        board.phase("SIGKILL at failpoints")
        kill_at_failpoints(city, options.kills, deeds, options.seed, board.tell, options.only)
        if not options.only:
            board.phase("SIGSTOP, CONT")
            stop_and_wake(city, min(STOPS, options.kills), deeds, board.tell)
            board.phase("SIGKILL of Kafka")
            kill_kafka(city, kafka, options.kills, deeds, options.seed, board.tell)
        board.phase("comparing")
        comparison = city.finish(board.tell)
        sending = city.sending
        return {
            **deeds.as_json(),
            "load": {
                "enterprises": len(city.cast.all),
                "days": sending.days,
                "batches": sending.batches,
                "readings": sending.readings,
                "batches_sent_twice": sending.sent_twice,
                "pushes_repeated": sending.repeats,
            },
            "compared": comparison.counts,
            "differences": len(comparison.differences),
            "first_differences": comparison.differences[:SHOWN],
        }


def _witness(city: City, error: BaseException | None) -> None:
    """Note with an error how the processes were when it came: they end with it."""
    if error is not None:
        error.add_note(city.state())


def run_control(kafka: LocalKafka, directory: Path, seed: int, board: Board, kills: int = CONTROL_KILLS) -> int:
    """Run workers that commit their offsets before their outputs, and kill one; return the differences found."""
    with Processes(directory / "logs") as processes:
        city = City(
            kafka.bootstrap, directory, processes, cast(2, 2), prefix="control.", seed=seed, rate_per_s=RATE_PER_S
        )
        board.city = city
        city.start(worker_code=control.WORKER_CODE)
        name = WORKERS[0]
        for number in range(kills):
            board.tell(f"kill {number + 1} of {kills}")
            processes.stop(name)
            place = f"{control.FAILPOINT}@{3 + number}"
            city.installation.start("worker", name, before=control.WORKER_CODE, QINGYU_FAILPOINT=place)
            until(lambda: KILLED in processes.endings(name), 60, "the faulty worker is killed")
        city.installation.start("worker", name)
        return len(city.finish(board.tell).differences)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.verify_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="kills at each failpoint, and of Kafka (default 10)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this failpoint; repeatable")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the load and of the kills")
    parser.add_argument("--no-control", action="store_true", help="spare the control; writes no result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
