"""A round is one town with some faults, one after the other under load, and then the comparison of everything.

Four controls follow it, which the comparison must find: a batch that was never sent taken for accepted, an accepted one
withheld, a transition lost and one doubled, and something that was told and is not known any more.
"""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.faults.catching_up import catch_up
from bench.faults.kinds import Kind
from bench.faults.town import LISTENERS, Town
from bench.kills.comparing import Topics, compare_topics
from bench.kills.expected import Calculation
from bench.kills.load import BEGIN, DAY_MS, Batch, Cast, Reading
from bench.telling.audience import should_be_told
from bench.telling.hearing import compare_heard

SHOWN = 20
PAUSE_S = 1.0

Tell = Callable[[str], None]


def run_round(
    directory: Path, faults: Sequence[Kind], cast: Cast, *, seed: int, rate_per_s: float, on_influx: bool,
    limit_s: float, tell: Tell = lambda _: None, note: Tell = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Do the faults to a new town under load, compare everything, and return what was found.

    After each fault everything must have caught up within `limit_s` [s]. `tell` hears what is going on, `note` what
    came of each fault. Raises CatchUpError when it does not,
    SendingError when an accepted batch should have been and was not, AssertionError when the town does not run at all;
    its state is noted with the error.
    """
    began, chance = time.monotonic(), random.Random(f"{seed} faults")
    with Town(directory, cast, seed=seed, rate_per_s=rate_per_s, on_influx=on_influx) as town:
        try:
            tell("starting")
            town.start()
            done: list[dict[str, Any]] = []
            for at, kind in enumerate(faults):
                tell(f"{at + 1} of {len(faults)}: {kind.name}")
                done.append(_fault(town, kind, chance, limit_s))
                last = f"broken for {done[-1]['broken_s']:.1f} s, caught up after {done[-1]['catch_up_s']:.1f} s"
                note(f"{at + 1} of {len(faults)}: {kind.name}: {last}")
            readings = town.end(tell) + town.more
            topics = town.topics()
            tell("comparing")
            found = town.held_against(readings, topics)
            controls = control(town, readings, topics)
        except BaseException as error:
            error.add_note(town.state())
            raise
        sending = town.sending
        return {
            "store": "InfluxDB" if on_influx else "embedded file",
            "faults": done,
            "accepted": len({(each.enterprise, each.meter, each.t_ms, each.rev) for each in readings}),
            "load": {"batches": sending.batches, "sent_twice": sending.sent_twice, "repeated": sending.repeats},
            "compared": found.counts,
            "lost": found.lost["values"],
            "doubled": found.doubled["values"],
            "alarms_lost": found.lost["alarms"],
            "alarms_doubled": found.doubled["alarms"],
            "first_differences": found.differences[:SHOWN],
            "controls": controls,
            "duration_s": round(time.monotonic() - began, 1),
        }


def _fault(town: Town, kind: Kind, chance: random.Random, limit_s: float) -> dict[str, Any]:
    # What a fault draws must not move what the next one does.
    own = random.Random(chance.getrandbits(64))
    time.sleep(own.uniform(0, PAUSE_S))
    began = time.monotonic()
    kind.do(town, own)
    broken_s = time.monotonic() - began
    return {"kind": kind.name, "broken_s": round(broken_s, 2), "catch_up_s": round(catch_up(town, limit_s), 2)}


def control(town: Town, readings: Sequence[Reading], topics: Topics) -> dict[str, int]:
    """Return how many differences are found when one thing is wrong; none may be 0."""
    batch = _alone(town)
    mine = set(batch.readings)
    never = Reading(town.cast.wild[0], "e01", int(BEGIN.timestamp() * 1000) - DAY_MS, batch_value(batch))
    lacking = compare_topics(Calculation(town.cast, [*readings, never]), topics)
    withheld = compare_topics(Calculation(town.cast, [each for each in readings if each not in mine]), topics)
    wanted = Calculation(town.cast, readings)
    fewer = compare_topics(wanted, topics._replace(events=topics.events[:-1]))
    twice = compare_topics(wanted, topics._replace(events=[*topics.events, topics.events[-1]]))
    first = LISTENERS[0]
    should = should_be_told(topics.events, LISTENERS)[first.name]
    untold = compare_heard(first, {*should, "never|1"}, town.receivers, ())
    return {
        "taken for accepted": lacking.lost["values"],
        "withheld": withheld.lost["values"] + withheld.doubled["values"],
        "transition lost": fewer.lost["alarms"],
        "transition doubled": twice.doubled["alarms"],
        "not told": len(untold.missing),
    }


def _alone(town: Town) -> Batch:
    """Return a batch of the load whose readings nothing else replaces."""
    enterprise = town.cast.orderly[0]
    return next(each for each in town.sending.sent() if each.enterprise == enterprise)


def batch_value(batch: Batch) -> Any:
    """Return a value that some reading of a batch has."""
    return next(each.value for each in batch.readings if each.value is not None)


def summary(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what all rounds together have shown."""
    faults = [each for one in rounds for each in one["faults"]]
    kinds: dict[str, list[float]] = {}
    for each in faults:
        kinds.setdefault(each["kind"], []).append(each["catch_up_s"])
    compared: dict[str, int] = {}
    for one in rounds:
        for name, count in one["compared"].items():
            compared[name] = compared.get(name, 0) + count
    return {
        "faults": len(faults),
        "by_kind": {name: len(times) for name, times in sorted(kinds.items())},
        "accepted": sum(one["accepted"] for one in rounds),
        **{name: sum(one[name] for one in rounds) for name in ("lost", "doubled", "alarms_lost", "alarms_doubled")},
        "worst_catch_up_s": max((each["catch_up_s"] for each in faults), default=0.0),
        "median_catch_up_s": round(median(each["catch_up_s"] for each in faults), 2) if faults else 0.0,
        "catch_up_by_kind_s": {
            name: {"median": round(median(times), 2), "worst": max(times)} for name, times in sorted(kinds.items())
        },
        "rounds": len(rounds),
        "by_store": {store: sum(len(one["faults"]) for one in rounds if one["store"] == store)
                     for store in sorted({one["store"] for one in rounds})},
        "compared": compared,
        "control_least": {name: min(one["controls"][name] for one in rounds) for name in rounds[0]["controls"]},
        "first_differences": [text for one in rounds for text in one["first_differences"]][:SHOWN],
        "duration_s": round(sum(one["duration_s"] for one in rounds)),
    }  # fmt: skip
