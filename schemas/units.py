"""Units: what a quantity is counted in, and the exact factor from one unit to another.

Unit texts are pint's, with `kgce`, `tce`, `kgCO2`, `tCO2`, `CNY`, `wan_yuan` (万元) and `person` added and `m2`, `m3`
read as powers. Coal equivalent, carbon dioxide, money and people are dimensions of their own: how many kgce a kWh is
worth is a released coefficient, no unit conversion.
"""

import re
import threading
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

import pint

MAX_UNIT_LENGTH = 40

# Only products and quotients of names with small powers: pint itself takes `kWh**999999999` too, which never ends.
_NAME = r"[A-Za-zµ%][A-Za-zµ_]*(?:CO2)?(?:[23]|(?:\*\*|\^)-?[1-9])?"
_UNIT = re.compile(rf"{_NAME}(?:[*/]{_NAME})*")
_POWER_SUFFIX = re.compile(r"(?<![A-Za-zµ_])([kcdm]?m)([23])(?![0-9A-Za-z])")


class UnitError(ValueError):
    """A text is no unit, or two units do not measure the same; the message names them."""


# pint's registry may be built and asked by one thread at a time; units of two registries do not combine.
_ONE_AT_A_TIME = threading.RLock()


@lru_cache(maxsize=1)
def _registry() -> Any:
    kind_of_number: Any = Fraction  # pint's annotation names float only, though it takes any number
    registry = cast("Any", pint.UnitRegistry(non_int_type=kind_of_number))
    registry.define("kgce = [coal_equivalent]")
    registry.define("tce = 1000 * kgce")
    registry.define("kgCO2 = [carbon_dioxide]")
    registry.define("tCO2 = 1000 * kgCO2")
    registry.define("CNY = [currency] = yuan")
    registry.define("wan_yuan = 10000 * CNY")
    registry.define("person = [people]")
    return registry


@lru_cache(maxsize=4096)
def _parse(text: str) -> Any:
    if len(text) > MAX_UNIT_LENGTH or _UNIT.fullmatch(text) is None:
        raise UnitError(f"{text!r} is no unit: write names joined by * or /, such as kWh, m3, t, GJ, kgce/t")
    try:
        with _ONE_AT_A_TIME:
            registry = _registry()
            unit = registry.parse_units(_POWER_SUFFIX.sub(r"\1**\2", text))
            none, one = (registry.Quantity(Fraction(amount), unit).to_root_units().magnitude for amount in (0, 1))
    except Exception as error:  # pint's parser raises errors of many families for a text that is no unit
        raise UnitError(f"{text!r} is no unit known here: units are pint's, with kgce, tce, kgCO2, tCO2") from error
    if none != 0 or not isinstance(one, Fraction):
        raise UnitError(f"{text!r} does not count from zero in equal steps, so amounts of it cannot be added")
    return unit


@lru_cache(maxsize=4096)
def check_unit(text: str) -> str:
    """Return `text` when it is a unit in which amounts can be added; raise UnitError otherwise."""
    _parse(text)
    return text


@lru_cache(maxsize=4096)
def conversion(from_unit: str, to_unit: str, *, per: str | None = None) -> Fraction:
    """Return the exact factor that turns an amount in `from_unit` (divided by one in `per`) into one in `to_unit`.

    `conversion("MJ", "kWh")` is 5/18, `conversion("kgce", "tce/t", per="kg")` is 1. Raises UnitError when a unit is not
    known or when the dimensions differ.
    """
    if from_unit == to_unit and per is None:
        return Fraction(1)
    with _ONE_AT_A_TIME:
        source = _parse(from_unit) if per is None else _parse(from_unit) / _parse(per)
        target = _parse(to_unit)
        if source.dimensionality != target.dimensionality:
            written = from_unit if per is None else f"{from_unit} per {per}"
            raise UnitError(f"{written} does not convert to {to_unit}: they measure different things")
        return Fraction(_registry().Quantity(Fraction(1), source).to(target).magnitude)
