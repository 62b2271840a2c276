"""The readings of the throughput bench: registers read once a minute for 200 minutes, and what they must come to."""

from collections.abc import Iterator

import msgspec

from bench import city
from bench.city import ENVELOPE, METERS, MINUTE_MS, SCALE, START_MS, enterprise_id
from bench.contenders.arithmetic import LIMIT_KWH, MICRO_PER_COUNT, enterprise_figures
from bench.contenders.contender import Results
from schemas.windows import HOUR_MS

MINUTES = 200
OF_ENTERPRISE = METERS * MINUTES


def enterprises_of(readings: int) -> int:
    """Return how many enterprises send so many readings in all."""
    if readings % OF_ENTERPRISE:
        raise ValueError(f"{readings} readings: an enterprise sends {OF_ENTERPRISE:,}, so say a multiple of that")
    return readings // OF_ENTERPRISE


def counted(number: int, meter: int, minute: int) -> int:
    """Return a register's count at a minute; the enterprises use more or less, so that some are over the limit."""
    return 1_000_000 * meter + (7 + number % 5) * minute + (minute * (meter + 3)) % 5


def documents(readings: int) -> list[dict[str, object]]:
    """Return the registry: that of the bench's city, with a limit that every fifth enterprise is over each hour."""
    keep = {enterprise_id(number) for number in range(enterprises_of(readings))}
    found = [each for each in city.documents() if each["kind"] != "rule" and _whose(each) in {None, *keep}]
    return [*found, {**ENVELOPE, "kind": "rule", "id": "limit", "spec": {
        "metric": "qty.electricity", "window": "hour", "period": "hour", "select": {"kind": "enterprise"},
        "raise": {"gt": str(LIMIT_KWH)}, "severity": "warning",
    }}]  # fmt: skip


def _whose(document: dict[str, object]) -> str | None:
    """Return the enterprise that a document of the city is about; None where it is about all."""
    if document["kind"] not in {"enterprise", "source", "meter"}:
        return None
    return str(document["id"]).removeprefix("s-").partition(".")[0]


def messages(readings: int, batch: int) -> Iterator[tuple[str, bytes]]:
    """Yield (enterprise, message) in order of time; a batch is of one meter, of all, or of all in some minutes."""
    meters_each, minutes_each = min(batch, METERS), max(batch // METERS, 1)
    for first in range(0, MINUTES, minutes_each):
        minutes = range(first, first + minutes_each)
        times = [START_MS + minute * MINUTE_MS for minute in minutes]
        for number in range(enterprises_of(readings)):
            name = enterprise_id(number)
            for begin in range(0, METERS, meters_each):
                meters = range(begin, begin + meters_each)
                one = {
                    "batch": f"b{first}.{begin}", "source": f"s-{name}", "received": times[-1] + 1000,
                    "meters": [f"m{meter:02}" for meter in meters], "scale": [SCALE] * meters_each,
                    "i": [place for place in range(meters_each) for _ in times], "t": times * meters_each,
                    "v": [counted(number, meter, minute) for meter in meters for minute in minutes],
                }  # fmt: skip
                yield name, msgspec.json.encode({"v": 1, "registry": 1, "enterprise": name, "batches": [one]})


def expected(readings: int) -> Results:
    """Return what every meter and enterprise must have used in each hour, computed from the counts alone."""
    found: Results = {}
    for low in range(0, MINUTES - 1, 60):
        high, hour = min(low + 60, MINUTES - 1), START_MS + low * MINUTE_MS
        for number in range(enterprises_of(readings)):
            name = enterprise_id(number)
            used = [
                (counted(number, meter, high) - counted(number, meter, low)) * MICRO_PER_COUNT
                for meter in range(METERS)
            ]
            found.update({(f"{name}.m{meter:02}", hour): (each,) for meter, each in enumerate(used)})
            found[name, hour] = enterprise_figures(sum(used))
    if START_MS % HOUR_MS:
        raise AssertionError("the readings begin with an hour")
    return found
