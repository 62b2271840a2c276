"""The series contract: which measurements the series store holds, their tags and fields.

All fields are floats in the unit itself, times in epoch milliseconds. A point is an upsert under (measurement, tags,
time): writing it twice changes nothing.
"""

from typing import NamedTuple

READING = "reading"
ALARM = "alarm"
ENGINE = "engine"
MEMBER = "member"
WINDOW_MEASUREMENTS = ("hour", "day", "month", "quarter", "year")
# Both are 1 of a window that a later reading changed after it had settled.
STANDING = ("settled", "revised")

TAGS: dict[str, tuple[str, ...]] = {
    READING: ("meter", "rev"),
    ALARM: ("entity", "rule"),
    ENGINE: ("process",),
    MEMBER: ("group", "entity", "name"),
    **dict.fromkeys(WINDOW_MEASUREMENTS, ("entity", "metric")),
}

FIELDS: dict[str, tuple[str, ...]] = {
    READING: ("value", "quality", "void"),
    ALARM: ("state", "tier", "value", "limit", "margin"),
    ENGINE: ("heartbeat", "lag"),
    MEMBER: ("value",),
    **dict.fromkeys(WINDOW_MEASUREMENTS, ("value", "present", "measured", "estimated", "missing", *STANDING)),
}

# Which bucket of InfluxDB holds a measurement; QINGYU_INFLUX_PREFIX stands before the bucket's name.
BUCKETS: dict[str, tuple[str, ...]] = {
    "raw": (READING,),
    "hour": ("hour",),
    "day": ("day", "month", "quarter", "year", ALARM, ENGINE, MEMBER),
}
BUCKET_OF = {measurement: bucket for bucket, measurements in BUCKETS.items() for measurement in measurements}

ALARM_STATE = {
    "ok": 0.0, "pending": 1.0, "firing": 2.0, "established": 3.0, "withdrawn": 4.0,
    "recovering": 5.0, "no_data": 6.0, "error": 7.0,
}  # fmt: skip


class Point(NamedTuple):
    """One point: tags in the order of TAGS, fields in the order of FIELDS (None: this field is not written)."""

    measurement: str
    tags: tuple[str, ...]
    time_ms: int
    fields: tuple[float | None, ...]
