"""`make chaos` breaks an installation under load in every way there is, 200 times, and counts what was lost or doubled.

Rounds of twenty faults (`bench.faults.kinds`), each round with its own Kafka, processes and series store (by turns an
InfluxDB and the embedded file): after each fault everything must catch up, and at a round's end every value and every
alarm is compared with an independent calculation from what the gateway accepted. A round that is done is not done again
after an interruption. Result: bench/results/chaos.json; exit status 1 on any difference, when something does not catch
up in time, or when a control finds nothing.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.faults.catching_up import CatchUpError
from bench.faults.kinds import KINDS, Kind, plan
from bench.faults.round import run_round, summary
from bench.kept import Kept
from bench.kills.city import CityError
from bench.kills.load import cast
from bench.kills.sending import SendingError
from bench.outcome import circumstances, conclude, write
from bench.page import PAGE, chaos_table, write_table
from bench.verify_kills import Board
from deploy.local.cache import LocalServerError

SEED = 20261123
FAULTS, A_ROUND, MINUTES = 200, 20, 100.0
RATE_PER_S = 3.0
# So long everything may take, from a fault's end until all that came in has come out; it is stated in the page.
CATCH_UP_LIMIT_S = 120.0
_STORES = {"both": (True, False), "influx": (True,), "embedded": (False,)}
# What this proof itself writes.
WRITTEN = ("bench/results/chaos.json", "docs/failure-modes.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    options = _options(arguments)
    # Each process that is killed would be a dozen lines.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    stores = _STORES[options.store]
    rounds = plan(options.faults, options.seed, lambda number: stores[number % len(stores)], options.a_round)
    if options.only:
        rounds = _only(options.only, options.faults, stores[0])
    console, where, began = Console(), circumstances(), time.monotonic()
    kept = Kept("chaos")
    directory = Path(tempfile.mkdtemp(prefix="qingyu-chaos-"))
    done: list[dict[str, Any]] = []
    broken: list[str] = []

    def note(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {text}", markup=False, soft_wrap=True)

    with Board(console) as board:
        for number, faults in enumerate(rounds):
            name = f"{options.seed}/{options.store}/{number}/{','.join(each.name for each in faults)}"
            if name in kept.runs:
                done.append(kept.runs[name])
                continue
            if time.monotonic() - began > options.minutes * 60:
                break
            board.phase(f"round {number + 1} of {len(rounds)}")
            try:
                found = run_round(
                    directory / f"round-{number}", faults, cast(), seed=options.seed + number, rate_per_s=RATE_PER_S,
                    on_influx=stores[number % len(stores)], limit_s=CATCH_UP_LIMIT_S, tell=board.tell, note=note,
                )  # fmt: skip
            except (CatchUpError, SendingError, CityError, LocalServerError, AssertionError, OSError) as error:
                broken.append(f"round {number + 1} could not be brought to its end: {error}")
                note("\n".join([broken[-1], *getattr(error, "__notes__", ())]))
                continue
            kept.keep(name, found)
            done.append(found)
    if not done:
        console.print(f"no round was done; logs and topics are kept in {directory}")
        return 1
    result = {**where, "seed": options.seed, "catch_up_limit_s": CATCH_UP_LIMIT_S, **summary(done)}
    faults = [*broken, *faults_of(result, options.faults)]
    if result["faults"] >= FAULTS and not options.only:
        write("chaos", result)
        write_table("chaos", chaos_table(result), PAGE.with_name("failure-modes.md"))
    for one in faults:
        console.print(one, style="red", markup=False)
    return conclude(console, result, directory, None if faults else "nothing lost, nothing doubled")


def faults_of(result: dict[str, Any], wanted: int) -> list[str]:
    """Return why a result shows nothing, or something else than it should; none where all is well."""
    found = [f"{name}: {result[name]}" for name in ("lost", "doubled", "alarms_lost", "alarms_doubled") if result[name]]
    if result["faults"] < wanted:
        found.append(f"{result['faults']} of {wanted} faults in the time: run it again, it goes on from there")
    found += [f"control {name!r} found nothing" for name, least in result["control_least"].items() if not least]
    changed = [one for one in result["changed_files"] if not one.endswith(WRITTEN)]
    if changed or not result["commit"]:
        found.append(f"not committed: {', '.join(changed) or 'no repository'}")
    return found


def _only(names: Sequence[str], count: int, on_influx: bool) -> list[list[Kind]]:
    """Return one round of some kinds in turn."""
    chosen = [each for each in KINDS if each.name in names and each.on_influx in (None, on_influx)]
    return [[chosen[at % len(chosen)] for at in range(count)]]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"so many faults (default {FAULTS})")
    parser.add_argument("--a-round", type=int, default=A_ROUND, help=f"of them in a round (default {A_ROUND})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="begin no round after so long (default 100)")
    parser.add_argument("--store", choices=tuple(_STORES), default="both", help="where the series are kept")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the load and of the faults")
    parser.add_argument("--only", action="append", default=[], metavar="KIND", help="only this kind; repeatable",
                        choices=sorted({each.name for each in KINDS}))  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
