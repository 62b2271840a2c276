"""`make verify-order` shows that numbers do not depend on the order in which their facts come.

An own Kafka runs two installations. One takes a drawn stream in order: registers that turn, are exchanged, reset and
read zero, intervals, exports, corrections, withdrawals, late data, reported outputs, ticks, and a change of the
registry (`bench.order.stream` says what exactly). The other takes the same facts shuffled, cut otherwise and a tenth
of them twice, while its two workers are killed by SIGKILL again and again. Then every window of every series, the open
findings and the alarms of both stores are compared value by value, and `qingyu replay` is held against each. As a
control one reading is then taken back in one of them, and the same comparison has to find that. Result:
bench/results/order.json; exit status 1 on any difference, or when the control finds none.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.order.stream import Fact, Message, facts, in_order, registered, shuffled, ticks
from bench.order.taking import PARTITIONS, Taking
from bench.outcome import circumstances, conclude, write
from deploy.local.kafka import LocalKafka

SEED = 20260220
KILLS = 12
WORKERS = ("worker-1", "worker-2")
SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_order", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"SIGKILLs of workers (default {KILLS})")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the stream, of its order and of the kills")
    parser.add_argument("--days", type=int, default=10, help="days of readings (default 10)")
    parser.add_argument("--enterprises", type=int, default=6, help="enterprises (default 6)")
    options = parser.parse_args(arguments)
    # New topics are not led at once; who writes tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="qingyu-order-"))
    with LocalKafka.start(directory / "kafka") as kafka:
        result = _prove(kafka, directory, options, console)
    result["duration_s"] = round(time.monotonic() - began)
    ok = not any(result["differences"].values()) and result["control_found"] > 0
    write("order", {**circumstances(), "seed": options.seed, **result})
    return conclude(console, result, directory, "order makes no difference" if ok else None)


def _prove(kafka: LocalKafka, directory: Path, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    names = [f"works-{number * 9}" for number in range(options.enterprises)]
    stream = [fact for name in names for fact in facts(name, options.days, options.seed)]
    one, other = Taking(kafka.bootstrap, directory, "ordered"), Taking(kafka.bootstrap, directory, "shuffled")
    with one.processes, other.processes:
        console.print(f"{len(stream)} facts in order")
        one.start(registered(names), WORKERS[:1])
        messages = list(in_order(stream, PARTITIONS))
        every_tick = ticks(options.days, PARTITIONS)
        one.send([*every_tick[:PARTITIONS], *messages[: len(messages) // 2]])
        one.register(registered(names, later=True), 2)
        one.send(messages[len(messages) // 2 :])
        one.send(every_tick)
        one.wait_taken()
        console.print("the same facts shuffled, cut otherwise and partly repeated, while workers are killed")
        dice = random.Random(options.seed)
        other.start(registered(names), WORKERS)
        mixed = among(shuffled(stream, PARTITIONS, options.seed), every_tick, dice)
        size = -(-len(mixed) // options.kills)
        for number in range(options.kills):
            other.send(mixed[number * size : (number + 1) * size])
            if number == options.kills // 3:
                other.register(registered(names, later=True), 2)
            other.kill_workers(WORKERS, dice)
        other.wait_taken()
        console.print("comparing")
        held, differing = one.held(), differences(one.held(), other.held())
        replays = {taking.settings.topic_prefix.rstrip("."): taking.replay() for taking in (one, other)}
        console.print("control: one reading is taken back")
        other.send(list(in_order([_withdrawn(stream)], PARTITIONS)))
        other.wait_taken()
        found = differences(held, other.held())
    return {
        "enterprises": options.enterprises,
        "days": options.days,
        "facts": len(stream),
        "kills": other.kills,
        "compared": {
            "points, findings and alarms": len(held),
            **{f"windows of replay, {name}": told["windows"] for name, told in replays.items()},
        },
        "differences": {
            "ordered and shuffled": len(differing),
            **{f"replay, {name}": len(told["differences"]) for name, told in replays.items()},
        },
        "first_differences": differing[:SHOWN],
        "control_found": len(found),
    }


def differences(one: dict[tuple[Any, ...], Any], other: dict[tuple[Any, ...], Any]) -> list[str]:
    """Return what two stores do not say alike."""
    return [
        f"{' '.join(map(str, key))}: {one.get(key)} and {other.get(key)}"
        for key in sorted(one.keys() | other.keys(), key=str)
        if one.get(key) != other.get(key)
    ]


def among(facts: Sequence[Message], rising: Sequence[Message], dice: random.Random) -> list[Message]:
    """Return facts with ticks at any places among them: time rises, and the first ticks come first."""
    places = sorted(dice.randrange(len(facts)) for _ in rising[PARTITIONS:])
    found = [*rising[:PARTITIONS]]
    before = 0
    for place, each in zip(places, rising[PARTITIONS:], strict=True):
        found += [*facts[before:place], each]
        before = place
    return [*found, *facts[before:]]


def _withdrawn(stream: Sequence[Fact]) -> Fact:
    """Return the withdrawal of an interval's reading that stands in the stream."""
    fact = next(each for each in stream if each.row is not None and each.row[0] == "i01")
    assert fact.row is not None
    return Fact(fact.enterprise, max(each.received for each in stream), (*fact.row[:2], None, 9, "ok"))


if __name__ == "__main__":
    sys.exit(main())
