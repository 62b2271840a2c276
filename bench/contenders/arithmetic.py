"""The arithmetic of the contenders that are not Qingyu: register differences summed by hour, and what follows of them.

It is the least that comes to the expected results: readings come in order, once, one a minute, so a difference lies in
the hour of the reading before it. It knows no correction, no gap, no exchange and no registry.
"""

from typing import Any

import msgspec

from schemas.messages import Readings
from schemas.windows import HOUR_MS

MICRO_PER_COUNT = 10_000  # 1e-6 kWh in a count of 0.01 kWh
CV_KGCE_PER_10_000_KWH, CO2_KG_PER_10_KWH = 1229, 6
LIMIT_KWH = 126

# By meter a list, since it is changed in place: last instant [epoch ms], last count, counts by hour since the epoch.
Meters = dict[str, list[Any]]

_encode = msgspec.json.Encoder().encode


def enterprise_figures(used: int) -> tuple[int, int, int, bool]:
    """Return an enterprise's hour: energy [1e-6 kWh], 1e-6 kgce, 1e-6 kgCO2, whether it is over the limit."""
    kgce, co2 = used * CV_KGCE_PER_10_000_KWH // 10_000, used * CO2_KG_PER_10_KWH // 10
    return used, kgce, co2, used > LIMIT_KWH * 1_000_000


def add(meters: Meters, message: Readings) -> set[int]:
    """Add a message's readings to the sums of its enterprise; return the hours that changed."""
    touched: set[int] = set()
    for batch in message.batches:
        names = batch.meters
        for i, t, v in zip(batch.i, batch.t, batch.v, strict=True):
            if v is None:
                continue
            meter = meters.get(names[i])
            if meter is None:
                meters[names[i]] = [t, v, {}]
                continue
            at, count, hours = meter
            if t > at:
                hour = at // HOUR_MS
                hours[hour] = hours.get(hour, 0) + v - count
                meter[0], meter[1] = t, v
                touched.add(hour)
    return touched


def result(enterprise: str, meters: Meters, hour: int) -> bytes:
    """Return the record of an enterprise's hour: the figures of the enterprise and of each of its meters."""
    used = {name: hours[hour] * MICRO_PER_COUNT for name, (_, _, hours) in meters.items() if hour in hours}
    figures: dict[str, tuple[int, ...]] = {f"{enterprise}.{name}": (each,) for name, each in used.items()}
    figures[enterprise] = enterprise_figures(sum(used.values()))
    return record(hour, figures)


def record(hour: int, figures: dict[str, tuple[int, ...]]) -> bytes:
    """Return a record of topic `results`: figures by entity of one hour [hours since the epoch]."""
    return _encode((hour * HOUR_MS, figures))
