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
from schemas.windows import children_of, window
from streams.domain.account import MICRO_PER_MS
from streams.domain.calendar import REVISED, Graces, status_of
from streams.domain.flaw import Flaw
from streams.domain.gauge import day_average, hour_average
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities

Status = list[str | None]
_ROWS = 5  # amount, estimated, measured_ms, estimated_ms, known
_compress = zstandard.ZstdCompressor(level=1).compress
_decompress = zstandard.ZstdDecompressor().decompress
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, list[Flaw]]).decode


@dataclass(slots=True, eq=False)
class Block:
    """One day of an enterprise's meters: `cells` of shape (5, 24, meters), by place in the meter table.

    The rows are amount, estimated [1e-6 of the carrier's unit], measured and estimated [ms], latest arrival
    [epoch ms]. `flaws` are by hour the spans without an energy, or with a doubtful one; `digest` names the registry
    that it was computed under.
    """

    digest: str
    cells: npt.NDArray[np.int64]
    flaws: dict[int, tuple[Flaw, ...]] = field(default_factory=dict[int, tuple[Flaw, ...]])

    @staticmethod
    def empty(digest: str, meters: int) -> "Block":
        """Return the block of a day without readings."""
        return Block(digest, np.zeros((_ROWS, 24, meters), np.int64))

    def copy(self) -> "Block":
        """Return a copy that can be changed without touching the original."""
        return Block(self.digest, self.cells.copy(), dict(self.flaws))

    def put(self, hour: int, measured: Quantities) -> npt.NDArray[np.bool_]:
        """Set one hour; return which meters (shape (meters,)) that changed."""
        if measured.is_nothing and hour not in self.flaws and not self.cells[:, hour].any():
            return np.zeros(len(measured.known), bool)
        new = np.stack(
            (measured.amount, measured.estimated, measured.measured_ms, measured.estimated_ms, measured.known)
        )
        changed = (self.cells[:, hour] != new).any(axis=0)
        self.cells[:, hour] = new
        if measured.flaws:
            self.flaws[hour] = measured.flaws
        else:
            self.flaws.pop(hour, None)
        return changed

    def hour(self, hour: int) -> Quantities:
        """Return the quantities of one hour."""
        amount, estimated, measured_ms, estimated_ms, known = self.cells[:, hour]
        return Quantities(amount, estimated, measured_ms, estimated_ms, known, self.flaws.get(hour, ()))

    def average(self, table: MeterTable, place: int, hour: int | None = None) -> int | None:
        """Return the average of a gauge in one hour, or over the day [1e-6 of its unit]; None where none counts."""
        amount, estimated, measured_ms = self.cells[:3, :, place]
        meter = table.meters[place]
        if hour is None:
            return day_average(meter, amount - estimated, measured_ms)
        return hour_average(meter, int(amount[hour] - estimated[hour]), int(measured_ms[hour]))


def pack_block(block: Block) -> bytes:
    """Return the bytes of a block."""
    flaws = _encode({hour: list(spans) for hour, spans in block.flaws.items()})
    digest = block.digest.encode()
    head = struct.pack("<BIHI", 1, len(flaws), len(digest), block.cells.shape[2])
    return _compress(head + digest + flaws + block.cells.tobytes())


def unpack_block(data: bytes) -> Block:
    """Return the block that `pack_block` wrote."""
    raw = _decompress(data)
    _, flaws_length, digest_length, meters = struct.unpack_from("<BIHI", raw)
    at = struct.calcsize("<BIHI")
    digest = raw[at : at + digest_length].decode()
    at += digest_length
    flaws = {hour: tuple(spans) for hour, spans in _decode(raw[at : at + flaws_length]).items()}
    cells = np.frombuffer(raw, np.int64, offset=at + flaws_length).reshape(_ROWS, 24, meters).copy()
    return Block(digest, cells, flaws)


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
    period = window(day)
    cells = block.cells[:, :, places]
    every = np.stack([table.expected_ms(hour.start_ms, hour.end_ms) for hour in hours])
    expected = every[:, places]
    numbers = np.stack(
        (cells[0], cells[1], expected * MICRO_PER_MS, cells[2] * MICRO_PER_MS, cells[3] * MICRO_PER_MS, cells[4])
    )
    here = np.empty(numbers.shape, bool)
    here[:2] = (cells[2] + cells[3]) > 0
    here[2:5] = np.array([each is not None for each in status], bool)[:, None]
    here[5] = cells[4] > 0
    latest = cells[4].max(axis=0).tolist()
    rows = _with_gaps(numbers, here)
    known_hours = [each is not None for each in status]
    differences = _unexplained(table, block, every, known_hours) if table.nodes else {}
    late = REVISED in status
    found: list[CalendarDocument] = []
    for place, (amount, estimated, expected_s, measured_s, estimated_s, known), last in zip(
        places, rows, latest, strict=True
    ):
        own_status = status
        if late:
            own_status = [
                None if was is None else status_of(hour, arrived, now_ms, graces)
                for hour, was, arrived in zip(hours, status, known, strict=True)
            ]
        own = Own(status_of(period, last or None, now_ms, graces))
        meter = table.meters[place]
        names = table.metric_names[place]
        metrics = dict(zip(names, (amount, estimated, expected_s, measured_s, estimated_s), strict=True))
        metrics.update(differences.get(place, ()))
        if place in table.averages:
            name = table.averages[place]
            metrics[name] = [
                None if said is None else block.average(table, place, hour) for hour, said in enumerate(own_status)
            ]
            own.values[name] = block.average(table, place)
            if table.rate[place]:
                metrics[f"qty.{meter.carrier}.integrated"] = amount
        found.append(
            CalendarDocument(
                VERSION,
                meter.entity,
                day,
                "hour",
                metrics,
                own_status,
                touched,
                registry,
                None,
                [made_from],
                {day: own},
                known,
            )  # fmt: skip
        )
    return found


def _unexplained(
    table: MeterTable, block: Block, expected: npt.NDArray[np.int64], known: list[bool]
) -> dict[int, list[tuple[str, list[int | None]]]]:
    """Return by place what sub-meters do not explain of the meters above them, in the hours that are known."""
    values, here = table.nodes.unexplained(block.cells[0], block.cells[2] + block.cells[3], expected)
    here &= np.array(known, bool)[:, None]
    rows = zip(values.T.tolist(), here.T.tolist(), strict=True)
    return {
        node.place: [(node.metric, [value if so else None for value, so in zip(*row, strict=True)])]
        for node, row in zip(table.nodes.each, rows, strict=True)
    }


def _with_gaps(numbers: npt.NDArray[np.int64], here: npt.NDArray[np.bool_]) -> list[list[list[int | None]]]:
    """Return numbers of shape (rows, 24, meters) as lists by meter, then row, None where they are not here."""
    some: list[int] = np.flatnonzero(np.logical_or.reduce(here, axis=(0, 2))).tolist()
    if not some:
        return [[[None] * 24] * len(numbers) for _ in range(numbers.shape[2])]
    first, end = some[0], some[-1] + 1
    inner = numbers[:, first:end].transpose(2, 0, 1)
    if not here[:, first:end].all():
        objects = numbers.astype(object)
        objects[~here] = None
        return objects.transpose(2, 0, 1).tolist()
    # Converting integers alone is far cheaper than objects; what surrounds them is the hours not yet known.
    before: list[int | None] = [None] * first
    after: list[int | None] = [None] * (24 - end)
    return [[before + row + after for row in meter] for meter in inner.tolist()]
