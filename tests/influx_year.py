"""The steel year on its way into a series store: what stands in the topics of it, and what the store must then hold."""

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from schemas.messages import Batch
from schemas.topics import READINGS, TOPICS, Topic
from schemas.windows import WINDOW_KINDS, WindowKind, window
from streams.stores.series import Store
from tests import independent
from tests.folding import REGISTRY, Disk, Stream, documents, instant, message, meter, tick
from tests.independent import Reading

ENTITY = "enterprise/works"
METRICS = ("qty.electricity", "energy.cv", "energy.eq", "co2.total")
POSTED_MS = instant("2019-02-01")
EVER = (0, 2**53)


_TOPICS = {topic.name: topic for topic in TOPICS}


class Said(NamedTuple):
    """A record of a topic."""

    topic: Topic
    key: bytes
    value: bytes


def messages(readings: Iterable[Reading], batches: int) -> Iterator[bytes]:
    """Yield messages of batches of a hundred readings each, in the order given."""
    received, number = POSTED_MS, 0
    rest = iter(readings)
    while part := list(islice(rest, 100 * batches)):
        found: list[Batch] = []
        for first in range(0, len(part), 100):
            some = part[first : first + 100]
            received, number = received + 1000, number + 1
            counts: list[int | None] = [int(each.kwh.scaleb(2)) for each in some]
            times = [each.t_ms for each in some]
            found.append(Batch(f"b{number}", "works-gw1", received, ["e01"], [2], [0] * len(some), times, counts))
        yield message(*found)


def steps(readings: Iterable[Reading], directory: Path, batches: int) -> Iterator[list[Said]]:
    """Yield what the worker says at each message of readings, the message first."""
    stream = Stream(documents(REGISTRY, meter("e01")), Disk(directory))
    for each in [*messages(readings, batches), tick(instant("2019-06-01"))]:
        outputs = stream.step(each).outputs
        yield [Said(READINGS, b"works", each), *(Said(_TOPICS[topic], key, value) for topic, _, key, value in outputs)]


def shuffled(seed: int) -> list[Reading]:
    """Return the year's readings out of order."""
    found = list(independent.steel_quarters())
    random.Random(seed).shuffle(found)
    return found


def differences(store: Store, readings: Iterable[Reading], wanted: independent.Year[independent.Worth]) -> list[str]:
    """Return where a store is not what the independent calculation says, to the double."""
    found: list[str] = []
    for kind in WINDOW_KINDS:
        found += _window_differences(store, kind, wanted)
    kept = {one.time_ms: one.value for one in store.readings("works.e01", *EVER)}
    expected = {one.t_ms: float(one.kwh) for one in readings}
    found += [
        f"reading at {at}: {kept.get(at)} instead of {expected.get(at)}"
        for at in sorted(kept.keys() | expected.keys())
        if kept.get(at) != expected.get(at)
    ]
    return found


def _window_differences(store: Store, kind: WindowKind, wanted: independent.Year[independent.Worth]) -> list[str]:
    found: list[str] = []
    for place, metric in enumerate(METRICS):
        points = {each.start_ms: each for each in store.series(ENTITY, metric, kind, *EVER)}
        values = {start: each.value for start, each in points.items() if each.value is not None}
        expected = {window(name).start_ms: float(worth[place]) for name, worth in wanted[kind].items()}
        found += [
            f"{kind} {metric} at {start}: {values.get(start)} instead of {expected.get(start)}"
            for start in sorted(values.keys() | expected.keys())
            if values.get(start) != expected.get(start)
        ]
        found += [
            f"{kind} {metric} at {start}: measured {points[start].measured}"
            for start in expected
            if start in points and points[start].measured != 1.0
        ]
    return found
