"""Emission factors (排放因子): carbon dioxide of fuels, carbonates, processes and heat, and warming potentials."""

from schemas.reference.base import Many, Number, Sourced, Strict, Table


class Standard(Sourced):
    """A standard of the accounting of one industry, and since when it is in force."""

    number: str
    title: str
    effective: str


class FuelFactor(Sourced):
    """Carbon dioxide of a fuel from its heating value, carbon content and oxidation [tCO2/unit]."""

    id: str
    name_zh: str
    name_en: str
    unit: str
    ncv_gj_per_unit: Number
    carbon_tc_per_tj: Number
    oxidation_pct: Number
    tco2_per_unit: Number
    note: str | None = None


class FuelTable(Strict):
    """A table of fuels; rows of different tables must not be mixed."""

    description: str
    fuels: Many[FuelFactor]


class CoalDefault(Sourced):
    """What a power unit that does not measure its coal must use."""

    carbon_tc_per_gj_unmeasured: Number
    carbon_tc_per_gj_unmeasured_before_2022: Number
    oxidation_pct: Number
    note: str


class Carbonate(Sourced):
    """Carbon dioxide of a carbonate, as printed and by stoichiometry [tCO2/t]."""

    id: str
    tco2_per_t: Number
    stoichiometric: Number


class Carbonates(Strict):
    """The carbonates of one standard."""

    basis: str
    items: Many[Carbonate]


class Process(Sourced):
    """A process: its formula, or its default factors."""

    id: str
    industry: str
    name_zh: str | None = None
    formula: str | None = None
    symbols: str | None = None
    tco2_per_t: Number | None = None
    tco2_per_t_clinker: Number | None = None
    t_carbon_anode_per_t_al: Number | None = None
    alternative: Number | None = None
    sulphur_pct: Number | None = None
    ash_pct: Number | None = None
    tco2_per_t_al: Number | None = None
    tco2_per_t_al_alternative: Number | None = None
    kg_cf4_per_t_al: Number | None = None
    kg_c2f6_per_t_al: Number | None = None
    purity_pct: Number | None = None
    conversion_pct: Number | None = None
    tco2_per_t_caco3: Number | None = None
    note: str | None = None


class HeatFactor(Sourced):
    """Carbon dioxide of purchased heat [tCO2/GJ]."""

    id: str
    tco2_per_gj: Number
    note: str | None = None


class HeatConversion(Sourced):
    """How the heat of water or steam comes out of its mass."""

    id: str
    formula: str
    symbols: str | None = None


class WarmingPotential(Sourced):
    """The global warming potential of a gas over 100 years, by assessment report."""

    gas: str
    SAR: Number | None
    AR4: Number | None
    AR5: Number
    AR5_ccf: Number
    AR6: Number


class Blend(Sourced):
    """A refrigerant blend: mass shares of its gases, by name, and its potential."""

    blend: str
    mass_shares: dict[str, Number]
    AR5: Number
    AR6: Number


class WarmingPotentials(Strict):
    """Potentials of gases and blends."""

    note: str
    values: Many[WarmingPotential]
    blends: Many[Blend]


class EmissionFactors(Table):
    """The table `emission_factors`."""

    carbon_to_co2: Number
    standards_in_force: Many[Standard]
    fuel_tables: dict[str, FuelTable]
    power_sector_coal_defaults: CoalDefault
    carbonates: Carbonates
    process: Many[Process]
    purchased_heat: Many[HeatFactor]
    heat_conversion: Many[HeatConversion]
    gwp100: WarmingPotentials
