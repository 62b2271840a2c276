"""A reported item (填报项) is what no meter gives and people say: value added, GDP, floor area, heads, a temperature.

It is the metric `reported.ID` of an enterprise or of a territory, for the windows that somebody reported it for.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import Ascending, Entry, Envelope, Strict
from schemas.documents.fields import fault
from schemas.units import MAX_UNIT_LENGTH, UnitError, check_unit

# Does not count from zero, so nothing of it can be added or converted; what is not added over time may be told in it.
CELSIUS = "degC"


class PriceBase(Entry):
    """The year whose prices money is counted in from a day on; null: the prices of the day (现价)."""

    year: Annotated[int, Field(ge=1950, le=2199)] | None


def _shown(text: str) -> str:
    try:
        return text if text == CELSIUS else check_unit(text)
    except UnitError as error:
        raise fault("bad_unit", str(error)) from error


ShownUnit = Annotated[str, AfterValidator(_shown), Field(max_length=MAX_UNIT_LENGTH)]


def _on_new_year(entries: tuple[PriceBase, ...]) -> tuple[PriceBase, ...]:
    for entry in entries:
        if (entry.from_.month, entry.from_.day) != (1, 1):
            raise fault("bad_date", f"{entry.from_}: a price base changes on 1 January, since no year has two")
    return entries


class ReportedItemSpec(Strict):
    """The unit of `reported.ID`, whether its parts add up over time, and in whose prices money is counted.

    `additive`: the months of a year add up to the year (money, output); otherwise (heads, floor area, temperature) a
    window has the value that was reported for it and no other.
    """

    unit: ShownUnit
    additive: bool = True
    price_base: Annotated[tuple[PriceBase, ...], Ascending, AfterValidator(_on_new_year)] = ()

    @model_validator(mode="after")
    def _unit_can_be_added(self) -> Self:
        if self.unit == CELSIUS and self.additive:
            raise fault(
                "bad_unit", f"{CELSIUS} does not count from zero, so amounts do not add up: say additive: false"
            )
        return self


class ReportedItem(Envelope):
    """What people report (填报项), the metric `reported.ID`."""

    kind: Literal["reported"]
    spec: ReportedItemSpec
