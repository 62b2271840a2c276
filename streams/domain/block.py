"""A block holds what each meter of an enterprise measured in each hour of one day: the meters' side of a day.

It is derived from the day's hours, and kept so that one changed hour does not mean to compute the other 23 again.
"""

import struct
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from schemas.messages import VERSION, CalendarDocument, Own
from schemas.windows import HOUR_MS, children_of, window
from streams.domain.account import MICRO_PER_MS
from streams.domain.calendar import REVISED, Graces, status_of
from streams.domain.metering import MeterTable, Missed, Quantities

Status = list[str | None]
_ROWS = 5  # amount, estimated, measured_ms, estimated_ms, known
_compress = zstandard.ZstdCompressor(level=1).compress
_decompress = zstandard.ZstdDecompressor().decompress
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, list[tuple[int, int, int, str]]]).decode


@dataclass(slots=True, eq=False)
class Block:
    """One day of an enterprise's meters: `cells` of shape (5, 24, meters), by place in the meter table.

    The rows are amount, estimated [1e-6 of the carrier's unit], measured and estimated [ms], latest arrival [epoch
    ms]. `missed` are by hour the spans that gave nothing. `digest` names the registry state it was computed under.
    """

    digest: str
    cells: npt.NDArray[np.int64]
    missed: dict[int, tuple[Missed, ...]] = field(default_factory=dict[int, tuple[Missed, ...]])

    @staticmethod
    def empty(digest: str, meters: int) -> "Block":
        """Return the block of a day without readings."""
        return Block(digest, np.zeros((_ROWS, 24, meters), np.int64))

    def copy(self) -> "Block":
        """Return a copy that can be changed without touching the original."""
        return Block(self.digest, self.cells.copy(), dict(self.missed))

    def put(self, hour: int, measured: Quantities) -> npt.NDArray[np.bool_]:
        """Set one hour; return which meters (shape (meters,)) that changed."""
        new = np.stack(
            (measured.amount, measured.estimated, measured.measured_ms, measured.estimated_ms, measured.known)
        )
        changed = (self.cells[:, hour] != new).any(axis=0)
        self.cells[:, hour] = new
        if measured.missed:
            self.missed[hour] = measured.missed
        else:
            self.missed.pop(hour, None)
        return changed

    def hour(self, hour: int) -> Quantities:
        """Return the quantities of one hour."""
        amount, estimated, measured_ms, estimated_ms, known = self.cells[:, hour]
        return Quantities(amount, estimated, measured_ms, estimated_ms, known, self.missed.get(hour, ()))


def pack_block(block: Block) -> bytes:
    """Return the bytes of a block."""
    missed = _encode({hour: list(spans) for hour, spans in block.missed.items()})
    digest = block.digest.encode()
    head = struct.pack("<BIHI", 1, len(missed), len(digest), block.cells.shape[2])
    return _compress(head + digest + missed + block.cells.tobytes())


def unpack_block(data: bytes) -> Block:
    """Return the block that `pack_block` wrote."""
    raw = _decompress(data)
    _, missed_length, digest_length, meters = struct.unpack_from("<BIHI", raw)
    at = struct.calcsize("<BIHI")
    digest = raw[at : at + digest_length].decode()
    at += digest_length
    missed = {
        hour: tuple(Missed(*span) for span in spans) for hour, spans in _decode(raw[at : at + missed_length]).items()
    }
    cells = np.frombuffer(raw, np.int64, offset=at + missed_length).reshape(_ROWS, 24, meters).copy()
    return Block(digest, cells, missed)


def meter_documents(
    table: MeterTable,
    day: str,
    block: Block,
    places: list[int],
    status: Status,
    touched: list[int],
    registry: int,
    made_from: tuple[int, int],
    now_ms: int,
    graces: Graces,
) -> list[CalendarDocument]:
    """Return the day documents of the meters at `places`; hours without a status are not known yet and stay None."""
    hours = children_of(day)
    open_hours = [index for index, each in enumerate(status) if each is None]
    expected = np.stack([table.expected_ms(hour.start_ms, hour.start_ms + HOUR_MS) for hour in (hours[0],)])[0]
    whole_day = bool((expected[places] == HOUR_MS).all()) and bool((table.to_ms[places] >= hours[-1].end_ms).all())
    columns = block.cells[:, :, places]
    columns = columns.transpose(2, 0, 1)
    some = (columns[:, 2] + columns[:, 3]) > 0
    rows = columns.tolist()
    present = some.tolist()
    late = REVISED in status
    found: list[CalendarDocument] = []
    period = window(day)
    for row, place in enumerate(places):
        amount, estimated, measured_ms, estimated_ms, known = rows[row]
        here = present[row]
        if not all(here):
            amount = [value if is_ else None for value, is_ in zip(amount, here, strict=True)]
            estimated = [value if is_ else None for value, is_ in zip(estimated, here, strict=True)]
        if whole_day:
            expected_row: list[int | None] = [HOUR_MS * MICRO_PER_MS] * 24
        else:
            expected_row = [
                max(min(int(table.to_ms[place]), hour.end_ms) - max(int(table.from_ms[place]), hour.start_ms), 0)
                * MICRO_PER_MS
                for hour in hours
            ]
        measured_row: list[int | None] = [value * MICRO_PER_MS for value in measured_ms]
        estimated_row: list[int | None] = [value * MICRO_PER_MS for value in estimated_ms]
        known_row: list[int | None] = [value or None for value in known]
        for index in open_hours:
            expected_row[index] = measured_row[index] = estimated_row[index] = None
        latest = max(known) or None
        carrier = table.meters[place].carrier
        own_status = status
        if late:
            own_status = [
                None if was is None else status_of(hour, arrived, now_ms, graces)
                for hour, was, arrived in zip(hours, status, known_row, strict=True)
            ]
        found.append(
            CalendarDocument(
                VERSION,
                table.meters[place].entity,
                day,
                "hour",
                {
                    "qty." + carrier: amount,
                    f"qty.{carrier}.estimated": estimated,
                    "time.expected." + carrier: expected_row,
                    "time.measured." + carrier: measured_row,
                    "time.estimated." + carrier: estimated_row,
                },
                own_status,
                touched,
                registry,
                None,
                [made_from],
                {day: Own(status_of(period, latest, now_ms, graces))},
                known_row,
            )
        )
    return found
