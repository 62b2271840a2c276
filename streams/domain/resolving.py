"""Resolving turns a document into its view: one function a kind, each given the documents that its own refers to."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from math import floor

from schemas.decimals import at_scale, scale_of
from schemas.documents import (
    Allocation,
    Carrier,
    DatedId,
    Document,
    Enterprise,
    Exchange,
    Key,
    Meter,
    Outage,
    Product,
    Source,
    Stop,
    Validity,
    canonical,
)
from schemas.documents.pause import OutageSpec
from schemas.ids import split_meter_id
from schemas.instants import instant_ms
from schemas.reference.filling import filling
from schemas.windows import LATEST_MS, date_ms
from streams.domain.views import (
    AllocationView,
    CarrierView,
    EnterpriseView,
    ExchangeView,
    KeyView,
    LineView,
    Listed,
    MadeView,
    MeterView,
    MultiplierSince,
    PauseView,
    ProductView,
    SharingSince,
    Since,
    SourceView,
    counted_in,
    worth_of_count,
)

VERSION_DIGITS = 12


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
