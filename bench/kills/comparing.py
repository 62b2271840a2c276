"""Comparing holds what stands in the topics and in the series store against the independent calculation.

What is proven of numbers: every hour of every meter, enterprise, county and city, and every day of the last three,
equals it, value by value, and no further hour or day has a value. Of alarms: no transition of an alarm stands twice
and none is missing in its chain of sequence numbers; every chain ends where the alarm's condition stands; the episodes
and the passed tiers that stand in the end are those calculated. Which transitions an alarm of a wild enterprise (or of
a county, that has such) passes on its way depends on the order of arrival; of orderly enterprises all are known, and
are compared one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bench.kills.expected import Calculation, Episode, Values, name_of
from bench.kills.load import Reading
from schemas.messages import QUALITY_CODE, AlarmEvent, CalendarDocument, Condition
from schemas.windows import children_of
from streams.domain.alarm import QUIET_CAUSES
from streams.stores.series import Store, StoreError

EVER = (0, 2**53)
STORED = ("qty.electricity", "energy.cv", "co2.total")
Subject = Literal["values", "alarms"]
Found = Mapping[str, Mapping[str, Mapping[str, int | None]]]


@dataclass(slots=True)
class Comparison:
    """Differences in words, and how many values were compared, by what they are.

    `lost` counts by their subject the differences where less is there than was calculated, `doubled` all others.
    """

    differences: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, more: int = 1) -> None:
        """Note that so many were compared."""
        self.counts[what] = self.counts.get(what, 0) + more

    def differs(self, text: str, *, of: Subject = "values", less: bool = True) -> None:
        """Note a difference; `less`: whether something is missing."""
        self.differences.append(text)
        (self.lost if less else self.doubled)[of] += 1

    def equal(self, what: str, found: Any, wanted: Any, *, of: Subject = "values") -> None:
        """Compare one value."""
        if found != wanted:
            text = f"{what}: {found!r} is there, {wanted!r} was calculated"
            self.differs(text, of=of, less=_is_less(found, wanted))

    def take(self, other: "Comparison") -> None:
        """Take in what another one found."""
        self.differences += other.differences
        self.counts |= other.counts
        self.lost += other.lost
        self.doubled += other.doubled


def _is_less(found: Any, wanted: Any) -> bool:
    """Whether a value that differs lacks something of what was calculated."""
    match found, wanted:
        case _, None:
            return False
        case list(), list():
            return any(found.count(each) < wanted.count(each) for each in wanted)
        case int(), int():
            return found < wanted
        case _:
            return True


class Topics(NamedTuple):
    """What readers of committed records find: the last document by key, all alarm events, the last conditions."""

    totals: Mapping[str, CalendarDocument]
    events: list[AlarmEvent]
    conditions: Mapping[str, Condition]


def compare_topics(wanted: Calculation, topics: Topics) -> Comparison:
    """Compare what the topics say."""
    result = Comparison()
    documents = topics.totals.values()
    _numbers(result, "topic", "hour", wanted.hours(), _children(documents, "hour"), _METRICS)
    days = {entity: mine for entity, mine in wanted.days().items() if not entity.startswith("meter/")}
    _numbers(result, "topic", "day", days, _children(documents, "day"), _METRICS)
    _alarms(result, wanted, topics)
    return result


def compare_store(wanted: Calculation, topics: Topics, store: Store) -> Comparison:
    """Compare what the series store says: numbers and readings with the calculation, alarms with the topics."""
    result = Comparison()
    for kind, by_entity in (("hour", wanted.hours()), ("day", wanted.days())):
        found = {entity: _series(store, entity, kind) for entity in by_entity}
        _numbers(result, "store", kind, by_entity, found, STORED)
    for (enterprise, meter), readings in wanted.standing.items():
        _readings(result, f"{enterprise}.{meter}", readings.values(), store)
    by_id: dict[str, list[AlarmEvent]] = defaultdict(list)
    for event in topics.events:
        by_id[event.id].append(event)
    for id_, condition in topics.conditions.items():
        result.count("store alarms")
        result.equal(f"store: alarm {_alarm(condition)}", store.condition(id_), condition, of="alarms")
        events = by_id.get(id_, [])
        result.equal(f"store: events of alarm {_alarm(condition)}", store.events(id_), events, of="alarms")
    return result


_METRICS = (
    "qty.electricity",
    "qty.electricity.estimated",
    "time.measured.electricity",
    "time.estimated.electricity",
    "energy.cv",
    "co2.total",
)


def _numbers(
    result: Comparison, where: str, kind: str, wanted: Mapping[str, Mapping[str, Values]], found: Found,
    metrics: Iterable[str],
) -> None:  # fmt: skip
    for entity in sorted({*wanted, *found}):
        mine, theirs = wanted.get(entity, {}), found.get(entity, {})
        what = f"{where} {entity.partition('/')[0]} {kind}s"
        for name in sorted({*mine, *theirs}):
            said, meant = theirs.get(name, {}), mine.get(name, {})
            some = False
            for metric in metrics:
                value = said.get(metric)
                # Of an hour without any value the document still says that no time of it was measured.
                if metric.startswith("time.") and metric not in meant:
                    value = value or None
                if value is not None or metric in meant:
                    some = True
                    result.equal(f"{where}: {metric} of {entity} in {name}", value, meant.get(metric))
            result.count(what, some)


def _children(documents: Iterable[CalendarDocument], kind: str) -> Found:
    found: dict[str, dict[str, dict[str, int | None]]] = {}
    for document in documents:
        if document.of != kind:
            continue
        mine = found.setdefault(document.entity, {})
        for index, child in enumerate(children_of(document.period)):
            mine[child.name] = {metric: values[index] for metric, values in document.metrics.items()}
    return found


def _series(store: Store, entity: str, kind: Any) -> dict[str, dict[str, int | None]]:
    found: dict[str, dict[str, int | None]] = {}
    for metric in STORED:
        try:
            points = store.series(entity, metric, kind, *EVER)
        except StoreError as error:
            if error.code != "store_absent":
                raise
            points = []
        for point in points:
            # The store holds doubles of the unit itself: at this size each is nearest to one millionth alone.
            value = None if point.value is None else round(point.value * 1_000_000)
            found.setdefault(name_of(point.start_ms, kind), {})[metric] = value
    return found


def _readings(result: Comparison, meter: str, standing: Collection[Reading], store: Store) -> None:
    try:
        points = store.readings(meter, *EVER)
    except StoreError as error:
        if error.code != "store_absent":
            raise
        points = []
    found = {each.time_ms: (each.rev, None if each.void else each.value, each.void) for each in points}
    wanted = {
        each.t_ms: (each.rev, None if each.value is None else float(each.value), each.value is None)
        for each in standing
    }
    result.count("store readings", len(wanted))
    for t_ms in sorted(found.keys() | wanted.keys()):
        result.equal(f"store: reading of {meter} at {t_ms}", found.get(t_ms), wanted.get(t_ms))
    qualities = {each.t_ms: QUALITY_CODE[each.quality] for each in standing if each.value is not None}
    for each in points:
        result.equal(f"store: quality of {meter} at {each.time_ms}", each.quality, qualities.get(each.time_ms, 0))


def _alarms(result: Comparison, wanted: Calculation, topics: Topics) -> None:
    chains: dict[str, list[AlarmEvent]] = defaultdict(list)
    for event in topics.events:
        chains[event.id].append(event)
    for id_, chain in chains.items():
        result.count("alarm events", len(chain))
        _chain(result, chain, topics.conditions.get(id_))
    for id_, condition in topics.conditions.items():
        result.count("alarms")
        if id_ not in chains:
            said = condition.condition, condition.seq
            result.equal(f"alarm {_alarm(condition)} without events", said, ("ok", 0), of="alarms")
    standing = [each for each in topics.conditions.values() if each.condition != "withdrawn"]
    _end_state(result, wanted, standing)
    _stories(result, wanted, chains.values())


def _alarm(condition: Condition) -> str:
    return f"{condition.rule}|{condition.entity}|{condition.start}"


def _chain(result: Comparison, chain: list[AlarmEvent], last: Condition | None) -> None:
    what = _alarm(chain[0])
    numbers = [each.seq for each in chain]
    result.equal(f"sequence of alarm {what}", numbers, list(range(1, max(numbers) + 1)), of="alarms")
    before = "ok"
    for event in chain:
        result.equal(f"alarm {what} event {event.seq} comes from", event.from_ or "ok", before, of="alarms")
        before = event.condition
    stands = None if last is None else (last.condition, last.seq)
    result.equal(f"condition of alarm {what}", stands, (chain[-1].condition, chain[-1].seq), of="alarms")


# Of an accounting period that has settled since.
_STANDS = ("firing", "established")


def _end_state(result: Comparison, wanted: Calculation, standing: Iterable[Condition]) -> None:
    episodes: set[Episode] = set()
    tiers: dict[tuple[str, str, str], str | None] = {}
    for each in standing:
        if each.period == "episode":
            end = None if each.condition in _STANDS else name_of(each.since, "hour")
            episodes.add(Episode(each.rule, each.entity, each.start, end))
        else:
            tiers[each.rule, each.entity, each.start] = each.tier if each.condition in _STANDS else None
    meant = wanted.episodes()
    result.count("alarm episodes", len(meant))
    for each in sorted(meant - episodes, key=str):
        result.differs(f"episode {each} was calculated and does not stand", of="alarms")
    for each in sorted(episodes - meant, key=str):
        result.differs(f"episode {each} stands and was not calculated", of="alarms", less=False)
    passed = wanted.tiers()
    result.count("alarm periods", len(passed))
    for key in sorted({*passed, *tiers}):
        result.equal(f"tier of {'|'.join(key)}", tiers.get(key), passed.get(key), of="alarms")


def _stories(result: Comparison, wanted: Calculation, chains: Iterable[list[AlarmEvent]]) -> None:
    orderly = {f"enterprise/{each}" for each in wanted.cast.orderly}
    found = {
        # How often a settled figure is amended on the way hangs on what a step takes together.
        (chain[0].rule, chain[0].entity, chain[0].start): [
            each.cause for each in chain if each.cause not in (*QUIET_CAUSES, "amended")
        ]
        for chain in chains
        if chain[0].entity in orderly
    }
    meant = wanted.stories()
    result.count("alarm stories", len(meant))
    for key in sorted({*meant, *found}):
        result.equal(f"transitions of {'|'.join(key)}", found.get(key), meant.get(key), of="alarms")
