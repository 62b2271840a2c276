"""Work is what one step does to one enterprise: it reads through to the state, and holds what is new until it is safe.

Objects are never changed in place once they are in a cache, so giving a piece of work up leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import msgspec

from schemas.messages import (
    AlarmEvent,
    CalendarDocument,
    Condition,
    Reported,
    decode_calendar,
    decode_condition,
    decode_reported,
    encode,
)
from schemas.windows import HOUR_MS, Window, children_of, window
from streams.domain.block import Block, pack_block, unpack_block
from streams.domain.cache import Cache
from streams.domain.calendar import copy_document, empty_document
from streams.domain.flaw import Flaw
from streams.domain.hour import Hour, Rows
from streams.domain.packing import pack, unpack
from streams.domain.state import (
    ALARM,
    BLOCK,
    DOCUMENT,
    FINDING,
    HOUR,
    MOVED,
    PLACE,
    REPORT,
    OrderedMap,
    hour_of,
    hour_text,
    state_key,
)

_DAY_NAME = len("2026-11-21")
_decode_flaw = msgspec.json.Decoder(Flaw).decode

ObjectT = TypeVar("ObjectT")


class Output(NamedTuple):
    """A record for a topic: its topic's bare name, the entity whose partition it goes to, key and value."""

    topic: str
    entity: str
    key: bytes
    value: bytes


class Stretch(NamedTuple):
    """Hours [epoch ms] from `low` to `high` in which every valid reading of a register is `value` at `scale`."""

    low: int
    high: int
    value: int
    scale: int


def stretches_key(enterprise: str) -> bytes:
    """Return under which key a cache keeps where an enterprise's registers stood still, under one registry."""
    return state_key(enterprise, "stretches")


class Looked(NamedTuple):
    """What was seen on looking at an hour's registers: the rows around it, and the places of those that are odd."""

    start_ms: int
    around: Rows
    odd: set[int]


