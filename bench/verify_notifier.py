"""`make verify-notifier` kills the notifier at every failpoint and shows that everybody is told what they should be.

Alarms come on their topic as workers write them, in transactions, while the notifier's process is killed (SIGKILL)
ten times at each failpoint that it passes, at a passing drawn by the seed, and started again. Four webhooks, one of
which fails now and then, and a robot that stops listening once it is overrun, count what they are told. Who should be
told what is worked out independently (`bench.telling.audience`). A control with a notifier that records before it
sends shows that the comparison finds a loss. Result: bench/results/notifier.json; exit status 1 on any difference,
when the control finds none, and on source that is not committed, since nobody could repeat that.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.kills import failpoints
from bench.kills.killing import Counts, Killer, KillError, Plan
from bench.outcome import circumstances, conclude, write
from bench.page import PAGE, telling_table, write_table
from bench.telling import control
from bench.telling.house import NAME, Found, House, environment
from bench.telling.receivers import Receivers
from bench.verify_kills import Board
from deploy.local.kafka import LocalKafka
from deploy.local.processes import Processes
from tests.running import KILLED, until

SEED = 20261122
ALARMS, KILLS, CONTROL_ALARMS, CONTROL_KILLS = 2000, 10, 60, 3
POLL_S = 0.2
LIMIT_S = 5400.0
SHOWN = 20
# What this proof itself writes.
WRITTEN = ("bench/results/notifier.json", "docs/notify.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    options = _options(arguments)
    names = failpoints.of_notifier()
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"error: no failpoint {', '.join(unknown)}; there are: {', '.join(names)}")
        return 2
    console, began = Console(), time.monotonic()
    where = circumstances()
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="qingyu-telling-"))
        kafka = stack.enter_context(LocalKafka.start(directory / "kafka"))
        board = stack.enter_context(Board(console))
        try:
            lost = 0
            if not options.no_control:
                board.phase("control: a notifier that forgets, to be found out")
                lost = run_control(kafka.bootstrap, directory / "control", options.seed, board)
            counts = Counts()
            found = run_proof(kafka.bootstrap, directory / "telling", options, options.only or names, counts, board)
        except (KillError, AssertionError) as error:
            console.print(f"the proof could not be brought to its end: {error}", style="red", markup=False)
            console.print(f"logs and topics are kept in {directory}")
            return 1
    result = {
        **where, "seed": options.seed, "kills_each": options.kills, **told_of(found, counts),
        "control_missing": lost, "duration_s": round(time.monotonic() - began),
    }  # fmt: skip
    if not options.only and not options.no_control and options.kills >= KILLS:
        write("notifier", result)
        write_table("notifier", telling_table(result), PAGE.with_name("notify.md"))
    faults = faults_of(result, options.only or names, controlled=not options.no_control)
    for one in faults:
        console.print(one, style="red", markup=False)
    return conclude(console, result, directory, None if faults else "everybody was told all, and nobody anything else")


def faults_of(result: dict[str, Any], names: Sequence[str], *, controlled: bool) -> list[str]:
    """Return why a result shows nothing; none where it does."""
    faults = [f"{name}: {result[name]}" for name in ("missing", "unexpected", "wrong") if result[name]]
    if result["recipients"]["chat"]["overrun"]:
        faults.append("the robot was sent more than it takes")
    if controlled and not result["control_missing"]:
        faults.append("the control found nothing: the comparison would not find a loss")
    faults += [f"killed {result['kills'].get(name, 0)} times only at {name}" for name in names
               if result["kills"].get(name, 0) < result["kills_each"]]  # fmt: skip
    changed = [one for one in result["changed_files"] if not one.endswith(WRITTEN)]
    if changed or not result["commit"]:
        faults.append(f"not committed: {', '.join(changed) or 'no repository'}")
    return faults


def run_proof(
    kafka: str, directory: Path, options: argparse.Namespace, names: Sequence[str], counts: Counts, board: Board
) -> Found:
    """Kill the notifier at all failpoints while alarms come, and compare."""
    with Receivers(options.seed) as receivers, Processes(directory / "logs", env=environment(receivers)) as processes:
        house = House(kafka, directory, processes, receivers, options.seed)
        board.phase("starting")
        house.start()
        board.phase("SIGKILL at failpoints")
        plan = Plan(list(names), options.kills, random.Random(options.seed))
        killer = Killer(house.installation, "notifier", NAME, plan, counts, options.seed, house.write_some)
        killer.start()
        end = time.monotonic() + LIMIT_S
        while killer.is_alive():
            if time.monotonic() > end:
                raise KillError(f"the kills did not end within {LIMIT_S} s")
            board.tell(f"{counts.kills.total()} kills, {len(plan)} to come; {house.alarms.begun} alarms")
            time.sleep(POLL_S)
        if killer.trouble:
            raise KillError(killer.trouble)
        board.phase("until all is told")
        house.write_rest(options.alarms)
        found = house.finish(board.tell)
        return found._replace(figures={"alarms": house.alarms.begun, "transitions": len(house.alarms.events),
                                       "answered_503": receivers.failed, "of_them_kept": receivers.kept,
                                       "recipients": found.figures})  # fmt: skip


def run_control(kafka: str, directory: Path, seed: int, board: Board) -> int:
    """Run a notifier that records before it sends, kill it in between, and return how much is found to be missing."""
    with Receivers(seed) as receivers, Processes(directory / "logs", env=environment(receivers)) as processes:
        house = House(kafka, directory, processes, receivers, seed)
        house.start(before=control.NOTIFIER_CODE)
        for number in range(CONTROL_KILLS):
            processes.stop(NAME)
            house.write_some()
            place = f"{control.FAILPOINT}@{3 + number}"
            house.installation.start("notifier", NAME, before=control.NOTIFIER_CODE, QINGYU_FAILPOINT=place)

            def killed() -> bool:
                house.write_some()
                return KILLED in processes.endings(NAME)

            until(killed, 120, "the faulty notifier is killed")
        house.installation.start("notifier", NAME)
        house.write_rest(CONTROL_ALARMS)
        return len(house.finish(board.tell).missing)


def told_of(found: Found, counts: Counts) -> dict[str, Any]:
    """Return what a result file says of what was found."""
    recipients = found.figures["recipients"].values()
    return {
        **found.figures,
        "should_be_told": sum(one["should_be_told"] for one in recipients),
        "told": sum(one["told"] for one in recipients),
        "missing": len(found.missing),
        "unexpected": len(found.unexpected),
        "wrong": len(found.wrong),
        "repeats": sum(one["repeats"] + one["again_in_a_digest"] for one in recipients),
        "first_differences": [*map(str, found.missing), *map(str, found.unexpected), *found.wrong][:SHOWN],
        "kills": dict(sorted(counts.kills.items())),
        "kills_in_all": counts.kills.total(),
        "not_reached_in_time": dict(sorted(counts.missed.items())),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.verify_notifier", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kills at each failpoint (default {KILLS})")
    parser.add_argument("--alarms", type=int, default=ALARMS, help=f"at least so many alarms (default {ALARMS})")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this failpoint; repeatable")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the alarms and of the kills")
    parser.add_argument("--no-control", action="store_true", help="spare the control; writes no result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
