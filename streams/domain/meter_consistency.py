"""Consistency of meters is what a meter, its carrier, its source and its exchanges must be to each other."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from schemas.decimals import INT64_MAX, scale_of
from schemas.documents import Carrier, DocumentKey, Exchange, Meter, Source
from schemas.documents.meter import MeterSpec
from schemas.units import UnitError
from streams.domain.consistency import Documents, Problem
from streams.domain.views import counted_in, worth_of_count

# Readings are counts in 64 bits at millionths of a unit: of larger counts not even a thousand would fit.
LARGEST_COUNT_MICRO = INT64_MAX // 10**3


def check_meter(meter: Meter, documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each number of a meter that is not exact in its carrier's unit, and for a foreign source."""
    spec, key = meter.spec, meter.key
    for place, entry in enumerate(spec.source):
        source = documents.get(DocumentKey("source", entry.id or ""))
        if isinstance(source, Source) and source.spec.enterprise != meter.enterprise:
            message = f"{source.key} belongs to enterprise {source.spec.enterprise}, the meter to {meter.enterprise}"
            yield Problem(key, source.key, f"spec.source.{place}.id", "wrong_enterprise", message)
    if spec.modulus is not None and spec.modulus % spec.resolution != 0:
        message = f"modulus {spec.modulus} is not a multiple of the resolution {spec.resolution}"
        yield Problem(key, None, "spec.modulus", "not_a_multiple", message)
    yield from _counted_twice(meter, documents)
    for place, entry in enumerate(spec.counterparty):
        if entry.id == meter.enterprise:
            message = f"enterprise {entry.id} cannot sell to itself: name the enterprise that buys, or null for nobody"
            yield Problem(key, None, f"spec.counterparty.{place}.id", "own_counterparty", message)
    carrier = documents.get(DocumentKey("carrier", spec.carrier))
    if not isinstance(carrier, Carrier):
        return
    try:
        unit = counted_in(spec.type, spec.unit, carrier.spec.unit)
    except UnitError as error:
        message = f"{error}; {carrier.key} is counted in {carrier.spec.unit}: name a unit of it, or another carrier"
        yield Problem(key, carrier.key, "spec.unit", "unit_mismatch", message)
        return
    if spec.counterparty and spec.type == "gauge" and unit == carrier.spec.unit:
        message = (
            f"a gauge in {spec.unit} tells a level, of which nothing is sold: sell by a rate, interval or register"
        )
        yield Problem(key, carrier.key, "spec.counterparty", "not_a_quantity", message)
    multipliers = [(f"spec.multiplier.{place}.value", entry.value) for place, entry in enumerate(spec.multiplier)]
    for path, multiplier in multipliers or [("spec.resolution", type(spec.resolution)(1))]:
        yield from _inexact(key, carrier, unit, spec, path, multiplier)


def _counted_twice(meter: Meter, documents: Documents) -> Iterator[Problem]:
    if meter.spec.counts_as is None:
        return
    seen = {meter.short_id}
    parent = meter.spec.parent
    while parent is not None and parent not in seen:
        seen.add(parent)
        above = documents.get(DocumentKey("meter", f"{meter.enterprise}.{parent}"))
        if not isinstance(above, Meter):
            return
        if above.spec.counts_as == meter.spec.counts_as:
            message = f"{above.key} above it counts as {meter.spec.counts_as} too: it would be taken off twice"
            yield Problem(meter.key, above.key, "spec.counts_as", "counted_twice", message)
            return
        parent = above.spec.parent


def _inexact(
    key: DocumentKey, carrier: Carrier, unit: str, spec: MeterSpec, path: str, multiplier: Decimal
) -> Iterator[Problem]:
    worth = worth_of_count(scale_of(spec.resolution), multiplier, spec.unit, unit)
    if worth.denominator != 1:
        message = (
            f"one step of the last digit of {spec.resolution} {spec.unit} times {multiplier} is no whole number of "
            f"millionths of a {unit}: use a coarser resolution or another unit of {carrier.key}"
        )
        yield Problem(key, carrier.key, path, "not_exact", message)
    elif worth > LARGEST_COUNT_MICRO:
        message = f"one count is worth {worth} millionths of a {unit}: too large for a 64-bit sum"
        yield Problem(key, carrier.key, path, "too_large", message)


def check_exchange(exchange: Exchange, documents: Documents) -> Iterator[Problem]:
    """Yield a problem for an exchange of what is no register, for values that it cannot show, and for a wrong day."""
    spec, key = exchange.spec, exchange.key
    day = spec.at.date()
    if day < exchange.valid_from or (exchange.valid_to is not None and day >= exchange.valid_to):
        yield Problem(
            key, None, "spec.at", "outside_document", f"{spec.at} is not within the days on which {key} is valid"
        )
    meter = documents.get(DocumentKey("meter", spec.meter))
    if not isinstance(meter, Meter):
        return
    if meter.spec.type != "register":
        message = f"{meter.key} is an {meter.spec.type} meter: only a register's instrument goes on from a value"
        yield Problem(key, meter.key, "spec.meter", "not_a_register", message)
        return
    for path, value in (("spec.final", spec.final), ("spec.initial", spec.initial)):
        if value is not None and value % meter.spec.resolution != 0:
            message = f"{value} is not a multiple of the resolution {meter.spec.resolution} of {meter.key}"
            yield Problem(key, meter.key, path, "not_a_multiple", message)
    carrier = documents.get(DocumentKey("carrier", meter.spec.carrier))
    if spec.multiplier is not None and isinstance(carrier, Carrier):
        yield from _inexact(key, carrier, carrier.spec.unit, meter.spec, "spec.multiplier", spec.multiplier)


def check_exchanges(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each two exchanges of one register at one instant."""
    exchanges = sorted(
        (one for one in documents.values() if isinstance(one, Exchange)),
        key=lambda one: (one.spec.meter, one.spec.at, one.id),
    )
    for earlier, later in pairwise(exchanges):
        if (earlier.spec.meter, earlier.spec.at) == (later.spec.meter, later.spec.at):
            message = f"{earlier.key} exchanges the same register at the same instant: end one of them"
            yield Problem(later.key, earlier.key, "spec.at", "overlap", message)