class Work:
    """The state of one enterprise as this step sees it, and what the step changes in it."""

    def __init__(self, enterprise: str, base: OrderedMap, cache: Cache) -> None:
        self.enterprise = enterprise
        self.outputs: list[Output] = []
        self.events: list[AlarmEvent] = []
        self.mute = False  # whether what is put now is of numbers that are computed again
        self._base = base
        self._cache = cache
        self._hour_prefix = state_key(enterprise, HOUR, "")
        self._stretch_key = stretches_key(enterprise)
        self._objects: dict[bytes, Any] = {}  # read or written here; the cache takes them over at the end
        self._hours: dict[bytes, Hour] = {}
        self._blocks: dict[bytes, Block] = {}
        self._documents: dict[bytes, CalendarDocument] = {}
        self._durable: dict[bytes, bytes | None] = {}
        self._places: dict[str, set[bytes]] = {}  # by meter
        self._starts: dict[tuple[str, str], list[str]] = {}
        self._looked: Looked | None = None

    def as_it_is(self) -> "Work":
        """Return the state as it is now, for comparing; what is put here later does not show there."""
        found = Work(self.enterprise, self._base, self._cache)
        if self._objects or self._durable:
            found._objects = self._objects.copy()
            found._hours = self._hours.copy()
            found._durable = self._durable.copy()
            found._places = {meter: keys.copy() for meter, keys in self._places.items()}
        return found

    def _read(self, key: bytes, decode: Callable[[bytes], ObjectT]) -> ObjectT | None:
        if key in self._objects:
            return self._objects[key]
        found = self._cache.get(key)
        if found is None:
            data = self._base.get(key)
            found = None if data is None else decode(data)
        self._objects[key] = found
        return found

    def hour(self, start_ms: int) -> Hour | None:
        """Return the readings of the hour that begins at `start_ms`, None when there are none."""
        return self._read(self._hour_prefix + hour_text(start_ms).encode(), unpack)

    def put_hour(self, hour: Hour, before: Hour | None) -> None:
        """Set an hour; `before` is what it was."""
        self._looked = None
        text = hour_text(hour.start_ms)
        key = self._hour_prefix + text.encode()
        self._objects[key] = self._hours[key] = hour
        known = self._stretches()
        kept = {meter: each for meter, each in known.items() if not each.low <= hour.start_ms <= each.high}
        if len(kept) < len(known):
            self._objects[self._stretch_key] = kept
        had = before.meters if before is not None else ()
        if had is not hour.meters and had != hour.meters:
            for meter in set(hour.meters).difference(had):
                self._places.setdefault(meter, set()).add(state_key(self.enterprise, PLACE, meter, text))

    def hours_stored(self) -> list[int]:
        """Return the starts [epoch ms] of all hours that have readings, in order."""
        prefix = self._hour_prefix
        found = {hour_of(key) for key, _ in self._base.scan(prefix)} | {hour_of(key) for key in self._hours}
        return sorted(found)

    def next_hour(self, start_ms: int, *, after: bool) -> int | None:
        """Return the nearest hour [epoch ms] before (or after) another one that has readings of any meter."""
        return self._nearest(self._hour_prefix, start_ms, self._hours, after=after)

    def _nearest(self, prefix: bytes, start_ms: int, here: Iterable[bytes], *, after: bool) -> int | None:
        if after:
            key = prefix + hour_text(start_ms + HOUR_MS).encode()
            found = self._base.first_from(key, prefix + b"~")
            known = [hour_of(each) for each in here if each >= key]
            return min((*known, hour_of(found)) if found is not None else known, default=None)
        key = prefix + hour_text(start_ms).encode()
        found = self._base.last_before(key, prefix)
        known = [hour_of(each) for each in here if each < key]
        return max((*known, hour_of(found)) if found is not None else known, default=None)

    def hour_with(self, meter: str, start_ms: int, *, after: bool) -> int | None:
        """Return the nearest hour [epoch ms] before (or after) another one in which a meter has rows."""
        prefix = state_key(self.enterprise, PLACE, meter, "")
        return self._nearest(prefix, start_ms, self._places.get(meter, ()), after=after)

    def looked_at(self, start_ms: int) -> Looked | None:
        """Return what was seen of an hour's registers, None unless it was the last thing done with any hour."""
        return self._looked if self._looked is not None and self._looked.start_ms == start_ms else None

    def put_looked(self, looked: Looked) -> None:
        """Remember what was seen of an hour's registers; it is forgotten as soon as an hour is put."""
        self._looked = looked

    def stretch(self, meter: str) -> Stretch | None:
        """Return what was last found of where a register stood still, None where nothing was or it may be otherwise."""
        return self._stretches().get(meter)

    def put_stretch(self, meter: str, found: Stretch) -> None:
        """Remember where a register stood still; it is forgotten as soon as anything of these hours changes."""
        self._objects[self._stretch_key] = {**self._stretches(), meter: found}

    def _stretches(self) -> dict[str, Stretch]:
        if self._stretch_key in self._objects:
            return self._objects[self._stretch_key]
        return self._cache.get(self._stretch_key) or {}

    def block(self, day: str) -> Block | None:
        """Return the block of a day, None when there is none."""
        return self._read(state_key(self.enterprise, BLOCK, day), unpack_block)

    def put_block(self, day: str, block: Block) -> None:
        """Set the block of a day."""
        key = state_key(self.enterprise, BLOCK, day)
        self._objects[key] = self._blocks[key] = block

    def found_flaws(self, place: str) -> tuple[Flaw, ...]:
        """Return the flaws on which a finding is open that begin in an hour, or were found of a day or month.

        `place` is the hour's `hour_text`, or the name of the day or month.
        """
        prefix = state_key(self.enterprise, FINDING, place, "")
        found: dict[bytes, bytes | None] = dict(self._base.scan(prefix))
        found.update({key: value for key, value in self._durable.items() if key.startswith(prefix)})
        return tuple(_decode_flaw(value) for _, value in sorted(found.items()) if value is not None)

    def put_flaw(self, place: str, flaw: Flaw, *, is_open: bool) -> None:
        """Write that a finding on a flaw is open, or is not any more; see `found_flaws`."""
        finding = flaw.finding(self.enterprise, is_open=is_open)
        key = f"{finding.rule}|{finding.meter}|{finding.start}".encode()
        self.outputs.append(Output("findings", finding.meter, key, encode(finding)))
        kept = state_key(self.enterprise, FINDING, place, flaw.meter, str(flaw.from_ms), flaw.reason)
        self._durable[kept] = encode(flaw) if is_open else None

    def change_flaws(self, place: str, before: Iterable[Flaw], after: Iterable[Flaw]) -> None:
        """Write the findings that differ: new ones open, healed ones closed."""
        was, now = set(before), set(after)
        for flaws, is_open in ((was - now, False), (now - was, True)):
            for flaw in sorted(flaws):
                self.put_flaw(place, flaw, is_open=is_open)

    def document(self, period: str) -> CalendarDocument | None:
        """Return the enterprise's document of a day, month or year, None when there is none."""
        return self._read(state_key(self.enterprise, DOCUMENT, period), decode_calendar)

    def open_document(self, period: Window) -> CalendarDocument:
        """Return a document that may be changed: a copy of the one there is, or an empty one; see `put_document`."""
        key = state_key(self.enterprise, DOCUMENT, period.name)
        found = self.document(period.name)
        if found is None:
            return empty_document(f"enterprise/{self.enterprise}", period)
        copy = copy_document(found)
        if key in self._documents:
            # It is written once a step, with all that was touched in it.
            copy.touched = found.touched.copy()
        return copy

    def put_document(self, document: CalendarDocument) -> None:
        """Set a document; it is written to state and totals."""
        key = state_key(self.enterprise, DOCUMENT, document.period)
        self._objects[key] = self._documents[key] = document

    def documents_stored(self) -> list[str]:
        """Return the periods of all documents there are."""
        prefix = state_key(self.enterprise, DOCUMENT, "")
        keys = {key for key, _ in self._base.scan(prefix)}.union(self._documents)
        return [key[len(prefix) :].decode() for key in sorted(keys)]

    def last_hour_end_ms(self) -> int:
        """Return the end [epoch ms] of the last hour of which anything is known, 0 where nothing is."""
        for day in self._days_backwards():
            document = self.document(day)
            statuses = document.status if document is not None else []
            # A reading may have touched an hour ahead of all others and left nothing known of its day.
            known = [index for index, status in enumerate(statuses) if status]
            if known:
                return children_of(day)[known[-1]].end_ms
        return 0

    def _days_backwards(self) -> Iterator[str]:
        """Yield the names of the days that have documents, the last first."""
        prefix = state_key(self.enterprise, DOCUMENT, "")
        put = sorted(name for key in self._documents if len(name := key[len(prefix) :].decode()) == _DAY_NAME)
        key = self._base.last_before(prefix + b"~", prefix)
        while key is not None:
            name = key[len(prefix) :].decode()
            # A month or year can stand last when something was reported ahead of all readings.
            if len(name) == _DAY_NAME:
                while put and put[-1] > name:
                    yield put.pop()
                if put and put[-1] == name:
                    put.pop()
                yield name
            key = self._base.last_before(key, prefix)
        yield from reversed(put)

    def reports(self) -> dict[tuple[str, str], Reported]:
        """Return what stands of the enterprise's reported values, by (metric, period)."""
        key = state_key(self.enterprise, REPORT)
        found: dict[tuple[str, str], Reported] | None = self._objects.get(key) or self._cache.get(key)
        if found is None:
            reports = [decode_reported(data) for _, data in self._base.scan(state_key(self.enterprise, REPORT, ""))]
            found = {(each.metric, each.period): each for each in reports}
        self._objects[key] = found
        return found

    def put_report(self, report: Reported) -> None:
        """Set a reported value."""
        found = dict(self.reports())
        found[report.metric, report.period] = report
        self._objects[state_key(self.enterprise, REPORT)] = found
        self._durable[state_key(self.enterprise, REPORT, report.metric, report.period)] = encode(report)

    def condition(self, rule: str, entity: str, start: str) -> Condition | None:
        """Return an alarm's condition, None when it was never evaluated."""
        return self._read(state_key(self.enterprise, ALARM, rule, entity, start), decode_condition)

    def conditions(self) -> list[Condition]:
        """Return all alarms of the enterprise and its meters as they stand."""
        prefix = state_key(self.enterprise, ALARM, "")
        stored = {key: value for key, value in self._base.scan(prefix)}
        stored.update({key: value for key, value in self._durable.items() if key.startswith(prefix) and value})
        return [decode_condition(value) for _, value in sorted(stored.items())]

    def starts(self, rule: str, entity: str) -> list[str]:
        """Return the starts of all alarms of (rule, entity), in order of time."""
        found = self._starts.get((rule, entity))
        if found is None:
            prefix = state_key(self.enterprise, ALARM, rule, entity, "")
            stored = {key[len(prefix) :].decode() for key, _ in self._base.scan(prefix)}
            here = {key[len(prefix) :].decode() for key in self._durable if key.startswith(prefix)}
            found = self._starts[rule, entity] = sorted(stored | here, key=lambda start: window(start).start_ms)
        return found

    def put_condition(self, condition: Condition, event: AlarmEvent | None) -> None:
        """Set an alarm's condition; it and its event are written out."""
        rule, entity, start = condition.rule, condition.entity, condition.start
        key = state_key(self.enterprise, ALARM, rule, entity, start)
        before = self.condition(rule, entity, start)
        moved_before = before is not None and before.told is not None
        if self.mute and condition.told is not None and not moved_before:
            condition = msgspec.structs.replace(condition, told=None)
        if moved_before or condition.told is not None:
            moved = state_key(self.enterprise, MOVED, rule, entity, start)
            self._durable[moved] = None if condition.told is None else b""
        data = encode(condition)
        if (rule, entity) in self._starts and start not in self._starts[rule, entity]:
            del self._starts[rule, entity]
        self._objects[key] = condition
        self._durable[key] = data
        self.outputs.append(Output("alarm.conditions", entity, condition.id.encode(), data))
        if event is not None:
            event = msgspec.structs.replace(event, mute=True) if self.mute else event
            self.events.append(event)
            self.outputs.append(Output("alarm.events", entity, condition.id.encode(), encode(event)))

    def moved_conditions(self) -> list[Condition]:
        """Return the alarms whose figures moved since they were told last."""
        prefix = state_key(self.enterprise, MOVED, "")
        alarms = state_key(self.enterprise, ALARM, "")
        found = (self._read(alarms + key[len(prefix) :], decode_condition) for key in sorted(self.keys(prefix)))
        return [each for each in found if each is not None]

    def get(self, key: bytes) -> bytes | None:
        """Return a raw record."""
        return self._durable[key] if key in self._durable else self._base.get(key)

    def keys(self, prefix: bytes) -> set[bytes]:
        """Return the keys of the raw records that begin with a prefix."""
        found = {key for key, _ in self._base.scan(prefix)}
        here = {key: value for key, value in self._durable.items() if key.startswith(prefix)}
        return found.difference(here) | {key for key, value in here.items() if value is not None}

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set a raw record; None removes it."""
        self._durable[key] = value

    def finish(self) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None], dict[bytes, Any]]:
        """Return what to write durably, what to keep on the local disk only, and the decoded objects."""
        durable = self._durable
        for key, hour in self._hours.items():
            durable[key] = pack(hour)
        for key, document in self._documents.items():
            data = encode(document)
            durable[key] = data
            entity = document.entity
            self.outputs.append(Output("totals", entity, f"{entity}|{document.period}".encode(), data))
        local: dict[bytes, bytes | None] = dict.fromkeys(chain.from_iterable(self._places.values()), b"")
        for key, block in self._blocks.items():
            local[key] = pack_block(block)
        return durable, local, self._objects
