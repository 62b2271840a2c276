"""The territory worker on a real Kafka: what enterprises' documents say is added up once, whatever is killed."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.messages import AlarmEvent, CalendarDocument, Reported, decode_event, encode
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, REPORTED, TOTALS
from schemas.windows import window
from services.topics import apply_topics
from streams.domain.calendar import empty_document
from streams.domain.territory import Territories, is_territory
from tests.registry_writing import write_set
from tests.running import KILLED, Found, Installation, read, run, send_to, totals, until
from tests.territory_city import CITY, ENTERPRISES, enterprise_documents, hour, plain, raws, snapshot

DAY = "2018-06-30"
NAME = "territory"
OUTPUT = {("output.steel", "2018-06"): 1_000_000}


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone, with the city as set 1."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path / "data")
    apply_topics(found)
    run(write_set(found, 1, raws()))
    return found


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """Processes on those topics; none is started yet."""
    with Processes(tmp_path / "logs") as processes:
        yield Installation(settings, tmp_path, processes)


def day_of(kwh: int, step: int = 1, enterprises: Iterable[str] = ENTERPRISES) -> list[CalendarDocument]:
    """Return the documents of enterprises that each used so much in the hours from 10 to 12 of the day."""
    return [
        document
        for name in enterprises
        for document in enterprise_documents(
            name,
            {f"{DAY}T{at}": hour(kwh * 1_000_000) for at in (10, 11)} | {f"{DAY}T12": hour(1_000_000)},
            OUTPUT if name == "steady" else None,
            step=step,
        )
    ]


async def _write(settings: Settings, documents: Iterable[CalendarDocument], commit: bool) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, transactional_id=f"{settings.topic_prefix}worker-0", acks="all"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        sent: list[Any] = []
        # A meter's document comes last, as a worker's outputs may: it is nobody's sum, and the end is past it.
        meter = msgspec.structs.replace(empty_document("meter/steady.e01", window(DAY)), registry=1)
        for each in [*documents, meter]:
            key, place = f"{each.entity}|{each.period}".encode(), partition_of(each.entity, settings.partitions)
            sent.append(await producer.send(settings.topic(TOTALS), encode(each), key, place))
        await asyncio.gather(*sent)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


def write(settings: Settings, documents: Iterable[CalendarDocument], *, commit: bool = True) -> None:
    """Write documents in one transaction, as the enterprises' worker does."""
    run(_write(settings, documents, commit))


def expected(documents: Iterable[CalendarDocument], text: str = CITY) -> dict[str, Any]:
    """Return what the territories' documents say, computed without Kafka."""
    territories = Territories()
    territories.follow(snapshot(text))
    for document in documents:
        territories.take(document, encode(document))
    while territories.waiting:
        territories.recompute()
    return {
        f"{entity}|{period}": plain(document)
        for period in territories.documents.periods()
        for entity in territories.documents.entities(period)
        if (document := territories.documents.get(entity, period)) is not None
    }


def written(settings: Settings) -> dict[str, Any]:
    """Return what the territories' documents on the topic say."""
    return {key: plain(each) for key, each in totals(settings).items() if is_territory(each.entity)}


def wait_for(installation: Installation, wanted: Mapping[str, Any]) -> None:
    until(lambda: written(installation.settings) == wanted, 40, f"the totals; {installation.log(NAME)[-2000:]}", 0.3)


def of_territories(settings: Settings) -> dict[str, list[Found]]:
    """Return every committed record that the territory worker wrote, by topic."""
    return {
        topic.name: sorted(
            each for each in read(settings, topic) if topic is not TOTALS or is_territory(each.key.decode())
        )
        for topic in (TOTALS, ALARM_CONDITIONS, ALARM_EVENTS)
    }


def events(settings: Settings) -> list[AlarmEvent]:
    return [decode_event(each.value) for each in read(settings, ALARM_EVENTS)]


def settle(installation: Installation, rounds_s: float = 2.5) -> None:
    """Wait until the process is ready and has had time for further rounds."""
    installation.wait_ready(NAME)
    time.sleep(rounds_s)


def test_territories_follow_their_enterprises(settings: Settings, installation: Installation) -> None:
    installation.start(NAME)
    installation.wait_ready(NAME)
    write(settings, day_of(10))
    wait_for(installation, expected(day_of(10)))
    corrected = [*day_of(10), *day_of(200, 2, ["steady", "free"])]
    write(settings, day_of(200, 2, ["steady", "free"]))
    wait_for(installation, expected(corrected))
    county = totals(settings)[f"county/east|{DAY}"]
    assert county.metrics["qty.electricity"][10] == 410_000_000
    assert county.input == [(0, 2)]
    assert county.registry == 1
    found = [(each.rule, each.entity, each.start, each.cause) for each in events(settings)]
    assert found.count(("county-peak", "county/east", f"{DAY}T10", "raised")) == 1
    assert found.count(("county-peak", "county/east", f"{DAY}T10", "cleared")) == 1
    assert found.count(("county-limit", "county/east", "2018-06", "raised")) == 1


