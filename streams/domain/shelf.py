"""A shelf holds the calendar documents of many entities as compressed text, and the last few used decoded."""

from collections import OrderedDict
from collections.abc import Mapping

import zstandard

from schemas.messages import CalendarDocument, decode_calendar

_DAY_NAME = len("2026-11-21")
_compress = zstandard.ZstdCompressor(level=1).compress
_decompress = zstandard.ZstdDecompressor().decompress


class Shelf:
    """Documents by period and entity; a document that was taken from here must not be changed in place."""

    def __init__(self, decoded: int = 4096) -> None:
        """Make an empty shelf that keeps up to `decoded` documents decoded."""
        self._packed: dict[str, dict[str, bytes]] = {}
        self._limit = decoded
        self._decoded: OrderedDict[tuple[str, str], CalendarDocument] = OrderedDict()
        self._last_day: dict[str, str] = {}

    def put(self, document: CalendarDocument, text: bytes) -> bool:
        """Take over a document with its encoded text; return whether the text is another than before."""
        entity, period = document.entity, document.period
        packed = _compress(text)
        at = self._packed.setdefault(period, {})
        if at.get(entity) == packed:
            return False
        # What the compressor gives keeps the room of its worst case, which is more than the text had.
        at[entity] = bytes(memoryview(packed))
        if len(period) == _DAY_NAME and period > self._last_day.get(entity, ""):
            self._last_day[entity] = period
        self._remember((period, entity), document)
        return True

    def get(self, entity: str, period: str) -> CalendarDocument | None:
        """Return the document of an entity's day, month or year, None when there is none."""
        key = period, entity
        found = self._decoded.get(key)
        if found is None:
            packed = self._packed.get(period, {}).get(entity)
            if packed is None:
                return None
            found = decode_calendar(_decompress(packed))
        self._remember(key, found)
        return found

    def unpacked(self, period: str) -> list[CalendarDocument]:
        """Return all documents of a period without keeping them decoded."""
        return [decode_calendar(_decompress(packed)) for packed in self._packed.get(period, {}).values()]

    def entities(self, period: str) -> Mapping[str, bytes]:
        """Return the entities (as keys) that have a document of a period."""
        return self._packed.get(period, {})

    def periods(self) -> list[str]:
        """Return the periods of which there is any document, in order of their names."""
        return sorted(self._packed)

    def last_day(self, entity: str) -> str | None:
        """Return the last day of which an entity has a document."""
        return self._last_day.get(entity)

    def _remember(self, key: tuple[str, str], document: CalendarDocument) -> None:
        self._decoded[key] = document
        self._decoded.move_to_end(key)
        while len(self._decoded) > self._limit:
            self._decoded.popitem(last=False)
