"""The fold is one step of one partition: records and the passing of time in, records of state and topics out.

It is pure: the same state, registry and records give the same result, wherever and whenever it runs.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from schemas.messages import AlarmEvent, Rejected
from schemas.windows import DAY_MS, window, window_at
from streams.domain.cache import Cache
from streams.domain.enterprise import EnterpriseFold
from streams.domain.hour import Rows, join
from streams.domain.inputs import Inputs, Readable, Record, read_inputs, rejection
from streams.domain.passing import Time, documents_of, passed
from streams.domain.plan import Plan, Plans
from streams.domain.sold import note_counterparties, passed_on, passed_on_again
from streams.domain.state import HEAD, HOUR, OrderedMap, hour_of, state_key
from streams.domain.work import Output, Work, stretches_key


class Cursor(msgspec.Struct, omit_defaults=True):
    """How far a partition is: next offsets, step, highest tick, latest arrival and first tick [epoch ms]."""

    readings: int = 0
    reported: int = 0
    step: int = 0
    tick_ms: int = 0
    known_ms: int = 0
    first_ms: int = 0


@dataclass(slots=True)
class Effects:
    """What a step brings about: `durable` goes to the state topic and the local copy, `local` to the copy alone."""

    cursor: Cursor
    durable: dict[bytes, bytes | None] = field(default_factory=dict[bytes, bytes | None])
    local: dict[bytes, bytes | None] = field(default_factory=dict[bytes, bytes | None])
    outputs: list[Output] = field(default_factory=list[Output])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    events: list[AlarmEvent] = field(default_factory=list[AlarmEvent])
    objects: dict[bytes, Any] = field(default_factory=dict[bytes, Any])
    readings: int = 0

    def take(self, work: Work) -> None:
        """Add what was done to an enterprise."""
        durable, local, objects = work.finish()
        self.durable.update(durable)
        self.local.update(local)
        self.objects.update(objects)
        self.outputs += work.outputs
        self.events += work.events


class Piece(NamedTuple):
    """A part of a step for one enterprise: batches, and from when to when [epoch ms] time passes after them."""

    batches: list[Readable]
    from_ms: int
    to_ms: int


Visits = tuple[set[str], set[str]] | None


class Recomputing(NamedTuple):
    """Days of an enterprise that are to be computed again after the registry changed; `last` ends the enterprise."""

    enterprise: str
    days: tuple[str, ...]
    last: bool


DAYS_AT_ONCE = 16
MIXED = b"-"  # stands in the head of an enterprise of which a part was computed under another registry than the rest


class PartitionFold:
    """The fold of one partition over its state; what is decoded stays in a cache between steps."""

    def __init__(
        self, partition: int, base: OrderedMap, mine: Callable[[str], bool], cache_limit: int = 20_000
    ) -> None:
        self.partition = partition
        self._base = base
        self._mine = mine
        self._cache = Cache(cache_limit)
        self._plans: Plans | None = None
        self._members: tuple[str, ...] = ()
        self._queue: deque[Recomputing] = deque()
        self._passed: dict[tuple[int, int], Visits] = {}  # of this step

    def follow(self, plans: Plans) -> None:
        """Switch to another registry snapshot; what it touches is queued to be computed again."""
        if self._plans is plans:
            return
        self._plans = plans
        self._members = tuple(sorted(each for each in plans.snapshot.enterprises if self._mine(each)))
        self._queue.clear()
        # Which readings count can be others now.
        self._cache.put({stretches_key(each): None for each in self._members})
        for enterprise in self._members:
            head = self._base.get(state_key(enterprise, HEAD))
            plan = plans.of(enterprise)
            if head is not None and plan is not None and head != plan.digest.encode():
                days = self._days(plan)
                parts = [tuple(days[at : at + DAYS_AT_ONCE]) for at in range(0, len(days), DAYS_AT_ONCE)] or [()]
                self._queue += [Recomputing(enterprise, part, part is parts[-1]) for part in parts]

    @property
    def waiting(self) -> int:
        """How many pieces of recomputation are still queued."""
        return len(self._queue)

    def _days(self, plan: Plan) -> list[str]:
        """Return the days that an enterprise has readings or documents of, and those that its readings reach now."""
        prefix = state_key(plan.enterprise, HOUR, "")
        hours = {window_at(hour_of(key), "day").name for key, _ in self._base.scan(prefix)}
        work = Work(plan.enterprise, self._base, self._cache)
        known = hours | {name for name in work.documents_stored() if len(name) == 10}
        days = plan.table.days_reached
        near = {
            window_at(window(day).start_ms + away * DAY_MS, "day").name
            for day in (hours if days else ())
            for away in range(-days, days + 1)
        }
        fold = EnterpriseFold(plan, work, Time(0, 0, 0), (self.partition, 0))
        return sorted(known | {day for day in near - known if fold.tells_of(day)})

    def step(self, cursor: Cursor, records: Sequence[Record]) -> Effects:
        """Return what the records bring about, and the passing of time if a tick is among them."""
        plans = self._plans
        if plans is None:
            raise RuntimeError("follow() a registry snapshot before the first step")
        registered = plans.snapshot.enterprises.__contains__
        inputs = read_inputs(records, registered, plans.snapshot.version, cursor.tick_ms)
        after = Cursor(
            max((each.offset + 1 for each in records if each.topic != "reported"), default=cursor.readings),
            max((each.offset + 1 for each in records if each.topic == "reported"), default=cursor.reported),
            cursor.step + 1,
            max((cursor.tick_ms, *inputs.ticks_ms[-1:])),
            max(cursor.known_ms, inputs.known_ms),
            cursor.first_ms or next(iter(inputs.ticks_ms), 0),
        )
        effects = Effects(after, rejected=inputs.rejected, readings=inputs.readings)
        self._passed.clear()
        visits = self._visits(cursor.tick_ms, after.tick_ms, inputs.ticks_ms)
        cuts = self._cuts(cursor.tick_ms, inputs.ticks_ms) if visits else []
        again = self._queue.popleft() if self._queue else None
        names = {
            *inputs.batches,
            *inputs.reports,
            *(self._members if visits else ()),
            *([again.enterprise] if again else ()),
        }
        for enterprise in sorted(names):
            plan = plans.of(enterprise)
            assert plan is not None
            mine = again if again is not None and again.enterprise == enterprise else None
            pieces = _pieces(inputs.batches.get(enterprise, ()), cuts, cursor.tick_ms, after.tick_ms)
            self._enterprise(plan, inputs, after, pieces, mine, effects)
        self._cache.put(effects.objects)
        return effects

    def _cuts(self, before_ms: int, ticks_ms: Sequence[int]) -> list[int]:
        """Return the ticks with which a window ends or settles."""
        found: list[int] = []
        for tick_ms in ticks_ms:
            if self._visits(before_ms, tick_ms, ticks_ms) is not None:
                found.append(tick_ms)
            before_ms = max(before_ms, tick_ms)
        return found

    def _visits(self, before_ms: int, now_ms: int, ticks_ms: Sequence[int]) -> Visits:
        """Return which documents the time through the ticks up to now concerns, None when no hour has passed."""
        if now_ms <= before_ms:
            return None
        if (before_ms, now_ms) not in self._passed:
            ticks_ms = [tick_ms for tick_ms in ticks_ms if before_ms < tick_ms <= now_ms]
            self._passed[before_ms, now_ms] = self._find_visits(before_ms, ticks_ms)
        return self._passed[before_ms, now_ms]

    def _find_visits(self, before_ms: int, ticks_ms: Sequence[int]) -> Visits:
        assert self._plans is not None
        ended, settled = set[str](), set[str]()
        for stretch in passed(before_ms, ticks_ms):
            of_stretch = documents_of(stretch.from_ms, stretch.to_ms, self._plans.snapshot.grace_ms)
            ended |= of_stretch[0]
            settled |= of_stretch[1]
            if stretch.leapt:
                settled.add("*")
        return (ended, settled) if ended or settled else None

    def _enterprise(
        self, plan: Plan, inputs: Inputs, cursor: Cursor, pieces: Sequence[Piece], again: Recomputing | None,
        effects: Effects,
    ) -> None:  # fmt: skip
        enterprise = plan.enterprise
        work = Work(enterprise, self._base, self._cache)
        made_from = self.partition, cursor.step
        try:
            for piece in pieces:
                fold = EnterpriseFold(
                    plan, work, Time(piece.from_ms, piece.to_ms, cursor.known_ms, cursor.first_ms), made_from
                )
                fold.because_of(piece.batches)
                for meters, scales, rows in _joined(piece.batches):
                    fold.put_readings(meters, scales, rows)
                if piece is pieces[-1]:
                    for report in inputs.reports.get(enterprise, ()):
                        fold.put_report(report)
                visits = self._visits(piece.from_ms, piece.to_ms, inputs.ticks_ms)
                if visits is not None:
                    fold.visit(_existing(plan, work, *visits))
                fold.finish()
                if plan.sold:
                    work.outputs += passed_on(plan, piece.batches)
            if again is not None:
                fold = EnterpriseFold(
                    plan, work, Time(cursor.tick_ms, cursor.tick_ms, cursor.known_ms, cursor.first_ms), made_from
                )
                fold.recompute(again.days)
                if again.last:
                    fold.visit(_without_days(work.documents_stored()))
                work.mute = True
                fold.finish()
                work.mute = False
                if plan.sold:
                    work.outputs += passed_on_again(plan, work, again.days)
                if again.last:
                    fold.withdraw_unwatched()
            self._head(plan, work, again)
            effects.take(work)
        except Exception as error:
            records = inputs.records.get(enterprise, ())
            if not records:
                raise
            text = f"{type(error).__name__}: {error}"
            effects.rejected += [rejection(each, "internal", text, enterprise=enterprise) for each in records]

    def _head(self, plan: Plan, work: Work, again: Recomputing | None) -> None:
        """Note under which registry the enterprise stands, as soon as all of it does."""
        key = state_key(plan.enterprise, HEAD)
        head, mine = work.get(key), plan.digest.encode()
        whole = head is None or (again is not None and again.last)
        if head != mine or whole:
            note_counterparties(plan, work, all_know=whole)
        if head != mine and not whole:
            # A part of it is of another registry now, which a return to the one before has to compute again, too.
            mine = MIXED
        if head != mine:
            work.put(key, mine)


def _without_days(periods: Iterable[str]) -> Iterable[str]:
    """Return the months and years of which no day is known, but only what was reported."""
    every = set(periods)
    days = {name for name in every if len(name) == len("2026-11-21")}
    return every - days - {name[:7] for name in days} - {name[:4] for name in days}


def _pieces(batches: Sequence[Readable], cuts: Sequence[int], before_ms: int, now_ms: int) -> list[Piece]:
    """Cut an enterprise's batches where a window ends or settles between them, and around each correction.

    So what a window was when it settled, and what a correction changed, does not hang on what one step happened to
    take together.
    """
    found: list[Piece] = []
    part: list[Readable] = []
    at_ms, passed, correction = before_ms, 0, None
    for batch in batches:
        origin = batch.origin
        ended = bisect_right(cuts, origin.seen_ms)
        if ended != passed or origin.correction != correction:
            to_ms = cuts[ended - 1] if ended else before_ms
            if part or to_ms > at_ms:
                found.append(Piece(part, at_ms, to_ms))
            part, at_ms, passed, correction = [], to_ms, ended, origin.correction
        part.append(batch)
    found.append(Piece(part, at_ms, now_ms))
    return found


def _joined(batches: Sequence[Readable]) -> Iterable[tuple[tuple[str, ...], tuple[int, ...], Rows]]:
    """Yield the batches with those of the same meters put together, so that each hour is touched once."""
    groups: dict[tuple[tuple[str, ...], tuple[int, ...]], list[Readable]] = {}
    for batch in batches:
        groups.setdefault((batch.meters, batch.scales), []).append(batch)
    for (meters, scales), group in groups.items():
        yield meters, scales, join([each.rows for each in group])


def _existing(plan: Plan, work: Work, ended: set[str], settled: set[str]) -> Iterable[str]:
    """Yield which of these documents an enterprise has, or must have since it was in service then."""
    view = plan.table.view
    if not plan.table.meters:
        return
    for name in ended:
        each = window(name)
        if view.from_ms < each.end_ms and view.to_ms > each.start_ms:
            yield name
    if "*" in settled:
        yield from work.documents_stored()
    for name in settled - ended - {"*"}:
        if work.document(name) is not None:
            yield name
