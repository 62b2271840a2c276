"""The territory worker on a real Kafka: what enterprises' documents say is added up once, whatever is killed."""

import asyncio
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import AlarmEvent, CalendarDocument, Reported, decode_event, encode
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, REPORTED, TOTALS
from schemas.windows import window
from streams.domain.calendar import empty_document
from streams.domain.territory import Territories, is_territory
from tests.agents.conftest import installed, processes_of
from tests.registry_writing import write_set
from tests.running import KILLED, Found, Installation, read, run, send_to, totals, until
from tests.territory_city import CITY, ENTERPRISES, enterprise_documents, hour, plain, raws, snapshot
from tests.unfinished import CODE, trusting

DAY = "2018-06-30"
NAME = "territory"


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone, with the city as set 1."""
    return installed(kafka, prefix, tmp_path, raws())


@pytest.fixture(scope="module")
def shared(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One process for tests that disturb nobody: each uses a year of its own."""
    folder = tmp_path_factory.mktemp("territory")
    with processes_of(installed(kafka, f"t{uuid.uuid4().hex[:8]}.", folder, raws()), folder) as found:
        found.start(NAME)
        found.wait_ready(NAME)
        yield found


def day_of(
    kwh: int, step: int = 1, enterprises: Iterable[str] = ENTERPRISES, year: int = 2018
) -> list[CalendarDocument]:
    """Return the documents of enterprises that each used so much in the hours from 10 to 12 of 30 June."""
    day = f"{year}-06-30"
    return [
        document
        for name in enterprises
        for document in enterprise_documents(
            name,
            {f"{day}T{at}": hour(kwh * 1_000_000) for at in (10, 11)} | {f"{day}T12": hour(1_000_000)},
            {("output.steel", f"{year}-06"): 1_000_000} if name == "steady" else None,
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


def written(settings: Settings, year: int = 2018) -> dict[str, Any]:
    """Return what the territories' documents of a year say on the topic."""
    return {
        key: plain(each)
        for key, each in totals(settings).items()
        if is_territory(each.entity) and each.period.startswith(str(year))
    }


def wait_for(installation: Installation, wanted: Mapping[str, Any], year: int = 2018) -> None:
    until(lambda: written(installation.settings, year) == wanted, what="the totals", every_s=0.2)


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


def test_territories_follow_their_enterprises(shared: Installation) -> None:
    settings = shared.settings
    write(settings, day_of(10))
    wait_for(shared, expected(day_of(10)))
    corrected = [*day_of(10), *day_of(200, 2, ["steady", "free"])]
    write(settings, day_of(200, 2, ["steady", "free"]))
    wait_for(shared, expected(corrected))
    county = totals(settings)[f"county/east|{DAY}"]
    assert county.metrics["qty.electricity"][10] == 410_000_000
    assert county.input == [(0, 2)]
    assert county.registry == 1
    found = [(each.rule, each.entity, each.start, each.cause) for each in events(settings)]
    assert found.count(("county-peak", "county/east", f"{DAY}T10", "raised")) == 1
    assert found.count(("county-peak", "county/east", f"{DAY}T10", "cleared")) == 1
    assert found.count(("county-limit", "county/east", "2018-06", "raised")) == 1


def test_documents_of_an_aborted_transaction_do_not_count(shared: Installation) -> None:
    write(shared.settings, day_of(77, year=2019), commit=False)
    write(shared.settings, day_of(10, year=2019))
    wait_for(shared, expected(day_of(10, year=2019)), 2019)


def test_what_was_reported_and_written_stays_after_sigkill_and_is_not_repeated(shared: Installation) -> None:
    settings = shared.settings
    write(settings, day_of(200, year=2020))
    wait_for(shared, expected(day_of(200, year=2020)), 2020)
    report = Reported(1, 1, "county/east", "output.steel", "2020-06", 5_000_000, "5", "t", 0, "somebody", 1)
    send_to(settings, partition_of(report.entity, 2), [b"no json", encode(report)], REPORTED)

    def output() -> int | None:
        return totals(settings)["county/east|2020-06"].own["2020-06"].values.get("output.steel")

    until(lambda: output() == 5_000_000, what="the reported value")
    settle(shared)
    before = of_territories(settings)
    assert before["alarm.events"]
    shared.processes.kill(NAME)
    shared.processes.wait(NAME, limit_s=200)
    shared.processes.restart(NAME)
    settle(shared)
    assert of_territories(settings) == before
    assert output() == 5_000_000


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

    until(moved, what=f"the move; {installation.log(NAME)[-2000:]}", every_s=0.2)
    old = totals(settings)[f"park/old|{DAY}"]
    assert old.metrics["qty.electricity"][10] == 10_000_000, "only the mover is left"


PLACES = ("before-begin", "after-outputs", "before-commit", "after-commit")


@pytest.fixture(scope="module")
def killed(
    kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Installation, list[Found]]]]:
    """By place an installation whose process was killed there, what readers saw then, and a next one at work.

    The next one waits until Kafka misses the killed one, so all wait at the same time.
    """
    with ExitStack() as stack:
        found: dict[str, tuple[Installation, list[Found]]] = {}
        installations: dict[str, Installation] = {}
        for place in PLACES:
            folder = tmp_path_factory.mktemp(place)
            settings = installed(kafka, f"t{uuid.uuid4().hex[:8]}.", folder, raws())
            write(settings, day_of(200))
            installations[place] = stack.enter_context(processes_of(settings, folder))
            installations[place].start(NAME, restart_on=(), QINGYU_FAILPOINT=f"territory.{place}")
        for place, each in installations.items():
            assert each.processes.wait(NAME, limit_s=200) == KILLED
            # The next process aborts what was left open, so until then nobody may be kept waiting for it here.
            found[place] = each, read(each.settings, TOTALS, committed=True)
            each.start(NAME, "next")
        for each in installations.values():
            each.wait_ready("next")
        time.sleep(2.5)
        yield found


