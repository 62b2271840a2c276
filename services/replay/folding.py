"""A folding computes the numbers of some enterprises of one partition anew, with the worker's own fold.

Its state lies on disk, so memory does not grow with the history. Readings count under the registry as it stands; what
time alone brings about (hours in which nothing came) begins for an enterprise when it was registered, as it did live.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from copy import copy
from typing import NamedTuple

import msgspec

from schemas.ids import enterprise_of
from schemas.messages import UNREADABLE
from services.replay.held import Held
from services.replay.selecting import Selection
from streams.domain.fold import Cursor, PartitionFold
from streams.domain.inputs import Record
from streams.domain.plan import Plans

# A step computes each hour that it touches once, so large steps are cheap ones.
STEP_MESSAGES = 4000
STEP_BYTES = 4 << 20
CACHED_OBJECTS = 5000


class Entrance(NamedTuple):
    """When an enterprise came in: the registry version, and when the broker had it [epoch ms]."""

    version: int
    at_ms: int


_ALWAYS = Entrance(0, 0)


class _Named(msgspec.Struct):
    registry: int = 0
    enterprise: str | None = None  # of readings
    entity: str | None = None  # of a reported value


_decode_named = msgspec.json.Decoder(_Named).decode


class Folding:
    """Takes the records of a partition in order; `finish` ends it.

    `entered` says since when the worker knew an enterprise (missing: always). With `only_ticks` the
    readings are not those of the topic.
    """

    def __init__(
        self,
        partition: int,
        plans: Plans,
        enterprises: Collection[str],
        selection: Selection,
        entered: Mapping[str, Entrance],
        held: Held,
        *,
        only_ticks: bool = False,
    ) -> None:
        self.readings = 0
        self.rejected = 0
        self.cursor = Cursor()
        self._number = partition
        self._plans = plans
        self._only_ticks = only_ticks
        self._selection = selection
        self._held = held
        self._known: set[str] = set()
        self._fold = PartitionFold(partition, held.store, self._known.__contains__, CACHED_OBJECTS)
        self._entered = {each: entered.get(each, _ALWAYS) for each in enterprises}
        self._edges = sorted({*self._entered.values()}, reverse=True)
        self._waiting: list[Record] = []
        self._bytes = 0
        self._enter(0, 0)

    def take(self, records: Sequence[Record]) -> None:
        """Take records in; those of other enterprises are passed over."""
        for record in records:
            named = _Named()
            # What cannot be read was refused by the worker too.
            with suppress(*UNREADABLE):
                named = _decode_named(record.value)
            enterprise = named.enterprise if named.entity is None else enterprise_of(named.entity)
            if enterprise not in self._entered and (named.entity is not None or enterprise is not None):
                continue
            if self._only_ticks and named.enterprise is not None:
                continue
            if self._edges and _has_entered(self._edges[-1], named.registry, record.at_ms):
                self._step()
                self._enter(named.registry, record.at_ms)
            self._put(record)

    def take_readings(self, message: bytes) -> None:
        """Take in a message of readings that stands in no topic."""
        self._put(Record("readings", self._number, self.cursor.readings, 0, message))

    def _put(self, record: Record) -> None:
        self._waiting.append(record)
        self._bytes += len(record.value)
        if len(self._waiting) >= STEP_MESSAGES or self._bytes >= STEP_BYTES:
            self._step()

    def finish(self) -> None:
        """Compute what is left."""
        self._step()

    def _enter(self, version: int, at_ms: int) -> None:
        """Let time pass for the enterprises that are known once this registry version is named, or from then on."""
        while self._edges and _has_entered(self._edges[-1], version, at_ms):
            self._edges.pop()
        self._known.update(each for each, since in self._entered.items() if _has_entered(since, version, at_ms))
        # The fold asks whose it is when it follows a registry.
        self._fold.follow(copy(self._plans))

    def _step(self) -> None:
        if not self._waiting:
            return
        effects = self._fold.step(self.cursor, self._waiting)
        wanted = {
            output.key: output.value
            for output in effects.outputs
            if output.topic == "totals" and (self._selection.has(output.entity) or _below(output.entity))
        }
        self._held.put_step(effects, wanted)
        self.cursor = effects.cursor
        self.readings += effects.readings
        self.rejected += len(effects.rejected)
        self._waiting, self._bytes = [], 0


def _has_entered(entrance: Entrance, version: int, at_ms: int) -> bool:
    # The worker has a registry some tenths of a second after the broker, whatever the messages name by then.
    return entrance.version <= version or entrance.at_ms < at_ms


def _below(entity: str) -> bool:
    """Tell whether a territory may need an entity's documents."""
    return entity.startswith("enterprise/")
