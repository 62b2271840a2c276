"""A stream is every kind of fact of some enterprises: readings with faults and corrections, reported values, ticks.

Drawn by a seed. It can be had in order, and as the same facts shuffled, cut otherwise and partly repeated: each fact
keeps the instant at which it was received, which is a part of it.
"""

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from schemas.decimals import MICRO_SCALE, at_scale
from schemas.documents import Document
from schemas.messages import VERSION, Reported, encode
from schemas.partitioner import partition_of_key
from schemas.topics import READINGS, REPORTED, Topic
from schemas.windows import DAY_MS, HOUR_MS, window
from tests.folding import batch, document, documents, message, meter, tick

BEGIN_MS = window("2026-02-20").start_ms
QUARTER_MS = 15 * 60_000
# A register of five digits at 0.1 that counts through a transformer.
TURNS = {"modulus": "1000", "max_rate_per_h": "600", "multiplier": [{"from": "2018-01-01", "value": "2"}]}
SCALES = {"r01": 1, "r02": 1, "i01": 2, "i02": 2, "x01": 1, "s01": 1}
CORRECTED_PART, VOID_PART, LOST_PART, FAULT_PART, REPEATED_PART = 0.02, 0.01, 0.03, 0.01, 0.1
LONGEST_LATE_MS = 12 * DAY_MS


class Fact(NamedTuple):
    """A row of one meter (meter, instant, value, revision, quality), or a reported value, and when it was received."""

    enterprise: str
    received: int
    row: tuple[Any, ...] | None = None
    reported: Reported | None = None


class Message(NamedTuple):
    """A record to be written: topic, partition, key, value."""

    topic: Topic
    partition: int
    key: bytes
    value: bytes


def registered(enterprises: Iterable[str], *, later: bool = False) -> list[Document]:
    """Return the documents; `later` are those after a change of the registry that touches the time before it."""
    factor = {"carrier": "electricity", "gas": "co2", "kg": "0.57034", "scope": "power", "source": "bench"}
    coefficient = {"carrier": "electricity", "cv_kgce": "0.1229", "eq_kgce": "0.3", "source": "bench"}
    peak: dict[str, Any] = {"select": {"kind": "enterprise"}, "raise": {"gt": "900"}, "severity": "warning"}
    parts = [
        document("carrier", "electricity", unit="kWh", medium="electricity"),
        document("product", "crude-steel", unit="t"),
        document("release", "bench", coefficients=[coefficient], factors=[factor]),
        document("province", "sichuan"),
        document("city", "bazhong", province="sichuan"),
        document("county", "bazhou", city="bazhong"),
        document("county", "enyang", city="bazhong"),
        document("park", "east", county="bazhou"),
        document(
            "indicator", "intensity", type="intensity", numerator="energy.cv", denominator="output.crude-steel",
            unit="kgce/t",
        ),
        document("limit", "steel", indicator="intensity", source="bench", tiers=[{"id": "limit", "max": "30"}]),
        document("rule", "peak", metric="qty.electricity", window="hour", period="episode", **peak),
    ]  # fmt: skip
    for number, id_ in enumerate(enterprises):
        county = [{"from": "2018-01-01", "id": ("bazhou", "enyang")[number % 2]}]
        # Whoever moves does so in the middle of the stream, and the second registry moves the day.
        county += [{"from": "2026-03-08" if later else "2026-03-05", "id": "bazhou"}] if number % 4 == 3 else []
        belongs: dict[str, Any] = {"county": county}
        if number % 2 == 0:
            belongs["park"] = [{"from": "2018-01-01", "id": "east"}]
        turns: dict[str, Any] = TURNS | {"max_rate_per_h": "500" if later else "600"}
        parts += [
            document("enterprise", id_, **belongs),
            document("source", f"{id_}-gw1", enterprise=id_),
            meter("r01", "register", enterprise=id_, resolution="0.1", step="15min", max_rate_per_h="900"),
            meter("r02", "register", enterprise=id_, resolution="0.1", step="1h", **turns),
            meter("i01", enterprise=id_),
            meter("i02", enterprise=id_, stamp="start", step="30min"),
            meter("x01", "register", enterprise=id_, resolution="0.1", role="output", step="1h"),
            meter("s01", "register", enterprise=id_, resolution="0.1", role="sub", parent="r01", step="1h"),
            document(
                "exchange", f"{id_}-r01", meter=f"{id_}.r01", at="2026-03-04T09:37:00", final="4000", initial="12",
                **({"multiplier": "3"} if later else {}),
            ),
        ]  # fmt: skip
    return documents(*parts)


