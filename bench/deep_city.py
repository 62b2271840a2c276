"""The deep city is the bench's city with meters as the field has them, and what its hours must come to.

Of twenty meters of an enterprise ten are registers of few digits, one is exchanged, one counts through a transformer,
three send intervals, five are sub-meters below others; all have a ceiling. One reading in a hundred comes wrong at
first and is corrected by a later batch, on top of the readings that are counted. In every fiftieth enterprise all ten
registers turn and the exchange is done within the run, which in the field is a matter of years.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from bench import city
from bench.city import (
    DAY,
    ENTERPRISES,
    ENVELOPE,
    METERS,
    MICRO_PER_COUNT,
    MINUTE_MS,
    SCALE,
    START_MS,
    enterprise_id,
)
from schemas.windows import HOUR_MS, SHANGHAI, window_at

MODULUS = 1_000_000  # counts, 10,000 kWh
TURNING, EXCHANGED, TRANSFORMED = range(10), 10, 11
INTERVALS, SUBS = range(12, 15), range(15, 20)
MULTIPLIER = 2
EXCHANGE_MINUTE, INITIAL = 60, 500
WRONG_BY = 3
DAY_MINUTES = 24 * 60
BEFORE = 100_000  # counts before the run
EVENTFUL = 50  # every how many an enterprise is one in which something happens


def documents() -> list[dict[str, object]]:
    """Return the registry."""
    found = city.documents(_more)
    for number in range(ENTERPRISES):
        name = enterprise_id(number)
        at_ms = START_MS + (EXCHANGE_MINUTE if _eventful(number) else -DAY_MINUTES) * MINUTE_MS
        at = dt.datetime.fromtimestamp(at_ms / 1000, SHANGHAI)
        found.append({**ENVELOPE, "kind": "exchange", "id": f"x-{name}", "spec": {
            "meter": f"{name}.m{EXCHANGED:02}", "at": at.isoformat(), "initial": _kwh(INITIAL),
            "final": _kwh(_counted(EXCHANGED, EXCHANGE_MINUTE)),
        }})  # fmt: skip
    return found


def _eventful(number: int) -> bool:
    return number % EVENTFUL == 0


def _more(meter: int) -> dict[str, Any]:
    if meter in TURNING:
        return {"modulus": _kwh(MODULUS), "max_rate_per_h": "100"}
    if meter == TRANSFORMED:
        return {"multiplier": [{"from": DAY, "value": str(MULTIPLIER)}], "max_rate_per_h": "100"}
    if meter in INTERVALS:
        return {"type": "interval", "stamp": "start"}
    if meter in SUBS:
        return {"role": "sub", "parent": f"m{meter - SUBS[0]:02}", "max_rate_per_h": "100"}
    return {"max_rate_per_h": "100"}


def _kwh(counts: int) -> str:
    return f"{counts / 100:.2f}"


def _counted(meter: int, minute: int) -> int:
    """Return what a register has counted in all at a minute: a sub-meter what the one above it has."""
    return BEFORE + 7 * minute + minute * (meter % SUBS[0] + 3) % 5


def value(meter: int, minute: int, *, eventful: bool) -> int:
    """Return what a meter sends at a minute [counts]; an eventful enterprise's registers turn one after the other."""
    if meter in TURNING and eventful:
        return (MODULUS - 7 * (10 * meter + 5) + _counted(meter, minute) - BEFORE) % MODULUS
    if meter == EXCHANGED and eventful and minute >= EXCHANGE_MINUTE:
        return INITIAL + _counted(meter, minute) - _counted(meter, EXCHANGE_MINUTE)
    return 7 + minute % 3 if meter in INTERVALS else _counted(meter, minute)


def messages(readings: int, batch: int) -> Iterator[tuple[str, bytes]]:
    """Yield (enterprise, message) in order of time: each message has `batch` readings, all meters of some minutes."""
    minutes = batch // METERS
    names = [f"m{meter:02}" for meter in range(METERS)]
    rounds = readings // (ENTERPRISES * batch)
    for round_ in range(rounds):
        received = START_MS + (round_ + 1) * minutes * MINUTE_MS
        columns = [_columns(round_ * minutes, minutes, round_ == rounds - 1, eventful) for eventful in (False, True)]
        for number in range(ENTERPRISES):
            name = enterprise_id(number)
            one = {
                "batch": f"b{round_}", "source": f"s-{name}", "received": received, "meters": names,
                "scale": [SCALE] * METERS, **columns[_eventful(number)],
            }  # fmt: skip
            yield name, msgspec.json.encode({"v": 1, "enterprise": name, "registry": 1, "batches": [one]})


def _columns(first: int, minutes: int, is_last: bool, eventful: bool) -> dict[str, list[int]]:
    """Return the readings of some minutes; two are wrong but in the last round, those of the round before put right."""
    rows = [
        (meter, minute, value(meter, minute, eventful=eventful), 0)
        for meter in range(METERS)
        for minute in range(first, first + minutes)
    ]
    for meter in (TRANSFORMED, SUBS[0]):
        if not is_last:
            place = meter * minutes
            rows[place] = (*rows[place][:2], rows[place][2] + WRONG_BY, 0)
        if first:
            before = first - minutes
            rows.append((meter, before, value(meter, before, eventful=eventful), 1))
    meters, at, values, revisions = (list(each) for each in zip(*rows, strict=True))
    return {"i": meters, "t": [START_MS + minute * MINUTE_MS for minute in at], "v": values, "rev": revisions}


def expected_hours(readings: int, batch: int) -> dict[tuple[str, str, int], int]:
    """Return by (entity, day, hour) what each meter and enterprise must have used [1e-6 kWh], computed apart."""
    last = readings // (ENTERPRISES * batch) * (batch // METERS) - 1
    found: dict[tuple[str, str, int], int] = {}
    for start in range(START_MS, START_MS + (last + 1) * MINUTE_MS, HOUR_MS):
        day = window_at(start, "day")
        place = day.name, (start - day.start_ms) // HOUR_MS
        low = (start - START_MS) // MINUTE_MS
        of_meter = {meter: _used(meter, low, min(low + 60, last), min(low + 59, last)) for meter in range(METERS)}
        whole = sum(used for meter, used in of_meter.items() if meter not in SUBS)
        for number in range(ENTERPRISES):
            name = enterprise_id(number)
            found[f"enterprise/{name}", *place] = whole
            # A register that has been read once has used nothing yet that is known.
            found.update(
                {
                    (f"meter/{name}.m{meter:02}", *place): used
                    for meter, used in of_meter.items()
                    if low < last or meter in INTERVALS
                }
            )
    return found


def _used(meter: int, low: int, high: int, last: int) -> int:
    """Return what a meter used between two minutes [1e-6 kWh]; `last` is the last slot of an interval meter."""
    if meter in INTERVALS:
        return sum(value(meter, minute, eventful=False) for minute in range(low, last + 1)) * MICRO_PER_COUNT
    times = MULTIPLIER if meter == TRANSFORMED else 1
    return (_counted(meter, high) - _counted(meter, low)) * MICRO_PER_COUNT * times
