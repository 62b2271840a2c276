"""The independent calculation: what the real year of the steel works is worth, straight from its CSV.

Nothing of the computation under test is used here, not even its windows: pandas reads the file, `decimal` and whole
numbers of a millionth of a unit count. Local time is UTC+8 throughout; instants are epoch milliseconds.
"""

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

STEEL_CSV = Path(__file__).parent.parent / "services" / "simulator" / "data" / "steel_industry_2018.csv.gz"
KGCE_PER_KWH = Decimal("0.1229")
KGCO2_PER_KWH = Decimal("0.6")

MILLIONTH = Decimal("0.000001")
QUARTER_MS = 15 * 60_000
HOUR_MS = 3_600_000
LOCAL = dt.timezone(dt.timedelta(hours=8))
_FORMS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


class Worth(NamedTuple):
    """What a window is worth: energy [kWh], coal equivalent [kgce], carbon dioxide [kgCO2], all exact."""

    kwh: Decimal
    kgce: Decimal
    kgco2: Decimal

    def __add__(self, other: "Worth") -> "Worth":  # type: ignore[override]
        return Worth(self.kwh + other.kwh, self.kgce + other.kgce, self.kgco2 + other.kgco2)


class Reading(NamedTuple):
    """One value at one instant [epoch ms], in kWh."""

    t_ms: int
    kwh: Decimal


def local_name(ms: int, kind: str) -> str:
    """Return the name of the local hour, day, month or year in which an instant falls."""
    return dt.datetime.fromtimestamp(ms / 1000, LOCAL).strftime(_FORMS[kind])


@cache
def steel_quarters(path: Path = STEEL_CSV) -> tuple[Reading, ...]:
    """Return the kWh of each quarter-hour of 2018, stamped with its end.

    The file writes the day first, and the last quarter of a day as 00:00 of the same day instead of the next.
    """
    table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", usecols=["date", "Usage_kWh", "NSM"])
    stamp = pd.to_datetime(table["date"], format="mixed", dayfirst=True)
    stamp = stamp.where(table["NSM"] != "0", stamp + pd.Timedelta(days=1)).dt.tz_localize(LOCAL)
    found = tuple(
        Reading(int(end.timestamp() * 1000), Decimal(kwh)) for end, kwh in zip(stamp, table["Usage_kWh"], strict=True)
    )
    first = int(dt.datetime(2018, 1, 1, 0, 15, tzinfo=LOCAL).timestamp() * 1000)
    # The rows stand in order of time, a quarter apart: whoever reads the stamps wrongly fails here.
    assert [each.t_ms for each in found] == list(range(first, first + 35_040 * QUARTER_MS, QUARTER_MS))
    return found


def valued(kwh_of_hours: Mapping[int, Decimal]) -> dict[str, dict[str, Worth]]:
    """Return by kind of window and name what hours (by their start) are worth.

    Each product with a coefficient is rounded half-even at a millionth once, for each hour; all above are sums.
    """
    found: dict[str, dict[str, Worth]] = {kind: {} for kind in _FORMS}
    nothing = Worth(Decimal(0), Decimal(0), Decimal(0))
    for start, kwh in sorted(kwh_of_hours.items()):
        kgce, kgco2 = (
            (kwh * each).quantize(MILLIONTH, rounding=ROUND_HALF_EVEN) for each in (KGCE_PER_KWH, KGCO2_PER_KWH)
        )
        for kind, windows in found.items():
            name = local_name(start, kind)
            windows[name] = windows.get(name, nothing) + Worth(kwh, kgce, kgco2)
    return found


def hours_of_intervals(quarters: Iterable[Reading]) -> dict[int, Decimal]:
    """Return the kWh of each hour, by its start, from quarter-hours stamped with their end."""
    found: dict[int, Decimal] = {}
    for end, kwh in quarters:
        start = (end - QUARTER_MS) // HOUR_MS * HOUR_MS
        found[start] = found.get(start, Decimal(0)) + kwh
    return found


@cache
def steel_year() -> dict[str, dict[str, Worth]]:
    """Return every hour, day, month and the year of the steel works as its CSV has them."""
    return valued(hours_of_intervals(steel_quarters()))


def register_readings(seed: int = 2018, short_gaps: int = 60, long_gaps: int = 5) -> tuple[Reading, ...]:
    """Return the year as a register: read at its first instant, at :07 past each hour, and at its last instant.

    Between two ends of quarters the register stands still. Readings of `short_gaps` times 2 to 9 hours and of
    `long_gaps` times three days are left out.
    """
    quarters = steel_quarters()
    chance = random.Random(seed)
    begin, end = quarters[0].t_ms - QUARTER_MS, quarters[-1].t_ms
    standing = {begin: Decimal(0)}
    total = Decimal(0)
    for t_ms, kwh in quarters:
        total += kwh
        standing[t_ms] = total
    hours = range(begin, end, HOUR_MS)
    lost: set[int] = set()
    for length in [chance.randint(2, 9) for _ in range(short_gaps)] + [72] * long_gaps:
        first = chance.randrange(1, len(hours) - 80)
        lost.update(hours[first : first + length])
    read = [Reading(hour + 7 * 60_000, standing[hour]) for hour in hours if hour not in lost]
    return (Reading(begin, standing[begin]), *read, Reading(end, total))


def shared(readings: Iterable[Reading], length_ms: int) -> dict[int, Decimal]:
    """Return the kWh in each piece of `length_ms` (an hour or a local day), by its start.

    The difference E [1e-6 kWh] of two neighbouring readings T ms apart is shared by F(t) = floor(E * t / T): what
    falls between t1 and t2 after the first is F(t2) - F(t1).
    """
    offset = 8 * HOUR_MS  # local pieces begin at local midnight
    found: dict[int, int] = {}
    ordered = sorted(readings)
    for one, two in zip(ordered, ordered[1:], strict=False):
        amount, span = int((two.kwh - one.kwh).scaleb(6)), two.t_ms - one.t_ms
        for start, low, high in _pieces(one.t_ms, two.t_ms, length_ms, offset):
            part = amount * (high - one.t_ms) // span - amount * (low - one.t_ms) // span
            found[start] = found.get(start, 0) + part
    return {start: Decimal(part).scaleb(-6) for start, part in found.items()}


def _pieces(begin: int, end: int, length: int, offset: int) -> Iterator[tuple[int, int, int]]:
    start = (begin + offset) // length * length - offset
    while start < end:
        yield start, max(start, begin), min(start + length, end)
        start += length


@cache
def register_year() -> dict[str, dict[str, Worth]]:
    """Return every hour, day, month and the year of the register variant."""
    return valued(shared(register_readings(), HOUR_MS))


def register_days() -> dict[str, Decimal]:
    """Return the kWh of each local day of the register variant, shared over days without going by hours."""
    return {local_name(start, "day"): kwh for start, kwh in shared(register_readings(), 24 * HOUR_MS).items()}
