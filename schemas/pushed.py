"""What is pushed to the gateway, as JSON: a batch of readings in rows or in columns, and reported values.

Numbers that count (`value`, `values`) are kept as their text says: a whole number as int, any other as Decimal, never
a double. Whether an item can be used is decided item by item; only an envelope that cannot be read is refused whole.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec


class Row(msgspec.Struct, omit_defaults=True, gc=False):
    """One reading: `ts` is RFC 3339 text or epoch ms, `value` a JSON number or decimal text, `void` removes it."""

    meter: str
    ts: str | int
    value: Any = None
    rev: int | None = None
    quality: str | None = None
    void: bool | None = None
    unit: str | None = None


class PushedCorrection(msgspec.Struct, forbid_unknown_fields=True):
    """What makes a batch a correction: why, and who corrects; without a name, whoever's key sends it."""

    reason: str
    by: str | None = None


class RowBatch(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A batch in rows: the readings that one source sends together."""

    source: str
    batch: str
    readings: list[Row]
    sent: str | int | None = None
    correction: PushedCorrection | None = None


class LooseRowBatch(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A batch in rows of which some are not even shaped like a reading."""

    source: str
    batch: str
    readings: list[Any]
    sent: str | int | None = None
    correction: PushedCorrection | None = None


class ColumnBatch(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A batch in columns: `values[i][j]` is of meter i at instant j, null where nothing is sent.

    `rev` and `quality`, when given, have the same shape.
    """

    source: str
    batch: str
    meters: list[str]
    ts: list[Any]
    values: list[list[Any]]
    rev: list[list[Any]] | None = None
    quality: list[list[Any]] | None = None
    sent: str | int | None = None
    correction: PushedCorrection | None = None


class ReportedBatch(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Reported values (填报值) sent together."""

    values: list[Any]
    batch: str | None = None


class ReportedRow(msgspec.Struct, omit_defaults=True):
    """One reported value of an entity's metric for a window, in a unit that converts to the metric's."""

    entity: str
    metric: str
    period: str
    value: Any = None
    unit: str = ""
    rev: int | None = None


def number(text: str) -> Decimal:
    """Return the decimal of a JSON number's text; an exponent beyond all bounds gives the largest one taken, or 0."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        return Decimal(0) if exponent.startswith("-") or not Decimal(mantissa) else Decimal("1E+999999")


# Decimal alone is the hook where speed counts: it is called in C, and raises on the exponents that `number` takes.
decode_rows = msgspec.json.Decoder(RowBatch, float_hook=Decimal).decode
decode_loose_rows = msgspec.json.Decoder(LooseRowBatch, float_hook=number).decode
decode_columns = msgspec.json.Decoder(ColumnBatch, float_hook=number).decode
decode_reported_batch = msgspec.json.Decoder(ReportedBatch, float_hook=number).decode
encode_input = msgspec.json.Encoder(decimal_format="number").encode
