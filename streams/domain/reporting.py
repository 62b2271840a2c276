"""Reporting checks a reported value (填报值): what no meter gives, said by people for an entity, a metric, a window."""

from fractions import Fraction
from typing import Any

import msgspec

from schemas.decimals import INT64_MAX, micro
from schemas.documents.metric import MetricError, parse_metric
from schemas.ids import IdError, parse_entity
from schemas.messages import VERSION, Reported
from schemas.pushed import ReportedRow
from schemas.units import UnitError, conversion
from schemas.windows import Window, WindowError, window
from streams.domain.checking import MAX_REVISION
from streams.domain.counting import Code, Fault, exact
from streams.domain.registry import Snapshot

_FIELD_CODES: dict[str, Code] = {
    "entity": "unknown_entity",
    "metric": "unknown_metric",
    "period": "bad_period",
    "unit": "unit_mismatch",
    "rev": "bad_revision",
}


def reported_row(item: Any) -> ReportedRow | Fault:
    """Return the row that an item of a request holds, or what its shape lacks."""
    try:
        return msgspec.convert(item, ReportedRow)
    except msgspec.ValidationError as error:
        message = str(error)
    # msgspec names the field with the path where its type is wrong, and in the text where it is missing.
    named = next((name for name in _FIELD_CODES if f"`$.{name}`" in message or f"field `{name}`" in message), None)
    return Fault(_FIELD_CODES[named] if named else "unknown_entity", message)


def check_reported(row: ReportedRow, snapshot: Snapshot, reporter: str, received_ms: int) -> Reported | Fault:
    """Return the message of a reported value, or why it cannot be used; `received_ms` is its arrival [epoch ms]."""
    unit = _metric_unit(row.metric, snapshot)
    if isinstance(unit, Fault):
        return unit
    period = _period(row, snapshot, received_ms)
    if isinstance(period, Fault):
        return period
    rev = row.rev or 0
    if not 0 <= rev <= MAX_REVISION:
        return Fault("bad_revision", f"rev is a whole number from 0 to {MAX_REVISION}")
    try:
        factor = conversion(row.unit, unit)
    except UnitError as error:
        return Fault("unit_mismatch", f"{row.metric} counts {unit}: {error}")
    value = _micro(row.value, factor)
    if isinstance(value, Fault):
        return value
    return Reported(
        VERSION,
        snapshot.version,
        row.entity,
        row.metric,
        period.name,
        value,
        str(row.value),
        row.unit,
        rev,
        reporter,
        received_ms,
    )


def _metric_unit(metric: str, snapshot: Snapshot) -> str | Fault:
    try:
        found = parse_metric(metric)
    except MetricError as error:
        return Fault("unknown_metric", str(error))
    if found.product is None:
        return Fault("unknown_metric", f"{metric} is metered or computed; what is reported is output.PRODUCT")
    product = snapshot.products.get(found.product)
    if product is None:
        return Fault("unknown_metric", f"no product {found.product!r} is registered")
    return product.unit


def _period(row: ReportedRow, snapshot: Snapshot, received_ms: int) -> Window | Fault:
    try:
        kind, id_ = parse_entity(row.entity)
    except IdError as error:
        return Fault("unknown_entity", str(error))
    enterprise = snapshot.enterprises.get(id_) if kind == "enterprise" else None
    if enterprise is None:
        return Fault("unknown_entity", f"no enterprise {row.entity!r} is registered; output is reported of enterprises")
    try:
        period = window(row.period)
    except WindowError as error:
        return Fault("bad_period", str(error))
    if period.kind == "hour":
        return Fault("bad_period", f"{row.period} is an hour: report a day, month, quarter or year")
    if period.end_ms <= enterprise.from_ms or period.start_ms >= enterprise.to_ms:
        return Fault("bad_period", f"{row.period} is outside the days on which {row.entity} is registered")
    if period.start_ms > received_ms:
        return Fault("future", f"{row.period} has not begun")
    return period


def _micro(value: object, factor: Fraction) -> int | Fault:
    read = exact(value)
    if isinstance(read, Fault):
        return read
    whole = micro(read[0] * factor)
    if not 0 <= whole <= INT64_MAX:
        return Fault("out_of_range", "an output is from 0 up to what fits 64 bits at a millionth of the unit")
    return whole
