"""The independent calculation: what the real year of the steel works is worth, straight from its CSV.

Nothing of the computation under test is used here, not even its windows: pandas reads the file, `decimal` and whole
numbers of a millionth of a unit count. Local time is UTC+8 throughout; instants are epoch milliseconds.
"""

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import pandas as pd

DATA = Path(__file__).parent.parent / "services" / "simulator" / "data"
STEEL_CSV = DATA / "steel_industry_2018.csv.gz"
OUTPUT_CSV = DATA / "steel_output_2018.csv"
KGCE_PER_KWH = Decimal("0.1229")
KGCE_EQUIVALENT_PER_KWH = Decimal("0.3")
KGCO2_PER_KWH = Decimal("0.6")

MILLIONTH = Decimal("0.000001")
QUARTER_MS = 15 * 60_000
HOUR_MS = 3_600_000
LOCAL = dt.timezone(dt.timedelta(hours=8))
_FORMS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", "quarter": "", "year": "%Y"}


class Worth(NamedTuple):
    """What a window is worth, exactly: kWh, kgce by calorific value and by equivalent value, kgCO2."""

    kwh: Decimal
    kgce: Decimal
    kgce_equivalent: Decimal
    kgco2: Decimal

    def plus(self, other: Self) -> Self:
        """Return both together."""
        return type(self)(*(one + two for one, two in zip(self, other, strict=True)))


