"""A city is killed under load: at every failpoint of its workers, asleep past its session, and with its Kafka.

The whole proof, every process and ten kills each, is `make verify-kills`; here is its short form, and that what it
compares with would find what it must.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.kills.city import City, summary
from bench.kills.comparing import Topics, compare_topics
from bench.kills.expected import Calculation
from bench.kills.failpoints import FailpointError, in_source
from bench.kills.load import Batch, Reading, Sender, cast, documents
from bench.kills.proof import Deeds, kill_at_failpoints, kill_kafka, stop_and_wake
from deploy.local.kafka import LocalKafka
from deploy.local.processes import Processes
from schemas.decimals import at_scale
from schemas.documents import Document
from schemas.messages import QUALITY_CODE, CalendarDocument, Condition, decode_calendar, decode_condition, decode_event
from schemas.messages import Batch as Columns
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot
from streams.domain.territory import Territories
from tests.folding import Stream, message, tick

SEED = 5
SHORT = cast(2, 3)
SCALE = {"e01": 2, "r01": 3, "e02": 1}


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker that may be killed."""
    with LocalKafka.start(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.mark.timeout(600)
def test_killed_anywhere_under_load_the_city_loses_and_doubles_nothing(own_kafka: LocalKafka, tmp_path: Path) -> None:
    deeds = Deeds()
    with Processes(tmp_path / "logs") as processes:
        city = City(
            own_kafka.bootstrap, tmp_path, processes, SHORT,
            prefix="short.", seed=SEED, rate_per_s=8, session_timeout_s=2,
        )  # fmt: skip
        city.start()
        workers = [name for name, role in in_source().items() if role == "worker"]
        kill_at_failpoints(city, 1, deeds, SEED, lambda _: None, workers)
        stop_and_wake(city, 1, deeds, lambda _: None)
        kill_kafka(city, own_kafka, 1, deeds, SEED, lambda _: None)
        comparison = city.finish()
    assert comparison.differences == [], summary(comparison)
    assert comparison.counts["topic meter hours"] > 0
    assert comparison.counts["alarm stories"] > 0
    assert {name: deeds.counts.kills[name] for name in workers} == dict.fromkeys(workers, 1)


def test_every_failpoint_of_the_source_belongs_to_a_process_that_the_proof_kills() -> None:
    assert {"worker", "territory", "sink", "gateway", "api"} == set(in_source().values())


@pytest.mark.parametrize("call", ['hit("nowhere.at-all")', "hit(name)"])
def test_a_failpoint_that_no_kill_can_be_planned_for_is_an_error(tmp_path: Path, call: str) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "new.py").write_text(f"    {call}\n")
    with pytest.raises(FailpointError):
        in_source(tmp_path)


# What the comparison finds


def columns(batch: Batch) -> bytes:
    """Return a batch as the gateway writes it."""
    meters = list(dict.fromkeys(each.meter for each in batch.readings))
    scales = [SCALE[meter] for meter in meters]
    rows = [(meters.index(each.meter), each) for each in batch.readings]
    return message(
        Columns(
            batch.name, f"{batch.enterprise}-gw", 1, meters, scales, [place for place, _ in rows],
            [each.t_ms for _, each in rows],
            [None if each.value is None else at_scale(each.value, scales[place]) for place, each in rows],
            [each.rev for _, each in rows], [QUALITY_CODE[each.quality] for _, each in rows],
        ),
        enterprise=batch.enterprise,
    )  # fmt: skip


def folded(registered: list[Document], batches: list[Batch]) -> Topics:
    """Return what the pure computation makes of batches, without any process or Kafka."""
    stream = Stream(registered)
    stream.step(tick("2026-11-01T00:00"))
    for batch in batches:
        stream.step(columns(batch))
    territories = Territories()
    territories.follow(Snapshot.build(1, registered))
    for document in stream.totals.values():
        territories.take(document, msgspec.json.encode(document))
    events, conditions, totals = [*stream.events], dict(stream.conditions), dict(stream.totals)
    while territories.waiting:
        for topic, _, key, value in territories.recompute():
            if topic == "totals":
                totals[key.decode()] = decode_calendar(value)
            elif topic == "alarm.conditions":
                conditions[key.decode()] = decode_condition(value)
            else:
                events.append(decode_event(value))
    return Topics(totals, events, conditions)


