"""A pollutant's discharge (污染物排放) is a concentration made comparable, and the mass that its flow carries away.

The equations are those of HJ 75-2017 as field acquisition code carries them out (reference table `methods`,
HJ212-LUA). A concentration at reference oxygen is for limits of concentration only: a mass computed with it would count
the air twice.
"""

from decimal import Decimal
from fractions import Fraction

from schemas.decimals import CONTEXT

# Oxygen in dry air, in percent as the equation of the standard has it.
_AIR_OXYGEN_PCT = Decimal(21)
_KG_PER_MG = Fraction(1, 10**6)
_KG_PER_G = Fraction(1, 10**3)


def at_reference_oxygen(
    concentration_mg_m3: Decimal, oxygen_pct: Decimal, reference_oxygen_pct: Decimal
) -> Decimal | None:
    """Return a dry concentration [mg/m3] at reference oxygen: `C x (21 - O2_ref) / (21 - O2)` (HJ 75-2017, eq. 28).

    None where as much oxygen as in air was measured, or more: the result is then undefined, the hour is not valid.
    """
    if oxygen_pct >= _AIR_OXYGEN_PCT:
        return None
    factor = CONTEXT.divide(
        CONTEXT.subtract(_AIR_OXYGEN_PCT, reference_oxygen_pct), CONTEXT.subtract(_AIR_OXYGEN_PCT, oxygen_pct)
    )
    return CONTEXT.multiply(concentration_mg_m3, factor)


def flue_gas_mass_kg(concentration_mg_m3: Decimal, flow_m3_per_h: Decimal) -> Fraction:
    """Return the mass that an hour of flue gas carries away [kg]: `C x Q x 1e-6` (HJ 75-2017, eq. 33).

    Concentration and flow are both dry and at standard state, the concentration not converted to reference oxygen.
    """
    return Fraction(concentration_mg_m3) * Fraction(flow_m3_per_h) * _KG_PER_MG


def waste_water_mass_kg(concentration_mg_per_l: Decimal, volume_m3: Decimal) -> Fraction:
    """Return the mass in a volume of waste water [kg]: `C x V x 1e-3`, since a mg/L is a g/m3."""
    return Fraction(concentration_mg_per_l) * Fraction(volume_m3) * _KG_PER_G
