"""Energy by carrier (能源品种), what enterprises make of it (产品), and the release of coefficients that values it."""

from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Id, NonNegativeDecimal, Text, Unit, fault
from schemas.documents.validity import Validity

Confidence = Literal["verified-2-sources", "one-source", "from-memory"]
Scope = Literal["power", "fuel", "heat", "process"]
# What an account is made for (用途): a region's inventory, an enterprise's own report, the carbon market.
Purpose = Literal["inventory", "enterprise", "market"]
# The regional grids (区域电网) as the notices of the grid factors name them.
GridRegion = Literal["north", "northeast", "east", "central", "northwest", "south", "southwest"]

Gas = Literal["co2", "ch4", "n2o", "sf6", "nf3", "cf4", "c2f6"]
GwpSet = Literal["SAR", "AR4", "AR5", "AR5_ccf", "AR6"]


class CarrierSpec(Strict):
    """The unit of `qty.CARRIER`, whether it counts as energy, its medium, and whether it is renewable as such.

    `validity` is that of the averages of its gauges.
    """

    unit: Unit
    energy: bool = True
    renewable: bool = False
    medium: Literal["fuel", "electricity", "heat", "water", "other"]
    validity: Validity | None = None


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


class Placed(Strict):
    """A row of a release: for which province or regional grid it holds, and for which purpose; unsaid: for all.

    `reference` names a row of the packaged reference tables, from which the values, the source and the confidence that
    are not said are taken.
    """

    carrier: Id
    province: Id | None = None
    grid: GridRegion | None = None
    purpose: Purpose | None = None
    source: Text | None = None
    reference: Text | None = None
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if self.province is not None and self.grid is not None:
            raise fault("two_places", "a row holds for a province or for a regional grid: leave one of them out")
        return self


class Coefficient(Placed):
    """Coal equivalent of one unit of a carrier, by calorific (当量) and by equivalent value (等价) [kgce].

    `eq_reference` is the reference row of the equivalent value, as `reference` is that of the calorific one.
    """

    cv_kgce: NonNegativeDecimal | None = None
    eq_kgce: NonNegativeDecimal | None = None
    eq_reference: Text | None = None

    @model_validator(mode="after")
    def _has_a_value_and_a_source(self) -> Self:
        if self.reference is None and (self.cv_kgce is None or self.source is None):
            raise fault("missing", "write cv_kgce and source, or the reference row to take them from")
        return self


class Emitting(Strict):
    """What one unit of a carrier gives off of a gas, under a scope: `kg`, or the parts that it is computed from.

    For carbon dioxide of fuels the parts are the heating value [GJ a unit of the carrier], the carbon content [tC/TJ]
    and the oxidation [%]; kg = heating value x carbon content x oxidation x 44/12, never rounded.
    """

    gas: Gas
    scope: Scope
    kg: NonNegativeDecimal | None = None
    ncv_gj: NonNegativeDecimal | None = None
    carbon_tc_per_tj: NonNegativeDecimal | None = None
    oxidation_pct: NonNegativeDecimal | None = None

    @property
    def parts(self) -> tuple[Decimal, Decimal, Decimal] | None:
        """The heating value, carbon content and oxidation, None where they are not all there."""
        if self.ncv_gj is None or self.carbon_tc_per_tj is None or self.oxidation_pct is None:
            return None
        return self.ncv_gj, self.carbon_tc_per_tj, self.oxidation_pct

    @model_validator(mode="after")
    def _is_said_once(self) -> Self:
        said = [part is not None for part in (self.ncv_gj, self.carbon_tc_per_tj, self.oxidation_pct)]
        if any(said) and not all(said):
            raise fault("missing", "ncv_gj, carbon_tc_per_tj and oxidation_pct belong together: write all three")
        if any(said) and self.kg is not None:
            raise fault("said_twice", "write kg, or the parts that it is computed from, not both")
        if any(said) and self.gas != "co2":
            raise fault("not_carbon", f"{self.gas} does not come from carbon by the parts: write kg")
        return self


class Factor(Placed, Emitting):
    """A factor: what one unit of a carrier gives off of a gas [kg of that gas], and the scope it is counted under."""

    @model_validator(mode="after")
    def _has_a_value_and_a_source(self) -> Self:
        if self.reference is None and ((self.kg is None and self.parts is None) or self.source is None):
            raise fault("missing", "write kg (or its parts) and source, or the reference row to take them from")
        return self


RowT = TypeVar("RowT", Coefficient, Factor)


def _once(rows: tuple[RowT, ...]) -> tuple[RowT, ...]:
    seen: set[tuple[str | None, ...]] = set()
    for row in rows:
        what = (row.scope, None if row.gas == "co2" else row.gas) if isinstance(row, Factor) else ()
        place = (row.carrier, *what, row.province, row.grid, row.purpose)
        if place in seen:
            said = " ".join(part for part in place if part)
            raise fault("duplicate", f"{said} stands twice: a release has one number for it")
        seen.add(place)
    return rows


class ReleaseSpec(Strict):
    """The numbers that hold together; `forced` lets rows in that are undated or from memory.

    A release that `restates` another is not in force by its days: it counts for the reporting years that pin it
    (`settings`). `gwp` is the set of warming potentials (GWP100) by which gases are added up as carbon dioxide.
    """

    coefficients: Annotated[tuple[Coefficient, ...], AfterValidator(_once)] = ()
    factors: Annotated[tuple[Factor, ...], AfterValidator(_once)] = ()
    gwp: GwpSet | None = None
    restates: Id | None = None
    forced: bool = False

    @model_validator(mode="after")
    def _names_its_potentials(self) -> Self:
        if self.gwp is None and any(row.gas != "co2" for row in self.factors):
            raise fault("missing_gwp", "gases other than co2 need gwp, the set of warming potentials: AR5 or the like")
        return self


class Release(Envelope):
    """A release of coefficients and factors (系数发布), in force on the days of its envelope."""

    kind: Literal["release"]
    spec: ReleaseSpec


class Measured(Emitting):
    """A factor that an enterprise measured itself."""

    @model_validator(mode="after")
    def _has_a_value(self) -> Self:
        if self.kg is None and self.parts is None:
            raise fault("missing", "write kg, or ncv_gj, carbon_tc_per_tj and oxidation_pct")
        return self


class MeasurementSpec(Strict):
    """What an enterprise measured of a carrier that it uses: coefficients [kgce a unit], factors; by whom and how."""

    enterprise: Id
    carrier: Id
    cv_kgce: NonNegativeDecimal | None = None
    eq_kgce: NonNegativeDecimal | None = None
    factors: tuple[Measured, ...] = ()
    source: Text
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.cv_kgce is None and self.eq_kgce is None and not self.factors:
            raise fault("missing", "write what was measured: cv_kgce, eq_kgce or factors")
        if len({(one.scope, one.gas) for one in self.factors}) != len(self.factors):
            raise fault("duplicate", "two factors are of one gas and scope: keep one")
        return self


class Measurement(Envelope):
    """Coefficients and factors measured by an enterprise (实测系数); they go before every release on its days."""

    kind: Literal["measurement"]
    spec: MeasurementSpec
