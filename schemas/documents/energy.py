"""Energy by carrier (能源品种), what enterprises make of it (产品), and the release of coefficients that values it."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Id, NonNegativeDecimal, Text, Unit, fault

Confidence = Literal["verified-2-sources", "one-source", "from-memory"]
Scope = Literal["power", "fuel", "heat", "process"]


class CarrierSpec(Strict):
    """The unit of `qty.CARRIER`, whether it counts as energy, and its medium."""

    unit: Unit
    energy: bool = True
    medium: Literal["fuel", "electricity", "heat", "water", "other"]


class Carrier(Envelope):
    """What is measured (能源品种): electricity, raw coal, natural gas, steam, water."""

    kind: Literal["carrier"]
    spec: CarrierSpec


class ProductSpec(Strict):
    """The unit of `output.PRODUCT`."""

    unit: Unit


class Product(Envelope):
    """What an enterprise reports that it made (产品)."""

    kind: Literal["product"]
    spec: ProductSpec


class Coefficient(Strict):
    """Coal equivalent of one unit of a carrier, by calorific (当量) and by equivalent value (等价) [kgce].

    `reference` names a row of the packaged reference tables; `cv_kgce` and `source` are then taken from there.
    """

    carrier: Id
    cv_kgce: NonNegativeDecimal | None = None
    eq_kgce: NonNegativeDecimal | None = None
    source: Text | None = None
    reference: Text | None = None
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _has_a_value_and_a_source(self) -> Self:
        if self.reference is None and (self.cv_kgce is None or self.source is None):
            raise fault("missing", "write cv_kgce and source, or the reference row to take them from")
        return self


class Factor(Strict):
    """Carbon dioxide of one unit of a carrier [kg], and the scope it is counted under.

    `reference` names a row of the packaged reference tables; `kg` and `source` are then taken from there.
    """

    carrier: Id
    gas: Literal["co2"]
    kg: NonNegativeDecimal | None = None
    scope: Scope
    source: Text | None = None
    reference: Text | None = None
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _has_a_value_and_a_source(self) -> Self:
        if self.reference is None and (self.kg is None or self.source is None):
            raise fault("missing", "write kg and source, or the reference row to take them from")
        return self


RowT = TypeVar("RowT", Coefficient, Factor)


def _once(rows: tuple[RowT, ...]) -> tuple[RowT, ...]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        place = (row.carrier, row.scope if isinstance(row, Factor) else "")
        if place in seen:
            raise fault("duplicate", f"{' '.join(place).strip()} stands twice: a release has one number for it")
        seen.add(place)
    return rows


class ReleaseSpec(Strict):
    """The numbers that hold together; `forced` lets rows in that are undated or from memory."""

    coefficients: Annotated[tuple[Coefficient, ...], AfterValidator(_once)] = ()
    factors: Annotated[tuple[Factor, ...], AfterValidator(_once)] = ()
    forced: bool = False


class Release(Envelope):
    """A release of coefficients and factors (系数发布), in force on the days of its envelope."""

    kind: Literal["release"]
    spec: ReleaseSpec
