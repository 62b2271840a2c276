"""Reference tables: coefficients, factors, limits, methods and codes of the field, each number with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import MappingProxyType

from schemas.reference.base import read
from schemas.reference.coefficients import EnergyCoefficients
from schemas.reference.emissions import EmissionFactors
from schemas.reference.grid import GridFactors
from schemas.reference.limits import EnergyLimits
from schemas.reference.methods import Methods
from schemas.reference.pollutants import Pollutants
from schemas.reference.rows import ReferenceRow, coefficient_rows, factor_rows, grid_rows
from schemas.reference.sources import SourceTexts

__all__ = ["Reference", "ReferenceRow", "load"]


@dataclass(frozen=True, slots=True)
class Reference:
    """All packaged tables, and the rows that a release may take over, by id."""

    energy_coefficients: EnergyCoefficients
    emission_factors: EmissionFactors
    grid_factors: GridFactors
    energy_limits: EnergyLimits
    methods: Methods
    pollutants: Pollutants
    sources: SourceTexts
    rows: Mapping[str, ReferenceRow]


@cache
def load() -> Reference:
    """Return the packaged tables, read once; raise pydantic's ValidationError when a file is not as its model says."""
    coefficients = EnergyCoefficients.model_validate(read("energy_coefficients"))
    factors = EmissionFactors.model_validate(read("emission_factors"))
    grid = GridFactors.model_validate(read("grid_factors"))
    rows = chain(coefficient_rows(coefficients), factor_rows(factors), grid_rows(grid))
    return Reference(
        energy_coefficients=coefficients,
        emission_factors=factors,
        grid_factors=grid,
        energy_limits=EnergyLimits.model_validate(read("energy_limits")),
        methods=Methods.model_validate(read("methods")),
        pollutants=Pollutants.model_validate(read("pollutants")),
        sources=SourceTexts.model_validate(read("sources")),
        rows=MappingProxyType({row.id: row for row in rows}),
    )