@pytest.mark.parametrize("place", PLACES)
def test_killed_in_a_round_it_leaves_all_of_it_or_nothing(
    killed: dict[str, tuple[Installation, list[Found]]], place: str
) -> None:
    installation, seen = killed[place]
    settings = installation.settings
    # After the commit all is there; whether readers see it already is a matter of moments.
    if place != "after-commit":
        assert not any(each.key.startswith((b"county", b"park")) for each in seen)
    until(lambda: written(settings) == expected(day_of(200)), what="the totals", every_s=0.3)
    found = of_territories(settings)
    keys = [(each.key, each.value) for each in found["totals"]]
    assert len(keys) == len({key for key, _ in keys}), "each document was written once"
    said = [(each.id, each.seq) for each in events(settings)]
    assert said
    assert len(said) == len(set(said))


@pytest.mark.parametrize(("failpoint", "topic"), [("", ""), ("territory.after-commit", "alarm.events")])
def test_a_round_that_kafka_acknowledged_and_did_not_finish_is_carried_out(
    settings: Settings, installation: Installation, tmp_path: Path, failpoint: str, topic: str
) -> None:
    with trusting(settings.kafka):
        code = CODE.format(file=str(tmp_path / "leave"), topic=topic)
        installation.start(NAME, before=code, restart_on=(), QINGYU_FAILPOINT=failpoint)
        installation.wait_ready(NAME)
        (tmp_path / "leave").touch()
        write(settings, day_of(200))
        if failpoint:
            assert installation.processes.wait(NAME, limit_s=200) == KILLED
            installation.start(NAME, "next")
        # Others write behind it, which nobody sees either until then.
        write(settings, day_of(300, step=2))
        until(lambda: written(settings) == expected(day_of(300, step=2)), what="the totals", every_s=0.3)
        until(lambda: events(settings), what="the alarms")
        said = [(each.id, each.seq) for each in events(settings)]
        assert len(said) == len(set(said))
        assert {seq for _, seq in said} >= {1}
        assert "did not finish it" in installation.log("next" if failpoint else NAME)


def test_two_processes_of_a_shard_refuse_to_work_until_one_is_gone(
    settings: Settings, installation: Installation
) -> None:
    installation.start(NAME)
    installation.wait_ready(NAME)
    installation.start(NAME, "second")

    def refuses(name: str) -> bool:
        ready, details = installation.ready(name)
        return not ready and "1 of 2 partitions" in details.get("reason", "")

    until(lambda: refuses(NAME) and refuses("second"), what="both refuse")
    write(settings, day_of(10))
    time.sleep(1.5)
    assert written(settings) == {}
    installation.processes.stop("second")
    wait_for(installation, expected(day_of(10)))
