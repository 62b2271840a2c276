"""What nobody should have written to topic `readings` is set aside with its reason, once, and nothing else is lost."""

import msgspec

from schemas.messages import Batch, Rejected, decode_rejected, encode
from schemas.settings import Settings
from schemas.topics import REJECTED, REPORTED
from tests.folding import batch, message, report, value_of
from tests.running import Installation, lag, read, send, send_to, totals, until

WORKS, MILL = 1, 0  # their partitions
DAY = "2018-03-01"


def quarter(number: int, kwh: str = "1", enterprise: str = "works") -> bytes:
    """Return a message with one quarter-hour of 2018-03-01."""
    return message(batch([("e01", f"{DAY}T{number // 4:02}:{number % 4 * 15:02}", kwh)]), enterprise=enterprise)


def rejected(settings: Settings) -> list[Rejected]:
    return [decode_rejected(each.value) for each in read(settings, REJECTED)]


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
    settings: Settings, installation: Installation
) -> None:
    bad = [value for values in BAD.values() for value in values]
    values: list[bytes] = []
    for number in range(40):
        values.append(quarter(number + 1))
        values += bad[number : number + 1]
    send_to(settings, WORKS, values)
    send(settings, [("mill", quarter(1, enterprise="mill"))])
    installation.start("worker")
    installation.wait_done()
    found = rejected(settings)
    assert sorted(each.code for each in found) == sorted(code for code, values in BAD.items() for _ in values)
    places = [(each.where["topic"], each.where["partition"], each.where["offset"]) for each in found]
    assert len(set(places)) == len(bad)
    offsets = {values.index(each) for each in bad}
    assert {offset for *_, offset in places} == offsets
    assert all(each.message and each.input is not None for each in found)
    stands = totals(settings)
    # Forty quarters, and the first batch of each of the five messages whose second one does not fit.
    assert value_of(stands, "qty.electricity", DAY, "enterprise/works") == 41
    assert value_of(stands, "qty.electricity", DAY, "enterprise/mill") == 1
    assert installation.processes.endings("worker") == ()


def test_a_dead_letter_is_not_repeated_when_the_worker_starts_again(
    settings: Settings, installation: Installation
) -> None:
    send_to(settings, WORKS, [b"no json", quarter(1)])
    installation.start("worker")
    installation.wait_done()
    installation.processes.restart("worker")
    send_to(settings, WORKS, [quarter(2), b"none again"])
    installation.wait_done()
    assert [each.where["offset"] for each in rejected(settings)] == [0, 3]
    assert value_of(totals(settings), "qty.electricity", DAY, "enterprise/works") == 2


def test_reported_values_that_cannot_be_used_are_rejected_too(settings: Settings, installation: Installation) -> None:
    good = report("2018-03", "7")
    bad = [
        b"no json",
        encode(msgspec.structs.replace(good, entity="enterprise/nobody")),
        encode(msgspec.structs.replace(good, period="2018-13")),
        encode(msgspec.structs.replace(good, period="2018-03-01T08")),
        encode(msgspec.structs.replace(good, v=3)),
    ]
    send_to(settings, WORKS, [bad[0], encode(good), *bad[1:]], REPORTED)
    installation.start("worker")
    installation.wait_done()
    assert sorted(each.code for each in rejected(settings)) == [
        "bad_time", "bad_time", "not_json", "unknown_enterprise", "unknown_version",
    ]  # fmt: skip
    assert value_of(totals(settings), "output.crude-steel", "2018-03", "enterprise/works") == 7


def test_a_step_that_computes_for_longer_than_kafka_may_take_is_finished(
    settings: Settings, installation: Installation
) -> None:
    rows = [("e01", 1_519_837_200_000 + place * 900_000, "0.01") for place in range(15_000)]
    send_to(settings, WORKS, [message(batch(rows))])
    limit = "import streams.agents.step; streams.agents.step.STEP_LIMIT_S = 1.0"
    installation.start("worker", before=limit)
    installation.wait_done()
    stands = totals(settings)
    assert value_of(stands, "qty.electricity", "2018", "enterprise/works") == 150


def test_a_large_batch_that_is_rejected_is_told_by_its_hash(settings: Settings, installation: Installation) -> None:
    rows = [("e01", 1_519_837_200_000 + place * 900_000, "0.01") for place in range(20_000)]
    send_to(settings, WORKS, [message(msgspec.structs.replace(batch(rows), q=[9] * len(rows))), quarter(1)])
    installation.start("worker")
    installation.wait_done()
    (letter,) = rejected(settings)
    assert str(letter.input).startswith("sha256:")
    assert (letter.where["batch"], letter.where["index"]) == ("b", 0)


def test_the_worker_waits_for_nobody_when_a_partition_has_only_bad_messages(
    settings: Settings, installation: Installation
) -> None:
    send_to(settings, MILL, [b"no json"] * 3)
    send_to(settings, WORKS, [quarter(1)])
    installation.start("worker")
    installation.wait_ready("worker")
    until(lambda: lag(settings) == 0)
    assert len(rejected(settings)) == 3


def test_a_batch_of_a_meter_that_is_not_registered_waits_and_stops_nothing(
    settings: Settings, installation: Installation
) -> None:
    strange = Batch("b", "works-gw1", 1, ["zz"], [2], [0], [1_519_837_200_000], [5])
    send_to(settings, WORKS, [message(strange), quarter(1)])
    installation.start("worker")
    installation.wait_done()
    assert rejected(settings) == []
    assert value_of(totals(settings), "qty.electricity", DAY, "enterprise/works") == 1
