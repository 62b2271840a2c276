"""The proof kills an installation under load at every failpoint, stops and wakes its workers, and kills its Kafka."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.kills.city import READY_LIMIT_S, WORKERS, City
from bench.kills.failpoints import in_source
from bench.kills.killing import Counts, Killer, KillError, Plan
from deploy.local.kafka import LocalKafka
from deploy.local.processes import TRY_AGAIN
from tests.running import lag, until

# Longer than the session time-out by this: the others have taken over, and made steps of their own.
ASLEEP_S = 3.0
MOVE_BATCHES = 5
POLL_S = 0.5
PHASE_LIMIT_S = 3600.0

Tell = Callable[[str], None]


@dataclass(slots=True)
class Deeds:
    """What was done to an installation."""

    counts: Counts = field(default_factory=Counts)
    stops: int = 0
    fenced: int = 0
    kafka_kills: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the counts for a result file."""
        counts = self.counts
        return {
            "kills": dict(sorted(counts.kills.items())),
            "kills_in_all": counts.kills.total(),
            "not_reached_in_time": dict(sorted(counts.missed.items())),
            "restarts_asked_for": dict(sorted(counts.restarts.items())),
            "worker_stops": self.stops,
            "workers_fenced_after_stop": self.fenced,
            "kafka_kills": self.kafka_kills,
        }


def kill_at_failpoints(city: City, kills: int, deeds: Deeds, seed: int, tell: Tell, only: Iterable[str] = ()) -> None:
    """Have every failpoint (or only some) kill its process so many times: both workers and the others side by side."""
    wanted = {name: role for name, role in in_source().items() if not only or name in only}
    plans: dict[str, Plan] = {}
    killers: list[Killer] = []
    for role in dict.fromkeys(wanted.values()):
        names = [name for name, mine in wanted.items() if mine == role]
        plans[role] = Plan(names, kills, random.Random(f"{seed} {role}"))
        for name in WORKERS if role == "worker" else (role,):
            provoke = city.note if role == "api" else None
            killers.append(Killer(city.installation, role, name, plans[role], deeds.counts, seed, provoke))
    for each in killers:
        each.start()
    end = time.monotonic() + PHASE_LIMIT_S
    while any(each.is_alive() for each in killers):
        trouble = [each.trouble for each in killers if each.trouble]
        city.sending.check()
        if trouble or time.monotonic() > end:
            raise KillError("; ".join(trouble) or f"the kills did not end within {PHASE_LIMIT_S} s")
        left = " ".join(f"{role} {len(plan)}" for role, plan in plans.items() if len(plan))
        tell(f"{deeds.counts.kills.total()} kills at failpoints; to come: {left or 'the last ones'}")
        time.sleep(POLL_S)
    trouble = [each.trouble for each in killers if each.trouble]
    if trouble:
        raise KillError("; ".join(trouble))
    missing = [name for name in wanted if deeds.counts.kills[name] < kills]
    if missing:
        raise KillError(f"fewer than {kills} kills at {', '.join(missing)}")
    city.wait_ready()


def stop_and_wake(city: City, times: int, deeds: Deeds, tell: Tell) -> None:
    """Stop workers by turns for longer than their session, and let them go on: none may write as if nothing was."""
    processes = city.processes
    for number in range(times):
        name = WORKERS[number % len(WORKERS)]
        tell(f"SIGSTOP {number + 1} of {times}")
        _wait_owned(city, WORKERS)
        before = processes.endings(name).count(TRY_AGAIN)
        processes.pause(name)
        time.sleep(city.settings.session_timeout_s + ASLEEP_S)
        processes.resume(name)
        deeds.stops += 1
        end = time.monotonic() + 10
        while processes.endings(name).count(TRY_AGAIN) == before and time.monotonic() < end:
            time.sleep(0.05)
        deeds.fenced += processes.endings(name).count(TRY_AGAIN) > before
        city.sending.check()
    city.wait_ready()


def _wait_owned(city: City, names: Iterable[str]) -> None:
    """Wait until each worker is ready and has partitions to lose."""

    def owned(name: str) -> bool:
        ready, details = city.installation.ready(name)
        return ready and bool(details["partitions"])

    for name in names:
        until(lambda name=name: owned(name), READY_LIMIT_S, f"{name} has partitions", 0.2)


def kill_kafka(city: City, kafka: LocalKafka, times: int, deeds: Deeds, seed: int, tell: Tell) -> None:
    """Kill the broker and start it again; between two kills the load and the workers have moved on."""
    chance = random.Random(f"{seed} kafka")
    for number in range(times):
        tell(f"Kafka killed {number + 1} of {times}")
        kafka.kill()
        deeds.kafka_kills += 1
        time.sleep(chance.uniform(0.2, 2.5))
        kafka.restart()
        taken = city.sending.batches + MOVE_BATCHES

        def moved(taken: int = taken) -> bool:
            city.sending.check()
            return city.sending.batches >= taken

        until(moved, READY_LIMIT_S, "the gateway takes batches again", 0.2)
        until(lambda: lag(city.settings) < 50, READY_LIMIT_S, "the workers take them in", 0.2)
        time.sleep(chance.uniform(0, 2))
    city.wait_ready()
