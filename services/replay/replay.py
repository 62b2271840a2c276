"""A replay folds readings once more and holds the numbers against the series, or writes the series anew.

It runs beside the installation: it reads committed records without a group, up to where the workers stood when it
began, and compares with the documents of those very steps. What is written again meanwhile is told, not compared.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, cast

from schemas.ids import enterprise_of
from schemas.messages import UNREADABLE, decode_registry
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS, REGISTRY_LOG, REPORTED, TOTALS
from schemas.windows import WindowKind, window, window_at
from services.replay.errors import ReplayError
from services.replay.files import Refusals, messages
from services.replay.findings import Differing, Findings, differing
from services.replay.folding import Entrance, Folding
from services.replay.held import Held
from services.replay.reading import SeriesReader, Tell, reports_of
from services.replay.selecting import Selection, select
from services.replay.stored import Stored
from services.replay.territories import add_up
from services.replay.topics import Records, Topics
from streams.domain.comparison import Range, compare
from streams.domain.fold import Cursor
from streams.domain.inputs import Record
from streams.domain.passing import HOLDERS
from streams.domain.plan import Plans
from streams.domain.points import points_of
from streams.domain.registry import Snapshot
from streams.domain.territory import is_territory
from streams.stores.series import Read, Store

# A territory's documents follow those of its enterprises within seconds, the store within some more.
TERRITORY_S = 10.0
STORE_S = 30.0
LOOK_S = 0.5

Against = Literal["totals", "store"]


class Asked(NamedTuple):
    """What a replay is to do: entities (none: all), windows, sides to compare with; `rewrite` writes to the store."""

    entities: Sequence[str]
    within: Range
    against: Collection[Against]
    rewrite: bool
    limit: int
    files: Sequence[Path] = ()  # of readings, in the place of those in the topic


@dataclass(slots=True)
class _Extent:
    """A partition: its readings from `first`, and where its worker stood."""

    first: int
    cut: Cursor


class Replay:
    """One replay; `tell` hears (what is done, how far, of how much) again and again."""

    def __init__(
        self, settings: Settings, snapshot: Snapshot, asked: Asked, held: Held, store: Store | None, tell: Tell
    ) -> None:
        self._settings = settings
        self._snapshot = snapshot
        self._asked = asked
        self._held = held
        self._store = store
        self._tell = tell
        self._selection: Selection = select(snapshot, asked.entities)
        self._series = SeriesReader(settings, self._selection.entities, self._selection.has, held, tell)
        self.findings = Findings(asked.limit, registry=snapshot.version)

    async def run(self) -> Findings:
        """Fold, then compare or write; raise ReplayError when something that is needed is not there."""
        async with Topics(self._settings) as topics:
            await self.gather(topics)
            if self._asked.rewrite:
                await self._rewrite(topics)
            else:
                await self._compare(topics)
        return self.findings

    async def gather(self, topics: Topics) -> None:
        """Fold what is asked for, and read what the series says of it."""
        extents = await self._extents(topics)
        self.findings.cuts = {number: extent.cut for number, extent in extents.items()}
        await self._fold(topics, extents)
        reports = await reports_of(topics, self._selection.territories)
        await asyncio.to_thread(add_up, self._snapshot, self._selection, reports, self._held)
        await self._series.read(topics, self.findings.cuts)

    async def _extents(self, topics: Topics) -> dict[int, _Extent]:
        """Return where the workers of the partitions that matter stand."""
        count = self._settings.partitions
        wanted = sorted({partition_of_key(each, count) for each in self._selection.folded})
        firsts = await topics.firsts(READINGS)
        found = {number: _Extent(firsts[number], await topics.cursor(number)) for number in wanted}
        for number, extent in found.items():
            if extent.first and extent.cut.readings:
                self.findings.notes.append(
                    f"partition {number}: messages before offset {extent.first} are no longer in the topic, so what "
                    "came with them is not folded"
                )
            if not extent.cut.step:
                self.findings.notes.append(f"partition {number}: no worker has made a step there yet")
        return found

    async def _entered(self, topics: Topics) -> dict[str, Entrance]:
        """Return when each enterprise had its first meter."""
        of_enterprise: dict[str, Entrance] = {}
        of_meters: dict[str, Entrance] = {}
        end = (await topics.ends(REGISTRY_LOG))[0]
        async for records in topics.read(REGISTRY_LOG, 0, 0, end):
            for record in records:
                with suppress(*UNREADABLE):
                    kind, _, id_ = (record.key or b"").decode().partition("/")
                    entrance = Entrance(decode_registry(record.value or b"").version, record.timestamp)
                    if kind == "enterprise":
                        of_enterprise.setdefault(id_, entrance)
                    elif kind == "meter":
                        of_meters.setdefault(enterprise_of(f"meter/{id_}") or "", entrance)
                        for buyer in decode_registry(record.value or b"").document["spec"].get("counterparty", ()):
                            of_meters.setdefault(buyer["id"] or "", entrance)
        return {each: max(entrance, of_meters.get(each, entrance)) for each, entrance in of_enterprise.items()}

    async def _fold(self, topics: Topics, extents: dict[int, _Extent]) -> None:
        entered = await self._entered(topics)
        plans = Plans(self._snapshot, watch=False)
        count = self._settings.partitions
        total = sum(extent.cut.readings - extent.first for extent in extents.values())
        done = 0
        for number, extent in extents.items():
            mine = frozenset(each for each in self._selection.folded if partition_of_key(each, count) == number)
            folding = Folding(
                number, plans, mine, self._selection, entered, self._held, only_ticks=bool(self._asked.files)
            )
            async for records in topics.read(READINGS, number, extent.first, extent.cut.readings):
                await asyncio.to_thread(folding.take, _records("readings", records))
                self._tell("folding", done + records[-1].offset + 1 - extent.first, total)
            done += extent.cut.readings - extent.first
            if self._asked.files:
                await asyncio.to_thread(self._take_files, folding, mine)
            async for records in topics.read(REPORTED, number, 0, extent.cut.reported):
                await asyncio.to_thread(folding.take, _records("reported", records))
            await asyncio.to_thread(folding.finish)
            self.findings.readings += folding.readings
            if folding.rejected:
                self.findings.notes.append(f"partition {number}: {folding.rejected} inputs cannot be used")

    def _take_files(self, folding: Folding, enterprises: Collection[str]) -> None:
        refusals = Refusals()
        parts = messages(self._asked.files, self._snapshot, enterprises, refusals)
        for number, message in enumerate(parts, 1):
            folding.take_readings(message)
            self._tell("folding files", number, number)
        note = f"{refusals.count} rows of files cannot be used: {'; '.join(refusals.first)}"
        if refusals.count and note not in self.findings.notes:
            self.findings.notes.append(note)

    async def _compare(self, topics: Topics) -> None:
        findings = self.findings
        if "totals" in self._asked.against:
            while self._territory_differs() and time.time() * 1000 - self._series.latest_ms < TERRITORY_S * 1000:
                await asyncio.sleep(LOOK_S)
                await self._series.read(topics, findings.cuts)
            await asyncio.to_thread(self._compare_totals)
        if "store" in self._asked.against:
            await self._store_filled()
            entities = [each for each in self._held.entities() if self._selection.has(each)]
            for number, entity in enumerate(entities, 1):
                differing = await asyncio.to_thread(self._stored().compare, entity, findings)
                await self._add_stored(topics, entity, differing)
                self._tell("comparing the store", number, len(entities))

    async def _add_stored(self, topics: Topics, entity: str, found: list[Differing]) -> None:
        """Add differences of the store, without those that came in while it was looked at."""
        if not found:
            return
        # What the sink has written since stands in the topic by now.
        await self._series.read(topics, self.findings.cuts)
        moving: dict[str, frozenset[str]] = {}
        for each in found:
            day = window(each.window)
            for period in {window_at(day.start_ms, kind).name for kind in HOLDERS[day.kind]}:
                if period not in moving:
                    moving[period] = self._held.moving(f"{entity}|{period}".encode())
            if any(each.window in names for names in moving.values()):
                self.findings.moving += 1
                self.findings.windows["store"] -= 1
            else:
                self.findings.add(each)

    def _territory_differs(self) -> bool:
        return any(
            difference.window not in self._held.moving(key)
            for territory in sorted(self._selection.territories)
            for key, series, fold in self._held.pairs(f"{territory}|")
            for difference in compare(series, fold, self._asked.within).differences
        )

    def _compare_totals(self) -> None:
        findings = self.findings
        windows = 0
        for key, series, fold in self._held.pairs():
            entity = key.decode().partition("|")[0]
            if not self._selection.has(entity):
                continue
            compared = compare(series, fold, self._asked.within)
            windows += compared.windows
            if compared.windows:
                findings.entities.add(entity)
                findings.documents += 1
            # Of an enterprise the version of the cut is known; of a territory the later one may be the only one.
            moving = self._held.moving(key) if is_territory(entity) else frozenset[str]()
            for difference in compared.differences:
                if difference.window in moving:
                    windows -= 1
                    findings.moving += 1
                else:
                    findings.add(differing("totals", difference))
        findings.windows["totals"] = windows

    def _stored(self) -> Stored:
        assert self._store is not None
        return Stored(self._store, self._held, self._asked.within)

    async def _store_filled(self) -> None:
        """Wait until the sink has written what was read of the totals."""
        assert self._store is not None
        name, loop = self._settings.topic(TOTALS), asyncio.get_running_loop()
        deadline = loop.time() + STORE_S
        while True:
            offsets = await asyncio.to_thread(self._store.offsets)
            there = {number: offsets.get((name, number), Read(0, 0)).offset for number in self._series.reached}
            behind = {
                number: end - there[number] for number, end in self._series.reached.items() if there[number] < end
            }
            if not behind:
                return
            if loop.time() > deadline:
                lag = ", ".join(f"partition {number} by {each} offsets" for number, each in sorted(behind.items()))
                raise ReplayError(
                    f"the series store is behind topic {name} ({lag}) and does not move on: start the sink, or compare "
                    "with --against totals"
                )
            await asyncio.sleep(LOOK_S)

    async def _rewrite(self, topics: Topics) -> None:
        findings, store = self.findings, self._store
        assert store is not None
        entities = [each for each in self._held.entities() if self._selection.has(each)]
        for number, entity in enumerate(entities, 1):
            await asyncio.to_thread(self._stored().write, entity, findings)
            self._tell("writing", number, len(entities))
        findings.entities.update(entities)
        # The sink may have written something newer just before it was overwritten with what held at the cut.
        while since := await self._series.read(topics, findings.cuts):
            points = [
                point
                for document in since
                for point in points_of(document, everything=False)
                if self._asked.within.has(window_at(point.time_ms, cast("WindowKind", point.measurement)).name)
            ]
            await asyncio.to_thread(store.write, points)


def _records(topic: str, records: Records) -> list[Record]:
    return [Record(topic, each.partition, each.offset, each.timestamp, each.value or b"") for each in records]
