"""Resolving turns a document into its view: one function a kind, each given the documents that its own refers to."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor

from schemas.decimals import CONTEXT, at_scale, micro, scale_of
from schemas.documents import (
    Allocation,
    Carrier,
    Certificate,
    Coefficient,
    DatedId,
    Document,
    Enterprise,
    Exchange,
    Factor,
    Indicator,
    Key,
    Limit,
    Measurement,
    Meter,
    Outage,
    Product,
    Release,
    ReportedItem,
    Rule,
    Select,
    Source,
    Stop,
    Threshold,
    Validity,
    canonical,
    parse_metric,
)
from schemas.documents.energy import Emitting
from schemas.documents.fields import plain_text
from schemas.documents.indicator import Direction
from schemas.documents.pause import OutageSpec
from schemas.ids import split_meter_id
from schemas.instants import instant_ms
from schemas.reference import load
from schemas.reference.filling import filling
from schemas.units import conversion
from schemas.windows import LATEST_MS, date_ms
from streams.domain.views import (
    AllocationView,
    BaseSince,
    BoundView,
    CarrierView,
    CertificateView,
    CoefficientView,
    EnterpriseView,
    Exact,
    ExchangeView,
    FactorView,
    IndicatorView,
    ItemView,
    KeyView,
    LimitView,
    LineView,
    Listed,
    MadeView,
    MeasurementView,
    MeterView,
    MultiplierSince,
    PauseView,
    ProductView,
    ReleaseView,
    RuleView,
    SelectView,
    SharingSince,
    Since,
    SourceView,
    TierView,
    Variant,
    counted_in,
    worth_of_count,
)

VERSION_DIGITS = 12
_OPPOSITE: dict[Direction, Direction] = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}


@lru_cache(maxsize=4096)
def day_ms(day: dt.date) -> int:
    """Return the instant at which a local day begins [epoch ms]."""
    return date_ms(day)


def ms_of(instant: dt.datetime) -> int:
    """Return a time [epoch ms]."""
    return instant_ms(instant.isoformat())


def range_ms(document: Document) -> tuple[int, int]:
    """Return the half-open range in which a document is valid [epoch ms]."""
    end = document.valid_to
    return day_ms(document.valid_from), LATEST_MS if end is None else day_ms(end)


def exact(value: Decimal) -> Exact:
    """Return a decimal as an integer at the fewest decimal places that hold it."""
    scale = scale_of(value)
    return Exact(at_scale(value, scale), scale)


def since(entries: Iterable[DatedId]) -> tuple[Since, ...]:
    """Return a dated list of ids with instants for days."""
    return tuple(Since(day_ms(entry.from_), entry.id) for entry in entries)


def version_of(document: Document) -> str:
    """Return a short text that changes whenever anything of a document does."""
    return hashlib.sha256(canonical(document)).hexdigest()[:VERSION_DIGITS]


def meter_view(
    meter: Meter,
    index: int,
    carriers: Mapping[str, CarrierView],
    exchanges: Iterable[Exchange],
    outages: Iterable[PauseView] = (),
) -> MeterView:
    """Return the view of a meter at its place among its enterprise's; raise ValueError when a count is not exact."""
    swaps = sorted(exchanges, key=lambda each: each.spec.at)
    spec = meter.spec
    scale = scale_of(spec.resolution)
    carrier = carriers[spec.carrier]
    unit = counted_in(spec.type, spec.unit, carrier.unit)
    from_ms, to_ms = range_ms(meter)
    dated = [(day_ms(entry.from_), entry.value) for entry in spec.multiplier] or [(from_ms, Decimal(1))]
    dated += [(ms_of(swap.spec.at), swap.spec.multiplier) for swap in swaps if swap.spec.multiplier is not None]
    multipliers: list[MultiplierSince] = []
    for start_ms, multiplier in sorted(dated):
        worth = worth_of_count(scale, multiplier, spec.unit, unit)
        if worth.denominator != 1:
            raise ValueError(
                f"meter {meter.id}: one count is {worth} millionths of the carrier's unit, no whole number"
            )
        multipliers.append(MultiplierSince(start_ms, worth.numerator))
    resolution = at_scale(spec.resolution, scale)
    highest = spec.max_rate_per_h
    validity = spec.validity or carrier.validity or usual_validity()
    return MeterView(
        index=index,
        id=meter.short_id,
        enterprise=meter.enterprise,
        entity=f"meter/{meter.id}",
        carrier=spec.carrier,
        type=spec.type,
        role=spec.role,
        counts_as=spec.counts_as,
        unit=spec.unit,
        scale=scale,
        resolution=resolution,
        step_ms=spec.step_ms or 0,
        stamp=spec.stamp,
        parent=spec.parent,
        sources=since(spec.source),
        multipliers=tuple(multipliers),
        modulus=None if spec.modulus is None else at_scale(spec.modulus, scale),
        max_micro_per_h=None if highest is None else floor(worth_of_count(0, highest, spec.unit, carrier.unit)),
        tolerance=resolution if spec.tolerance is None else floor(spec.tolerance.scaleb(scale)),
        exchanges=tuple(
            ExchangeView(ms_of(swap.spec.at), _count(swap.spec.final, scale), _count(swap.spec.initial, scale))
            for swap in swaps
        ),
        is_rate=unit != carrier.unit,
        valid_hour_ms=validity.hour_ms,
        valid_day_hours=validity.day_hours,
        longest_gap_ms=spec.longest_gap_ms,
        outages=merged(outages),
        from_ms=from_ms,
        to_ms=to_ms,
        capacity_micro_per_h=None
        if spec.capacity_kva is None
        else worth_of_count(0, spec.capacity_kva, "kWh", carriers[spec.carrier].unit),
        counterparty=since(spec.counterparty),
        sharing=tuple(SharingSince(day_ms(entry.from_), entry.by == "like_day") for entry in spec.sharing),
    )


