"""Queries on series, entities, alarms and inputs: what the store holds, as the contract says it."""

import csv
import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.api import answers
from services.topics import apply_topics
from tests.api.city import fill
from tests.api_server import RunningApi, api_settings, running_api

STEEL = {"entity": "enterprise/bz-steel", "metric": "qty.electricity"}


@pytest.fixture(scope="module")
def city(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An api over the small city; no test of this module changes it."""
    settings = api_settings(kafka.bootstrap, f"t{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("city"))
    apply_topics(settings)
    with running_api(settings) as api:
        fill(api)
        yield api


def problem(city: RunningApi, path: str, **query: Any) -> tuple[int, str]:
    answer = city.get(path, **query)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def example(model: Any) -> dict[str, Any]:
    return model.model_config["json_schema_extra"]["examples"][0]


def test_a_series_is_as_its_example_says(city: RunningApi) -> None:
    found = city.get("/v1/series", **STEEL, window="hour", **{"from": "2018-01-01", "to": "2018-01-01T09"})

    assert found.json() == example(answers.SeriesAnswer)


def test_a_window_without_a_value_is_null_never_zero(city: RunningApi) -> None:
    points = city.get("/v1/series", **STEEL, window="hour").json()["points"]

    assert [(point["start"], point["value"]) for point in points] == [("2018-01-01T08", 12.5), ("2018-01-01T09", None)]


@pytest.mark.parametrize(
    ("from_", "to", "starts"),
    [
        ("2018-01-01T08", "2018-01-01T09", ["2018-01-01T08"]),
        ("2018-01-01T09", None, ["2018-01-01T09"]),
        (None, "2018-01-01", []),
        ("2018", "2019", ["2018-01-01T08", "2018-01-01T09"]),
        ("2018-Q1", "2018-Q2", ["2018-01-01T08", "2018-01-01T09"]),
        ("2018-01-01T01:00:00Z", None, ["2018-01-01T09"]),
        ("2018-01-01T08:30:00+08:00", None, ["2018-01-01T09"]),
        ("2018-01-01T08:30:00", None, ["2018-01-01T09"]),
    ],
)
def test_times_are_windows_or_instants(city: RunningApi, from_: str | None, to: str | None, starts: list[str]) -> None:
    query = {name: text for name, text in (("from", from_), ("to", to)) if text is not None}

    points = city.get("/v1/series", **STEEL, window="hour", **query).json()["points"]

    assert [point["start"] for point in points] == starts


def test_a_plus_sign_that_was_not_encoded_is_understood(city: RunningApi) -> None:
    answer = city.client.get(
        "/v1/series?entity=enterprise/bz-steel&metric=qty.electricity&window=hour&from=2018-01-01T09:00:00+08:00"
    )

    assert [point["start"] for point in answer.json()["points"]] == ["2018-01-01T09"]


def test_exact_gives_the_digits_that_were_stored(city: RunningApi) -> None:
    (point, _) = city.get("/v1/series", **STEEL, window="day", exact=True).json()["points"]

    assert (point["value"], point["status"]) == ("300.000001", "settled")


def test_exact_is_refused_where_a_double_cannot_tell_the_last_digit(city: RunningApi) -> None:
    query = {"entity": "city/bazhong", "metric": "qty.electricity", "window": "year"}

    assert city.get("/v1/series", **query).json()["points"][0]["value"] == 8.6e9
    assert problem(city, "/v1/series", **query, exact=True) == (422, "not_exact")


def test_a_series_comes_as_csv_by_accept(city: RunningApi) -> None:
    answer = city.client.get("/v1/series", params={**STEEL, "window": "hour"}, headers={"Accept": "text/csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["start", "value", "status", "measured", "estimated", "missing"],
        ["2018-01-01T08", "12.5", "provisional", "0.75", "0.0", "0.25"],
        ["2018-01-01T09", "", "provisional", "0.75", "0.0", "0.25"],
    ]


@pytest.mark.parametrize(
    ("as_of", "value", "status"),
    [
        ("2018-03-01T12:00:00+08:00", None, "provisional"),
        ("2018-03-02T23:59:59+08:00", None, "provisional"),
        ("2018-03-03", None, "settled"),
        ("2018-03-05T07:59:59+08:00", None, "settled"),
        ("2018-03-05T08:00:00+08:00", "9600", "revised"),
        ("2018-03-09T09:59:59+08:00", "9600", "revised"),
        ("2018-03-09T10:00:00+08:00", "9625.5", "revised"),
        ("2019", "9625.5", "revised"),
    ],
)
def test_as_of_answers_what_was_known_then(city: RunningApi, as_of: str, value: str | None, status: str) -> None:
    answer = city.get("/v1/series", **STEEL, window="day", exact=True, as_of=as_of, **{"from": "2018-03"})
    (point,) = answer.json()["points"]

    assert (point["start"], point["value"], point["status"]) == ("2018-03-01", value, status)
    assert (point["measured"] is None) == (value != "9625.5")


def test_a_window_that_had_not_begun_is_not_there_as_of_then(city: RunningApi) -> None:
    answer = city.get("/v1/series", **STEEL, window="day", as_of="2018-02-28", **{"from": "2018-03"})

    assert answer.json()["points"] == []


def test_revisions_are_as_their_example_says_the_last_known_first(city: RunningApi) -> None:
    found = city.get("/v1/revisions", entity="enterprise/bz-steel").json()

    assert found["items"][0] == example(answers.RevisionsAnswer)["items"][0]
    assert [item["before"] for item in found["items"]] == ["9600", None]
    first = city.get("/v1/revisions", entity="enterprise/bz-steel", to="2018-03-09").json()
    assert [item["after"] for item in first["items"]] == ["9600"]


def test_an_indicator_has_its_own_unit(city: RunningApi) -> None:
    answer = city.get("/v1/series", entity="enterprise/bz-steel", metric="ind.steel-intensity", window="month").json()

    assert (answer["unit"], answer["points"][0]["value"]) == ("kgce/t", 88.25)


def test_the_latest_point_of_each_window_has_a_value(city: RunningApi) -> None:
    latest = city.get("/v1/latest", **STEEL).json()

    assert latest["unit"] == "kWh"
    assert {kind: point["start"] for kind, point in latest["points"].items()} == {
        "hour": "2018-01-01T08",
        "day": "2018-03-01",
    }
    assert latest["points"]["hour"] == example(answers.LatestAnswer)["points"]["hour"]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"entity": "steel"}, 422, "bad_entity"),
        ({"entity": "enterprise/nobody"}, 404, "unknown_entity"),
        ({"metric": "qty.plasma"}, 422, "unknown_metric"),
        ({"metric": "nonsense"}, 422, "unknown_metric"),
        ({"metric": "ind.nothing"}, 422, "unknown_metric"),
        ({"window": "week"}, 422, "invalid_request"),
        ({"from": "yesterday"}, 422, "bad_time"),
        ({"from": "2019", "to": "2018"}, 422, "bad_time"),
        ({"as_of": "yesterday"}, 422, "bad_time"),
    ],
)
def test_a_question_that_cannot_be_answered_has_its_code(
    city: RunningApi, changed: dict[str, str], status: int, code: str
) -> None:
    assert problem(city, "/v1/series", **({**STEEL, "window": "hour"} | changed)) == (status, code)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "enterprise"}, ["enterprise/bz-steel", "enterprise/other"]),
        ({"kind": "enterprise", "in": "county/bazhou"}, ["enterprise/bz-steel"]),
        ({"kind": "meter", "in": "county/nanjiang"}, ["meter/other.e01"]),
        ({"in": "city/bazhong", "kind": "county"}, ["county/bazhou", "county/nanjiang"]),
        ({"in": "enterprise/other"}, ["meter/other.e01"]),
        ({"in": "park/bz-edz"}, []),
        ({"kind": "list"}, []),
    ],
)
def test_entities_are_listed_by_kind_and_place(city: RunningApi, query: dict[str, str], found: list[str]) -> None:
    assert [item["entity"] for item in city.get("/v1/entities", **query).json()["items"]] == found


def test_an_entity_is_as_its_example_says(city: RunningApi) -> None:
    (first, *_) = city.get("/v1/entities", kind="enterprise").json()["items"]

    assert first == example(answers.EntitiesAnswer)["items"][0]


def test_entities_are_paged(city: RunningApi) -> None:
    first = city.get("/v1/entities", limit=4).json()
    rest = city.get("/v1/entities", cursor=first["next"]).json()

    whole = [item["entity"] for item in city.get("/v1/entities").json()["items"]]
    assert [item["entity"] for item in first["items"] + rest["items"]] == whole
    assert rest["next"] is None


def test_alarms_are_listed_the_newest_first_as_their_example_says(city: RunningApi) -> None:
    newest, oldest = city.get("/v1/alarms").json()["items"]

    assert newest["entity"] == "enterprise/other"
    assert oldest == example(answers.AlarmsAnswer)["items"][0]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"entity": "enterprise/bz-steel"}, 1),
        ({"rule": "hourly-peak"}, 2),
        ({"rule": "nothing"}, 0),
        ({"condition": "firing"}, 1),
        ({"from": "2018-01-02"}, 1),
        ({"to": "2018-01-02"}, 1),
        ({"limit": 1}, 1),
    ],
)
def test_alarms_are_chosen(city: RunningApi, query: dict[str, Any], count: int) -> None:
    assert len(city.get("/v1/alarms", **query).json()["items"]) == count


def test_a_condition_that_no_alarm_can_have_is_refused(city: RunningApi) -> None:
    assert problem(city, "/v1/alarms", condition="burning") == (422, "invalid_request")


def test_alarms_are_paged(city: RunningApi) -> None:
    first = city.get("/v1/alarms", limit=1).json()
    second = city.get("/v1/alarms", limit=1, cursor=first["next"]).json()

    assert second["next"] is None
    assert first["items"][0]["id"] != second["items"][0]["id"]
    assert problem(city, "/v1/alarms", cursor="nonsense") == (422, "bad_cursor")


def test_an_alarm_says_who_was_told_of_it(city: RunningApi) -> None:
    items = city.get(f"/v1/alarms/{answers.ALARM['id']}/deliveries").json()["items"]

    assert [one["digest"] for one in items] == ["d1", None]
    assert items[1] == example(answers.DeliveriesAnswer)["items"][0]
    assert problem(city, "/v1/alarms/none/deliveries") == (404, "unknown_alarm")


def test_a_digest_lists_every_event_in_it(city: RunningApi) -> None:
    first = city.get("/v1/digests/d1", limit=1).json()
    second = city.get("/v1/digests/d1", limit=1, cursor=first["next"]).json()

    assert (first["total"], first["recipient"], second["next"]) == (2, "duty", None)
    assert first["items"] == [{"alarm": "0" * 20, "seq": 1, "event": None}], "its event has not come yet"
    assert second["items"][0]["event"]["id"] == answers.ALARM["id"]
    assert problem(city, "/v1/digests/d2") == (404, "unknown_digest")


def test_an_alarm_comes_with_its_events(city: RunningApi) -> None:
    alarm = city.get(f"/v1/alarms/{answers.ALARM['id']}").json()

    assert alarm == example(answers.AlarmAnswer)
    assert problem(city, "/v1/alarms/none") == (404, "unknown_alarm")


def test_rejected_inputs_are_listed_as_their_example_says(city: RunningApi) -> None:
    (found,) = city.get("/v1/rejected", source="gw1").json()["items"]

    assert found == answers.REJECTED
    assert len(city.get("/v1/rejected").json()["items"]) == 2
    assert [item["source"] for item in city.get("/v1/rejected", code="not_json").json()["items"]] == ["-"]


def test_a_batch_has_its_receipt(city: RunningApi) -> None:
    assert city.get("/v1/batches/b-17").json() == answers.RECEIPT
    assert problem(city, "/v1/batches/none") == (404, "unknown_batch")
    assert problem(city, "/v1/batches/2026%2F11") == (404, "unknown_batch")
    assert problem(city, "/v1/batches/b-17", source="gw2") == (404, "unknown_batch")


def test_every_answer_of_the_open_api_page_has_an_example(city: RunningApi) -> None:
    page = city.client.get("/openapi.json").json()

    for path in (path for path in page["paths"] if path.startswith("/v1/")):
        for operation in page["paths"][path].values():
            assert operation["security"]
            reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            assert page["components"]["schemas"][reference.rpartition("/")[2]]["examples"], path


def test_a_store_that_was_never_written_is_said_to_be_absent(api: RunningApi) -> None:
    api.put([{"apiVersion": "qingyu/v1", "kind": "enterprise", "id": "a", "valid_from": "2018-01-01", "spec": {}}])

    assert problem(api, "/v1/alarms") == (503, "store_absent")


def test_answers_are_counted_by_route_and_status(city: RunningApi) -> None:
    for path in ("/v1/alarms/none", "/nowhere"):
        assert city.get(path).status_code == 404
    metrics = city.client.get("/metrics").text
    for route in ("/v1/alarms/{id}", "other"):
        assert f'qingyu_api_requests_total{{route="{route}",status="404"}}' in metrics


def test_health_needs_no_token(city: RunningApi) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert city.client.get(path, headers={"Authorization": ""}).status_code == 200
