"""A rehearsal is a whole installation in memory: messages and ticks in, and of each topic what stands there.

The enterprise fold and the territory fold do here what they do in the processes, as one partition and one shard.
"""

from collections.abc import Iterable

from schemas.ids import enterprise_of
from schemas.messages import (
    VERSION,
    AlarmEvent,
    CalendarDocument,
    Condition,
    Finding,
    Readings,
    Rejected,
    Reported,
    Sold,
    decode_calendar,
    decode_condition,
    decode_event,
    decode_finding,
    decode_sold,
    encode,
)
from schemas.windows import DAY_MS
from streams.domain.fold import Cursor, PartitionFold
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.domain.registry import Snapshot
from streams.domain.state import MemoryMap
from streams.domain.territory import Territories
from streams.domain.work import Output

# Hours of silence are made up one by one up to 40 days between two ticks, so that none is passed over.
LONGEST_STEP_MS = 30 * DAY_MS


def records_after(cursor: Cursor, messages: Iterable[bytes | Reported | Sold]) -> list[Record]:
    """Return messages of topics `readings` (bytes) and `reported` as the records that come next after a cursor."""
    readings, reported = cursor.readings, cursor.reported
    records: list[Record] = []
    for message in messages:
        if isinstance(message, Reported | Sold):
            received = message.received if isinstance(message, Reported) else message.batch.received
            records.append(Record("reported", 0, reported, received, encode(message)))
            reported += 1
        else:
            records.append(Record("readings", 0, readings, 0, message))
            readings += 1
    return records


class Rehearsal:
    """Everything that a stream of messages brings about under a registry that may change on the way.

    `totals` are by `entity|period`, `conditions` by id, `findings` by key; `events` are those of alarms in order,
    and `rejected` is what the fold refused.
    """

    def __init__(self) -> None:
        self.totals: dict[str, CalendarDocument] = {}
        self.conditions: dict[str, Condition] = {}
        self.findings: dict[str, Finding] = {}
        self.events: list[AlarmEvent] = []
        self.rejected: list[Rejected] = []
        self.version = 0
        self._state = MemoryMap()
        self._cursor = Cursor()
        self._fold = PartitionFold(0, self._state, lambda _: True)
        self._territories = Territories()
        self._changed: dict[str, bytes] = {}

    def follow(self, snapshot: Snapshot) -> None:
        """Switch to a registry, and compute again all that this touches."""
        self.version = snapshot.version
        self._fold.follow(Plans(snapshot))
        while self._fold.waiting:
            self._step(())
        self._territories.follow(snapshot)

    def take(self, *messages: bytes | Reported) -> None:
        """Make one step of messages of topics `readings` (bytes) and `reported`."""
        self._step(records_after(self._cursor, messages))
        for message in messages:
            if isinstance(message, Reported) and enterprise_of(message.entity) is None:
                self._territories.report(message)

    def tick(self, at_ms: int) -> None:
        """Let the time pass up to an instant [epoch ms], in ticks close enough that every hour is seen to end."""
        while self._cursor.tick_ms and at_ms - self._cursor.tick_ms > LONGEST_STEP_MS:
            self.take(self._tick(self._cursor.tick_ms + LONGEST_STEP_MS))
        self.take(self._tick(at_ms))

    def add_up(self) -> None:
        """Bring the territories up to date with their enterprises."""
        for key, text in self._changed.items():
            self._territories.take(self.totals[key], text)
        self._changed = {}
        while self._territories.waiting:
            self._keep(self._territories.recompute())

    def _tick(self, at_ms: int) -> bytes:
        return encode(Readings(VERSION, self.version, tick=at_ms))

    def _step(self, records: Iterable[Record]) -> None:
        effects = self._fold.step(self._cursor, list(records))
        self._state.write({**effects.durable, **effects.local})
        self._cursor = effects.cursor
        self.rejected += effects.rejected
        self._keep(effects.outputs)
        sold = [decode_sold(each.value) for each in effects.outputs if each.topic == "reported"]
        if sold:
            self._step(records_after(self._cursor, sold))

    def _keep(self, outputs: Iterable[Output]) -> None:
        for topic, _, key_bytes, value in outputs:
            key = key_bytes.decode()
            if topic == "totals":
                document = self.totals[key] = decode_calendar(value)
                if document.entity.startswith("enterprise/"):
                    self._changed[key] = value
            elif topic == "alarm.conditions":
                self.conditions[key] = decode_condition(value)
            elif topic == "alarm.events":
                self.events.append(decode_event(value))
            elif topic == "findings":
                self.findings[key] = decode_finding(value)
