"""The bench's city: enterprises with registers read once a minute, and what their hours must come to."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from schemas.windows import HOUR_MS, local_ms, window_at

ENTERPRISES, METERS = 500, 20
START_MS = local_ms(2025, 10, 9, 17)
MINUTE_MS = 60_000
DAY = "2018-01-01"
ENVELOPE = {"apiVersion": "qingyu/v1", "valid_from": DAY}
# What a kWh is worth in coal by calorific value [kgce].
CV_KGCE = 0.1229
SCALE = 2
MICRO_PER_COUNT = 10_000  # 1e-6 kWh in a count of 0.01 kWh


def enterprise_id(number: int) -> str:
    """Return an enterprise's id."""
    return f"e{number:03}"


def value(meter: int, minute: int) -> int:
    """Return a register's count at a minute."""
    return 1_000_000 * meter + 7 * minute + (minute * (meter + 3)) % 5


def energy() -> list[dict[str, object]]:
    """Return what is the same for every city of a bench: one carrier, one release, a peak rule for all."""
    return [
        {**ENVELOPE, "kind": "carrier", "id": "electricity", "spec": {"unit": "kWh", "medium": "electricity"}},
        {**ENVELOPE, "kind": "release", "id": "bench", "spec": {
            "coefficients": [{"carrier": "electricity", "cv_kgce": str(CV_KGCE), "eq_kgce": "0.3", "source": "bench"}],
            "factors": [{"carrier": "electricity", "gas": "co2", "kg": "0.6", "scope": "power", "source": "bench"}],
        }},
        {**ENVELOPE, "kind": "rule", "id": "peak", "spec": {
            "metric": "qty.electricity", "window": "hour", "period": "episode", "select": {"kind": "enterprise"},
            "raise": {"gt": "1000000"}, "clear": {"lt": "900000"}, "severity": "warning",
        }},
    ]  # fmt: skip


def documents(
    more: Callable[[int], Mapping[str, object]] = lambda _: {}, enterprises: int = ENTERPRISES, meters: int = METERS
) -> list[dict[str, object]]:
    """Return the registry: the energy, and the enterprises with their meters; `more` tells what a meter has besides."""
    found = energy()
    for number in range(enterprises):
        name = enterprise_id(number)
        found.append({**ENVELOPE, "kind": "enterprise", "id": name, "spec": {}})
        # What a source may send is never what is measured.
        spec = {"enterprise": name, "rate_limit_per_s": 1_000_000}
        found.append({**ENVELOPE, "kind": "source", "id": f"s-{name}", "spec": spec})
        found += [
            {**ENVELOPE, "kind": "meter", "id": f"{name}.m{meter:02}", "spec": {
                "carrier": "electricity", "type": "register", "unit": "kWh", "resolution": "0.01", "step": "1min",
                "role": "input", "source": [{"from": DAY, "id": f"s-{name}"}], **more(meter),
            }}
            for meter in range(meters)
        ]  # fmt: skip
    return found


def messages(readings: int, batch: int) -> Iterator[tuple[str, bytes]]:
    """Yield (enterprise, message) in order of time: each message has `batch` readings, all meters of some minutes."""
    minutes = batch // METERS
    yield from stream(ENTERPRISES, METERS, range(0, readings // (ENTERPRISES * batch) * minutes, minutes))


def stream(
    enterprises: int,
    meters: int,
    minutes: range,
    count: Callable[[int, int], int] = value,
    late: int = 0,
    delay: int = 0,
) -> Iterator[tuple[str, bytes]]:
    """Yield (enterprise, message) in order of time; a message has all meters of the minutes of a step of the range.

    `count` gives a register's count at a minute. The last `late` meters of each enterprise are behind by a `delay`
    [minutes]: what a message has of them is that much older.
    """
    names = [f"m{meter:02}" for meter in range(meters)]
    behind = [0] * (meters - late) + [delay] * late
    of_message = range(minutes.step)
    for first in minutes:
        at = [first - behind[meter] + minute for meter in range(meters) for minute in of_message]
        columns = {
            "meters": names,
            "scale": [SCALE] * meters,
            "i": [meter for meter in range(meters) for _ in of_message],
            "t": [START_MS + minute * MINUTE_MS for minute in at],
            "v": [count(place // minutes.step, minute) for place, minute in enumerate(at)],
        }
        received = START_MS + (first + minutes.step - 1) * MINUTE_MS + 1000
        for number in range(enterprises):
            name = enterprise_id(number)
            one = {"batch": f"b{first // minutes.step}", "source": f"s-{name}", "received": received, **columns}
            yield name, msgspec.json.encode({"v": 1, "enterprise": name, "registry": 1, "batches": [one]})


def expected_hours(readings: int, batch: int) -> dict[tuple[str, str, int], int]:
    """Return by (entity, day, hour) what each meter and enterprise must have used [1e-6 kWh], computed apart."""
    last = readings // (ENTERPRISES * batch) * (batch // METERS) - 1
    found: dict[tuple[str, str, int], int] = {}
    for start in range(START_MS, START_MS + (last + 1) * MINUTE_MS, HOUR_MS):
        day = window_at(start, "day")
        place = day.name, (start - day.start_ms) // HOUR_MS
        low, high = (start - START_MS) // MINUTE_MS, min((start + HOUR_MS - START_MS) // MINUTE_MS, last)
        of_meter = [(value(meter, high) - value(meter, low)) * MICRO_PER_COUNT for meter in range(METERS)]
        if high == low:
            continue
        for number in range(ENTERPRISES):
            name = enterprise_id(number)
            found[f"enterprise/{name}", *place] = sum(of_meter)
            found.update({(f"meter/{name}.m{meter:02}", *place): used for meter, used in enumerate(of_meter)})
    return found