@lru_cache(maxsize=1)
def usual_validity() -> Validity:
    """Return the validity of averages where neither meter nor carrier says one (HJ 75-2017)."""
    usual = filling().averages
    return Validity(hour=f"{usual.hour_min}min", day_hours=usual.day_hours, source=usual.standard)


Pauses = Mapping[tuple[str, str], Sequence[PauseView]]


def pauses_of(documents: Iterable[Outage | Stop]) -> Pauses:
    """Return what outages and stops say, by kind and by entity (`meter/..` or `enterprise/..`)."""
    found: dict[tuple[str, str], list[PauseView]] = {}
    for each in documents:
        spec = each.spec
        entity = f"enterprise/{spec.enterprise}"
        if isinstance(spec, OutageSpec) and spec.meter is not None:
            entity = f"meter/{spec.meter}"
        to_ms = LATEST_MS if spec.to is None else ms_of(spec.to)
        found.setdefault((each.kind, entity), []).append(PauseView(ms_of(spec.from_), to_ms))
    return found


def merged(pauses: Iterable[PauseView]) -> tuple[PauseView, ...]:
    """Return pauses in order of time, those that touch each other as one."""
    found: list[PauseView] = []
    for each in sorted(pauses):
        if found and each.from_ms <= found[-1].to_ms:
            found[-1] = PauseView(found[-1].from_ms, max(found[-1].to_ms, each.to_ms))
        else:
            found.append(each)
    return tuple(found)


def _count(value: Decimal | None, scale: int) -> int | None:
    return None if value is None else at_scale(value, scale)


