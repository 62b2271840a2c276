"""A metric names an additive number of an entity: a quantity, energy, carbon dioxide, time or output."""

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from schemas.documents.fields import fault
from schemas.ids import ID_TEXT

ENERGY_METRICS = ("energy.cv", "energy.eq", "energy.cv.estimated")
CO2_METRICS = ("co2.fuel", "co2.process", "co2.power", "co2.heat", "co2.total")
_FIXED_UNIT = {**dict.fromkeys(ENERGY_METRICS, "kgce"), **dict.fromkeys(CO2_METRICS, "kgCO2")}
_QUANTITY = re.compile(rf"qty\.({ID_TEXT})(?:\.estimated)?")
_TIME = re.compile(rf"time\.(?:expected|measured|estimated)\.({ID_TEXT})")
_VARIANT = re.compile(rf"variant\.{ID_TEXT}")
_OUTPUT = re.compile(rf"output\.({ID_TEXT})")
FORMS = (
    "qty.CARRIER, qty.CARRIER.estimated, energy.cv, energy.eq, energy.cv.estimated, co2.fuel, co2.process, co2.power, "
    "co2.heat, co2.total, time.expected.CARRIER, time.measured.CARRIER, time.estimated.CARRIER, output.PRODUCT"
)


class MetricError(ValueError):
    """A text names no additive metric; the message lists the forms."""


class Metric(NamedTuple):
    """A metric with what it depends on: the carrier or the product in its name, if any, or else its fixed unit."""

    text: str
    carrier: str | None
    product: str | None
    fixed_unit: str | None

    def unit(self, carriers: Mapping[str, str], products: Mapping[str, str]) -> str | None:
        """Return the metric's unit, given those of carriers and products by id; None when its own is not there."""
        if self.fixed_unit is not None:
            return self.fixed_unit
        if self.carrier is not None:
            return carriers.get(self.carrier)
        return products.get(self.product or "")


def parse_metric(text: str) -> Metric:
    """Return the additive metric that `text` names; raise MetricError for anything else."""
    if text in _FIXED_UNIT:
        return Metric(text, None, None, _FIXED_UNIT[text])
    if found := _QUANTITY.fullmatch(text):
        return Metric(text, found[1], None, None)
    if found := _TIME.fullmatch(text):
        return Metric(text, found[1], None, "s")
    if _VARIANT.fullmatch(text):
        return Metric(text, None, None, "dimensionless")
    if found := _OUTPUT.fullmatch(text):
        return Metric(text, None, found[1], None)
    if text.startswith("ind."):
        raise MetricError(f"{text!r} is an indicator, not an additive metric: name it as indicator: {text[4:]}")
    raise MetricError(f"{text!r} is no metric: the forms are {FORMS}")


def _check(text: str) -> str:
    try:
        parse_metric(text)
    except MetricError as error:
        raise fault("bad_metric", str(error)) from error
    return text


MetricText = Annotated[str, AfterValidator(_check)]
