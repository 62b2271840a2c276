"""A notation is how a scenario writes times and values in few characters: `08:15`, `00:15..24:00/15min`, `100 + 2`.

Times without an offset are local (Asia/Shanghai); `24:00` is the end of the day. Values are decimal text and never pass
through a double.
"""

import datetime as dt
import re
from decimal import Decimal
from typing import NamedTuple

from schemas.documents.fields import DECIMAL_TEXT, duration_ms
from schemas.messages import QUALITIES
from schemas.windows import EARLIEST_MS, LATEST_MS, SHANGHAI, Window, window

# A month of minutes is 44,640; what is longer belongs into a file of readings.
LONGEST_RUN = 100_000

_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?|24:00(?::00)?"
_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]({_CLOCK})(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TIME_OF_DAY = re.compile(_CLOCK, re.ASCII)
_HOUR_OF_DAY = re.compile(r"T([01]\d|2[0-3])", re.ASCII)
_NUMBER = re.compile(DECIMAL_TEXT, re.ASCII)
_REVISION = re.compile(r"\d{1,9}", re.ASCII)
_SHARE_NAMES = ("measured", "estimated", "missing")


class NotationError(ValueError):
    """A text is not written as scenarios write times and values; the message shows how."""


class Sent(NamedTuple):
    """A value that is sent: decimal text (None: a void), what each next one of a run adds, unit, quality, revision."""

    value: str | None
    each: str | None = None
    unit: str | None = None
    quality: str | None = None
    rev: int = 0


class Worth(NamedTuple):
    """What a window must be worth: a value (None: unknown), its unit (None: the metric's own), shares of time [%]."""

    value: Decimal | None
    unit: str | None = None
    measured: Decimal | None = None
    estimated: Decimal | None = None
    missing: Decimal | None = None


def parse_instant(text: str, day: dt.date | None = None) -> int:
    """Return the instant [epoch ms] of `2026-03-01T08:15`, of a date's midnight, or of `08:15` on `day`.

    Raises NotationError for another form, for a time of day where no day is known, and for what does not exist.
    """
    if (found := _INSTANT.fullmatch(text)) is not None:
        date_text, clock, offset = found.groups()
        try:
            date = dt.date.fromisoformat(date_text)
            zone = SHANGHAI if offset is None else dt.datetime.fromisoformat(f"2000-01-01T00:00{_zone(offset)}").tzinfo
        except ValueError as error:
            raise NotationError(f"{text!r} does not exist: {error}") from error
    elif _TIME_OF_DAY.fullmatch(text) is not None and day is not None:
        date, clock, zone = day, text, SHANGHAI
    else:
        raise NotationError(f"{text!r} is no time: write 2026-03-01T08:15, 2026-03-01, or 08:15 of the moment's day")
    at = dt.datetime(date.year, date.month, date.day, tzinfo=zone)
    try:
        ms = int(at.timestamp()) * 1000 + _clock_ms(clock)
    except (OverflowError, ValueError) as error:
        raise NotationError(f"{text!r} is outside the years 1992 to 2199") from error
    if not EARLIEST_MS <= ms < LATEST_MS:
        raise NotationError(f"{text!r} is outside the years 1992 to 2199")
    return ms


def _zone(offset: str) -> str:
    return "+00:00" if offset == "Z" else offset


def _clock_ms(clock: str | None) -> int:
    if clock is None:
        return 0
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return ((hour * 60 + minute) * 60 + (second[0] if second else 0)) * 1000


def parse_instants(text: str, day: dt.date) -> list[int]:
    """Return the instants [epoch ms] of one time, or of a run `FROM..TO/STEP` with both ends in it.

    Raises NotationError where a run has no step, ends before it begins, or its step does not lead to its end.
    """
    first, dots, rest = text.partition("..")
    if not dots:
        return [parse_instant(text, day)]
    last, slash, step_text = rest.partition("/")
    if not slash:
        raise NotationError(f"{text!r} says no step: write 00:15..24:00/15min")
    try:
        step = duration_ms(step_text.strip())
    except ValueError as error:
        raise NotationError(str(error)) from error
    begin, end = parse_instant(first.strip(), day), parse_instant(last.strip(), day)
    if end < begin:
        raise NotationError(f"{text!r} ends before it begins")
    if (end - begin) % step:
        raise NotationError(f"steps of {step_text.strip()} from {first.strip()} never come to {last.strip()}")
    if (end - begin) // step >= LONGEST_RUN:
        raise NotationError(f"{text!r} is more than {LONGEST_RUN} readings: make the step longer, or the run shorter")
    return list(range(begin, end + 1, step))


def parse_sent(text: str) -> Sent:
    """Return the value of `100`, `100 + 2`, `7.5 MWh`, `7.5 estimated`, `8 rev 1` or `void rev 1`.

    `100 + 2` is for a run: the first is 100, each next one 2 more. Raises NotationError for another form.
    """
    words = text.split()
    fault = NotationError(
        f"{text!r} is no value: write a number, then if needed '+ NUMBER' (what each next one of a run adds), a unit, "
        f"a quality ({', '.join(QUALITIES)}) and 'rev N'; or 'void'"
    )
    if not words:
        raise fault
    first, *rest = words
    if first != "void" and _NUMBER.fullmatch(first) is None:
        raise fault
    found = Sent(None if first == "void" else first)
    if len(rest) >= 2 and rest[0] in ("+", "-") and _NUMBER.fullmatch(rest[1]):
        found = found._replace(each=rest[1] if rest[0] == "+" else str(-Decimal(rest[1])))
        rest = rest[2:]
    if len(rest) >= 2 and rest[-2] == "rev" and _REVISION.fullmatch(rest[-1]):
        found = found._replace(rev=int(rest[-1]))
        rest = rest[:-2]
    if rest and rest[-1] in QUALITIES:
        found = found._replace(quality=rest[-1])
        rest = rest[:-1]
    if rest and rest != ["rev"]:
        found = found._replace(unit=rest[0])
        rest = rest[1:]
    if rest or (found.value is None and found[1:4] != (None, None, None)):
        raise fault
    return found


def parse_worth(text: str) -> Worth:
    """Return what `7.5 kWh measured 75 % missing 25 %` asks for; `null` is a value that is not known.

    Raises NotationError for another form.
    """
    words = text.replace("%", " % ").split()
    fault = NotationError(
        f"{text!r} is no expectation: write a number or null, then if needed a unit, and shares of time such as "
        "'measured 75 % estimated 0 % missing 25 %'"
    )
    if not words or (words[0] != "null" and _NUMBER.fullmatch(words[0]) is None):
        raise fault
    found = Worth(None if words[0] == "null" else Decimal(words[0]))
    rest = words[1:]
    if rest and rest[0] not in _SHARE_NAMES:
        found = found._replace(unit=rest[0])
        rest = rest[1:]
    while rest:
        if len(rest) < 3 or rest[0] not in _SHARE_NAMES or _NUMBER.fullmatch(rest[1]) is None or rest[2] != "%":
            raise fault
        found = found._replace(**{rest[0]: Decimal(rest[1])})
        rest = rest[3:]
    return found


def parse_window(text: str, day: dt.date | None = None) -> Window:
    """Return the window of `2026-03-01T08`, `2026-03-01`, `2026-03`, `2026-Q1` or `2026`, or of `T08` on `day`.

    Raises NotationError for `T08` where no day is known, WindowError for another form.
    """
    if _HOUR_OF_DAY.fullmatch(text) is not None:
        if day is None:
            raise NotationError(f"{text!r} is an hour of no day: write 2026-03-01{text}")
        return window(f"{day.isoformat()}{text}")
    return window(text)


def digits_of(value: Decimal) -> int:
    """Return how many decimal places a decimal is written with."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
