"""The steel works (示范钢厂) of the demo is a real plant's year of quarter-hours.

The file's stamps are local and mark the end of a quarter-hour, but the last one of each day is written as `0:00` of the
same day. The plant's local time is taken as Asia/Shanghai's for the demo.
"""

import csv
import datetime as dt
import gzip
import io

from schemas.windows import SHANGHAI
from services.simulator.channel import DATA, Channel, channel_of

ENTERPRISE, SOURCE, METER = "bz-steel", "bz-steel-gw1", "e01"
SCALE = 2
FILE = "steel_industry_2018.csv.gz"


def end_ms(stamp: str) -> int:
    """Return the end of the quarter-hour that the file writes as `D/M/YYYY H:MM` [epoch ms]."""
    # Not by strptime: it takes longer than all the rest of the start.
    date, _, time = stamp.partition(" ")
    day, month, year = map(int, date.split("/"))
    hour, minute = map(int, time.split(":"))
    end = dt.datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)
    if end.hour == end.minute == 0:
        # The day's last quarter-hour ends when the next day begins.
        end += dt.timedelta(days=1)
    return int(end.timestamp()) * 1000


def steel() -> Channel:
    """Return the electricity [kWh] of each quarter-hour of 2018, stamped by its end."""
    with (DATA / FILE).open("rb") as packed, gzip.open(packed) as plain:
        rows = csv.DictReader(io.TextIOWrapper(plain, encoding="utf-8-sig", newline=""))
        readings = [(end_ms(row["date"]), row["Usage_kWh"]) for row in rows]
    return channel_of(SOURCE, METER, readings, SCALE)
