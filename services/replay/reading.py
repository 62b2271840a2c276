"""The series side of a replay is what topic `totals` says of some entities, as of a cut, read onto the disk."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from schemas.messages import UNREADABLE, CalendarDocument, Reported, decode_calendar, decode_reported
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import REPORTED, TOTALS
from schemas.windows import WindowError, window
from services.replay.held import Held
from services.replay.topics import Records, Topics
from streams.domain.comparison import names_touched
from streams.domain.fold import Cursor

Tell = Callable[[str, int, int], None]


class SeriesReader:
    """Reads the documents of `entities` and all that `has` takes (an entity) and `of_period` takes (its period).

    `reached` is how far each partition was read, `latest_ms` when the last of the documents up to the cut was written.
    """

    def __init__(
        self, settings: Settings, entities: Collection[str], has: Callable[[str], bool], held: Held, tell: Tell,
        of_period: Callable[[str], bool] = lambda _: True,
    ) -> None:  # fmt: skip
        self._wanted = sorted({partition_of(each, settings.partitions) for each in entities})
        self._has = has
        self._of_period = of_period
        self._held = held
        self._tell = tell
        self.reached: dict[int, int] = {}
        self.latest_ms = 0

    async def read(self, topics: Topics, cuts: Mapping[int, Cursor]) -> list[CalendarDocument]:
        """Take in what has come by now; return the documents that were written after the cut of their partition.

        Without a cut of a partition, all of its documents are taken as they stand.
        """
        ends = await topics.ends(TOTALS)
        since: list[CalendarDocument] = []
        before = {number: self.reached.get(number, 0) for number in self._wanted}
        done, total = 0, sum(ends[number] - before[number] for number in self._wanted)
        for number in self._wanted:
            async for records in topics.read(TOTALS, number, before[number], ends[number]):
                since += self._take(records, cuts)
                self._tell("reading the series", done + records[-1].offset + 1 - before[number], total)
            done += ends[number] - before[number]
            self.reached[number] = ends[number]
        return since

    def _take(self, records: Records, cuts: Mapping[int, Cursor]) -> list[CalendarDocument]:
        documents: dict[bytes, bytes | None] = {}
        moving: dict[bytes, set[str]] = {}
        since: list[CalendarDocument] = []
        for record in records:
            key = record.key or b""
            entity, _, period = key.decode(errors="replace").partition("|")
            if not self._has(entity) or not self._of_period(period):
                continue
            if record.value is None:
                documents[key] = None
                continue
            document = decode_calendar(record.value)
            if all(number not in cuts or step <= cuts[number].step for number, step in document.input):
                documents[key] = record.value
                self.latest_ms = max(self.latest_ms, record.timestamp)
            else:
                moving.setdefault(key, set()).update(names_touched(document, document.touched))
                since.append(document)
        self._held.put_series(documents, moving)
        return since


async def reports_of(topics: Topics, territories: Collection[str]) -> list[Reported]:
    """Return what was reported for some territories themselves."""
    found: list[Reported] = []
    if not territories:
        return found
    for number, end in (await topics.ends(REPORTED)).items():
        async for records in topics.read(REPORTED, number, 0, end):
            for record in records:
                # What cannot be read was set aside by the worker of this partition.
                with suppress(*UNREADABLE, WindowError):
                    report = decode_reported(record.value or b"")
                    if report.entity in territories and window(report.period).kind != "hour":
                        found.append(report)
    return found
