"""An output is what an enterprise reports that it made in a period: what no meter gives.

Those of a month are made up for the demo and stand in its files; what a data centre's servers took in a day is the sum
of their meter.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.decimals import decimal_text
from schemas.windows import DAY_MS, window, window_at
from services.simulator.channel import DATA, FIRST_MS, Channel

# People report in the morning after the period.
REPORTED_AFTER_MS = 9 * 3_600_000
STEEL_FILE, OTHERS_FILE = "steel_output_2018.csv", "outputs_2018.csv"
STEEL, STEEL_PRODUCT = "bz-steel", "crude-steel"
SERVERS = "bz-datacentre", "bz-datacentre-gw1", "e02", "it-electricity"


class Output(NamedTuple):
    """What an enterprise made of a product: `value` is decimal text in `unit`; reported at `reported_ms` [epoch ms]."""

    enterprise: str
    product: str
    period: str
    value: str
    unit: str
    reported_ms: int


def outputs(channels: Iterable[Channel]) -> Iterator[Output]:
    """Yield all that is reported in the demo's year, given what its meters have to say."""
    with (DATA / STEEL_FILE).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield _output(STEEL, STEEL_PRODUCT, row["month"], row["crude_steel_t"], "t")
    with (DATA / OTHERS_FILE).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield _output(row["enterprise"], row["product"], row["month"], row["value"], row["unit"])
    enterprise, source, meter, product = SERVERS
    for channel in channels:
        if (channel.source, channel.meter) == (source, meter):
            for day, count in sorted(_by_day(channel).items()):
                name = window_at(FIRST_MS + day * DAY_MS, "day").name
                yield _output(enterprise, product, name, decimal_text(count, channel.scale), "kWh")


def _by_day(channel: Channel) -> dict[int, int]:
    # Stamped at their ends: midnight's belongs to the day that is over.
    days: dict[int, int] = {}
    for stamp_ms, count in zip(channel.stamps_ms, channel.counts, strict=True):
        day = (stamp_ms - 1 - FIRST_MS) // DAY_MS
        days[day] = days.get(day, 0) + count
    return days


def _output(enterprise: str, product: str, period: str, value: str, unit: str) -> Output:
    return Output(enterprise, product, period, value, unit, window(period).end_ms + REPORTED_AFTER_MS)
