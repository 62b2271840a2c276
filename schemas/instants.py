"""An instant (时刻) is a point of time in epoch milliseconds, read from RFC 3339 text or from a number.

Text without an offset is local time, Asia/Shanghai. What is finer than a millisecond is cut off.
"""

import datetime as dt
import re

from schemas.windows import EARLIEST_MS, LATEST_MS, SHANGHAI

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,18}))?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


class InstantError(ValueError):
    """A value is no instant that the calendar takes; the message says why and what to write."""


def instant_ms(value: str | int) -> int:
    """Return the instant of RFC 3339 text or of epoch milliseconds [epoch ms].

    Raises InstantError for text of another form, a date or time that does not exist, and what lies outside 1992 to
    2199, the years the calendar takes.
    """
    at = value if isinstance(value, int) else _parse(value)
    if not EARLIEST_MS <= at < LATEST_MS:
        hint = "" if isinstance(value, str) or value < 0 or value > EARLIEST_MS else ": epoch times are milliseconds"
        raise InstantError(f"{_short(value)} is outside the years 1992 to 2199{hint}")
    return at


def _parse(text: str) -> int:
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise InstantError(f"{_short(text)!r} is no instant: write 2026-11-21T08:15:00+08:00, or epoch milliseconds")
    day, clock, fraction, offset = found.groups()
    try:
        at = dt.datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in ('Z', 'z') else offset or ''}")
    except ValueError as error:
        raise InstantError(f"{text!r} does not exist: {error}") from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=SHANGHAI)
    try:
        whole = (at - _EPOCH) // _MILLISECOND
    except OverflowError as error:
        raise InstantError(f"{text!r} is outside the years 1992 to 2199") from error
    return whole + int((fraction or "0")[:3].ljust(3, "0"))


def _short(value: object) -> str:
    text = str(value) if not isinstance(value, int) or value.bit_length() < 128 else "the number"
    return text if len(text) <= 40 else f"{text[:40]}.."
