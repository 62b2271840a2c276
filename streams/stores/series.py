"""The series store is where numbers are kept for reading (trends, latest values, alarms); this is what one must offer.

Two protocols: `SeriesStore` keeps points of the series contract, `Listing` keeps three lists that are no series
(alarms with their events, rejected inputs, receipts of batches) and how far each topic was read. Both are synchronous;
every call is limited in time and raises StoreError with a stable code when the store cannot answer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from schemas.deliveries import DeliveryNote
from schemas.messages import AlarmEvent, Condition, Finding, Rejected, Revision
from schemas.series import Point
from schemas.windows import WINDOW_KINDS, WindowKind
from streams.stores.deliveries import Delivered, DigestPage


class StoreError(Exception):
    """The store could not do it; `code` is stable, the text says what to do. No read offset was moved.

    Points of the call may be there already where the points are kept by a server: the same call again changes nothing.
    `wait_s`: how long the store asks to be left alone [s].

    Codes: `store_absent store_full store_busy store_timeout store_damaged store_version store_unwritable
    store_away store_denied store_moved store_ahead store_failed`.
    """

    def __init__(self, code: str, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.wait_s = wait_s


class CursorError(ValueError):
    """A cursor was not made by this list; ask again without one."""


class WindowPoint(NamedTuple):
    """A metric of an entity in one window: value in the metric's unit, None where nothing is known of it.

    `measured`, `estimated` and `missing` are shares of time (0 to 1, sum 1), None where nothing was expected.
    """

    start_ms: int
    value: float | None
    measured: float | None
    estimated: float | None
    missing: float | None
    settled: bool
    revised: bool = False


def known(window: WindowKind) -> WindowKind:
    """Return a window kind; raise ValueError when there is none of this name."""
    if window not in WINDOW_KINDS:
        raise ValueError(f"{window!r} is no window kind; one of {', '.join(WINDOW_KINDS)}")
    return window


def window_point(
    start_ms: int,
    value: float | None,
    present: float | None,
    measured: float | None,
    estimated: float | None,
    missing: float | None,
    settled: float | None,
    revised: float | None,
) -> WindowPoint:
    """Return what the fields of a stored point mean; None: a field was never written."""
    if not measured and not estimated and not missing:
        measured = estimated = missing = None
    seen = value if present else None
    return WindowPoint(start_ms, seen, measured, estimated, missing, bool(settled), bool(revised))


class ReadingPoint(NamedTuple):
    """A reading as it was accepted, of the highest revision of its instant; `quality` is an index into QUALITIES."""

    time_ms: int
    rev: int
    value: float | None
    quality: int
    void: bool


class AlarmPoint(NamedTuple):
    """What (rule, entity, start) was evaluated to; `state` is one of schemas.series.ALARM_STATE."""

    entity: str
    rule: str
    start_ms: int
    state: float
    tier: float | None
    value: float | None
    limit: float | None
    margin: float | None


class SeriesStore(Protocol):
    """Points under (measurement, tags, time). Times are epoch ms, ranges half-open `[from_ms, to_ms)`, answers in
    order of time. A field None in a written point leaves what an earlier point said of that field.
    """

    def write(self, points: Sequence[Point]) -> None:
        """Put points in, each over an earlier one of the same key (in one call, the last counts); all or nothing.

        Returns when another process reads them. Raises ValueError when a field is not finite.
        """
        ...

    def replace_members(self, points: Sequence[Point]) -> None:
        """Put these points of measurement `member` in the place of all that are there."""
        ...

    def series(self, entity: str, metric: str, window: WindowKind, from_ms: int, to_ms: int) -> list[WindowPoint]:
        """Return the points of a metric in the windows that start in the range."""
        ...

    def cross_section(
        self, window: WindowKind, start_ms: int, entities: Collection[str], metrics: Collection[str]
    ) -> dict[tuple[str, str], WindowPoint]:
        """Return, by (entity, metric), the points of the one window that starts at `start_ms`, as far as known."""
        ...

    def latest(self, entity: str, metric: str) -> dict[WindowKind, WindowPoint]:
        """Return the newest point with a value of each window kind; where none has one, the newest point."""
        ...

    def readings(self, meter: str, from_ms: int, to_ms: int) -> list[ReadingPoint]:
        """Return the readings of a meter (`ENTERPRISE.METER`): the highest revision of each instant."""
        ...

    def alarms(self, entity: str | None, rule: str | None, from_ms: int, to_ms: int) -> list[AlarmPoint]:
        """Return what was evaluated for an entity and a rule (None: any), by start."""
        ...

    def heartbeats(self) -> dict[str, tuple[int, float | None]]:
        """Return the newest heartbeat [epoch ms] and lag of each process."""
        ...

    def members(self, group: str) -> list[tuple[str, str]]:
        """Return (entity, name) of all that are in a group, by entity."""
        ...

    def drop_all(self) -> None:
        """Forget everything, the read offsets too, so that the sink fills the store again from the topics."""
        ...

    def close(self) -> None:
        """Give all connections back; the store is not used after this."""
        ...


class Place(NamedTuple):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


class Refused(NamedTuple):
    """An entry of the list of rejected inputs. `yields`: written only when nothing is there for the same input."""

    place: Place
    rejected: Rejected
    yields: bool = False


class Part(NamedTuple):
    """What one record in topic `readings` holds of a batch: its place `number` there and how many were accepted."""

    place: Place
    number: int
    batch: str
    source: str
    received: int
    accepted: int


class Revised(NamedTuple):
    """An entry of the list of revisions; those of one entity stand in one partition, in the order they were made."""

    place: Place
    revision: Revision


Entry = Condition | AlarmEvent | Finding | Refused | Part | Revised | DeliveryNote


class Refusal(NamedTuple):
    """One rejected reading of a batch, as the receipt tells it."""

    index: Any
    code: str
    message: str


class Receipt(NamedTuple):
    """What became of a batch when its source sent it last (`received` [epoch ms])."""

    batch: str
    source: str
    received: int
    accepted: int
    rejected: list[Refusal]


class Read(NamedTuple):
    """How far a partition was read: the next `offset`, and a time [epoch ms] before which nothing is unread."""

    offset: int
    unread_since_ms: int


class Move(NamedTuple):
    """A step of reading: from `before` (None: never read) to `after`; refused when the store stands elsewhere."""

    topic: str
    partition: int
    before: int | None
    after: Read


class AlarmsPage(NamedTuple):
    """Alarms, the newest start first, and the cursor of what follows (None: nothing)."""

    items: list[Condition]
    next: str | None


class RejectedPage(NamedTuple):
    """Rejected inputs, the newest first, and the cursor of what follows (None: nothing)."""

    items: list[Rejected]
    next: str | None


class RevisionsPage(NamedTuple):
    """Revisions, the last known first, and the cursor of what follows (None: nothing)."""

    items: list[Revision]
    next: str | None


class Earlier(NamedTuple):
    """What a window that was revised later was at an instant: its value [1e-6], and whether it was revised by then."""

    micro: int | None
    revised: bool


class Listing(Protocol):
    """Lists of what happened, each entry an upsert under its own key, and the offsets that go with them."""

    def keep(self, points: Sequence[Point], entries: Sequence[Entry], moves: Sequence[Move]) -> None:
        """Write all that one step of reading caused, and the step itself: all or nothing.

        Raises StoreError `store_moved` when an offset is not where a move begins: someone else reads into this
        store, or it was dropped; read `offsets` again and go on from there.
        """
        ...

    def offsets(self) -> Mapping[tuple[str, int], Read]:
        """Return how far each (topic, partition) was read; empty in a new store."""
        ...

    def changed(self, entities: Collection[str]) -> int:
        """Return a number that is another one after anything of one of the entities, but for readings, was written."""
        ...

    def conditions(
        self,
        *,
        entities: Collection[str] | None = None,
        rule: str | None = None,
        condition: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> AlarmsPage:
        """Return alarms of these entities (None: all), by start, the newest first; `after` is a page's `next`."""
        ...

    def condition(self, id_: str) -> Condition | None:
        """Return what an alarm is now; None when there is none of this id."""
        ...

    def events(self, id_: str) -> list[AlarmEvent]:
        """Return the transitions of an alarm, by `seq`."""
        ...

    def deliveries(self, alarm: str) -> list[Delivered]:
        """Return what became of each event of an alarm on its way to whom, by `seq`."""
        ...

    def digest(self, id_: str, *, after: str | None = None, limit: int = 100) -> DigestPage:
        """Return a page of the events that a digest tells; empty, with no total, when there is none."""
        ...

    def rejected(
        self,
        *,
        sources: Collection[str] | None = None,
        code: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RejectedPage:
        """Return rejected inputs of these sources (None: all), the newest first; `after` is a page's `next`."""
        ...

    def receipts(self, batch: str) -> list[Receipt]:
        """Return the receipts of a batch id, one a source that used it, the last received first."""
        ...

    def revisions(
        self,
        entity: str,
        *,
        metric: str | None = None,
        window: WindowKind | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RevisionsPage:
        """Return an entity's revisions that became known in a range, the last first; `after` is a page's `next`."""
        ...

    def earlier(
        self, entity: str, metric: str, window: WindowKind, from_ms: int, to_ms: int, as_of_ms: int
    ) -> dict[int, Earlier]:
        """Return, by start [epoch ms], what those windows of a range were at an instant that were revised after it."""
        ...

    def findings(self, enterprise: str, *, open_only: bool = True, limit: int = 100) -> list[Finding]:
        """Return the data-quality findings of an enterprise (its bare id), the newest start first."""
        ...


class Store(SeriesStore, Listing, Protocol):
    """Both together: what the sink writes, and what api and board read."""
