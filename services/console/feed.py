"""A feed keeps one page's subject current for everybody who watches it: read once, drawn once a language, sent to all.

It reads the store only while someone watches. A watcher is not queued for: each time he can take something he is told
what differs from what he has seen, so a slow one gets fewer and larger changes, and memory does not depend on him.
"""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from fastapi.sse import format_sse_event

from schemas.windows import window_at
from services.clock import Clock
from services.console.cells import cells, points, spans
from services.console.gathering import Gathered, Slow, gather, gather_slow
from services.console.ledger import Ledger
from services.console.moment import Moment
from services.console.rendering import assets_version
from services.console.subject import Subject, subject_of
from services.console.words import Words, words
from streams.domain.registry import Snapshot
from streams.stores.series import Store, StoreError

POLL_S = 0.5
SLOW_S = 2.5
# An hour that is over changes by late data only, and to look through all meters of a city is dear.
SILENT_S = 20.0
# How often the store is asked whether anything of the subject has changed.
LOOK_S = 0.1
# The store is left alone for at least as long as it took to answer.
REST = 1.0
# A page that is drawn from something older than this would jump at its first change.
FRESH_S = 1.5
# From opening a page to its asking for changes; after this nobody watches any more.
LINGER_S = 15.0
# Figures this old are not current, whatever the reason.
TROUBLE_S = 10.0