def test_a_value_reported_for_a_county_counts(settings: Settings, installation: Installation) -> None:
    write(settings, day_of(10))
    installation.start(NAME)
    wait_for(installation, expected(day_of(10)))
    report = Reported(1, 1, "county/east", "output.steel", "2018-06", 5_000_000, "5", "t", 0, "somebody", 1)
    send_to(settings, partition_of(report.entity, 2), [b"no json", encode(report)], REPORTED)

    def output() -> int | None:
        return totals(settings)["county/east|2018-06"].own["2018-06"].values.get("output.steel")

    until(lambda: output() == 5_000_000, 20)
    installation.processes.restart(NAME)
    settle(installation)
    assert output() == 5_000_000


def test_a_restart_after_sigkill_writes_nothing_and_repeats_nothing(
    settings: Settings, installation: Installation
) -> None:
    write(settings, day_of(200))
    installation.start(NAME)
    wait_for(installation, expected(day_of(200)))
    settle(installation)
    before = of_territories(settings)
    assert before["alarm.events"]
    installation.processes.kill(NAME)
    installation.processes.wait(NAME, limit_s=10)
    installation.processes.restart(NAME)
    settle(installation)
    assert of_territories(settings) == before


def test_documents_of_an_aborted_transaction_do_not_count(settings: Settings, installation: Installation) -> None:
    installation.start(NAME)
    write(settings, day_of(77), commit=False)
    write(settings, day_of(10))
    wait_for(installation, expected(day_of(10)))


def test_a_switch_of_the_registry_moves_an_enterprise(settings: Settings, installation: Installation) -> None:
    write(settings, day_of(10))
    installation.start(NAME)
    wait_for(installation, expected(day_of(10)))
    changed = CITY.replace("park: [{from: 2018-01-01, id: old}],\n", "park: [{from: 2018-01-01, id: new}],\n")
    run(write_set(settings, 2, [raw for raw in raws(changed) if raw["id"] == "steady"]))
    wanted = expected(day_of(10), changed)

    def moved() -> bool:
        stands = written(settings)
        return all(stands.get(key) == value for key, value in wanted.items())

    until(moved, 30, f"the move; {installation.log(NAME)[-2000:]}", 0.3)
    old = totals(settings)[f"park/old|{DAY}"]
    assert old.metrics["qty.electricity"][10] == 10_000_000, "only the mover is left"


@pytest.mark.parametrize("place", ["before-begin", "after-outputs", "before-commit", "after-commit"])
def test_killed_in_a_round_it_leaves_all_of_it_or_nothing(
    settings: Settings, installation: Installation, place: str
) -> None:
    write(settings, day_of(200))
    installation.start(NAME, restart_on=(), QINGYU_FAILPOINT=f"territory.{place}")
    assert installation.processes.wait(NAME, limit_s=40) == KILLED
    if place != "after-commit":
        # The next process aborts what was left open, so until then nobody may be kept waiting for it here.
        assert not any(each.key.startswith((b"county", b"park")) for each in read(settings, TOTALS, committed=True))
    installation.start(NAME, "next")
    until(lambda: written(settings) == expected(day_of(200)), 40, "the totals", 0.3)
    installation.wait_ready("next")
    time.sleep(2.5)
    found = of_territories(settings)
    keys = [(each.key, each.value) for each in found["totals"]]
    assert len(keys) == len({key for key, _ in keys}), "each document was written once"
    said = [(each.id, each.seq) for each in events(settings)]
    assert said
    assert len(said) == len(set(said))


def test_two_processes_of_a_shard_refuse_to_work_until_one_is_gone(
    settings: Settings, installation: Installation
) -> None:
    installation.start(NAME)
    installation.wait_ready(NAME)
    installation.start(NAME, "second")

    def refuses(name: str) -> bool:
        ready, details = installation.ready(name)
        return not ready and "1 of 2 partitions" in details.get("reason", "")

    until(lambda: refuses(NAME) and refuses("second"), 40, "both refuse")
    write(settings, day_of(10))
    time.sleep(2)
    assert written(settings) == {}
    installation.processes.stop("second")
    wait_for(installation, expected(day_of(10)))
