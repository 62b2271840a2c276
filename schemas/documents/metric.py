"""A metric names a number of an entity: a quantity, energy, carbon dioxide, time, output, or what was reported."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from schemas.documents.fields import fault
from schemas.ids import ID_TEXT

# Parts of the gross totals, and what of them is under control once the parts are taken off.
TAGS = ("feedstock", "renewable", "green")
ENERGY_METRICS = (
    "energy.cv", "energy.eq", "energy.cv.estimated",
    *(f"energy.{value}.{tag}" for value in ("cv", "eq") for tag in (*TAGS, "controlled")),
)  # fmt: skip
CO2_METRICS = (
    "co2.fuel", "co2.process", "co2.power", "co2.heat", "co2.total", "co2.green", "co2.controlled"
)  # fmt: skip
QUANTITY_PARTS = ("estimated", "integrated", "feedstock", "renewable", "green", "generated", "selfused", "purchased")
_FIXED_UNIT = {**dict.fromkeys(ENERGY_METRICS, "kgce"), **dict.fromkeys(CO2_METRICS, "kgCO2")}
_QUANTITY = re.compile(rf"qty\.({ID_TEXT})(?:\.(?:{'|'.join(QUANTITY_PARTS)}))?")
_UNEXPLAINED = re.compile(rf"unexplained\.({ID_TEXT})")
_INTEGRAL = re.compile(rf"integral\.({ID_TEXT})(?:\.estimated)?")
_AVERAGE = re.compile(rf"(avg|rate)\.({ID_TEXT})")
_TIME = re.compile(rf"time\.(?:expected|measured|estimated)\.({ID_TEXT})")
_GAS = re.compile(rf"(gas|co2e)\.({ID_TEXT})")
_VARIANT = re.compile(rf"variant\.{ID_TEXT}")
_OUTPUT = re.compile(rf"output\.({ID_TEXT})")
_ONLINE = re.compile(r"online\.(?:expected|measured)\.(?:meters|sources)")
_BY_LINE = re.compile(
    rf"energy\.(?:cv|eq)\.(?:(?:line|own)\.(?P<line>{ID_TEXT})|product\.(?P<product>{ID_TEXT})|common|unallocated)"
)
_REPORTED = re.compile(rf"reported\.({ID_TEXT})")
FORMS = (
    f"qty.CARRIER, qty.CARRIER.({'|'.join(QUANTITY_PARTS)}), unexplained.CARRIER, energy.cv, energy.eq, "
    "energy.cv.estimated, energy.(cv|eq).(feedstock|renewable|green|controlled), co2.fuel, co2.process, co2.power, "
    "co2.heat, co2.total, co2.green, co2.controlled, time.expected.CARRIER, time.measured.CARRIER, "
    "time.estimated.CARRIER, output.PRODUCT, reported.ITEM, "
    "online.(expected|measured).(meters|sources); of a meter that is a gauge also avg.CARRIER, rate.CARRIER, "
    "integral.CARRIER, integral.CARRIER.estimated; of an enterprise with product lines energy.(cv|eq).(line|own).LINE, "
    "energy.(cv|eq).product.PRODUCT, energy.(cv|eq).(common|unallocated), lines.(expected|measured|estimated)"
)


# What an allocation says of an enterprise: of its lines, and of the time in which all that they rest on was metered.
BY_LINE = (
    *(f"energy.cv.{what}" for what in ("line.", "own.", "product.", "common", "unallocated")),
    *(f"energy.eq.{what}" for what in ("line.", "own.", "product.", "common", "unallocated")),
    "lines.",
)
LINE_TIMES = ("lines.expected", "lines.measured", "lines.estimated")
# What stays of the whole is covered as the whole is, what is divided as all that it takes to divide.
_DIVIDED = tuple(each for each in BY_LINE if not each.endswith(("unallocated", "lines.")))


class MetricError(ValueError):
    """A text names no additive metric; the message lists the forms."""


class Metric(NamedTuple):
    """A metric with what it depends on: the carrier, product or reported item in its name, or its unit.

    `line` and `made` are the product line, and the product, that an energy is of.

    `by_time` is what the unit of the carrier is taken by: `/h` of a rate, `*s` of an integral over time, else nothing.
    """

    text: str
    carrier: str | None
    product: str | None
    fixed_unit: str | None
    by_time: str = ""
    item: str | None = None
    line: str | None = None
    made: str | None = None

    def unit(self, carriers: Mapping[str, str], products: Mapping[str, str]) -> str | None:
        """Return the metric's unit, given those of carriers and products by id; None when its own is not there."""
        if self.fixed_unit is not None:
            return self.fixed_unit
        if self.carrier is not None:
            unit = carriers.get(self.carrier)
            return None if unit is None else unit + self.by_time
        return products.get(self.product or "")


def parse_metric(text: str) -> Metric:
    """Return the additive metric that `text` names; raise MetricError for anything else."""
    if text in _FIXED_UNIT:
        return Metric(text, None, None, _FIXED_UNIT[text])
    if found := _QUANTITY.fullmatch(text) or _UNEXPLAINED.fullmatch(text):
        return Metric(text, found[1], None, None)
    if found := _AVERAGE.fullmatch(text):
        return Metric(text, found[2], None, None, "/h" if found[1] == "rate" else "")
    if found := _INTEGRAL.fullmatch(text):
        return Metric(text, found[1], None, None, "*s")
    if found := _TIME.fullmatch(text):
        return Metric(text, found[1], None, "s")
    if found := _GAS.fullmatch(text):
        return Metric(text, None, None, "kg" if found[1] == "gas" else "kgCO2")
    if _ONLINE.fullmatch(text):
        return Metric(text, None, None, "s")
    if _VARIANT.fullmatch(text):
        return Metric(text, None, None, "dimensionless")
    if found := _OUTPUT.fullmatch(text):
        return Metric(text, None, found[1], None)
    if found := _BY_LINE.fullmatch(text):
        return Metric(text, None, None, "kgce", line=found["line"], made=found["product"])
    if text in LINE_TIMES:
        return Metric(text, None, None, "s")
    if found := _REPORTED.fullmatch(text):
        return Metric(text, None, None, None, item=found[1])
    if text.startswith("ind."):
        raise MetricError(f"{text!r} is an indicator, not an additive metric: name it as indicator: {text[4:]}")
    raise MetricError(f"{text!r} is no metric: the forms are {FORMS}")


@lru_cache(maxsize=4096)
def carrier_in(metric: str) -> str | None:
    """Return the one carrier whose meters a quantity, an integral or an average is of; None for any other metric."""
    found = _QUANTITY.fullmatch(metric) or _UNEXPLAINED.fullmatch(metric) or _INTEGRAL.fullmatch(metric)
    if found is not None:
        return found[1]
    average = _AVERAGE.fullmatch(metric)
    return None if average is None else average[2]


def is_divided(metric: str) -> bool:
    """Tell whether a metric is covered as far as all is that an allocation rests on (`LINE_TIMES`)."""
    return metric.startswith(_DIVIDED)


def _check(text: str) -> str:
    try:
        parse_metric(text)
    except MetricError as error:
        raise fault("bad_metric", str(error)) from error
    return text


MetricText = Annotated[str, AfterValidator(_check)]
