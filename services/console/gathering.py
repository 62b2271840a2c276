"""Gathering reads from the series store all that a page shows of its subject at one moment."""

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from schemas.documents.indicator import SEVERITIES
from schemas.ids import enterprise_of
from schemas.messages import Condition, Finding, Revision
from schemas.windows import DAY_MS, HOUR_MS, WindowKind, window_at
from services.console.standing import Standing, newest
from services.console.subject import CARBON, ENERGY, EQUIVALENT, Subject
from services.console.trend import shown_hour
from streams.stores.series import ReadingPoint, Store, WindowPoint

METRICS = (ENERGY, EQUIVALENT, CARBON)
# A page is read by people: what lies beyond so many is a number only.
ALARMS_SHOWN = 50
FINDINGS_SHOWN = 30
REVISIONS_SHOWN = 10
READINGS_MS = DAY_MS
READINGS_SHOWN = 1500
# Collectors send every few minutes; until then an hour that is over is not silent. On a fast clock the way through
# the topics takes long too.
ARRIVAL_MS = 10 * 60_000
ARRIVAL_WALL_MS = 4_000
# The meters of a place are one large answer. Two taken apart at once need the room of both, which the process keeps.
_ONE_PLACE = threading.Lock()
# The shape of the last day is drawn for so many entities; one question each is too dear for more.
SHAPES = 60

Section = Mapping[tuple[str, str], WindowPoint]


