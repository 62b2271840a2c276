"""A territory (区域) groups enterprises: by place (province, city, county, park), by what they make, or by a list."""

from typing import Literal

from schemas.documents.energy import GridRegion
from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Code, Id, Text


class ProvinceSpec(Strict):
    """The official code (GB/T 2260) and the regional grid that serves the province."""

    code: Code | None = None
    grid: GridRegion | None = None


class Province(Envelope):
    """A province (省)."""

    kind: Literal["province"]
    spec: ProvinceSpec = ProvinceSpec()


class CitySpec(Strict):
    """The official code (GB/T 2260) and the province the city lies in."""

    code: Code | None = None
    province: Id | None = None


class City(Envelope):
    """A city (市)."""

    kind: Literal["city"]
    spec: CitySpec = CitySpec()


class CountySpec(Strict):
    """The official code (GB/T 2260) and the city the county belongs to."""

    code: Code | None = None
    city: Id


class County(Envelope):
    """A county or district (县, 区)."""

    kind: Literal["county"]
    spec: CountySpec


class ParkSpec(Strict):
    """Where the park lies, when it lies in one county or at least in one city."""

    county: Id | None = None
    city: Id | None = None


class Park(Envelope):
    """An industrial park (园区)."""

    kind: Literal["park"]
    spec: ParkSpec = ParkSpec()


class IndustrySpec(Strict):
    """The official code (GB/T 4754) and the industry this one is a part of."""

    code: Code | None = None
    parent: Id | None = None


class Industry(Envelope):
    """An industry (行业)."""

    kind: Literal["industry"]
    spec: IndustrySpec = IndustrySpec()


class ListSpec(Strict):
    """Who keeps the list, and the document that it stands in."""

    code: Code | None = None
    source: Text | None = None


class EnterpriseList(Envelope):
    """A list of enterprises (名单): key energy units, key emitters, public institutions."""

    kind: Literal["list"]
    spec: ListSpec = ListSpec()
