"""The independent calculation: what the readings that were sent are worth, and which alarms they must have left.

Nothing of the computation under test is used here: whole numbers of a millionth of a kWh, decimals, and a local time
that is UTC+8 throughout; instants are epoch milliseconds.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from bench.kills.load import (
    COUNTIES,
    HOUR_MS,
    KGCE_PER_KWH,
    KGCO2_PER_KWH,
    LOCAL,
    ORDERLY_TIERS,
    PEAK_ABOVE_KWH,
    PEAK_OVER_BELOW_KWH,
    QUARTER_MS,
    WILD_TIERS,
    Cast,
    Reading,
    county_bounds,
)

SLOT_MS = {"e01": QUARTER_MS, "e02": 2 * QUARTER_MS}
_FORMS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
# A register is taken to be read every hour: half an hour more is a gap.
_GAP_MS = HOUR_MS + HOUR_MS // 2


class Hour(NamedTuple):
    """What an hour is worth: energy and the guessed part of it [1e-6 kWh], time measured and guessed [ms]."""

    amount: int = 0
    guessed: int = 0
    measured_ms: int = 0
    guessed_ms: int = 0

    def __add__(self, other: "Hour") -> "Hour":  # type: ignore[override]
        return Hour(*(one + two for one, two in zip(self, other, strict=True)))

    def __neg__(self) -> "Hour":
        return Hour(-self.amount, -self.guessed, self.measured_ms, self.guessed_ms)

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.measured_ms + self.guessed_ms > 0


Hours = dict[int, Hour]
Values = dict[str, int]
Story = list[tuple[str, str]]


class Episode(NamedTuple):
    """An episode of a rule about an entity, by the names of the hours that began and, if any, ended it."""

    rule: str
    entity: str
    begin: str
    end: str | None


def name_of(t_ms: int, kind: str) -> str:
    """Return the name of the local hour, day, month or year in which an instant falls."""
    return dt.datetime.fromtimestamp(t_ms / 1000, LOCAL).strftime(_FORMS[kind])


def standing(readings: Iterable[Reading]) -> dict[tuple[str, str], dict[int, Reading]]:
    """Return by meter and instant the readings of the highest revision."""
    found: dict[tuple[str, str], dict[int, Reading]] = defaultdict(dict)
    for each in readings:
        mine = found[each.enterprise, each.meter]
        if each.t_ms not in mine or mine[each.t_ms].rev < each.rev:
            mine[each.t_ms] = each
    return found


def hours_of_meter(meter: str, readings: Mapping[int, Reading]) -> Hours:
    """Return what the hours of a meter are worth, by their start, from its standing readings by instant."""
    found: dict[int, Hour] = defaultdict(Hour)
    valid = [each for _, each in sorted(readings.items()) if each.value is not None and each.quality != "fault"]
    if meter in SLOT_MS:
        for each in valid:
            begin = each.t_ms - SLOT_MS[meter] if meter == "e01" else each.t_ms
            found[begin // HOUR_MS * HOUR_MS] += _part(_micro(each), SLOT_MS[meter], each.quality == "estimated")
        return found
    for one, two in zip(valid, valid[1:], strict=False):
        amount, span = _micro(two) - _micro(one), two.t_ms - one.t_ms
        if amount < 0:
            continue  # a register that falls gives nothing
        guess = "estimated" in (one.quality, two.quality)
        for hour, low, high in _pieces(one.t_ms, two.t_ms):
            part = amount * (high - one.t_ms) // span - amount * (low - one.t_ms) // span
            gap = span > _GAP_MS and high - low != span
            found[hour] += _part(part, high - low, guess or gap)
    return found


def _micro(reading: Reading) -> int:
    assert reading.value is not None
    return int(reading.value.scaleb(6))


def _part(amount: int, length_ms: int, guessed: bool) -> Hour:
    return Hour(amount, amount, 0, length_ms) if guessed else Hour(amount, 0, length_ms, 0)


def _pieces(begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    hour = begin // HOUR_MS * HOUR_MS
    while hour < end:
        yield hour, max(hour, begin), min(hour + HOUR_MS, end)
        hour += HOUR_MS


def worth(hour: Hour) -> Values:
    """Return the metrics of an hour in which something is known, each product rounded half-even at a millionth."""
    kgce, kgco2 = (
        int((Decimal(hour.amount) * each).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
        for each in (KGCE_PER_KWH, KGCO2_PER_KWH)
    )
    return {"energy.cv": kgce, "co2.total": kgco2, **quantities(hour)}


def quantities(hour: Hour) -> Values:
    """Return the metrics of a meter's hour in which something is known: 1e-6 kWh, and 1e-6 s."""
    return {
        "qty.electricity": hour.amount,
        "qty.electricity.estimated": hour.guessed,
        "time.measured.electricity": hour.measured_ms * 1000,
        "time.estimated.electricity": hour.guessed_ms * 1000,
    }


