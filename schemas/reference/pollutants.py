"""Pollutants (污染物): codes and units of continuous monitoring, its data flags, and emission limits."""

from typing import Literal

from pydantic import Field

from schemas.reference.base import Confidence, Many, Number, Sourced, Sources, Strict, Table


class Edition(Strict):
    """An edition of the protocol, and whether it is in force."""

    number: str
    status: str | None = None
    issued: str | None = None
    effective: str | None = None
    confidence: Confidence | None = None
    sources: Sources | None = None


class Codes(Sourced):
    """Codes of the protocol and what they mean."""

    values: dict[str, str]


class DataFlag(Strict):
    """A flag on a value, and whether the value is valid with it."""

    flag: str
    zh: str
    en: str
    valid: bool


class DataFlags(Sourced):
    """The flags of the protocol."""

    values: Many[DataFlag]
    note: str


class Protocol(Strict):
    """The transmission protocol HJ 212."""

    editions: Many[Edition]
    system_types: Codes = Field(alias="system_type_ST")
    commands: Codes = Field(alias="command_CN")
    field_suffixes: Codes
    data_flags: DataFlags


class Pollutant(Strict):
    """What is measured under a code, in which unit, and the unit of its total."""

    code: str
    name_zh: str
    name_en: str
    unit: str
    total_unit: str | None = None
    format: str | None = None
    hjt212_2005: str | None = None
    confidence: Confidence


class AirLimit(Sourced):
    """The limits of a sector's flue gas at reference oxygen."""

    id: str
    sector: str
    basis: str
    unit: str
    limits: dict[str, Number]
    other: dict[str, Number] | None = None
    reference_o2_pct: Number | None = None
    averaging: str
    note: str | None = None


class WaterLimit(Strict):
    """A parameter's limits by class of the discharge."""

    parameter: str
    code: str
    A: Number | None = None
    B: Number | None = None
    II: Number | None = None
    III: Number | None = None
    A_le12C: Number | None = None
    B_le12C: Number | None = None
    II_le12C: Number | None = None
    range: Many[Number] | None = None
    confidence: Confidence


class WaterLimits(Strict):
    """The limits of one standard; each row says how sure it is."""

    unit: str
    confidence: Literal["per row"]
    sources: Sources
    note: str
    values: Many[WaterLimit]


class Pollutants(Table):
    """The table `pollutants`."""

    protocol: Protocol
    code_sources: Sources
    air: Many[Pollutant]
    water: Many[Pollutant]
    known_code_errors: Many[str]
    air_limits: Many[AirLimit]
    water_limits: dict[str, WaterLimits]
    rejected_source: str
