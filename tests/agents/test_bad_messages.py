"""What nobody should have written to topic `readings` is set aside with its reason, once, and nothing else is lost."""

import uuid
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import Batch, Rejected, decode_rejected, encode
from schemas.settings import Settings
from schemas.topics import READINGS, REJECTED, REPORTED
from tests.agents.conftest import installed, processes_of, registered
from tests.folding import batch, message, report, value_of
from tests.running import Installation, read, send, send_to, totals

WORKS, MILL = 1, 0  # their partitions
DAY = "2018-03-01"


@pytest.fixture(scope="module")
def installation(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all tests here: each uses days of its own, and looks at new dead letters."""
    folder = tmp_path_factory.mktemp("worker")
    settings = installed(kafka, f"t{uuid.uuid4().hex[:8]}.", folder, registered())
    with processes_of(settings, folder) as found:
        found.start("worker")
        found.wait_ready("worker")
        yield found


@pytest.fixture
def settings(installation: Installation) -> Settings:
    return installation.settings


@pytest.fixture
def before(settings: Settings) -> int:
    """How many messages partition 1 of `readings` has before the test."""
    return sum(each.partition == WORKS for each in read(settings, READINGS))


@pytest.fixture
def seen(settings: Settings) -> set[bytes]:
    """Dead letters that were there before the test."""
    return {each.value for each in read(settings, REJECTED)}


def quarter(number: int, kwh: str = "1", enterprise: str = "works", day: str = DAY) -> bytes:
    """Return a message with one quarter-hour of a day."""
    return message(batch([("e01", f"{day}T{number // 4:02}:{number % 4 * 15:02}", kwh)]), enterprise=enterprise)


def rejected(settings: Settings, seen: set[bytes]) -> list[Rejected]:
    """Return the dead letters that came during the test, each place in its order."""
    letters = [decode_rejected(each.value) for each in read(settings, REJECTED) if each.value not in seen]
    return sorted(letters, key=lambda each: (each.where["partition"], each.where["offset"]))


def changed(value: bytes, **fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(value), **fields})


def unfit(**columns: object) -> bytes:
    """Return a message whose first batch is good and whose second one has columns that do not fit."""
    good, bad = batch([("e01", f"{DAY}T20:15", "1")]), batch([("e01", f"{DAY}T20:30", "1")])
    return message(good, msgspec.structs.replace(bad, **columns))


BAD = {
    "not_json": [b"\x00\xff no json", b"", b"{", quarter(1)[:-1]],
    "unknown_version": [changed(quarter(1), v=2), b'{"v":99,"anything":[1,2]}'],
    "unknown_enterprise": [quarter(1, enterprise="nobody"), b'{"v":1,"registry":1,"batches":[]}'],
    "registry_ahead": [changed(quarter(1), registry=10_000)],
    "bad_message": [b"null", b"[]", b"{}", changed(quarter(1), batches=7), unfit(i=[0, 0]), unfit(i=[4]), unfit(q=[9])],
    "bad_time": [unfit(t=[0]), b'{"v":1,"registry":1,"tick":5}'],
    "out_of_range": [unfit(v=[10**30])],
}


def test_bad_messages_among_good_ones_are_rejected_once_each_and_all_good_ones_count(
    settings: Settings, installation: Installation, before: int, seen: set[bytes]
) -> None:
    bad = [value for values in BAD.values() for value in values]
    values: list[bytes] = []
    for number in range(40):
        values.append(quarter(number + 1))
        values += bad[number : number + 1]
    send_to(settings, WORKS, values)
    send(settings, [("mill", quarter(1, enterprise="mill"))])
    installation.wait_done()
    found = rejected(settings, seen)
    assert sorted(each.code for each in found) == sorted(code for code, values in BAD.items() for _ in values)
    assert [each.where["offset"] for each in found] == [before + values.index(each) for each in bad]
    assert {(each.where["topic"], each.where["partition"]) for each in found} == {("readings", WORKS)}
    assert all(each.message and each.input is not None for each in found)
    stands = totals(settings)
    # Forty quarters, and the first batch of each of the five messages whose second one does not fit.
    assert value_of(stands, "qty.electricity", DAY, "enterprise/works") == 41
    assert value_of(stands, "qty.electricity", DAY, "enterprise/mill") == 1
    assert installation.processes.endings("worker") == ()


def test_a_dead_letter_is_not_repeated_when_the_worker_is_killed_and_starts_again(
    settings: Settings, installation: Installation, before: int, seen: set[bytes]
) -> None:
    day = "2018-03-02"
    send_to(settings, WORKS, [b"no json", quarter(1, day=day)])
    installation.wait_done()
    installation.processes.kill("worker")
    send_to(settings, WORKS, [quarter(2, day=day), b"none again"])
    installation.processes.restart("worker")
    installation.wait_done()
    assert [each.where["offset"] - before for each in rejected(settings, seen)] == [0, 3]
    assert value_of(totals(settings), "qty.electricity", day, "enterprise/works") == 2


def test_reported_values_that_cannot_be_used_are_rejected_too(
    settings: Settings, installation: Installation, seen: set[bytes]
) -> None:
    good = report("2018-03", "7")
    bad = [
        b"no json",
        encode(msgspec.structs.replace(good, entity="enterprise/nobody")),
        encode(msgspec.structs.replace(good, period="2018-13")),
        encode(msgspec.structs.replace(good, period="2018-03-01T08")),
        encode(msgspec.structs.replace(good, v=3)),
    ]
    send_to(settings, WORKS, [bad[0], encode(good), *bad[1:]], REPORTED)
    installation.wait_done()
    assert sorted(each.code for each in rejected(settings, seen)) == [
        "bad_time", "bad_time", "not_json", "unknown_enterprise", "unknown_version",
    ]  # fmt: skip
    assert value_of(totals(settings), "output.crude-steel", "2018-03", "enterprise/works") == 7


def test_a_value_reported_by_who_never_sent_a_reading_stands_and_its_energy_is_unknown(
    settings: Settings, installation: Installation, seen: set[bytes]
) -> None:
    value = encode(report("2018-03", "12.5", enterprise="smelter"))
    send(settings, [("smelter", value), ("smelter", value)], REPORTED)
    installation.wait_done()
    stands = totals(settings)
    assert value_of(stands, "output.crude-steel", "2018-03", "enterprise/smelter") == Decimal("12.5")
    assert value_of(stands, "qty.electricity", "2018-03", "enterprise/smelter") is None
    assert value_of(stands, "energy.cv", "2018-03", "enterprise/smelter") is None
    assert rejected(settings, seen) == []


def test_a_large_batch_that_is_rejected_is_told_by_its_hash(
    settings: Settings, installation: Installation, seen: set[bytes]
) -> None:
    day = "2018-03-03"
    rows = [("e01", 1_519_837_200_000 + place * 900_000, "0.01") for place in range(20_000)]
    large = message(msgspec.structs.replace(batch(rows), q=[9] * len(rows)))
    send_to(settings, WORKS, [large, quarter(1, day=day)])
    installation.wait_done()
    (letter,) = rejected(settings, seen)
    assert str(letter.input).startswith("sha256:")
    assert (letter.where["batch"], letter.where["index"]) == ("b", 0)
    assert value_of(totals(settings), "qty.electricity", day, "enterprise/works") == 1


def test_a_partition_of_bad_messages_only_is_taken_in_and_nobody_waits_for_it(
    settings: Settings, installation: Installation, seen: set[bytes]
) -> None:
    day = "2018-03-04"
    send_to(settings, MILL, [b"no json"] * 3)
    send_to(settings, WORKS, [quarter(1, day=day)])
    installation.wait_done()
    assert [each.code for each in rejected(settings, seen)] == ["not_json"] * 3
    assert value_of(totals(settings), "qty.electricity", day, "enterprise/works") == 1
    assert installation.ready("worker")[0]


def test_a_batch_of_a_meter_that_is_not_registered_waits_and_stops_nothing(
    settings: Settings, installation: Installation, seen: set[bytes]
) -> None:
    day = "2018-03-05"
    strange = Batch("b", "works-gw1", 1, ["zz"], [2], [0], [1_519_837_200_000], [5])
    send_to(settings, WORKS, [message(strange), quarter(1, day=day)])
    installation.wait_done()
    assert rejected(settings, seen) == []
    assert value_of(totals(settings), "qty.electricity", day, "enterprise/works") == 1


def test_readings_and_batches_that_come_twice_count_once(settings: Settings, installation: Installation) -> None:
    day = "2018-03-06"
    rows = [("e01", f"{day}T08:15", "1.25"), ("e01", f"{day}T08:30", "2")]
    twice = message(batch([*rows, *rows]))
    send_to(settings, WORKS, [twice, twice, message(batch(rows[:1]), batch(rows[:1]))])
    installation.wait_done()
    send_to(settings, WORKS, [twice])
    installation.wait_done()
    assert value_of(totals(settings), "qty.electricity", f"{day}T08", "enterprise/works") == Decimal("3.25")
