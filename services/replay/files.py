"""Files of readings, CSV (also .csv.gz) or Parquet, stand in for topic `readings` in a replay.

Columns: `meter` (ENTERPRISE.METER), `ts`, `value`, and if need be `rev`, `quality`, `void`, `unit`, `received`. Each
row is checked as the gateway checks what its source sends. Without `received` a row counts as received at its instant.
"""

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from schemas.ids import IdError, split_meter_id
from schemas.instants import InstantError, instant_ms
from schemas.messages import VERSION, Batch, Readings, encode
from schemas.pushed import Row
from services.replay.errors import AskedWrongError
from streams.domain.checking import FUTURE_MS, Checker
from streams.domain.registry import Snapshot
from streams.domain.views import MeterView

ROWS_AT_ONCE = 5000
COLUMNS = ("meter", "ts", "value", "rev", "quality", "void", "unit", "received")
_NEEDED = ("meter", "ts")
_TRUE, _FALSE = ("true", "1", "yes"), ("", "false", "0", "no")
_SHOWN = 10

Place = tuple[str, int]


class Refusals:
    """The rows that cannot be used: how many there are, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, place: Place, text: str) -> None:
        """Count a row."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(f"{place[0]}:{place[1]}: {text}")


def messages(
    paths: Sequence[Path], snapshot: Snapshot, enterprises: Collection[str], refusals: Refusals
) -> Iterator[bytes]:
    """Yield the readings of some enterprises in files as messages, some thousand at a time; raise AskedWrongError."""
    for path in paths:
        rows = ((place, row) for place, row in _rows(path) if _whose(row) in enterprises or _whose(row) is None)
        while part := list(islice(rows, ROWS_AT_ONCE)):
            yield from _messages(path, part, snapshot, refusals)


def _whose(cells: Mapping[str, Any]) -> str | None:
    enterprise, dot, _ = str(cells["meter"] or "").strip().partition(".")
    return enterprise if dot else None


def _messages(
    path: Path, rows: Iterable[tuple[Place, Mapping[str, Any]]], snapshot: Snapshot, refusals: Refusals
) -> Iterator[bytes]:
    groups: defaultdict[tuple[str, str, int], list[tuple[Place, Row]]] = defaultdict(list)
    for place, cells in rows:
        try:
            enterprise, source, received_ms, row = _row(cells, snapshot)
        except (IdError, InstantError, ValueError) as error:
            refusals.add(place, str(error))
        else:
            groups[enterprise, source, received_ms].append((place, row))
    batches: defaultdict[str, list[Batch]] = defaultdict(list)
    for (enterprise, source, received_ms), group in groups.items():
        meters = {meter.id: meter for meter in snapshot.enterprises[enterprise].meters}
        checked = Checker(meters.get, source, received_ms).rows([row for _, row in group])
        for each in checked.rejected:
            assert isinstance(each.index, int)
            refusals.add(group[each.index][0], f"{each.code}: {each.message}")
        if checked.v:
            batches[enterprise].append(
                Batch(
                    path.name, source, received_ms, checked.meters, checked.scale, checked.i, checked.t, checked.v,
                    checked.rev, checked.q,
                )
            )  # fmt: skip
    for enterprise, mine in batches.items():
        yield encode(Readings(VERSION, 0, enterprise, mine))


def _row(cells: Mapping[str, Any], snapshot: Snapshot) -> tuple[str, str, int, Row]:
    """Return the enterprise, the source, the arrival [epoch ms] and the reading of a row."""
    id_ = str(cells["meter"] or "").strip()
    enterprise, short = split_meter_id(id_)
    meter: MeterView | None = snapshot.meters.get(f"meter/{id_}")
    if meter is None:
        raise ValueError(f"unknown_meter: {id_} is not registered")
    at_ms = instant_ms(_instant(cells["ts"]))
    received = cells.get("received")
    received_ms = instant_ms(_instant(received)) if received not in (None, "") else at_ms
    if at_ms > received_ms + FUTURE_MS:
        raise ValueError("future: the reading is of more than 5 minutes after its arrival")
    # On the instant of a change either source may send: what is stamped at its end is of the one before.
    source = meter.source_at(at_ms) or meter.source_at(at_ms - 1) or "-"
    rev, quality, unit = (cells.get(name) for name in ("rev", "quality", "unit"))
    value = cells.get("value")
    return enterprise, source, received_ms, Row(
        short,
        at_ms,
        _number(value),
        int(rev) if rev not in (None, "") else None,
        str(quality) if quality not in (None, "") else None,
        _flag(cells.get("void")) or None,
        str(unit) if unit not in (None, "") else None,
    )  # fmt: skip


def _instant(value: Any) -> str | int:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return int(value) if isinstance(value, int) or str(value).isdecimal() else str(value).strip()


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    # A column of doubles holds what its shortest text says.
    return Decimal(repr(value)) if isinstance(value, float) else value


def _flag(value: Any) -> bool:
    text = "" if value is None else str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"void is true or false, not {text!r}")
    return text in _TRUE


def _rows(path: Path) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path)
        else:
            yield from _csv(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AskedWrongError(f"{path} cannot be read: {error}") from error


def _csv(path: Path) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as plain:
        rows = csv.DictReader(io.TextIOWrapper(plain, encoding="utf-8-sig", newline=""), strict=True)
        _check_columns(path, rows.fieldnames or ())
        for row in rows:
            if None in row or None in row.values():
                raise AskedWrongError(f"{path}:{rows.line_num}: the row has another number of cells than the heading")
            yield (str(path), rows.line_num), row


def _parquet(path: Path) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    # Who reads CSV has no use for it, and it takes a while to load.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    number += 1
                    yield (str(path), number), row
    except ArrowException as error:
        raise AskedWrongError(f"{path} is no Parquet file: {error}") from error


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)}, which is not known"
        raise AskedWrongError(f"{path}: the heading {what}; the columns are {', '.join(COLUMNS)}")