def facts(enterprise: str, days: int, seed: int) -> list[Fact]:
    """Return the facts of an enterprise in the order of their receipt."""
    dice = random.Random(f"{seed} {enterprise}")
    rows = [row for name in SCALES for row in _rows(name, days, dice)]
    found: list[Fact] = []
    for row in rows:
        if dice.random() < LOST_PART:
            continue
        received = row[1] + (60_000 if dice.random() < 0.9 else dice.randrange(LONGEST_LATE_MS))
        quality = "fault" if dice.random() < FAULT_PART else "ok"
        found.append(Fact(enterprise, received, (*row, 0, quality)))
        if dice.random() < CORRECTED_PART:
            value = None if dice.random() < VOID_PART / CORRECTED_PART else row[2] + dice.randrange(-40, 60)
            late = received + dice.randrange(LONGEST_LATE_MS)
            changed = None if value is None else max(0, value)
            found.append(Fact(enterprise, late, (*row[:2], changed, dice.randrange(3), "ok")))
    for revision, tonnes in enumerate((40 * days, 50 * days)):
        received = BEGIN_MS + (days + revision) * DAY_MS
        value = Reported(
            VERSION, 1, f"enterprise/{enterprise}", "output.crude-steel", "2026-02",
            at_scale(Decimal(tonnes), MICRO_SCALE), str(tonnes), "t", revision, f"{enterprise}-gw1", received,
        )  # fmt: skip
        found.append(Fact(enterprise, received, reported=value))
    return sorted(found, key=_place)


def _rows(name: str, days: int, dice: random.Random) -> Iterator[tuple[str, int, int]]:
    """Yield the readings [counts] of a meter, with what registers do in the field."""
    step_ms = {"r01": QUARTER_MS, "i01": QUARTER_MS, "i02": 2 * QUARTER_MS}.get(name, HOUR_MS)
    count, silent_to = dice.randrange(5000), 0
    for at_ms in range(BEGIN_MS, BEGIN_MS + days * DAY_MS, step_ms):
        if name.startswith("i"):
            yield name, at_ms, dice.randrange(9000)
            continue
        count += dice.randrange(1000) * step_ms // HOUR_MS
        if name == "r02":
            count %= 10_000
        happens = dice.random()
        if happens < 0.003:
            silent_to = at_ms + dice.randrange(1, 40) * HOUR_MS
        if at_ms < silent_to:
            continue
        if happens > 0.998:
            count = 0
        yield name, at_ms, 0 if 0.003 < happens < 0.008 else count - (happens > 0.99)


def in_order(stream: Iterable[Fact], partitions: int, registry: int = 1) -> Iterator[Message]:
    """Yield the messages of facts in the order of their receipt, those received together in one message."""
    for _, together in groupby(sorted(stream, key=_place), key=_place):
        yield from _messages(list(together), partitions, registry)


def shuffled(stream: Iterable[Fact], partitions: int, seed: int, registry: int = 1) -> list[Message]:
    """Return the messages of the same facts in any order, cut otherwise, a tenth of them twice."""
    dice = random.Random(seed)
    every = list(stream)
    every += dice.sample(every, int(len(every) * REPEATED_PART))
    found: list[Message] = []
    for _, alike in groupby(sorted(every, key=_place), key=_place):
        together = list(alike)
        dice.shuffle(together)
        while together:
            size = dice.randint(1, len(together))
            found += _messages(together[:size], partitions, registry)
            together = together[size:]
    dice.shuffle(found)
    return found


def ticks(days: int, partitions: int, registry: int = 1) -> list[Message]:
    """Return ticks to the end of the time of the stream and of its last late facts, to every partition."""
    last_ms = BEGIN_MS + (days + 30) * DAY_MS
    return [
        Message(READINGS, partition, b"tick", tick(at_ms, registry))
        for at_ms in range(BEGIN_MS, last_ms + 1, DAY_MS)
        for partition in range(partitions)
    ]


def _place(fact: Fact) -> tuple[int, str]:
    return fact.received, fact.enterprise


def _messages(together: list[Fact], partitions: int, registry: int) -> Iterator[Message]:
    enterprise, received = together[0].enterprise, together[0].received
    partition, key = partition_of_key(enterprise, partitions), enterprise.encode()
    for fact in together:
        if fact.reported is not None:
            yield Message(REPORTED, partition, key, encode(fact.reported))
    rows = [(*row[:2], None if row[2] is None else Decimal(row[2]).scaleb(-SCALES[row[0]]), *row[3:])
            for fact in together if (row := fact.row) is not None]  # fmt: skip
    if rows:
        sent = batch(rows, scale=SCALES, received=received)
        yield Message(READINGS, partition, key, message(sent, enterprise=enterprise, registry=registry))
