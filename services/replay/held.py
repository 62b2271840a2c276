"""Held is what both sides say, on disk: calendar documents as the fold gives them, and as the series has them.

It shares a local store with the fold's own state, under keys that no enterprise can have.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from schemas.messages import CalendarDocument, decode_calendar
from streams.domain.fold import Effects
from streams.stores.state import StateStore

_FOLD, _SERIES, _MOVING = b"~fold|", b"~series|", b"~moving|"


class Held:
    """Documents by their key in topic `totals`."""

    def __init__(self, store: StateStore) -> None:
        self.store = store

    def put_step(self, effects: Effects, wanted: Mapping[bytes, bytes]) -> None:
        """Put what a step of the fold brought about, and of its documents those `wanted`."""
        puts = {_FOLD + key: value for key, value in wanted.items()}
        self.store.write({**effects.durable, **effects.local, **puts}, 0)

    def put_fold(self, documents: Mapping[bytes, bytes]) -> None:
        """Put documents as the fold gives them."""
        self.store.write({_FOLD + key: value for key, value in documents.items()}, 0)

    def put_series(self, documents: Mapping[bytes, bytes | None], moving: Mapping[bytes, Iterable[str]]) -> None:
        """Put documents as the series has them (None: no more), and windows that have been written again since."""
        puts: dict[bytes, bytes | None] = {_SERIES + key: value for key, value in documents.items()}
        for key, names in moving.items():
            puts[_MOVING + key] = json.dumps(sorted({*names, *self.moving(key)})).encode()
        self.store.write(puts, 0)

    def moving(self, key: bytes) -> frozenset[str]:
        """Return the windows of a document that have been written again since the cut."""
        found = self.store.get(_MOVING + key)
        return frozenset(json.loads(found)) if found is not None else frozenset()

    def document(self, entity: str, period: str, *, series: bool = False) -> CalendarDocument | None:
        """Return one document as the fold gives it, or as the series has it; None when there is none."""
        found = self.store.get((_SERIES if series else _FOLD) + f"{entity}|{period}".encode())
        return None if found is None else decode_calendar(found)

    def fold(self, prefix: str = "") -> Iterator[tuple[bytes, CalendarDocument]]:
        """Yield the fold's documents whose keys begin with a text, in order."""
        yield from self._scan(_FOLD, prefix)

    def series(self, prefix: str = "") -> Iterator[tuple[bytes, CalendarDocument]]:
        """Yield the series' documents whose keys begin with a text, in order."""
        yield from self._scan(_SERIES, prefix)

    def texts(self, prefix: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the series' documents as they are encoded, by key."""
        for key, value in self.store.scan(_SERIES + prefix.encode()):
            yield key[len(_SERIES) :], value

    def _scan(self, side: bytes, prefix: str) -> Iterator[tuple[bytes, CalendarDocument]]:
        for key, value in self.store.scan(side + prefix.encode()):
            yield key[len(side) :], decode_calendar(value)

    def pairs(self, prefix: str = "") -> Iterator[tuple[bytes, CalendarDocument | None, CalendarDocument | None]]:
        """Yield (key, the series' document, the fold's document) of all keys that begin with a text, in order."""
        series, fold = self.series(prefix), self.fold(prefix)
        one, other = next(series, None), next(fold, None)
        while one is not None or other is not None:
            key = min(each[0] for each in (one, other) if each is not None)
            mine = one[1] if one is not None and one[0] == key else None
            theirs = other[1] if other is not None and other[0] == key else None
            yield key, mine, theirs
            one = next(series, None) if mine is not None else one
            other = next(fold, None) if theirs is not None else other

    def entities(self) -> Iterator[str]:
        """Yield the entities of which either side has a document."""
        last = None
        for key in self._keys():
            entity = key.partition(b"|")[0].decode()
            if entity != last:
                yield entity
                last = entity

    def periods(self, entity: str) -> set[str]:
        """Return the periods of which either side has a document of an entity."""
        return {key.decode().partition("|")[2] for key in self._keys(entity + "|")}

    def _keys(self, prefix: str = "") -> Iterator[bytes]:
        sides: list[Iterator[bytes]] = [
            map(itemgetter(slice(len(side), None)), map(itemgetter(0), self.store.scan(side + prefix.encode())))
            for side in (_FOLD, _SERIES)
        ]
        yield from heapq.merge(*sides)
