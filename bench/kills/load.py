"""The load is what the proof's enterprises send: readings of their meters in batches, drawn from one seed.

An orderly enterprise sends complete batches in order of time, so every alarm transition of it is known beforehand. A
wild one has gaps, voids, guesses and faults, corrects what it sent, and sends late and in any order. Both send some
batches twice. One reading never has two values at one revision, so what stands does not depend on the order of arrival.
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

LOCAL = dt.timezone(dt.timedelta(hours=8))
BEGIN = dt.datetime(2026, 2, 20, tzinfo=LOCAL)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
QUARTER_MS = 15 * MINUTE_MS
CHUNK_HOURS = 6
COUNTIES = ("east", "west")
# Enough for two enterprises of each sort in each of four partitions, as a rule.
ORDERLY, WILD = 12, 20

KGCE_PER_KWH, KGCO2_PER_KWH = Decimal("0.1229"), Decimal("0.6")
PEAK_ABOVE_KWH, PEAK_OVER_BELOW_KWH = Decimal(400), Decimal(350)
MEMBER_ABOVE_KWH, MEMBER_BELOW_KWH = Decimal(360), Decimal(320)  # of a county, for each of its enterprises
ORDERLY_TIERS = {"first": Decimal(1500)}
WILD_TIERS = {"first": Decimal(1500), "second": Decimal(6000), "third": Decimal(20000)}  # kgce of a month and longer


class Reading(NamedTuple):
    """A value [kWh] of a meter at an instant [epoch ms]; None is a void."""

    enterprise: str
    meter: str
    t_ms: int
    value: Decimal | None
    rev: int = 0
    quality: str = "ok"


class Batch(NamedTuple):
    """Readings of one enterprise that are sent together, under a name of their own."""

    enterprise: str
    name: str
    readings: tuple[Reading, ...]

    def body(self) -> dict[str, Any]:
        """Return the request that pushes it."""
        rows = [
            {
                "meter": each.meter,
                "ts": each.t_ms,
                **({"void": True} if each.value is None else {"value": str(each.value)}),
                **({"rev": each.rev} if each.rev else {}),
                **({"quality": each.quality} if each.quality != "ok" else {}),
            }
            for each in self.readings
        ]
        return {"source": f"{self.enterprise}-gw", "batch": self.name, "readings": rows}


class Cast(NamedTuple):
    """The enterprises that send, by sort."""

    orderly: tuple[str, ...]
    wild: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self.orderly + self.wild

    def county(self, enterprise: str) -> str:
        """Return the county of an enterprise."""
        return COUNTIES[self.all.index(enterprise) % len(COUNTIES)]


def cast(orderly: int = ORDERLY, wild: int = WILD) -> Cast:
    """Return so many enterprises of each sort."""
    return Cast(tuple(f"o{n:02}" for n in range(orderly)), tuple(f"w{n:02}" for n in range(wild)))


def documents(cast: Cast) -> list[dict[str, Any]]:
    """Return the registry in which they and their meters are registered, with what watches them."""
    day = "2018-01-01"

    def document(kind: str, id_: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": day, "spec": spec}

    def meter(enterprise: str, id_: str, resolution: str, **spec: Any) -> dict[str, Any]:
        source = [{"from": day, "id": f"{enterprise}-gw"}]
        common = {"carrier": "electricity", "unit": "kWh", "resolution": resolution, "source": source}
        return document("meter", f"{enterprise}.{id_}", **common, **spec)

    def tiers(of: dict[str, Decimal]) -> list[dict[str, str]]:
        return [{"id": id_, "max": str(most)} for id_, most in of.items()]

    def peak(id_: str, select: dict[str, Any], above: Decimal, below: Decimal) -> dict[str, Any]:
        watched = {"metric": "qty.electricity", "window": "hour", "period": "episode", "severity": "warning"}
        bounds = {"raise": {"gt": str(above)}, "clear": {"lt": str(below)}}
        return document("rule", id_, **watched, select=select, **bounds)

    def limit(id_: str, ids: Sequence[str], of: dict[str, Decimal]) -> dict[str, Any]:
        select = {"kind": "enterprise", "id": list(ids)}
        return document("limit", id_, indicator="use", tiers=tiers(of), select=select, source="the proof")

    coefficient = {"carrier": "electricity", "cv_kgce": str(KGCE_PER_KWH), "eq_kgce": "0.3", "source": "the proof"}
    factor = {"carrier": "electricity", "gas": "co2", "kg": str(KGCO2_PER_KWH), "scope": "power", "source": "the proof"}
    found = [
        document("city", "town"),
        *(document("county", county, city="town") for county in COUNTIES),
        document("carrier", "electricity", unit="kWh", medium="electricity"),
        document("release", "proof", coefficients=[coefficient], factors=[factor]),
        document("indicator", "use", type="total", total="energy.cv", unit="kgce"),
        peak("peak", {"kind": "enterprise"}, PEAK_ABOVE_KWH, PEAK_OVER_BELOW_KWH),
    ]
    for county in COUNTIES:
        above, below = county_bounds(cast, county)
        found.append(peak(f"peak-{county}", {"kind": "county", "id": [county]}, above, below))
    for id_, ids, of in (("orderly", cast.orderly, ORDERLY_TIERS), ("wild", cast.wild, WILD_TIERS)):
        if ids:
            found.append(limit(f"limit-{id_}", ids, of))
    for enterprise in cast.all:
        found += [
            document("enterprise", enterprise, county=[{"from": day, "id": cast.county(enterprise)}]),
            document("source", f"{enterprise}-gw", enterprise=enterprise, rate_limit_per_s=100_000),
            meter(enterprise, "e01", "0.01", type="interval", step="15min", role="input"),
        ]
        if enterprise in cast.orderly:
            found.append(meter(enterprise, "r01", "0.001", type="register", role="sub", parent="e01"))
        else:
            found.append(meter(enterprise, "r01", "0.001", type="register", role="input"))
            found.append(meter(enterprise, "e02", "0.1", type="interval", step="30min", stamp="start", role="output"))
    return found


def county_bounds(cast: Cast, county: str) -> tuple[Decimal, Decimal]:
    """Return above which kWh an hour a county's alarm is raised, and below which it is cleared."""
    members = sum(cast.county(each) == county for each in cast.all)
    return MEMBER_ABOVE_KWH * members, MEMBER_BELOW_KWH * members


