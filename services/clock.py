"""The clock says what time it is: the real time, that of a demo which runs faster and elsewhere, or a scenario's.

`QINGYU_CLOCK` is the same text for all processes of an installation, so they agree on the time without talking.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

from schemas.decimals import DecimalError, parse_decimal

# A day of wall time may not leave the calendar: faster clocks than this are a slip of the pen.
MAX_RATE = Decimal(1_000_000)
FORM = "`real` or START@RATE@WALL_START, such as 2018-01-01T00:00:00+08:00@60@2026-11-21T08:00:00+08:00"
HELD = "held:"


class ClockError(ValueError):
    """A text describes no clock; the message says which part is wrong and shows the form."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that shows `start_ms` when the wall clock shows `wall_start_ms` [epoch ms], and runs at `rate`.

    Before `wall_start_ms` it stands at `start_ms`. The real clock starts at 0 with rate 1. `wall_ns` tells the wall
    time [ns]. A clock that is `held` shows what stands in a file [epoch ms], and moves when somebody writes there.
    """

    start_ms: int = 0
    rate: Decimal = Decimal(1)
    wall_start_ms: int = 0
    wall_ns: Callable[[], int] = time.time_ns
    held: Path | None = None

    @classmethod
    def parse(cls, text: str, wall_ns: Callable[[], int] = time.time_ns) -> Self:
        """Return the clock of `real`, START@RATE@WALL_START or `held:FILE`; raise ClockError for another text."""
        if text == "real":
            return cls(wall_ns=wall_ns)
        if text.startswith(HELD):
            return cls(held=_held(Path(text.removeprefix(HELD))))
        parts = text.split("@")
        if len(parts) != 3:
            raise ClockError(f"QINGYU_CLOCK is {text!r}: write {FORM}")
        try:
            rate = parse_decimal(parts[1])
        except DecimalError as error:
            raise ClockError(f"QINGYU_CLOCK is {text!r}: RATE {parts[1]!r} is no number: write {FORM}") from error
        if not 0 < rate <= MAX_RATE:
            raise ClockError(f"QINGYU_CLOCK is {text!r}: RATE must be above 0 and at most {MAX_RATE}")
        return cls(_instant_ms(text, "START", parts[0]), rate, _instant_ms(text, "WALL_START", parts[2]), wall_ns)

    def now_ms(self) -> int:
        """Return the time on this clock [epoch ms]."""
        if self.held is not None:
            return int(self.held.read_text(encoding="ascii"))
        wall_ms = self.wall_ns() // 1_000_000
        if self.rate == 1:
            return self.start_ms + max(0, wall_ms - self.wall_start_ms)
        return self.start_ms + int(max(0, wall_ms - self.wall_start_ms) * self.rate)


def hold(file: Path, at_ms: int) -> None:
    """Let the clocks that are held by a file show an instant [epoch ms]; a reader never sees half of it."""
    new = file.with_suffix(".new")
    new.write_text(str(at_ms), encoding="ascii")
    new.replace(file)


def _held(file: Path) -> Path:
    try:
        int(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise ClockError(f"QINGYU_CLOCK is '{HELD}{file}': the file holds no epoch milliseconds: {error}") from error
    return file


def _instant_ms(text: str, part: str, instant: str) -> int:
    try:
        at = dt.datetime.fromisoformat(instant)
    except ValueError as error:
        raise ClockError(f"QINGYU_CLOCK is {text!r}: {part} {instant!r} is no instant: write {FORM}") from error
    if at.tzinfo is None:
        raise ClockError(f"QINGYU_CLOCK is {text!r}: {part} {instant!r} needs its offset, such as +08:00")
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)