class Calculation:
    """All that must come of some readings of the load, each counted once."""

    def __init__(self, cast: Cast, readings: Iterable[Reading]) -> None:
        self.cast = cast
        self.standing = standing(readings)
        self.meters = {key: hours_of_meter(key[1], mine) for key, mine in self.standing.items()}
        self.enterprises = {enterprise: self._balance(enterprise) for enterprise in cast.all}
        self.territories = {
            **{f"county/{county}": self._sum(county) for county in COUNTIES},
            "city/town": self._sum(*COUNTIES),
        }

    def _balance(self, enterprise: str) -> Hours:
        signs = {"e01": 1} if enterprise in self.cast.orderly else {"e01": 1, "r01": 1, "e02": -1}
        found: dict[int, Hour] = defaultdict(Hour)
        for meter, sign in signs.items():
            for start, hour in self.meters.get((enterprise, meter), {}).items():
                found[start] += hour if sign > 0 else -hour
        return found

    def _members(self, *counties: str) -> list[str]:
        return [each for each in self.cast.all if self.cast.county(each) in counties]

    def _sum(self, *counties: str) -> dict[int, Values]:
        found: dict[int, Values] = {}
        for enterprise in self._members(*counties):
            for start, hour in self.enterprises[enterprise].items():
                if hour.known:
                    into = found.setdefault(start, {})
                    for metric, value in worth(hour).items():
                        into[metric] = into.get(metric, 0) + value
        return found

    def hours(self) -> dict[str, dict[str, Values]]:
        """Return by entity and hour the metrics of every hour of which something is known."""
        found = {
            f"meter/{enterprise}.{meter}": {
                name_of(start, "hour"): quantities(hour) for start, hour in hours.items() if hour.known
            }
            for (enterprise, meter), hours in self.meters.items()
        }
        for enterprise, hours in self.enterprises.items():
            found[f"enterprise/{enterprise}"] = {
                name_of(start, "hour"): worth(hour) for start, hour in hours.items() if hour.known
            }
        for entity, values in self.territories.items():
            found[entity] = {name_of(start, "hour"): mine for start, mine in values.items()}
        return found

    def days(self) -> dict[str, dict[str, Values]]:
        """Return by entity and day the sums over its hours."""
        found: dict[str, dict[str, Values]] = {}
        for entity, hours in self.hours().items():
            days = found[entity] = {}
            for name, values in hours.items():
                day = days.setdefault(name[:10], {})
                for metric, value in values.items():
                    day[metric] = day.get(metric, 0) + value
        return found

    def episodes(self) -> set[Episode]:
        """Return the episodes that stand in the end, of enterprises and counties."""
        found: set[Episode] = set()
        above, below = int(PEAK_ABOVE_KWH.scaleb(6)), int(PEAK_OVER_BELOW_KWH.scaleb(6))
        for enterprise, hours in self.enterprises.items():
            boundary = 1 if enterprise in self.cast.orderly else 3
            seen = [
                (start, hour.amount, hour.measured_ms + hour.guessed_ms >= boundary * HOUR_MS)
                for start, hour in sorted(hours.items())
                if hour.known
            ]
            found |= _walk("peak", f"enterprise/{enterprise}", seen, above, below)
        for county in COUNTIES:
            members = self._members(county)
            whole_ms = sum(HOUR_MS if each in self.cast.orderly else 3 * HOUR_MS for each in members)
            bounds = [int(each.scaleb(6)) for each in county_bounds(self.cast, county)]
            seen = [
                (
                    start,
                    values["qty.electricity"],
                    values["time.measured.electricity"] + values["time.estimated.electricity"] >= whole_ms * 1000,
                )
                for start, values in sorted(self.territories[f"county/{county}"].items())
            ]
            found |= _walk(f"peak-{county}", f"county/{county}", seen, bounds[0], bounds[1])
        return found

    def tiers(self) -> dict[tuple[str, str, str], str | None]:
        """Return by limit, enterprise and month, quarter or year the tier that is passed in the end."""
        found: dict[tuple[str, str, str], str | None] = {}
        for enterprise in self.cast.all:
            orderly = enterprise in self.cast.orderly
            sums: dict[str, int] = defaultdict(int)
            for start, hour in self.enterprises[enterprise].items():
                if hour.known:
                    month, kgce = name_of(start, "month"), worth(hour)["energy.cv"]
                    quarter = f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"
                    for period in (month, quarter, month[:4]):
                        sums[period] += kgce
            tiers = ORDERLY_TIERS if orderly else WILD_TIERS
            for period, kgce in sums.items():
                passed = [tier for tier, most in tiers.items() if kgce > int(most.scaleb(6))]
                rule = "limit-orderly" if orderly else "limit-wild"
                found[rule, f"enterprise/{enterprise}", period] = passed[-1] if passed else None
        return found

    def stories(self) -> dict[tuple[str, str, str], list[str]]:
        """Return by rule, orderly enterprise and start the causes of all transitions of its alarm, in order."""
        orderly = {f"enterprise/{each}" for each in self.cast.orderly}
        found = {
            (each.rule, each.entity, each.begin): ["raised", *(["cleared"] if each.end else [])]
            for each in self.episodes()
            if each.entity in orderly
        }
        found.update({key: ["raised"] for key, tier in self.tiers().items() if tier and key[1] in orderly})
        return found


def _walk(rule: str, entity: str, seen: Iterable[tuple[int, int, bool]], above: int, below: int) -> set[Episode]:
    """Walk over known hours (start, value, complete): any value can raise, only a complete one clear."""
    found: set[Episode] = set()
    begin: str | None = None
    for start, value, complete in seen:
        if begin is None and value > above:
            begin = name_of(start, "hour")
        elif begin is not None and complete and value < below:
            found.add(Episode(rule, entity, begin, name_of(start, "hour")))
            begin = None
    if begin is not None:
        found.add(Episode(rule, entity, begin, None))
    return found
