"""A numeral is a number as the board writes it: in the unit people read, with the digits that mean something.

What is not known is written as a dash, never as 0.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.windows import Window, local_datetime

UNKNOWN = "—"
_MINUS = "\N{MINUS SIGN}"
# Coal equivalent and carbon dioxide are reckoned in kilograms and read in tonnes.
_SHOWN_AS = {"kgce": ("tce", 1000.0), "kgCO2": ("tCO\N{SUBSCRIPT TWO}", 1000.0), "m3": ("m³", 1.0)}
# (from this size on, so many decimals): about four digits say all that one reads from afar.
_DECIMALS = ((1000.0, 0), (100.0, 1), (10.0, 2), (1.0, 3))
_SMALLEST_DECIMALS = 4


class Amount(NamedTuple):
    """A value in the unit it is shown in; None where it is not known."""

    value: float | None
    unit: str

    @property
    def text(self) -> str:
        """The value as text, without its unit."""
        return number(self.value)


def amount(value: float | None, unit: str) -> Amount:
    """Return a value [unit] in the unit it is shown in: kgce as tce, kgCO2 as tCO2, any other in its own."""
    shown, divisor = _SHOWN_AS.get(unit, (unit, 1.0))
    return Amount(None if value is None else value / divisor, shown)


def unit_text(unit: str) -> str:
    """Return how a unit is written: `kgCO2/t` with its small 2."""
    return unit.replace("CO2", "CO\N{SUBSCRIPT TWO}").replace("m3", "m³").replace("m2", "m²")


def decimals_for(size: float) -> int:
    """Return how many decimals a number of this size is written with."""
    return next((decimals for least, decimals in _DECIMALS if abs(size) >= least), _SMALLEST_DECIMALS)


def number(value: float | None, decimals: int | None = None) -> str:
    """Return a number with about four significant digits, or so many decimals, and thousands set apart."""
    if value is None:
        return UNKNOWN
    digits = decimals_for(value) if decimals is None else decimals
    text = f"{abs(value):,.{digits}f}"
    if decimals is None and value == 0:
        text = "0"
    return f"{_MINUS}{text}" if value < 0 and text.strip("0.,") else text


def column(values: Iterable[float | None]) -> list[str]:
    """Return numbers that stand below each other: all with the decimals that the largest needs."""
    rows: Sequence[float | None] = list(values)
    decimals = decimals_for(max((abs(one) for one in rows if one is not None), default=0.0))
    return [number(one, decimals) for one in rows]


def percent(share: float | None) -> str:
    """Return a share (0 to 1) as a percentage that says 0% and 100% of nothing and of all only."""
    if share is None:
        return UNKNOWN
    if share in (0, 1):
        return f"{share:.0%}"
    shown = min(max(round(share * 100, 1), 0.1), 99.9) if 0 < share < 1 else share * 100
    return f"{shown:.1f}%"


def change(ratio: float | None) -> str:
    """Return a relative change with its sign."""
    if ratio is None:
        return UNKNOWN
    text = f"{abs(ratio) * 100:.1f}%"
    if text == "0.0%":
        return text
    return f"+{text}" if ratio > 0 else f"{_MINUS}{text}"


def date_text(ms: int) -> str:
    """Return the local date of an instant [epoch ms]."""
    return f"{local_datetime(ms):%Y-%m-%d}"


def time_text(ms: int) -> str:
    """Return the local time of an instant [epoch ms] to the minute."""
    return f"{local_datetime(ms):%H:%M}"


def instant_text(ms: int) -> str:
    """Return the local date and time of an instant [epoch ms] to the minute."""
    return f"{local_datetime(ms):%Y-%m-%d %H:%M}"


def window_text(of: Window) -> str:
    """Return how a window is called: an hour by its times, any other by its name."""
    if of.kind == "hour":
        return f"{time_text(of.start_ms)}–{time_text(of.end_ms)}"
    return of.name
