"""A window (周期) is an hour, day, month, quarter or year of the Asia/Shanghai calendar, named by its local start.

Instants are epoch milliseconds in UTC; windows are half-open. China has kept UTC+8 without daylight saving since
1992-01-01, the earliest instant taken here, so local time is a fixed offset and every window edge is a whole hour.
"""

import calendar
import datetime as dt
import re
from functools import lru_cache
from typing import Literal, NamedTuple

WindowKind = Literal["hour", "day", "month", "quarter", "year"]
WINDOW_KINDS: tuple[WindowKind, ...] = ("hour", "day", "month", "quarter", "year")

SHANGHAI = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
OFFSET_MS = 8 * 3_600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EARLIEST_MS = int(dt.datetime(1992, 1, 1, tzinfo=SHANGHAI).timestamp() * 1000)
LATEST_MS = int(dt.datetime(2200, 1, 1, tzinfo=SHANGHAI).timestamp() * 1000)

_NAME = re.compile(r"(\d{4})(?:-(?:Q([1-4])|(\d\d)(?:-(\d\d)(?:T(\d\d))?)?))?", re.ASCII)


class WindowError(ValueError):
    """A text names no window; the message shows the five forms."""


class Window(NamedTuple):
    """One window: its kind, its name, and its half-open range `[start_ms, end_ms)`."""

    kind: WindowKind
    name: str
    start_ms: int
    end_ms: int


def local_ms(year: int, month: int = 1, day: int = 1, hour: int = 0) -> int:
    """Return the instant of a local date and hour [epoch ms]."""
    return int(dt.datetime(year, month, day, hour, tzinfo=SHANGHAI).timestamp()) * 1000


def local_datetime(ms: int) -> dt.datetime:
    """Return the local date and time of an instant [epoch ms]."""
    return dt.datetime.fromtimestamp(ms / 1000, SHANGHAI)


def date_ms(date: dt.date) -> int:
    """Return the instant at which a local date begins [epoch ms]."""
    return local_ms(date.year, date.month, date.day)


@lru_cache(maxsize=65_536)
def window(name: str) -> Window:
    """Return the window that `2026-11-21T08`, `2026-11-21`, `2026-11`, `2026-Q4` or `2026` names.

    Raises WindowError when the text has none of these forms or names a date that does not exist.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise WindowError(f"{name!r} names no window; write 2026-11-21T08, 2026-11-21, 2026-11, 2026-Q4 or 2026")
    year_, quarter_, month_, day_, hour_ = found.groups()
    try:
        year = int(year_)
        if quarter_:
            month = 3 * int(quarter_) - 2
            start, end = local_ms(year, month), _month_start(year, month + 3)
            return Window("quarter", name, start, end)
        if month_ is None:
            return Window("year", name, local_ms(year), local_ms(year + 1))
        month = int(month_)
        if day_ is None:
            return Window("month", name, local_ms(year, month), _month_start(year, month + 1))
        if hour_ is None:
            start = local_ms(year, month, int(day_))
            return Window("day", name, start, start + DAY_MS)
        start = local_ms(year, month, int(day_), int(hour_))
        return Window("hour", name, start, start + HOUR_MS)
    except ValueError as error:
        raise WindowError(f"{name!r} names no window: {error}") from error


def _month_start(year: int, month: int) -> int:
    return local_ms(year + (month - 1) // 12, (month - 1) % 12 + 1)


def window_at(ms: int, kind: WindowKind) -> Window:
    """Return the window of a kind that contains an instant [epoch ms]."""
    # Kept by the hour: whoever asks for the present never asks for the same millisecond again.
    return _window_with(ms // HOUR_MS, kind)


@lru_cache(maxsize=65_536)
def _window_with(hour: int, kind: WindowKind) -> Window:
    at = local_datetime(hour * HOUR_MS)
    if kind == "hour":
        return window(f"{at:%Y-%m-%dT%H}")
    if kind == "day":
        return window(f"{at:%Y-%m-%d}")
    if kind == "month":
        return window(f"{at:%Y-%m}")
    if kind == "quarter":
        return window(f"{at:%Y}-Q{(at.month + 2) // 3}")
    return window(f"{at:%Y}")


def children(period: Window) -> int:
    """Return how many children the calendar document of a day (24), month (28 to 31) or year (12) holds."""
    if period.kind == "day":
        return 24
    if period.kind == "month":
        at = local_datetime(period.start_ms)
        return calendar.monthrange(at.year, at.month)[1]
    if period.kind == "year":
        return 12
    raise WindowError(f"a {period.kind} has no calendar document")


CHILD_KIND: dict[WindowKind, WindowKind] = {"day": "hour", "month": "day", "year": "month"}


def child(period: Window, index: int) -> Window:
    """Return the child window `index` (from 0) of a day, month or year."""
    return children_of(period.name)[index]


@lru_cache(maxsize=4096)
def children_of(name: str) -> tuple[Window, ...]:
    """Return the child windows of the day, month or year that `name` names, in order."""
    period = window(name)
    if period.kind == "day":
        return tuple(window(f"{name}T{hour:02}") for hour in range(24))
    if period.kind == "month":
        return tuple(window(f"{name}-{day:02}") for day in range(1, children(period) + 1))
    if period.kind == "year":
        return tuple(window(f"{name}-{month:02}") for month in range(1, 13))
    raise WindowError(f"a {period.kind} has no calendar document")


def child_index(ms: int, kind: WindowKind) -> int:
    """Return the place (from 0) of an instant's child window in its day, month or year of `kind`."""
    at = local_datetime(ms)
    if kind == "day":
        return at.hour
    if kind == "month":
        return at.day - 1
    if kind == "year":
        return at.month - 1
    raise WindowError(f"a {kind} has no calendar document")
