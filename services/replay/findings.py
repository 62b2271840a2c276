"""Findings of a replay are what it compared, up to where, and what differs."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.decimals import decimal_text
from schemas.windows import local_datetime
from streams.domain.comparison import Difference
from streams.domain.fold import Cursor

Side = Literal["totals", "store"]


class Differing(NamedTuple):
    """A difference as it is told: where the other value stands, and the values as text (None: there is none)."""

    where: Side
    entity: str
    metric: str
    window: str
    series: str | None
    replay: str | None
    series_status: str | None
    replay_status: str | None


def differing(where: Side, difference: Difference) -> Differing:
    """Return a difference of two documents as it is told."""
    entity, metric, name, series, replay = difference
    return Differing(
        where, entity, metric, name, _text(series.value), _text(replay.value), series.status, replay.status
    )


def _text(value: int | None) -> str | None:
    return None if value is None else decimal_text(value)


@dataclass(slots=True)
class Findings:
    """What a replay found; `differences` holds the first `limit` of all that were counted."""

    limit: int
    windows: dict[Side, int] = field(default_factory=dict[Side, int])
    entities: set[str] = field(default_factory=set[str])
    documents: int = 0
    readings: int = 0
    moving: int = 0
    written: int = 0
    differing: int = 0
    differences: list[Differing] = field(default_factory=list[Differing])
    cuts: dict[int, Cursor] = field(default_factory=dict[int, Cursor])
    registry: int = 0
    notes: list[str] = field(default_factory=list[str])

    def add(self, difference: Differing) -> None:
        """Count a difference, and keep it while there is room."""
        self.differing += 1
        if len(self.differences) < self.limit:
            self.differences.append(difference)

    def told_cuts(self) -> list[str]:
        """Return up to where each partition was folded, as lines of text."""
        return [
            f"partition {number}: readings up to offset {cut.readings}, reported up to {cut.reported}, "
            f"step {cut.step}, tick {f'{local_datetime(cut.tick_ms):%Y-%m-%dT%H:%M:%S}' if cut.tick_ms else 'none'}"
            for number, cut in sorted(self.cuts.items())
        ]

    def told(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "same": not self.differing and bool(sum(self.windows.values())),
            "windows": self.windows,
            "documents": self.documents,
            "entities": len(self.entities),
            "readings": self.readings,
            "moving": self.moving,
            "written": self.written,
            "registry": self.registry,
            "partitions": {
                str(number): {
                    "readings": cut.readings,
                    "reported": cut.reported,
                    "step": cut.step,
                    "tick": local_datetime(cut.tick_ms).isoformat() if cut.tick_ms else None,
                }
                for number, cut in sorted(self.cuts.items())
            },
            "notes": self.notes,
            "differing": self.differing,
            "differences": [each._asdict() for each in self.differences],
        }
