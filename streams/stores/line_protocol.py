"""A line is a point as InfluxDB takes it: `measurement,tag=.. field=..,field=.. time`, times in milliseconds.

Nothing that InfluxDB would read otherwise than it was meant gets into a line: every number is written as a float, since
one integer makes a week refuse floats, and control characters are refused, since a newline would begin another line.
"""

import re
from functools import lru_cache
from math import isfinite
from typing import cast

from schemas.series import FIELDS, TAGS, Point
from schemas.windows import LATEST_MS

# The measurement of a point that says nothing: it is written to learn whether a server takes anything at all.
PROBE = "probe"

_ESCAPES = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
# InfluxDB allows 64 KiB for measurement and tags together.
_TAG_BYTES = 8192
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FORMS = {name: tuple(f"{field}=%s" for field in fields) for name, fields in FIELDS.items()}
_WHOLE = {name: ",".join(forms) for name, forms in _FORMS.items()}


class LineError(ValueError):
    """A point has no line; the message says which and why."""


def line_of(point: Point) -> str | None:
    """Return the line of a point, None when it says nothing; raise LineError where it cannot be written."""
    measurement, tags, time_ms, fields = point
    if not 0 <= time_ms < LATEST_MS:
        raise LineError(f"{measurement} {'|'.join(tags)}: {time_ms} is not a time from 1970 to 2199 [epoch ms]")
    if not all(map(isfinite, (value for value in fields if value is not None))):
        raise LineError(f"{measurement} {'|'.join(tags)} at {time_ms}: {fields} are not all finite")
    text = _fields(measurement, fields)
    return f"{_series(measurement, tags)} {text} {time_ms}" if text else None


def probe_like(line: str) -> str:
    """Return a line that says nothing, of the time of another line."""
    return f"{PROBE} value=1.0 {line.rpartition(' ')[2]}"


def series_and_time(line: str) -> str:
    """Return what a line is about: everything but its fields."""
    head, _, time_ms = line.rpartition(" ")
    return f"{head.rpartition(' ')[0]} {time_ms}"


def _fields(measurement: str, values: tuple[float | None, ...]) -> str:
    if None not in values:
        return _WHOLE[measurement] % tuple(map(_number, cast("tuple[float, ...]", values)))
    pairs = zip(_FORMS[measurement], values, strict=True)
    return ",".join(form % _number(value) for form, value in pairs if value is not None)


@lru_cache(maxsize=4096)
def _number(value: float) -> str:
    # Most fields are shares and marks, mostly 0 or 1; to find the digits of a double is the dearest part of a line.
    return repr(float(value))


@lru_cache(maxsize=65_536)
def _series(measurement: str, tags: tuple[str, ...]) -> str:
    texts = (f"{name}={_tag(value)}" for name, value in sorted(zip(TAGS[measurement], tags, strict=True)))
    return ",".join((measurement, *texts))


def _tag(value: str) -> str:
    if not value or _CONTROL.search(value):
        raise LineError(f"tag {value!r} is empty or has control characters")
    if len(value.encode()) > _TAG_BYTES:
        raise LineError(f"tag {value[:40]!r}.. is longer than {_TAG_BYTES} bytes")
    if value.endswith("\\") or any(f"\\{mark}" in value for mark in "\\, ="):
        raise LineError(f"tag {value!r}: InfluxDB cannot hold a backslash at the end or before \\ , = or a space")
    return value.translate(_ESCAPES)
