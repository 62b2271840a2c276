"""Batches pushed over HTTP: what is kept in Kafka, and what is answered."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS
from tests.gateway.pushing import TS, TS_MS, batch, problem, push, row
from tests.gateway.running import Gateway, batches, readings, rejected, topic_values
from tests.registry_writing import documents, write_set


def test_an_accepted_batch_is_in_the_topic_when_it_is_answered(client: httpx.Client, settings: Settings) -> None:
    response = push(client, batch(row(1234.5), row(17, "r01", TS_MS)))
    assert response.status_code == 202
    assert response.json() == {"batch": "b1", "accepted": 2, "rejected": []}
    ((enterprise, kept),) = batches(settings)
    assert enterprise == "bz-steel"
    assert (kept.batch, kept.source) == ("b1", "gw1")
    assert (kept.meters, kept.scale) == (["e01", "r01"], [2, 0])
    assert (kept.i, kept.t, kept.v) == ([0, 1], [TS_MS, TS_MS], [123450, 17])
    ((partition, _, _),) = topic_values(settings, READINGS)
    assert partition == partition_of_key("bz-steel", settings.partitions)


def test_columns_are_kept_as_rows_are(client: httpx.Client, settings: Settings) -> None:
    body = {
        "source": "gw1",
        "batch": "c1",
        "sent": TS,
        "meters": ["e01", "r01"],
        "ts": [TS_MS, TS_MS + 900_000],
        "values": [[1.5, None], [3, 4]],
    }
    assert push(client, body).json() == {"batch": "c1", "accepted": 3, "rejected": []}
    assert readings(settings) == [("e01", TS_MS, 150), ("r01", TS_MS, 3), ("r01", TS_MS + 900_000, 4)]


def test_of_a_mixed_batch_the_good_is_kept_and_the_bad_is_answered_and_dead_lettered(
    client: httpx.Client, settings: Settings
) -> None:
    body = (
        b'{"source":"gw1","batch":"m1","readings":['
        b'{"meter":"e99","ts":"2026-11-20T08:15:00","value":1},'
        b'{"meter":"e01","ts":"2026-11-20T08:15:00","value":12345678901234567},'
        b'{"meter":"r01","ts":"2026-11-20T08:15:00","value":12345678901234567},'
        b'{"meter":"r01","ts":"2026-11-20T08:30:00","value":"98765432109876543"},'
        b'{"meter":"e01","ts":"2026-11-20T08:15:00","value":1e400},'
        b'{"meter":"e01","ts":"2026-11-20T08:15:00","value":"abc"},'
        b'{"meter":"e01","ts":"2126-11-20T08:15:00","value":1},'
        b'{"meter":"e01","ts":"2017-11-20T08:15:00","value":1},'
        b'{"meter":"e01","ts":"2026-11-20T08:15:00","value":1,"unit":"m3"},'
        b'{"meter":"e01","ts":"2026-11-20T08:15:00","value":7.125}]}'
    )
    answer = push(client, body).json()
    assert answer["accepted"] == 4
    expected = [
        (0, "unknown_meter"),
        (4, "out_of_range"),
        (5, "not_a_number"),
        (6, "future"),
        (7, "before_meter"),
        (8, "unit_mismatch"),
    ]
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == expected
    assert readings(settings) == [
        ("e01", TS_MS, 1234567890123456700),
        ("r01", TS_MS, 12345678901234567),
        ("r01", TS_MS + 900_000, 98765432109876543),
        ("e01", TS_MS, 712),
    ]
    letters = rejected(settings)
    assert [(one.where["index"], one.code) for one in letters] == expected
    assert {one.source for one in letters} == {"gw1"}
    assert {one.where["batch"] for one in letters} == {"m1"}
    assert letters[0].input == '{"meter":"e99","ts":"2026-11-20T08:15:00","value":1}'
    assert letters[1].input == '{"meter":"e01","ts":"2026-11-20T08:15:00","value":1E+400}'


def test_of_a_batch_that_is_all_bad_the_receipt_says_so(client: httpx.Client, settings: Settings) -> None:
    response = push(client, batch(row("x"), row(1, "e99"), "nothing"))
    assert response.status_code == 202
    assert response.json()["accepted"] == 0
    assert [one["index"] for one in response.json()["rejected"]] == [0, 1, 2]
    assert readings(settings) == []
    assert len(rejected(settings)) == 3


def test_an_empty_batch_is_answered(client: httpx.Client) -> None:
    assert push(client, batch()).json() == {"batch": "b1", "accepted": 0, "rejected": []}


def test_the_same_batch_and_the_same_reading_are_accepted_again(client: httpx.Client) -> None:
    for _ in range(2):
        assert push(client, batch(row(5), row(5))).json() == {"batch": "b1", "accepted": 2, "rejected": []}


def test_what_the_registry_has_only_just_learnt_is_not_refused(
    client: httpx.Client, gateway: Gateway, settings: Settings
) -> None:
    meter = """
    {apiVersion: qingyu/v1, kind: meter, id: bz-steel.new, valid_from: 2018-01-01,
     spec: {carrier: electricity, type: interval, unit: kWh, resolution: "0.01", step: 15min, role: sub, parent: e01,
            source: [{from: 2018-01-01, id: gw1}]}}
    """
    for version in range(2, 7):
        new = [{**one, "id": f"bz-steel.new{version}"} for one in documents(meter)]
        asyncio.run(write_set(settings, version, new))
        assert push(client, batch(row(1, f"new{version}"))).json()["accepted"] == 1


def test_a_large_batch_is_kept_whole_in_several_messages(client: httpx.Client, settings: Settings) -> None:
    ts = [TS_MS - n * 1000 for n in range(35_000)]
    body = {
        "source": "gw1",
        "batch": "big",
        "meters": ["e01", "r01"],
        "ts": ts,
        "values": [[n for n in range(35_000)]] * 2,
    }
    assert push(client, body).json() == {"batch": "big", "accepted": 70_000, "rejected": []}
    assert len(topic_values(settings, READINGS)) == 3
    kept = readings(settings)
    assert len(kept) == 70_000
    assert set(kept) == {(m, ts[n], n * f) for n in range(35_000) for m, f in (("e01", 100), ("r01", 1))}


def test_a_source_above_its_rate_is_told_when_to_come_again(gateway: Gateway, settings: Settings) -> None:
    with gateway.client("gw2-token") as client:
        slow = batch(*[row(n, "e02", "2019-06-01T00:00:00") for n in range(35)], source="gw2")
        assert push(client, slow).status_code == 202
        response = push(client, slow)
        assert problem(response) == (429, "rate_limited")
        assert response.headers["retry-after"] == "2"
    assert len(readings(settings)) == 35


def test_many_small_senders_of_an_enterprise_share_messages(kafka: Any, settings: Settings) -> None:
    slow = settings.model_copy(update={"gather_s": 0.3})
    with Gateway(slow) as gateway, gateway.client("gw1-token") as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: push(client, batch(row(n), id_=f"s{n}")).json(), range(16)))
    assert [one["accepted"] for one in answers] == [1] * 16
    assert {one["batch"] for one in answers} == {f"s{n}" for n in range(16)}
    assert len(topic_values(settings, READINGS)) < 8
    assert sorted(v or 0 for _, _, v in readings(settings)) == [100 * n for n in range(16)]
