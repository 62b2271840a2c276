"""The university (示范大学) of the demo is two real buildings with electricity and gas of each hour of 2018.

The file's stamps are UTC and mark the start of an hour. Its publisher wrote what is missing as 0. A building in use
never takes no electricity for an hour, so an electricity of 0 is missing and not sent; a gas of 0 is true in summer
and is sent.
"""

import csv
import datetime as dt
import gzip
import io
from collections.abc import Iterator

from schemas.windows import HOUR_MS
from services.simulator.channel import DATA, Channel, channel_of

ENTERPRISE, SOURCE = "bz-university", "bz-university-gw1"
FILE = "cambridge_b2_b24_2018.csv.gz"
SCALE = 1


def buildings() -> Iterator[Channel]:
    """Yield, for each building, electricity and gas [kWh] of each hour, stamped by its start."""
    electricity: dict[str, list[tuple[int, str]]] = {}
    gas: dict[str, list[tuple[int, str]]] = {}
    with (DATA / FILE).open("rb") as packed, gzip.open(packed) as plain:
        for row in csv.DictReader(io.TextIOWrapper(plain, encoding="utf-8", newline="")):
            start = dt.datetime.fromisoformat(row["datetime_utc"]).replace(tzinfo=dt.UTC)
            start_ms = int(start.timestamp()) * 1000
            if float(row["electricity_kwh"]) != 0:
                electricity.setdefault(row["building"], []).append((start_ms, row["electricity_kwh"]))
            gas.setdefault(row["building"], []).append((start_ms, row["gas_kwh"]))
    for suffix, by_building in (("e", electricity), ("g", gas)):
        for building, readings in sorted(by_building.items()):
            yield channel_of(SOURCE, f"{building}-{suffix}", readings, SCALE, delay_ms=HOUR_MS)
