"""A correction of what had settled waits for a second person where settings say so, then counts in both names."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from schemas.messages import Correction
from schemas.settings import Settings
from tests.gateway.pushing import batch, problem, push, row
from tests.gateway.running import Gateway, batches, key_documents
from tests.registry_writing import STEEL, documents, write_set

OPERATOR, STEEL_KEY, SOURCE = "operator-token", "steel-token", "gw1-token"
REASON = {"reason": "抄错", "by": "Li Lei"}
SECOND = {
    "apiVersion": "qingyu/v1", "kind": "settings", "id": "default", "valid_from": "2018-01-01",
    "spec": {"second_person": [{"from": "2018-01-01", "corrections": "settled"}]},
}  # fmt: skip


@pytest.fixture
def held(settings: Settings) -> Iterator[Gateway]:
    asyncio.run(write_set(settings, 2, [*documents(STEEL), *key_documents(), SECOND]))
    with Gateway(settings) as running:
        yield running


def decide(gateway: Gateway, id_: str, token: str, **said: Any) -> httpx.Response:
    with gateway.client(token) as client:
        return client.post(f"/v1/corrections/{id_}", json={"decision": "confirm", **said})


def listed(gateway: Gateway, token: str = OPERATOR, **query: str) -> list[Any]:
    with gateway.client(token) as client:
        return client.get("/v1/corrections", params=query).json()["items"]


def test_a_correction_waits_for_another_person_and_is_published_in_both_names(
    held: Gateway, settings: Settings
) -> None:
    with held.client(STEEL_KEY) as steel:
        sent = {**batch(row(5, rev=1), row(None, ts="2026-11-20T08:30:00", void=True)), "correction": REASON}
        answer = push(steel, sent).json()
        again = push(steel, sent).json()
    assert (answer["accepted"], answer["waiting"], answer["correction"]["state"]) == (0, 2, "waiting")
    assert again["correction"] == answer["correction"]
    assert batches(settings) == []
    id_ = answer["correction"]["id"]
    (shown,) = listed(held, state="waiting")
    assert (shown["id"], shown["by"], shown["reason"], shown["readings"]) == (id_, "Li Lei", "抄错", 2)
    with held.client(OPERATOR) as operator:
        rows = operator.get(f"/v1/corrections/{id_}").json()["rows"]
        assert [each["rows"] for each in operator.get("/v1/corrections", params={"rows": 1}).json()["items"]] == [
            rows[:1]
        ]
    assert [(each["meter"], each.get("value"), each.get("void"), each["rev"]) for each in rows] == [
        ("e01", "5", None, 1), ("e01", None, True, 0),
    ]  # fmt: skip
    assert problem(decide(held, id_, STEEL_KEY, by="Han Meimei")) == (403, "same_person")
    assert problem(decide(held, id_, OPERATOR, by=" li  LEI")) == (403, "same_person")
    assert problem(decide(held, id_, SOURCE)) == (403, "forbidden")
    assert problem(decide(held, "0" * 20, OPERATOR)) == (404, "unknown_correction")
    done = decide(held, id_, OPERATOR, by="Han Meimei").json()
    assert (done["state"], done["by"], done["decided_by"]) == ("published", "Li Lei", "Han Meimei")
    assert decide(held, id_, OPERATOR, by="Han Meimei").json() == done
    assert problem(decide(held, id_, OPERATOR, decision="reject")) == (409, "already_decided")
    ((enterprise, kept),) = batches(settings)
    assert (enterprise, kept.v, kept.correction) == (
        "bz-steel", [500, None], Correction("抄错", "Li Lei", "Han Meimei"),
    )  # fmt: skip
    assert listed(held, state="waiting") == []


def test_what_is_rejected_never_counts_and_may_be_sent_again(held: Gateway, settings: Settings) -> None:
    with held.client(OPERATOR) as operator:
        sent = {**batch(row(5, rev=1)), "correction": REASON}
        id_ = push(operator, sent).json()["correction"]["id"]
        done = decide(held, id_, STEEL_KEY, decision="reject", reason="the meter was right").json()
        assert (done["state"], done["decided_by"], done["decision_reason"]) == (
            "rejected", STEEL_KEY, "the meter was right",
        )  # fmt: skip
        assert push(operator, sent).json()["correction"] == {"id": id_, "state": "waiting"}
    assert batches(settings) == []


def test_a_revision_without_a_word_waits_too_and_what_comes_with_it_does_not(held: Gateway, settings: Settings) -> None:
    with held.client(SOURCE) as source:
        answer = push(source, batch(row(5, rev=1), row(6, ts="2026-11-20T08:30:00"))).json()
    assert (answer["accepted"], answer["waiting"]) == (1, 1)
    assert [kept.v for _, kept in batches(settings)] == [[600]]
    (shown,) = listed(held)
    assert (shown["by"], shown["readings"]) == (SOURCE, 1)


def test_what_waits_outlives_the_gateway(held: Gateway, settings: Settings) -> None:
    with held.client(STEEL_KEY) as steel:
        id_ = push(steel, {**batch(row(5, rev=1)), "correction": REASON}).json()["correction"]["id"]
    with Gateway(settings) as other:
        assert decide(other, id_, OPERATOR).json()["state"] == "published"
    assert problem(decide(held, id_, OPERATOR, decision="reject")) == (409, "already_decided")
    assert [kept.v for _, kept in batches(settings)] == [[500]]


def test_without_the_setting_nothing_waits(client: httpx.Client, settings: Settings) -> None:
    answer = push(client, {**batch(row(5, rev=1)), "correction": REASON}).json()
    assert (answer["accepted"], "waiting" in answer) == (1, False)
    assert len(batches(settings)) == 1
