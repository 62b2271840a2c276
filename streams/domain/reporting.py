"""Reporting checks a reported value (填报值): what no meter gives, said by people for an entity, a metric, a window."""

from fractions import Fraction
from typing import Any

import msgspec

from schemas.decimals import INT64_MAX, micro
from schemas.documents import DocumentKey
from schemas.documents.metric import MetricError, parse_metric
from schemas.ids import TERRITORY_KINDS, IdError, parse_entity
from schemas.messages import VERSION, Reported
from schemas.pushed import ReportedRow
from schemas.units import UnitError, conversion
from schemas.windows import Window, WindowError, window
from streams.domain.checking import MAX_REVISION
from streams.domain.counting import Code, Fault, exact
from streams.domain.registry import Snapshot
from streams.domain.resolving import range_ms

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
    found = _metric(row.metric, snapshot)
    if isinstance(found, Fault):
        return found
    unit, is_output = found
    period = _period(row, snapshot, received_ms, is_output=is_output)
    if isinstance(period, Fault):
        return period
    rev = row.rev or 0
    if not 0 <= rev <= MAX_REVISION:
        return Fault("bad_revision", f"rev is a whole number from 0 to {MAX_REVISION}")
    try:
        factor = conversion(row.unit, unit)
    except UnitError as error:
        return Fault("unit_mismatch", f"{row.metric} counts {unit}: {error}")
    value = _micro(row.value, factor, least=0 if is_output else -INT64_MAX)
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


def _metric(metric: str, snapshot: Snapshot) -> tuple[str, bool] | Fault:
    """Return the unit of a metric that is reported, and whether it is an output."""
    try:
        found = parse_metric(metric)
    except MetricError as error:
        return Fault("unknown_metric", str(error))
    if found.item is not None:
        item = snapshot.items.get(found.item)
        return (
            Fault("unknown_metric", f"no reported/{found.item} is registered") if item is None else (item.unit, False)
        )
    if found.product is None:
        message = f"{metric} is metered or computed; what is reported is output.PRODUCT or reported.ITEM"
        return Fault("unknown_metric", message)
    product = snapshot.products.get(found.product)
    return (
        Fault("unknown_metric", f"no product {found.product!r} is registered")
        if product is None
        else (product.unit, True)
    )


def _valid(row: ReportedRow, snapshot: Snapshot, *, is_output: bool) -> tuple[int, int] | Fault:
    """Return when the entity that a value is about is registered [epoch ms]."""
    try:
        kind, id_ = parse_entity(row.entity)
    except IdError as error:
        return Fault("unknown_entity", str(error))
    if kind == "enterprise" and id_ in snapshot.enterprises:
        enterprise = snapshot.enterprises[id_]
        return enterprise.from_ms, enterprise.to_ms
    if is_output:
        return Fault("unknown_entity", f"no enterprise {row.entity!r} is registered; output is reported of enterprises")
    territory = snapshot.documents.get(DocumentKey(kind, id_)) if kind in TERRITORY_KINDS else None
    if territory is None:
        return Fault("unknown_entity", f"no enterprise and no territory {row.entity!r} is registered")
    return range_ms(territory)


def _period(row: ReportedRow, snapshot: Snapshot, received_ms: int, *, is_output: bool) -> Window | Fault:
    valid = _valid(row, snapshot, is_output=is_output)
    if isinstance(valid, Fault):
        return valid
    try:
        period = window(row.period)
    except WindowError as error:
        return Fault("bad_period", str(error))
    if period.kind == "hour":
        return Fault("bad_period", f"{row.period} is an hour: report a day, month, quarter or year")
    if period.end_ms <= valid[0] or period.start_ms >= valid[1]:
        return Fault("bad_period", f"{row.period} is outside the days on which {row.entity} is registered")
    if period.start_ms > received_ms:
        return Fault("future", f"{row.period} has not begun")
    return period


def _micro(value: object, factor: Fraction, least: int) -> int | Fault:
    read = exact(value)
    if isinstance(read, Fault):
        return read
    whole = micro(read[0] * factor)
    if not least <= whole <= INT64_MAX:
        lowest = "from 0" if least == 0 else "from what fits 64 bits below 0"
        return Fault("out_of_range", f"{lowest} up to what fits 64 bits at a millionth of the unit")
    return whole
