"""A valuation is the coefficients and factors that hold for one enterprise at one time, each the best there is.

What the enterprise measured itself goes before a release (GB/T 2589-2020: measured values first). Of a release's rows
those for another province, grid or purpose do not count; of the others one that names the purpose goes before one that
does not, then the province's before its regional grid's before the nation's.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.decimals import MICRO
from schemas.windows import LATEST_MS
from streams.domain.energy_views import CoefficientView, Exact, FactorView, MeasurementView, ReleaseView

# The bits of the metric `variant.CARRIER`: which variants of numbers a value stands on.
VARIANT_BITS: Mapping[str, int] = {"measured": 1, "province": 2, "grid": 4, "national": 8}
Quantity = Literal["cv", "eq"]


class Place(NamedTuple):
    """From when on [epoch ms] an enterprise lies in a province and is served by a regional grid."""

    from_ms: int
    province: str | None
    grid: str | None


@dataclass(frozen=True, slots=True)
class Valuation:
    """What a carrier's unit is worth: `id` is the release, None where only measured values hold.

    `marks` has `variant.CARRIER` [1e-6] of the carriers whose numbers are not the nation's.
    """

    id: str | None
    coefficients: Mapping[str, CoefficientView]
    factors: Mapping[str, tuple[FactorView, ...]]
    gwp: str | None
    marks: Mapping[str, int]


UNVALUED = Valuation(None, {}, {}, None, {})


@dataclass(frozen=True, slots=True)
class Valuations:
    """An enterprise's valuations in order of time; each holds from its instant [epoch ms] until the next."""

    edges_ms: tuple[int, ...]
    each: tuple[Valuation | None, ...]
    _texts: dict[frozenset[str], str] = field(default_factory=dict[frozenset[str], str], repr=False, compare=False)

    def at(self, at_ms: int) -> Valuation | None:
        """Return what holds at an instant, None where nothing does."""
        place = bisect_right(self.edges_ms, at_ms)
        return self.each[place - 1] if place else None

    def text(self, carriers: frozenset[str]) -> str:
        """Return a text that changes whenever a number of these carriers, or what is said of it, does."""
        found = self._texts.get(carriers)
        if found is None:
            parts: list[str] = []
            for at_ms, one in zip(self.edges_ms, self.each, strict=True):
                rows = (
                    [(name, one.coefficients.get(name), one.factors.get(name)) for name in sorted(carriers)]
                    if one
                    else []
                )
                parts.append(f"{at_ms}|{one and (one.id, one.gwp)}|{rows!r}")
            found = self._texts[carriers] = "\n".join(parts)
        return found


def valuations(
    releases: Sequence[tuple[int, ReleaseView | None]],
    measurements: Sequence[MeasurementView],
    places: Sequence[Place],
    purpose: str | None,
) -> Valuations:
    """Return what holds when: `releases` and `places` are in order of time, `measurements` are the enterprise's own."""
    edges = {from_ms for from_ms, _ in releases} | {place.from_ms for place in places}
    edges |= {edge for one in measurements for edge in (one.from_ms, one.to_ms) if edge < LATEST_MS}
    ordered = tuple(sorted(edges))
    release_edges, place_edges = [from_ms for from_ms, _ in releases], [place.from_ms for place in places]
    found: list[Valuation | None] = []
    for at_ms in ordered:
        release_at, place_at = bisect_right(release_edges, at_ms), bisect_right(place_edges, at_ms)
        release = releases[release_at - 1][1] if release_at else None
        place = places[place_at - 1] if place_at else Place(0, None, None)
        mine = [one for one in measurements if one.from_ms <= at_ms < one.to_ms]
        found.append(None if release is None and not mine else _value(release, mine, place, purpose))
    return Valuations(ordered, tuple(found))


def _value(
    release: ReleaseView | None, measured: Iterable[MeasurementView], place: Place, purpose: str | None
) -> Valuation:
    coefficients: dict[str, list[CoefficientView]] = {}
    factors: dict[tuple[str, str, str], FactorView] = {}
    for one in measured:
        if one.coefficient is not None:
            coefficients.setdefault(one.coefficient.carrier, []).append(one.coefficient)
        for factor in one.factors:
            factors.setdefault((factor.carrier, factor.scope, factor.gas), factor)
    if release is not None:
        for row in sorted((row for row in release.coefficients if _fits(row, place, purpose)), key=_rank):
            coefficients.setdefault(row.carrier, []).append(row)
        for row in sorted((row for row in release.factors if _fits(row, place, purpose)), key=_rank):
            factors.setdefault((row.carrier, row.scope, row.gas), row)
    chosen = {carrier: _joined(rows) for carrier, rows in coefficients.items()}
    grouped: dict[str, tuple[FactorView, ...]] = {}
    potentials: Mapping[str, Exact] = {} if release is None else release.potentials
    for _, factor in sorted(factors.items()):
        potential = potentials.get(factor.gas)
        if factor.gas != "co2" and potential is not None:
            value = Exact(factor.value.numerator * potential.numerator, factor.value.scale + potential.scale)
            factor = factor._replace(co2e=value)
        grouped[factor.carrier] = (*grouped.get(factor.carrier, ()), factor)
    return Valuation(
        None if release is None else release.id,
        chosen,
        grouped,
        None if release is None else release.gwp,
        _marks(chosen, grouped),
    )


def _fits(row: CoefficientView | FactorView, place: Place, purpose: str | None) -> bool:
    return row.purpose in (None, purpose) and row.province in (None, place.province) and row.grid in (None, place.grid)


def _rank(row: CoefficientView | FactorView) -> tuple[bool, int]:
    return row.purpose is None, ("province", "grid", "national").index(row.variant)


def _joined(rows: Sequence[CoefficientView]) -> CoefficientView:
    """Return the first row's values, and where it lacks one that of the next; each keeps where it comes from."""
    first = rows[0]
    cv_row = next((row for row in rows if row.cv is not None), first)
    eq_row = next((row for row in rows if row.eq is not None), first)
    return cv_row._replace(
        eq=eq_row.eq,
        eq_source=eq_row.eq_source,
        eq_variant=eq_row.eq_variant,
        eq_confidence=eq_row.eq_confidence,
        eq_measurement=eq_row.eq_measurement,
    )


def _marks(
    coefficients: Mapping[str, CoefficientView], factors: Mapping[str, tuple[FactorView, ...]]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for carrier in sorted({*coefficients, *factors}):
        row = coefficients.get(carrier)
        said = {factor.variant for factor in factors.get(carrier, ())}
        if row is not None:
            said |= {row.variant} | ({row.eq_variant} if row.eq is not None else set())
        if said != {"national"}:
            found["variant." + carrier] = sum(VARIANT_BITS[each] for each in said) * MICRO
    return found


def joined_marks(values: Iterable[int | None]) -> int | None:
    """Return the mark [1e-6] of what has parts with these marks: every variant that one of them stands on."""
    found = 0
    for value in values:
        found |= (value or 0) // MICRO
    return found * MICRO or None


def variants_of(mark_micro: int) -> tuple[str, ...]:
    """Return the names of the variants that a mark [1e-6] stands for."""
    return tuple(name for name, bit in VARIANT_BITS.items() if mark_micro // MICRO & bit)
