"""The kinds of faults, each a deed done to a town under load; it returns when what it broke is whole again.

How long, to whom and how exactly is drawn: the same seed does the same deeds.
"""

import random
import shutil
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from bench.faults import pushing, starving
from bench.faults.town import GUESTS, SESSION_TIMEOUT_S, Town
from bench.faults.wire import State
from bench.kills.city import WORKERS

Do = Callable[[Town, random.Random], None]
# In one of three lives the local copy is lost with the process, as with its disk.
_LOST_COPIES = 1 / 3
_GRACE_S = 20.0


class Kind(NamedTuple):
    """A kind of fault: its name, the deed, and whether it needs the InfluxDB (False: the embedded file)."""

    name: str
    do: Do
    on_influx: bool | None = None


def _name(role: str, chance: random.Random) -> str:
    return chance.choice(WORKERS) if role == "worker" else role


def _kill(role: str) -> Do:
    def do(town: Town, chance: random.Random) -> None:
        name, processes = _name(role, chance), town.processes
        asking = None
        if role == "api":
            asking = threading.Thread(target=town.note, daemon=True)
            asking.start()
            time.sleep(chance.uniform(0.5, 2))
        processes.kill(name)
        if role == "worker" and chance.random() < _LOST_COPIES:
            processes.stop(name)
            shutil.rmtree(town.installation.data(name) / "state", ignore_errors=True)
            processes.restart(name)
        if asking is not None:
            asking.join()

    return do


def _stop(role: str) -> Do:
    def do(town: Town, chance: random.Random) -> None:
        name = _name(role, chance)
        town.processes.pause(name)
        time.sleep(SESSION_TIMEOUT_S + chance.uniform(1, 3))
        town.processes.resume(name)

    return do


def _break(role: str, state: State) -> Do:
    def do(town: Town, chance: random.Random) -> None:
        wire = town.wire[_name(role, chance)]
        wire.set(state)
        time.sleep(chance.uniform(0.5, 2) if state == "cut" else SESSION_TIMEOUT_S + chance.uniform(0.5, 4))
        # A long silence ends a connection, a shorter one only delays what was sent.
        wire.set("whole", reset=chance.random() < 0.5)

    return do


def _kill_kafka(town: Town, chance: random.Random) -> None:
    town.kafka.kill()
    time.sleep(chance.uniform(0.2, 2.5))
    town.kafka.restart()


def _stop_kafka(town: Town, chance: random.Random) -> None:
    town.kafka.pause()
    time.sleep(chance.uniform(1, 5))
    town.kafka.resume()


def _kill_influx(town: Town, chance: random.Random) -> None:
    assert town.influx is not None
    town.influx.kill()
    time.sleep(chance.uniform(0, 2))
    town.influx.restart()


def _stop_influx(town: Town, chance: random.Random) -> None:
    assert town.influx is not None
    town.influx.pause()
    time.sleep(chance.uniform(1, 6))
    town.influx.resume()


def _storm(town: Town, chance: random.Random) -> None:
    """Let workers come and go, faster than a group settles."""
    for name in GUESTS * 2:
        if name in town.processes.names():
            town.processes.restart(name)
        else:
            town.start_one("worker", name)
        time.sleep(chance.uniform(0, 4))
        _leave(town, name, chance)
    for name in GUESTS:
        town.processes.stop(name, grace_s=_GRACE_S)


def _leave(town: Town, name: str, chance: random.Random) -> None:
    other = chance.choice([each for each in GUESTS if each != name])
    for each in (name, other):
        if each in town.processes.names() and chance.random() < 0.5:
            if chance.random() < 0.5:
                town.processes.kill(each)
            town.processes.stop(each, grace_s=_GRACE_S)


def _table() -> tuple[Kind, ...]:
    roles = ("worker", "gateway", "territory", "sink", "notifier", "api", "ticker")
    wired = ("worker", "gateway", "sink", "territory", "notifier")
    found = [Kind(f"SIGKILL {role}", _kill(role)) for role in roles]
    found += [Kind("SIGKILL Kafka", _kill_kafka), Kind("SIGKILL InfluxDB", _kill_influx, True)]
    found += [Kind(f"SIGSTOP {role}", _stop(role)) for role in roles]
    found += [Kind("SIGSTOP Kafka", _stop_kafka), Kind("SIGSTOP InfluxDB", _stop_influx, True)]
    found += [Kind(f"network of {role} cut", _break(role, "cut")) for role in wired]
    found += [Kind(f"network of {role} silent", _break(role, "held")) for role in wired]
    found += [Kind("network of worker without answers", _break("worker", "deaf"))]
    found += [
        Kind("rebalance storm", _storm),
        Kind("poison message", pushing.poison),
        Kind("duplicated and reordered delivery", pushing.again),
        Kind("clock skew of a source", pushing.skewed),
        Kind("slow store", starving.slow_file, False),
        Kind("slow store", starving.slow_influx, True),
        Kind("full store", starving.full_file, False),
        Kind("full store", starving.full_influx, True),
        Kind("full disk of a worker", starving.full_disk),
    ]
    return tuple(found)


KINDS = _table()
# Of each sort one, for a proof of a minute.
QUICK = (
    "SIGKILL gateway", "SIGKILL worker", "SIGKILL sink", "SIGKILL Kafka", "SIGKILL notifier", "SIGSTOP worker",
    "network of worker silent", "poison message", "duplicated and reordered delivery", "full store",
)  # fmt: skip


def plan(count: int, seed: int, on_influx: Callable[[int], bool], a_round: int) -> list[list[Kind]]:
    """Return the faults of each round: every kind comes as often as any other, in an order drawn by the seed.

    `on_influx` tells of a round, by its number, whether the series are kept by InfluxDB.
    """
    chance = random.Random(f"{seed} plan")
    rounds: list[list[Kind]] = []
    waiting: dict[bool, list[Kind]] = {True: [], False: []}
    while count:
        here = on_influx(len(rounds))
        deck, one = waiting[here], []
        while len(one) < min(count, a_round):
            if not deck:
                deck += [each for each in KINDS if each.on_influx in (None, here)]
                chance.shuffle(deck)
            one.append(deck.pop())
        rounds.append(one)
        count -= len(one)
    return rounds