def enterprise_view(
    enterprise: Enterprise,
    meters: Iterable[Meter],
    carriers: Mapping[str, CarrierView],
    exchanges: Mapping[str, Sequence[Exchange]],
    pauses: Pauses,
) -> EnterpriseView:
    """Return the view of an enterprise with its meters, sorted by id; `exchanges` are by id of the meter."""
    spec = enterprise.spec
    from_ms, to_ms = range_ms(enterprise)
    ordered = sorted(meters, key=lambda meter: meter.short_id)
    entity = f"enterprise/{enterprise.id}"
    return EnterpriseView(
        id=enterprise.id,
        entity=entity,
        meters=tuple(
            meter_view(
                meter,
                index,
                carriers,
                exchanges.get(meter.id, ()),
                (*pauses.get(("outage", f"meter/{meter.id}"), ()), *pauses.get(("outage", entity), ())),
            )
            for index, meter in enumerate(ordered)
        ),
        industry=since(spec.industry),
        county=since(spec.county),
        park=since(spec.park),
        lists=tuple(
            Listed(day_ms(entry.from_), LATEST_MS if entry.to is None else day_ms(entry.to), entry.id)
            for entry in spec.lists
        ),
        stops=merged(pauses.get(("stop", entity), ())),
        from_ms=from_ms,
        to_ms=to_ms,
    )


def source_view(source: Source) -> SourceView:
    """Return the view of a source."""
    return SourceView(source.id, source.spec.enterprise, source.spec.rate_limit_per_s, *range_ms(source))


def key_view(key: Key) -> KeyView:
    """Return the view of a key."""
    return KeyView(key.id, key.spec.role, key.spec.subject, key.spec.revoked, *range_ms(key))


def carrier_view(carrier: Carrier) -> CarrierView:
    """Return the view of a carrier."""
    spec = carrier.spec
    return CarrierView(carrier.id, spec.unit, spec.energy, spec.medium, spec.renewable, spec.validity)


def product_view(product: Product) -> ProductView:
    """Return the view of a product."""
    return ProductView(product.id, product.spec.unit)


def release_view(release: Release, carriers: Mapping[str, CarrierView]) -> ReleaseView:
    """Return the view of a release; raise ValueError when a number in it was never filled in."""
    coefficients: list[CoefficientView] = []
    for row in release.spec.coefficients:
        if row.cv_kgce is None:
            raise ValueError(f"release {release.id}: the coefficient of {row.carrier} has no value")
        coefficients.append(
            _coefficient(row.carrier, row.cv_kgce, row.eq_kgce, carriers, *_said(row))._replace(
                eq_source=row.eq_reference or row.source or row.reference or "",
                province=row.province,
                grid=row.grid,
                purpose=row.purpose,
            )  # fmt: skip
        )
    factors: list[FactorView] = []
    for row in release.spec.factors:
        view = _factor(row.carrier, row, *_said(row))
        if view is None:
            raise ValueError(f"release {release.id}: the factor of {row.carrier} has no value")
        factors.append(view._replace(province=row.province, grid=row.grid, purpose=row.purpose))
    return ReleaseView(
        release.id,
        tuple(coefficients),
        tuple(factors),
        release.spec.gwp,
        _potentials(release.spec.gwp),
        release.spec.restates,
        *range_ms(release),
    )


def _potentials(name: str | None) -> dict[str, Exact]:
    """Return the warming potentials of a set, by gas; the gases are written small in factors."""
    if name is None:
        return {}
    rows = ((row.gas.lower(), getattr(row, name)) for row in load().emission_factors.gwp100.values)
    return {gas: exact(value) for gas, value in rows if value is not None}


def measurement_view(measurement: Measurement, carriers: Mapping[str, CarrierView]) -> MeasurementView:
    """Return the view of what an enterprise measured."""
    spec = measurement.spec
    id_ = measurement.id
    said: tuple[str, str | None, Variant] = (spec.source, spec.confidence, "measured")
    coefficient = None
    if spec.cv_kgce is not None or spec.eq_kgce is not None:
        coefficient = _coefficient(spec.carrier, spec.cv_kgce, spec.eq_kgce, carriers, *said)
        coefficient = coefficient._replace(measurement=id_, eq_measurement=id_)
    views = (_factor(spec.carrier, row, *said) for row in spec.factors)
    factors = tuple(view._replace(measurement=id_) for view in views if view is not None)
    return MeasurementView(measurement.id, spec.enterprise, coefficient, factors, *range_ms(measurement))