class Coverage(NamedTuple):
    """How much of a window's meter-time [ms] is expected, measured and estimated."""

    expected: int
    measured: int
    estimated: int

    def plus(self, other: Self) -> Self:
        """Return both together."""
        return type(self)(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def shares(self) -> tuple[float, float, float]:
        """The measured, the estimated and the missing share."""
        missing = self.expected - self.measured - self.estimated
        return self.measured / self.expected, self.estimated / self.expected, missing / self.expected


class Reading(NamedTuple):
    """One value at one instant [epoch ms], in kWh."""

    t_ms: int
    kwh: Decimal


def local_time(ms: int) -> str:
    """Return an instant as local text, without its offset."""
    return dt.datetime.fromtimestamp(ms / 1000, LOCAL).strftime("%Y-%m-%dT%H:%M:%S")


def day_ms(day: str) -> int:
    """Return the instant at which a local day begins [epoch ms]."""
    return int(dt.datetime.fromisoformat(f"{day}T00:00+08:00").timestamp() * 1000)


SumT = TypeVar("SumT", Worth, Coverage)
Year = dict[str, dict[str, SumT]]


@cache
def local_name(ms: int, kind: str) -> str:
    """Return the name of the local hour, day, month, quarter or year in which an instant falls."""
    local = dt.datetime.fromtimestamp(ms / 1000, LOCAL)
    return f"{local.year}-Q{(local.month + 2) // 3}" if kind == "quarter" else local.strftime(_FORMS[kind])


def rolled_up(hours: Mapping[int, SumT]) -> Year[SumT]:
    """Return by kind of window and name the sums of hours, which are named by their start."""
    found: Year[SumT] = {kind: {} for kind in _FORMS}
    for start, amount in sorted(hours.items()):
        for kind, windows in found.items():
            name = local_name(start, kind)
            windows[name] = windows[name].plus(amount) if name in windows else amount
    return found


def together(*years: Year[SumT]) -> Year[SumT]:
    """Return the sums of several by window; one that has nothing in a window adds nothing there."""
    found: Year[SumT] = {kind: {} for kind in _FORMS}
    for year in years:
        for kind, windows in year.items():
            for name, amount in windows.items():
                found[kind][name] = found[kind][name].plus(amount) if name in found[kind] else amount
    return found


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


Worths = tuple[Decimal, Decimal, Decimal]
RELEASED: Worths = (KGCE_PER_KWH, KGCE_EQUIVALENT_PER_KWH, KGCO2_PER_KWH)


def valued(kwh_of_hours: Mapping[int, Decimal], factors: Worths = RELEASED) -> Year[Worth]:
    """Return by kind of window and name what hours (by their start) are worth with coefficients and a factor.

    Each product with a coefficient is rounded half-even at a millionth once, for each hour; all above are sums.
    """
    return rolled_up({start: _worth(kwh, factors) for start, kwh in kwh_of_hours.items()})


def _worth(kwh: Decimal, factors: Worths) -> Worth:
    return Worth(kwh, *((kwh * each).quantize(MILLIONTH, rounding=ROUND_HALF_EVEN) for each in factors))


def hours_of_intervals(quarters: Iterable[Reading]) -> dict[int, Decimal]:
    """Return the kWh of each hour, by its start, from quarter-hours stamped with their end."""
    found: dict[int, Decimal] = {}
    for end, kwh in quarters:
        start = (end - QUARTER_MS) // HOUR_MS * HOUR_MS
        found[start] = found.get(start, Decimal(0)) + kwh
    return found


@cache
def steel_year() -> Year[Worth]:
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
    return _shared(pairwise(sorted(readings)), length_ms)


def _shared(spans: Iterable[tuple[Reading, Reading]], length_ms: int) -> dict[int, Decimal]:
    found: dict[int, int] = {}
    for one, two in spans:
        amount, span = int((two.kwh - one.kwh).scaleb(6)), two.t_ms - one.t_ms
        for start, low, high in _pieces(one.t_ms, two.t_ms, length_ms):
            part = amount * (high - one.t_ms) // span - amount * (low - one.t_ms) // span
            found[start] = found.get(start, 0) + part
    return {start: Decimal(part).scaleb(-6) for start, part in found.items()}


def _pieces(begin: int, end: int, length: int) -> Iterator[tuple[int, int, int]]:
    offset = 8 * HOUR_MS  # local pieces begin at local midnight
    start = (begin + offset) // length * length - offset
    while start < end:
        yield start, max(start, begin), min(start + length, end)
        start += length


@cache
def register_year(factors: Worths = RELEASED) -> Year[Worth]:
    """Return every hour, day, month and the year of the register variant."""
    return valued(shared(register_readings(), HOUR_MS), factors)


def register_days() -> dict[str, Decimal]:
    """Return the kWh of each local day of the register variant, shared over days without going by hours."""
    return {local_name(start, "day"): kwh for start, kwh in shared(register_readings(), 24 * HOUR_MS).items()}


def register_estimated() -> Year[Worth]:
    """Return what of the register variant falls into gaps; windows without any are not there."""
    return valued(_shared(filter(_is_gap, pairwise(register_readings())), HOUR_MS))


def _is_gap(span: tuple[Reading, Reading]) -> bool:
    # The register is read once an hour: more than one and a half without a reading is a gap.
    return span[1].t_ms - span[0].t_ms > 1.5 * HOUR_MS


def _covered(measured: Iterable[tuple[int, int]], estimated: Iterable[tuple[int, int]]) -> Year[Coverage]:
    """Return the coverage of the year's windows by spans (begin and end [ms]) that do not overlap."""
    first = steel_quarters()[0].t_ms - QUARTER_MS
    hours = {start: Coverage(HOUR_MS, 0, 0) for start in range(first, first + 8760 * HOUR_MS, HOUR_MS)}
    for spans, part in ((measured, "measured"), (estimated, "estimated")):
        for begin, end in spans:
            for start, low, high in _pieces(begin, end, HOUR_MS):
                hours[start] = hours[start]._replace(**{part: getattr(hours[start], part) + high - low})
    return rolled_up(hours)


def covered_by_intervals(quarters: Iterable[Reading]) -> Year[Coverage]:
    """Return how quarter-hours, stamped with their end, cover the year."""
    return _covered(((each.t_ms - QUARTER_MS, each.t_ms) for each in quarters), ())


def covered_by_register() -> Year[Coverage]:
    """Return how the register variant covers the year: what lies in a gap is estimated."""
    spans = list(pairwise(register_readings()))
    return _covered(
        ((one.t_ms, two.t_ms) for one, two in spans if not _is_gap((one, two))),
        ((one.t_ms, two.t_ms) for one, two in spans if _is_gap((one, two))),
    )


def sendings(readings: Iterable[Reading], chance: random.Random) -> Iterator[list[Reading]]:
    """Yield all readings in batches of any size, shuffled, 5 % of them twice and 5 % of the batches twice."""
    rows = list(readings)
    rows += chance.sample(rows, len(rows) // 20)
    chance.shuffle(rows)
    batches: list[list[Reading]] = []
    at = 0
    while at < len(rows):
        batches.append(rows[at : at + chance.choice((1, 20, 500, 4000))])
        at += len(batches[-1])
    batches += chance.sample(batches, -(-len(batches) // 20))
    chance.shuffle(batches)
    yield from batches


def outputs() -> dict[str, Decimal]:
    """Return the crude steel [t] of each month of 2018."""
    table = pd.read_csv(OUTPUT_CSV, dtype=str)
    return {month: Decimal(tonnes) for month, tonnes in zip(table["month"], table["crude_steel_t"], strict=True)}


def intensities(year: Year[Worth], tonnes: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the kgce (calorific) a tonne, half-even to a millionth, of months, quarters and the year.

    `tonnes` are those of months; what is longer has an intensity when each of its months has its tonnes.
    """
    months: dict[str, list[str]] = {}
    for number in range(1, 13):
        month = f"2018-{number:02}"
        begin = day_ms(f"{month}-01")
        for kind in ("month", "quarter", "year"):
            months.setdefault(local_name(begin, kind), []).append(month)
    found: dict[str, Decimal] = {}
    for name, its in months.items():
        if all(month in tonnes for month in its):
            kgce = sum((year["month"][month].kgce for month in its), Decimal(0))
            whole = sum((tonnes[month] for month in its), Decimal(0))
            found[name] = (kgce / whole).quantize(MILLIONTH, rounding=ROUND_HALF_EVEN)
    return found


class Episode(NamedTuple):
    """From the hour that rises above the one threshold to the first that falls below the other, None if none does."""

    start: str
    end: str | None


def episodes(hours: Mapping[str, Worth], above: Decimal, below: Decimal) -> list[Episode]:
    """Return the episodes in hours, which are in order of time, by thresholds [kWh]."""
    found: list[Episode] = []
    start: str | None = None
    for name, worth in hours.items():
        if start is None and worth.kwh > above:
            start = name
        elif start is not None and worth.kwh < below:
            found.append(Episode(start, name))
            start = None
    return found if start is None else [*found, Episode(start, None)]
