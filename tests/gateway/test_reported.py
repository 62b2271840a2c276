"""Reported values pushed over HTTP: what is kept, and what is refused."""

import json
from typing import Any

import httpx
import pytest

from schemas.messages import Reported
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import REPORTED
from tests.gateway.pushing import JSON, problem
from tests.gateway.running import Gateway, rejected, reported, topic_values


def said(**changed: Any) -> dict[str, Any]:
    usual = {
        "entity": "enterprise/bz-steel",
        "metric": "output.crude-steel",
        "period": "2018-03",
        "value": "12500",
        "unit": "t",
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not ...}


def report(client: httpx.Client, *values: Any, **more: Any) -> httpx.Response:
    body = json.dumps({"values": list(values), **more}).encode()
    return client.post("/v1/reported", content=body, headers=JSON)


@pytest.fixture
def reporter(gateway: Gateway) -> Any:
    with gateway.client("steel-token") as client:
        yield client


def test_a_reported_value_is_kept_at_a_millionth_of_the_products_unit(
    reporter: httpx.Client, settings: Settings
) -> None:
    response = report(
        reporter,
        said(),
        said(period="2018-04-01", value=12.5, unit="kg", rev=2),
        said(period="2018-Q2", value="0.0000005"),
        said(period="2018", value=0.0000015),
        batch="march",
    )
    assert response.status_code == 202
    assert response.json() == {"batch": "march", "accepted": 4, "rejected": []}
    kept = reported(settings)
    assert [(one.period, one.micro, one.rev) for one in kept] == [
        ("2018-03", 12_500_000_000, 0),
        ("2018-04-01", 12_500, 2),
        ("2018-Q2", 0, 0),
        ("2018", 2, 0),
    ]
    assert isinstance(kept[0], Reported)
    assert (kept[0].entity, kept[0].metric) == ("enterprise/bz-steel", "output.crude-steel")
    assert (kept[0].value, kept[0].unit, kept[0].reporter) == ("12500", "t", "enterprise/bz-steel")
    partition, key, _ = topic_values(settings, REPORTED)[0]
    assert (partition, key) == (partition_of_key("bz-steel", settings.partitions), b"enterprise/bz-steel")


def test_each_bad_value_is_answered_with_its_code_and_dead_lettered(gateway: Gateway, settings: Settings) -> None:
    cases: list[tuple[Any, str]] = [
        (said(entity="enterprise/nobody"), "unknown_entity"),
        (said(entity="city/bazhong"), "unknown_entity"),
        (said(entity="steel"), "unknown_entity"),
        (said(entity=5), "unknown_entity"),
        (said(entity=...), "unknown_entity"),
        ("nothing", "unknown_entity"),
        (said(metric="output.gold"), "unknown_metric"),
        (said(metric="qty.electricity"), "unknown_metric"),
        (said(metric="gdp"), "unknown_metric"),
        (said(period="2018-03-01T08"), "bad_period"),
        (said(period="2018-13"), "bad_period"),
        (said(period="2017"), "bad_period"),
        (said(period="2199"), "future"),
        (said(value="many"), "not_a_number"),
        (said(value=None), "not_a_number"),
        (said(value=...), "not_a_number"),
        (said(value=-1), "out_of_range"),
        (said(value="1e300"), "out_of_range"),
        (said(unit="kWh"), "unit_mismatch"),
        (said(unit=...), "unit_mismatch"),
        (said(unit=7), "unit_mismatch"),
        (said(rev=-1), "bad_revision"),
        (said(rev="1"), "bad_revision"),
    ]
    with gateway.client("operator-token") as client:
        answer = report(client, said(), *(value for value, _ in cases)).json()
    assert answer["accepted"] == 1
    assert [one["code"] for one in answer["rejected"]] == [code for _, code in cases]
    assert [one["index"] for one in answer["rejected"]] == list(range(1, len(cases) + 1))
    assert len(rejected(settings)) == len(cases)
    assert len(reported(settings)) == 1


@pytest.mark.parametrize(
    ("token", "entity", "status"),
    [
        ("steel-token", "enterprise/other", 403),
        ("gw1-token", "enterprise/other", 403),
        ("viewer-token", "enterprise/bz-steel", 403),
        ("gw1-token", "enterprise/bz-steel", 202),
        ("operator-token", "enterprise/other", 202),
    ],
)
def test_a_key_reports_for_its_own_enterprise_only(gateway: Gateway, token: str, entity: str, status: int) -> None:
    with gateway.client(token) as client:
        assert report(client, said(entity=entity)).status_code == status


def test_what_cannot_be_read_is_refused_whole(reporter: httpx.Client) -> None:
    def post(body: bytes) -> httpx.Response:
        return reporter.post("/v1/reported", content=body, headers=JSON)

    assert problem(post(b'{"values":[NaN]}')) == (400, "not_json")
    assert problem(post(b'{"values":5}')) == (422, "invalid_envelope")
    assert post(b'{"values":5}').json()["path"] == "$.values"
    assert problem(post(b"{}")) == (422, "invalid_envelope")
    assert problem(report(reporter, *[said()] * 10_001)) == (413, "too_large")
    assert problem(reporter.post("/v1/reported", content=b"{}")) == (415, "unsupported_media_type")