def certificate_view(certificate: Certificate, carriers: Mapping[str, CarrierView]) -> CertificateView:
    """Return the view of a certificate; raise UnitError when its unit is none of the carrier's."""
    spec = certificate.spec
    factor = conversion(spec.unit, carriers[spec.carrier].unit)
    return CertificateView(
        certificate.id, spec.enterprise, spec.carrier, spec.period, micro(Fraction(spec.value) * factor)
    )


def allocation_view(allocation: Allocation) -> AllocationView:
    """Return the view of an allocation; decimals become whole numbers that compare."""
    spec = allocation.spec
    weights = _comparable(each.weight for line in spec.lines for each in line.products)
    shares = _comparable((*(line.share or Decimal(0) for line in spec.lines), spec.unallocated or Decimal(0)))
    lines: list[LineView] = []
    for line in sorted(spec.lines, key=lambda each: each.id):
        parts = _comparable(Decimal(1) if each.share is None else each.share for each in line.products)
        products = tuple(
            MadeView(each.id, weights[each.weight], None if line.by_output else parts[each.share or Decimal(1)])
            for each in line.products
        )
        meters = tuple(split_meter_id(meter)[1] for meter in line.meters)
        lines.append(LineView(line.id, meters, products, shares[line.share or Decimal(0)], line.by_output))
    unallocated = shares[spec.unallocated or Decimal(0)] if spec.key == "shares" else None
    return AllocationView(allocation.id, spec.enterprise, tuple(lines), unallocated, *range_ms(allocation))


def _comparable(values: Iterable[Decimal]) -> dict[Decimal, int]:
    """Return decimals as whole numbers at one scale."""
    every = set(values)
    scale = max(map(scale_of, every), default=0)
    return {value: at_scale(value, scale) for value in every}


def _said(row: Coefficient | Factor) -> tuple[str, str | None, Variant]:
    variant: Variant = "province" if row.province is not None else "grid" if row.grid is not None else "national"
    return row.source or row.reference or "", row.confidence, variant


def _coefficient(
    id_: str, cv_kgce: Decimal | None, eq_kgce: Decimal | None, carriers: Mapping[str, CarrierView],
    source: str, confidence: str | None, variant: Variant,
) -> CoefficientView:  # fmt: skip
    cv = None if cv_kgce is None else exact(cv_kgce)
    eq = None if eq_kgce is None else exact(eq_kgce)
    carrier = carriers.get(id_)
    if eq is None and carrier is not None and carrier.medium == "fuel":
        # Nothing was spent to make a primary fuel, so its equivalent value is its calorific value.
        eq = cv
    return CoefficientView(id_, cv, eq, source, confidence, variant, source, confidence, variant)


def _factor(id_: str, row: Emitting, source: str, confidence: str | None, variant: Variant) -> FactorView | None:
    if row.kg is not None:
        return FactorView(id_, row.scope, row.gas, exact(row.kg), source, confidence, variant)
    if row.parts is None:
        return None
    ncv, carbon, oxidation = row.parts
    told = f"{plain_text(ncv)} GJ × {plain_text(carbon)} tC/TJ × {plain_text(oxidation)} % × 44/12"
    return FactorView(
        id_, row.scope, row.gas, carbon_dioxide(ncv, carbon, oxidation), source, confidence, variant, told
    )


def carbon_dioxide(ncv_gj: Decimal, carbon_tc_per_tj: Decimal, oxidation_pct: Decimal) -> Exact:
    """Return the carbon dioxide of one unit of a fuel [kg], exactly: heating value x carbon x oxidation x 44/12.

    A tC/TJ is a kgC/GJ; 44/12 is the mass of carbon dioxide made of a mass of carbon (GB/T 32151.1-2015, 5.2.2).
    """
    product = CONTEXT.multiply(CONTEXT.multiply(ncv_gj, carbon_tc_per_tj), oxidation_pct)
    scale = scale_of(product)
    return Exact(at_scale(product, scale) * 11, scale + 2, 3)