class Sender:
    """What one enterprise sends, day after day: `day(n)` must be asked for each day once, in order; `rest()` last."""

    def __init__(self, enterprise: str, orderly: bool, seed: int) -> None:
        self.enterprise = enterprise
        self.orderly = orderly
        self._chance = random.Random(f"{seed} {enterprise}")
        self._register = Decimal(self._chance.randrange(10**6, 10**9)) / 1000
        self._late: dict[int, list[list[Reading]]] = {}
        self._count = 0

    def day(self, number: int) -> Iterator[Batch]:
        """Yield the batches that are sent on a day of the load (from 0)."""
        begin = int(BEGIN.timestamp() * 1000) + number * DAY_MS
        chunks = self._orderly(begin, first=number == 0) if self.orderly else self._wild(number, begin)
        before: Batch | None = None
        for chunk in chunks:
            batch = self._batch(chunk)
            yield batch
            if self._chance.random() < 0.05:
                yield before or batch
            before = batch

    def rest(self) -> Iterator[Batch]:
        """Yield what is still to come after the last day."""
        for number in sorted(self._late):
            yield from map(self._batch, self._late.pop(number))

    def _batch(self, readings: Sequence[Reading]) -> Batch:
        self._count += 1
        return Batch(self.enterprise, f"{self.enterprise}-{self._count}", tuple(readings))

    def _reading(self, meter: str, t_ms: int, value: Decimal, quality: str = "ok") -> Reading:
        return Reading(self.enterprise, meter, t_ms, value, 0, quality)

    def _number(self, low: int, high: int, scale: int) -> Decimal:
        return Decimal(self._chance.randrange(low * 10**scale, high * 10**scale)).scaleb(-scale)

    def _orderly(self, begin: int, *, first: bool) -> Iterator[list[Reading]]:
        """Yield chunks that each end on an hour with all that belongs to the hours before."""
        high = self._chance.sample(range(24), 4)
        for start in range(begin, begin + DAY_MS, CHUNK_HOURS * HOUR_MS):
            rows = [self._reading("r01", start, self._register)] if first and start == begin else []
            for hour in range(start, start + CHUNK_HOURS * HOUR_MS, HOUR_MS):
                place = (hour - begin) // HOUR_MS
                low = 105 if place in high else 60 if place - 1 not in high else 88
                rows += [
                    self._reading("e01", end, self._number(low, low + 15, 2))
                    for end in range(hour + QUARTER_MS, hour + HOUR_MS + 1, QUARTER_MS)
                ]
                self._register += self._number(10, 40, 3)
                rows.append(self._reading("r01", hour + HOUR_MS, self._register))
            yield rows

    def _wild(self, number: int, begin: int) -> Iterator[list[Reading]]:
        chance = self._chance
        chunks: list[list[Reading]] = []
        gap = chance.randrange(24) if chance.random() < 0.3 else 24
        silent = chance.random() < 0.15  # the register is not read all day
        for start in range(begin, begin + DAY_MS, CHUNK_HOURS * HOUR_MS):
            rows: list[Reading] = []
            for hour in range(start, start + CHUNK_HOURS * HOUR_MS, HOUR_MS):
                in_gap = gap <= (hour - begin) // HOUR_MS < gap + 3
                low = chance.choice((45, 60, 80))
                for quarter in range(hour, hour + HOUR_MS, QUARTER_MS):
                    if not in_gap and chance.random() > 0.01:
                        value = self._number(low, low + 20, 2)
                        rows.append(self._reading("e01", quarter + QUARTER_MS, value, self._quality()))
                rows += [
                    self._reading("e02", half, self._number(1, 12, 1))
                    for half in (hour, hour + 2 * QUARTER_MS)
                    if chance.random() > 0.01
                ]
                self._register += self._number(50, 120, 3)
                if not silent and chance.random() > 0.03:
                    at = hour + 7 * MINUTE_MS + chance.randrange(40 * MINUTE_MS)
                    rows.append(self._reading("r01", at, self._register, self._quality()))
            chance.shuffle(rows)
            chunks.append(rows)
            self._correct(number, rows)
        now = self._late.pop(number, [])
        for chunk in chunks:
            if chance.random() < 0.15:
                self._late.setdefault(number + chance.randint(1, 3), []).append(chunk)
            else:
                now.append(chunk)
        chance.shuffle(now)
        yield from now

    def _quality(self) -> str:
        drawn = self._chance.random()
        return "estimated" if drawn < 0.02 else "fault" if drawn < 0.03 else "ok"

    def _correct(self, number: int, rows: Sequence[Reading]) -> None:
        """Have some readings replaced or voided, now or in some days; a second correction may come before the first."""
        for each in rows:
            for rev in (1, 2):
                if self._chance.random() > 0.03:
                    break
                assert each.value is not None
                moved = each.value + self._number(0, 5, 1)
                value = None if self._chance.random() < 0.2 else moved
                corrected = each._replace(value=value, rev=rev, quality="ok")
                self._late.setdefault(number + self._chance.randint(0, 3), []).append([corrected])