_CELL, _POINT, _SPAN = "c|", "p|", "s|"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where feeds read from: the store, the newest registry, the clock."""

    store: Store
    snapshot: Callable[[], Snapshot]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page's contents at one moment and the mark to go on from."""

    subject: Subject
    cells: dict[str, str]
    points: dict[str, list[list[float | None]]]
    spans: dict[str, list[int]]
    mark: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What one reading found: by language the pieces of the page, and what the next reading goes on from."""

    known_by: tuple[Snapshot, int]
    subject: Subject
    layout: str
    slow: Slow
    slow_s: float
    silent_s: float
    changes: int
    gathered: Gathered
    pieces: dict[str, dict[str, Any]]


class Feed:
    """The subject of one entity; all methods are called in the event loop."""

    def __init__(self, entity: str, source: Source) -> None:
        self.entity = entity
        self.watchers = 0
        self._source = source
        self._epoch = secrets.token_hex(4)
        self._languages: dict[str, Ledger] = {}
        self._last: _Read | None = None
        self._read_s = float("-inf")
        self._touched_s = time.monotonic()
        self._failed: StoreError | None = None
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._closed = False
        self._encoded: dict[tuple[str, int], bytes] = {}

    @property
    def idle(self) -> bool:
        """Whether nobody has watched for a while."""
        return self.watchers == 0 and time.monotonic() - self._touched_s > LINGER_S

    @property
    def closed(self) -> bool:
        """Whether nothing will come any more."""
        return self._closed

    @property
    def trouble(self) -> bool:
        """Whether the figures are older than they should be."""
        return self._failed is not None or time.monotonic() - self._read_s > TROUBLE_S

    async def drawn(self, language: str) -> Drawn:
        """Return the page as it is now; raise StoreError when it cannot be read."""
        self._touched_s = time.monotonic()
        if time.monotonic() - self._read_s > FRESH_S or language not in self._languages:
            self._languages.setdefault(language, Ledger())
            await self._read(only_older_than_s=FRESH_S)
        if self._failed is not None:
            raise self._failed
        self._start()
        assert self._last is not None
        drawn = _changes(self._languages[language].since(0), 0)
        return Drawn(
            self._last.subject, drawn["cells"], defaultdict(list, drawn["points"]), drawn["spans"], self.mark(language)
        )

    def mark(self, language: str) -> str:
        """Return what names the present state: layout, feed, number of the change."""
        ledger = self._languages.get(language)
        layout = "" if self._last is None else self._last.layout
        return f"{layout}-{self._epoch}-{0 if ledger is None else ledger.number}"

    @contextmanager
    def watching(self, language: str) -> Iterator[None]:
        """Keep the feed going for as long as the block lasts."""
        self.watchers += 1
        self._languages.setdefault(language, Ledger())
        self._start()
        try:
            yield
        finally:
            self.watchers -= 1
            self._touched_s = time.monotonic()

    async def news(self, limit_s: float) -> None:
        """Return after the next reading, or after `limit_s` [s]."""
        # A reading that failed is tried again; until one succeeds the page says that it is not current.
        self._start()
        waiting = self._news
        try:
            async with asyncio.timeout(limit_s):
                await waiting.wait()
        except TimeoutError:
            return

    def since(self, language: str, mark: str) -> tuple[bytes | None, str]:
        """Return the event that brings whoever has seen `mark` up to date (None: nothing), and the new mark.

        Who has seen nothing (an empty mark) is told everything. Where the page must be loaded anew the event says so.
        """
        ledger = self._languages[language]
        if self._last is None:
            return None, mark
        layout, _, rest = mark.partition("-")
        epoch, _, seen = rest.partition("-")
        now = self.mark(language)
        if mark and layout != self._last.layout:
            return format_sse_event(event="reload", data_str="{}", id=now), now
        number = int(seen) if epoch == self._epoch and seen.isdecimal() else 0
        if number >= ledger.number > 0:
            return None, now
        key = (language, number)
        if key not in self._encoded:
            body = msgspec.json.encode(_changes(ledger.since(number), self._last.gathered.now_ms)).decode()
            self._encoded[key] = format_sse_event(event="change", data_str=body, id=now)
        return self._encoded[key], now

    def beat(self) -> bytes:
        """Return the heartbeat, which tells a page that the link stands even if nothing changes."""
        body = {"now": self._source.clock.now_ms(), "trouble": self.trouble}
        return format_sse_event(event="beat", data_str=msgspec.json.encode(body).decode())

    def close(self) -> None:
        """Stop reading and let all watchers go."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        self._tell()

    def _start(self) -> None:
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name=f"board {self.entity}")
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("board feed failed", entity=self.entity, exc_info=error)

    async def _run(self) -> None:
        while not self.idle:
            begun_s = time.monotonic()
            await self._read()
            took_s = time.monotonic() - begun_s
            await asyncio.sleep(max(POLL_S - took_s, took_s * REST))
            if self._failed is None and self._last is not None:
                await self._change(self._last)

    async def _change(self, last: _Read) -> None:
        """Return when something of the subject has changed since a reading, or the clock may have changed it."""
        source, entities = self._source, last.subject.within()
        while time.monotonic() - self._read_s < SLOW_S and source.snapshot() is last.known_by[0]:
            try:
                if await asyncio.to_thread(source.store.changed, entities) != last.changes:
                    return
            except StoreError:
                return
            await asyncio.sleep(LOOK_S)

    async def _read(self, only_older_than_s: float = 0.0) -> None:
        async with self._reading:
            languages = [words(one) for one in self._languages]
            drawn = all(ledger.number for ledger in self._languages.values())
            if drawn and self._failed is None and time.monotonic() - self._read_s < only_older_than_s:
                return
            try:
                read = await asyncio.to_thread(self._gather, self._last, languages)
            except StoreError as error:
                if self._failed is None:
                    _log.warning("board not read", entity=self.entity, code=error.code, error=str(error))
                self._failed = error
            else:
                self._failed = None
                self._read_s = time.monotonic()
                self._take(read)
        self._tell()

    def _gather(self, last: _Read | None, languages: list[Words]) -> _Read:
        """Read and draw; runs in a thread, one at a time."""
        source = self._source
        snapshot, now_ms = source.snapshot(), source.clock.now_ms()
        known_by = snapshot, window_at(now_ms, "day").start_ms
        if last is not None and known_by != last.known_by:
            last = None
        subject = subject_of(snapshot, self.entity, now_ms) if last is None else last.subject
        layout = f"{assets_version()[:6]}{subject.digest()}" if last is None else last.layout
        begun_s = time.monotonic()
        # What is written from here on is another change.
        changes = source.store.changed(subject.within())
        slow_s = silent_s = begun_s
        if last is None or begun_s - last.slow_s >= SLOW_S:
            before = last.slow if last and begun_s - last.silent_s < SILENT_S else None
            slow = gather_slow(source.store, subject, now_ms, float(source.clock.rate), before)
            if last and slow.silent is last.slow.silent:
                silent_s = last.silent_s
        else:
            slow, slow_s, silent_s = last.slow, last.slow_s, last.silent_s
        gathered = gather(source.store, subject, now_ms, slow)
        pieces = {one.language: _flat(Moment(subject, gathered, one)) for one in languages}
        return _Read(known_by, subject, layout, slow, slow_s, silent_s, changes, gathered, pieces)

    def _take(self, read: _Read) -> None:
        self._last = read
        self._encoded.clear()
        for language, pieces in read.pieces.items():
            self._languages[language].put(pieces)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _flat(moment: Moment) -> dict[str, Any]:
    """Return cells, points and spans by keys of one space, so that one ledger follows them all."""
    found: dict[str, Any] = {_CELL + key: html for key, html in cells(moment).items()}
    for chart, rows in points(moment).items():
        for at, *row in rows:
            found[f"{_POINT}{chart}|{at}"] = [at, *row]
    for chart, span in spans(moment).items():
        found[_SPAN + chart] = span
    return found


def _changes(pieces: dict[str, Any], now_ms: int) -> dict[str, Any]:
    changed: dict[str, Any] = {"now": now_ms, "cells": {}, "points": {}, "spans": {}}
    for key, value in pieces.items():
        lead, name = key[:2], key[2:]
        if lead == _CELL:
            changed["cells"][name] = value
        elif lead == _SPAN:
            changed["spans"][name] = value
        else:
            changed["points"].setdefault(name.partition("|")[0], []).append(value)
    return changed