@dataclass(frozen=True, slots=True)
class Slow:
    """What changes little from second to second: months, years, standings and which meters are silent.

    `silent_ms` is the start of the hour that silence was looked for in; `shapes` are hours of the last day by entity.
    """

    month: Section = field(default_factory=dict)
    year: Section = field(default_factory=dict)
    standings: tuple[Standing, ...] = ()
    silent: frozenset[str] = frozenset()
    silent_ms: int = 0
    findings: tuple[Finding, ...] = ()
    revisions: tuple[Revision, ...] = ()  # of the energy of an enterprise's days
    shapes: Mapping[str, tuple[WindowPoint, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known at `now_ms` [epoch ms].

    `hours` are those of yesterday and today of the subject itself (`ENERGY`, a meter's quantity), `hour_ms` the start
    of the hour shown; `readings` are a meter's.
    """

    now_ms: int
    day_ms: int
    hour_ms: int
    hours: tuple[WindowPoint, ...]
    hour: Section
    day: Section
    slow: Slow
    alarms: tuple[Condition, ...]
    more_alarms: bool
    readings: tuple[ReadingPoint, ...]


# What is passed now, and what was when its period settled.
_STANDING = ("firing", "recovering", "established")


def gather(store: Store, subject: Subject, now_ms: int, slow: Slow) -> Gathered:
    """Read what changes with every reading; raise StoreError when the store cannot answer."""
    day = window_at(now_ms, "day")
    root, metric = _root(subject)
    # A clock of a sender that runs ahead a little must not lose its newest point.
    hours = tuple(store.series(root, metric, "hour", day.start_ms - DAY_MS, day.end_ms)) if metric else ()
    hour_ms = shown_hour(hours, now_ms)
    standing = [store.conditions(entities=subject.within(), condition=each, limit=ALARMS_SHOWN) for each in _STANDING]
    alarms = [each for page in standing for each in page.items]
    return Gathered(
        now_ms=now_ms,
        day_ms=day.start_ms,
        hour_ms=hour_ms,
        hours=hours,
        hour=_section(store, subject, "hour", hour_ms, meters=subject.kind != "territory"),
        day=_section(store, subject, "day", day.start_ms, meters=subject.kind != "territory"),
        slow=slow,
        alarms=tuple(sorted(alarms[:ALARMS_SHOWN], key=_by_gravity)),
        more_alarms=len(alarms) > ALARMS_SHOWN or any(page.next is not None for page in standing),
        readings=_readings(store, subject, now_ms),
    )


def gather_slow(store: Store, subject: Subject, now_ms: int, rate: float, before: Slow | None) -> Slow:
    """Read what changes little; `rate` is how fast the clock runs. Raise StoreError when the store cannot answer.

    Which meters are silent is taken from `before` where that is about the same hour.
    """
    month, year = window_at(now_ms, "month"), window_at(now_ms, "year")
    latest = {key: store.latest(*key) for key in {(one.entity.key, one.metric) for one in subject.held}}
    standings: list[Standing] = []
    for held in subject.held:
        found = newest(latest[held.entity.key, held.metric])
        standings.append(Standing(held.tiers, *(found or (None, None))))
    late_ms = max(ARRIVAL_MS, int(ARRIVAL_WALL_MS * rate))
    silent_ms = (now_ms - late_ms) // HOUR_MS * HOUR_MS - HOUR_MS
    return Slow(
        month=_section(store, subject, "month", month.start_ms),
        year=_section(store, subject, "year", year.start_ms),
        standings=tuple(standings),
        silent=before.silent if before and before.silent_ms == silent_ms else _silent(store, subject, silent_ms),
        silent_ms=silent_ms,
        findings=_findings(store, subject),
        revisions=_revisions(store, subject),
        shapes={
            one: tuple(store.series(one, ENERGY, "hour", now_ms - DAY_MS, now_ms))
            for one in (subject.entities[1:] if len(subject.entities) <= SHAPES else ())
        },
    )


def _root(subject: Subject) -> tuple[str, str]:
    if subject.kind != "meter":
        return subject.thing.key, ENERGY
    return subject.thing.key, subject.meters[0].metric if subject.meters else ""


def _section(
    store: Store, subject: Subject, kind: WindowKind, start_ms: int, *, meters: bool = False
) -> dict[tuple[str, str], WindowPoint]:
    found: dict[tuple[str, str], WindowPoint] = {}
    if entities := subject.entities:
        found.update(store.cross_section(kind, start_ms, entities, METRICS))
    if meters and subject.meters:
        found.update(_of_meters(store, subject, kind, start_ms))
    return found


def _of_meters(
    store: Store, subject: Subject, kind: WindowKind, start_ms: int
) -> Mapping[tuple[str, str], WindowPoint]:
    entities = [one.thing.key for one in subject.meters]
    return store.cross_section(kind, start_ms, entities, {one.metric for one in subject.meters})


def _silent(store: Store, subject: Subject, hour_ms: int) -> frozenset[str]:
    """Return the meters of which nothing was measured in an hour."""
    if not subject.meters:
        return frozenset()
    with _ONE_PLACE if subject.kind == "territory" else nullcontext():
        measured = _measured(store, subject, hour_ms)
    return frozenset(one.thing.key for one in subject.meters if (one.thing.key, one.metric) not in measured)


def _measured(store: Store, subject: Subject, hour_ms: int) -> frozenset[tuple[str, str]]:
    hour = _of_meters(store, subject, "hour", hour_ms)
    return frozenset(key for key, point in hour.items() if point.measured)


def _findings(store: Store, subject: Subject) -> tuple[Finding, ...]:
    enterprise = enterprise_of(subject.thing.key)
    if enterprise is None:
        return ()
    found = store.findings(enterprise, open_only=True, limit=FINDINGS_SHOWN)
    return tuple(one for one in found if subject.kind == "enterprise" or one.meter == subject.thing.key)


def _revisions(store: Store, subject: Subject) -> tuple[Revision, ...]:
    if subject.kind != "enterprise":
        return ()
    return tuple(store.revisions(subject.thing.key, metric=ENERGY, window="day", limit=REVISIONS_SHOWN).items)


def _readings(store: Store, subject: Subject, now_ms: int) -> tuple[ReadingPoint, ...]:
    if subject.kind != "meter":
        return ()
    meter = subject.thing.key.partition("/")[2]
    return tuple(store.readings(meter, now_ms - READINGS_MS, now_ms + HOUR_MS)[-READINGS_SHOWN:])


def _by_gravity(alarm: Condition) -> tuple[int, int]:
    known = alarm.severity in SEVERITIES
    return -SEVERITIES.index(alarm.severity) if known else 1, -alarm.since