def select_view(select: Select) -> SelectView:
    """Return the view of a selection."""
    return SelectView(select.kind, None if select.id is None else frozenset(select.id), select.in_)


def unit_of(metric: str, units: Mapping[str, str]) -> str:
    """Return the unit of an additive metric, given the units of carriers and products by `carrier/ID` and so on."""
    found = parse_metric(metric)
    if found.fixed_unit is not None:
        return found.fixed_unit
    if found.item is not None:
        return units[f"reported/{found.item}"]
    return (
        units[f"carrier/{found.carrier}" if found.carrier is not None else f"product/{found.product}"] + found.by_time
    )


def item_view(item: ReportedItem) -> ItemView:
    """Return the view of a reported item."""
    bases = tuple(BaseSince(day_ms(entry.from_), entry.year) for entry in item.spec.price_base)
    return ItemView(item.id, item.spec.unit, item.spec.additive, bases)


def indicator_view(
    indicator: Indicator, units: Mapping[str, str], others: Mapping[str, Indicator], items: Mapping[str, ItemView]
) -> IndicatorView:
    """Return the view of an indicator with the exact factor into its unit; raise UnitError when there is none.

    `others` are all indicators and `items` the reported items, by id: a growth may be of another indicator.
    """
    spec = indicator.spec
    numerator = spec.total or spec.numerator or (None if spec.indicator is None else f"ind.{spec.indicator}")
    if numerator is None:
        raise ValueError(f"indicator {indicator.id} has no metric")
    per = None if spec.denominator is None else unit_of(spec.denominator, units)
    if spec.type == "growth":
        factor = conversion("%", spec.unit) * 100
    else:
        factor = conversion(unit_of(numerator, units), spec.unit, per=per)
    rests_on = metrics_of(others[spec.indicator] if spec.indicator is not None else indicator)
    parsed = [parse_metric(each) for each in rests_on]
    return IndicatorView(
        indicator.id, spec.type, numerator, spec.denominator, spec.unit, factor, *range_ms(indicator),
        over=spec.over,
        bases=tuple(items[each.item].bases for each in parsed if each.item is not None and items[each.item].bases),
        metered=any(each.item is None and each.product is None for each in parsed),
    )  # fmt: skip


def metrics_of(indicator: Indicator) -> tuple[str, ...]:
    """Return the metrics that stand in an indicator's formula."""
    spec = indicator.spec
    return tuple(each for each in (spec.total, spec.numerator, spec.denominator) if each is not None)


def limit_view(limit: Limit, unit: str) -> LimitView:
    """Return the view of a limit whose indicator is in `unit`."""
    spec = limit.spec
    if spec.tiers is None:
        raise ValueError(f"limit {limit.id} has no tiers")
    return LimitView(
        id=limit.id,
        version=version_of(limit),
        indicator=spec.indicator,
        unit=unit,
        tiers=tuple(TierView(tier.id, Fraction(tier.max), plain_text(tier.max), tier.severity) for tier in spec.tiers),
        select=None if spec.select is None else select_view(spec.select),
        source=spec.source or spec.reference or "",
        from_ms=range_ms(limit)[0],
        to_ms=range_ms(limit)[1],
    )


def _bound_view(threshold: Threshold) -> BoundView:
    direction, value = threshold.bound
    return BoundView(direction, Fraction(value), plain_text(value))


def rule_view(rule: Rule, unit: str) -> RuleView:
    """Return the view of a rule whose metric or indicator is in `unit`."""
    spec = rule.spec
    raises = _bound_view(spec.raise_)
    opposite = BoundView(_OPPOSITE[raises.direction], raises.value, raises.text)
    return RuleView(
        id=rule.id,
        version=version_of(rule),
        metric=spec.metric or f"ind.{spec.indicator}",
        unit=unit,
        window=spec.window,
        period=spec.period,
        select=select_view(spec.select),
        raises=raises,
        clears=opposite if spec.clear is None else _bound_view(spec.clear),
        severity=spec.severity,
        from_ms=range_ms(rule)[0],
        to_ms=range_ms(rule)[1],
    )