@pytest.fixture(scope="module")
def registered() -> list[Document]:
    """The documents of the short cast."""
    accepted = register((), documents(SHORT))
    assert isinstance(accepted, Accepted), accepted
    return list(accepted.documents)


@pytest.fixture(scope="module")
def readings_and_topics(registered: list[Document]) -> tuple[list[Reading], Topics]:
    """Four days of the load, and what stands in the topics when nothing goes wrong."""
    senders = [Sender(each, each in SHORT.orderly, SEED) for each in SHORT.all]
    batches = [batch for day in range(4) for sender in senders for batch in sender.day(day)]
    batches += [batch for sender in senders for batch in sender.rest()]
    return [reading for batch in batches for reading in batch.readings], folded(registered, batches)


def test_without_a_fault_nothing_differs(readings_and_topics: tuple[list[Reading], Topics]) -> None:
    readings, topics = readings_and_topics
    comparison = compare_topics(Calculation(SHORT, readings), topics)
    assert comparison.differences == []
    assert comparison.counts["alarm events"] > 50


def without_an_hour(topics: Topics) -> Topics:
    key = "meter/w00.r01|2026-02-21"
    lost = msgspec.structs.replace(topics.totals[key], metrics=_without(topics.totals[key], 9))
    return topics._replace(totals={**topics.totals, key: lost})


def _without(document: CalendarDocument, hour: int) -> dict[str, list[int | None]]:
    return {
        name: [None if place == hour else value for place, value in enumerate(values)]
        for name, values in document.metrics.items()
    }


def off_by_a_millionth(topics: Topics) -> Topics:
    key = "enterprise/w01|2026-02-21"
    document = topics.totals[key]
    moved = [None if value is None else value + 1 for value in document.metrics["energy.cv"]]
    wrong = msgspec.structs.replace(document, metrics={**document.metrics, "energy.cv": moved})
    return topics._replace(totals={**topics.totals, key: wrong})


def with_a_value_too_many(topics: Topics) -> Topics:
    key = "meter/w00.e01|2026-02-21"
    strange = msgspec.structs.replace(topics.totals[key], period="2026-02-01")
    return topics._replace(totals={**topics.totals, "meter/w00.e01|2026-02-01": strange})


def with_a_doubled_transition(topics: Topics) -> Topics:
    return topics._replace(events=[*topics.events, topics.events[-1]])


def with_a_lost_transition(topics: Topics) -> Topics:
    place = next(place for place, each in enumerate(topics.events) if each.cause == "cleared")
    return topics._replace(events=[*topics.events[:place], *topics.events[place + 1 :]])


def with_a_transition_made_twice(topics: Topics) -> Topics:
    cleared = next(
        each for each in reversed(topics.events) if each.cause == "cleared" and each.entity == "enterprise/o00"
    )
    raised = msgspec.structs.replace(cleared, cause="raised", condition="firing", from_="ok", seq=cleared.seq + 1)
    again = msgspec.structs.replace(cleared, seq=cleared.seq + 2)
    facts = {name: getattr(again, name) for name in Condition.__struct_fields__}
    conditions = {**topics.conditions, cleared.id: Condition(**facts)}
    return Topics(topics.totals, [*topics.events, raised, again], conditions)


def with_an_alarm_that_stands_by_itself(topics: Topics) -> Topics:
    id_, firing = next((id_, each) for id_, each in topics.conditions.items() if each.condition == "ok" and each.seq)
    conditions = {**topics.conditions, id_: msgspec.structs.replace(firing, condition="firing")}
    return topics._replace(conditions=conditions)


@pytest.mark.parametrize(
    "fault",
    [
        without_an_hour,
        off_by_a_millionth,
        with_a_value_too_many,
        with_a_doubled_transition,
        with_a_lost_transition,
        with_a_transition_made_twice,
        with_an_alarm_that_stands_by_itself,
    ],
)
def test_the_comparison_finds(
    readings_and_topics: tuple[list[Reading], Topics], fault: Callable[[Topics], Topics]
) -> None:
    readings, topics = readings_and_topics
    assert compare_topics(Calculation(SHORT, readings), fault(topics)).differences
