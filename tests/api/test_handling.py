"""What people do about alarms over HTTP, against a real Kafka: what is taken, what is refused, and what it shows."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import asdict

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import AlarmEvent, Condition
from schemas.windows import HOUR_MS
from services.api import answers
from services.topics import apply_topics
from tests.api.city import fill
from tests.api_server import OPERATOR, RunningApi, api_settings, running_api
from tests.gateway.running import key_documents


@pytest.fixture(scope="module")
def city(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    settings = api_settings(kafka.bootstrap, f"t{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("city"))
    apply_topics(settings)
    with running_api(settings) as api:
        fill(api)
        documents = [dict(raw) for raw in key_documents() if raw["id"] != "steel"]
        assert api.put(documents).status_code == 200, api.put(documents).text
        yield api


def made(**changed: Any) -> Condition:
    facts: dict[str, Any] = {**answers.ALARM, **changed}
    return Condition(**facts)


def alarm(city: RunningApi, condition: str = "firing", **more: Any) -> str:
    """Put an alarm of its own into the store; return its id."""
    id_ = uuid.uuid4().hex[:20]
    raised(city, made(id=id_, condition=condition, **more))
    return id_


def raised(city: RunningApi, condition: Condition) -> None:
    event = AlarmEvent(**asdict(condition), from_="ok", cause="raised", actor="engine")
    city.store.keep([], [condition, event], [])


def act(city: RunningApi, id_: str, action: str, token: str = OPERATOR, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return city.client.post(f"/v1/alarms/{id_}/handling", json={"action": action, **body}, headers=headers)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def silence(city: RunningApi, token: str = OPERATOR, **body: Any) -> httpx.Response:
    return city.client.post("/v1/silences", json=body, headers={"Authorization": f"Bearer {token}"})


def now(city: RunningApi, id_: str, *names: str) -> tuple[Any, ...]:
    found = city.get(f"/v1/alarms/{id_}").json()
    return tuple(found[name] for name in names or ("handling", "owner", "handled_by"))


def test_an_alarm_is_acknowledged_assigned_commented_and_closed_and_its_history_tells_by_whom(
    city: RunningApi,
) -> None:
    id_ = alarm(city)
    assert now(city, id_) == ("new", None, None)
    assert act(city, id_, "acknowledge", by="Li Lei", **{"for": "4h"}).json()["handling"] == "acknowledged"
    assert act(city, id_, "assign", to="Han Meimei").json()["owner"] == "Han Meimei"
    assert act(city, id_, "comment", text="泵 3 空转").status_code == 200
    assert now(city, id_) == ("acknowledged", "Han Meimei", "Li Lei")
    assert said(act(city, id_, "close")) == (409, "still_going_on")
    raised(city, made(id=id_, condition="ok", seq=2))
    assert act(city, id_, "close", text="repaired").json()["handling"] == "closed"
    assert said(act(city, id_, "acknowledge")) == (409, "already_closed")
    items = city.get(f"/v1/alarms/{id_}/history").json()["items"]
    actions = [(one["what"], one["by"], one["key"]) for one in items if one["kind"] == "action"]
    assert actions == [
        ("acknowledged", "Li Lei", "operator"),
        ("assigned", "operator", "operator"),
        ("commented", "operator", "operator"),
        ("closed", "operator", "operator"),
    ]
    assert [one["seq"] for one in items if one["kind"] == "event"] == [1, 2]
    raised(city, made(id=id_, seq=3))
    assert now(city, id_) == ("new", None, None)


def test_sent_twice_under_one_id_it_is_done_once(city: RunningApi) -> None:
    id_ = alarm(city)
    answers_ = [act(city, id_, "comment", text="seen", id="c-1").status_code for _ in range(2)]
    assert answers_ == [200, 200]
    items = city.get(f"/v1/alarms/{id_}/history").json()["items"]
    assert [one["text"] for one in items if one["kind"] == "action"] == ["seen"]


def test_a_withdrawn_alarm_can_be_closed_and_not_acknowledged(city: RunningApi) -> None:
    id_ = alarm(city, "withdrawn")
    assert said(act(city, id_, "acknowledge")) == (409, "over")
    assert act(city, id_, "close").status_code == 200


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("acknowledge", {"until": "2018-01-01"}, "bad_time"),
        ("acknowledge", {"for": "soon"}, "bad_time"),
        ("acknowledge", {"until": "2100-01-01", "for": "1h"}, "bad_time"),
        ("acknowledge", {"to": "Han Meimei"}, "no_owner_here"),
        ("assign", {}, "no_owner"),
        ("assign", {"to": "  "}, "no_owner"),
        ("comment", {"text": ""}, "no_text"),
        ("close", {"for": "1h"}, "no_end_here"),
        ("silence", {"text": "work"}, "no_end"),
        ("silence", {"for": "1h"}, "no_reason"),
        ("burn", {}, "invalid_request"),
        ("comment", {"text": "x", "colour": "red"}, "invalid_request"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(city: RunningApi, action: str, body: dict[str, Any], code: str) -> None:
    assert said(act(city, answers.ALARM["id"], action, **body)) == (422, code)


def test_each_action_needs_a_token_of_somebody_who_may(city: RunningApi) -> None:
    id_ = alarm(city)
    bare = httpx.post(f"{city.url}/v1/alarms/{id_}/handling", json={"action": "close"}, timeout=30)
    assert said(bare) == (401, "unauthorized")
    assert said(act(city, id_, "comment", "gw1-token", text="x")) == (403, "forbidden")
    assert act(city, id_, "acknowledge", "steel-token").status_code == 200
    assert said(act(city, id_, "close", "steel-token")) == (403, "forbidden")
    assert said(act(city, id_, "silence", "steel-token", text="x", **{"for": "1h"})) == (403, "forbidden")
    other = alarm(city, entity="enterprise/other")
    assert said(act(city, other, "acknowledge", "steel-token")) == (403, "forbidden")
    assert said(act(city, "none", "acknowledge")) == (404, "unknown_alarm")
    assert said(silence(city, "steel-token", rule="hourly-peak", reason="x", **{"for": "1h"})) == (403, "forbidden")


def test_silences_begin_hold_and_end_and_what_they_are_about_shows_it(city: RunningApi) -> None:
    id_ = alarm(city)
    made = silence(city, entity="enterprise/bz-steel", reason="盘查", by="Li Lei", **{"for": "2h"})
    assert (made.status_code, made.json()["state"]) == (200, "in_force")
    assert made.json()["end"] - made.json()["start"] == 2 * HOUR_MS
    assert now(city, id_, "visibility", "because") == ("silenced", made.json()["id"])
    work = silence(city, kind="maintenance", entity="enterprise/bz-steel", reason="work", **{"for": "1h"}).json()
    assert now(city, id_, "visibility", "because") == ("maintenance", work["id"])
    coming = silence(city, alarm=id_, reason="later", until="2100-01-02", **{"from": "2100-01-01"}).json()
    assert [one["id"] for one in city.get("/v1/silences", state="coming").json()["items"]] == [coming["id"]]
    for one in (work, coming, made.json()):
        ended = city.client.delete(f"/v1/silences/{one['id']}", params={"by": "Han Meimei"})
        assert (ended.json()["state"], ended.json()["ended_by"]) == ("over", "Han Meimei")
        assert said(city.client.delete(f"/v1/silences/{one['id']}")) == (409, "already_over")
    assert now(city, id_, "visibility") == ("shown",)
    assert said(city.client.delete("/v1/silences/none")) == (404, "unknown_silence")
    kinds = [one["kind"] for one in city.get(f"/v1/alarms/{id_}/history").json()["items"]]
    assert sorted(kinds) == ["event", "maintenance", "silence", "silence"]


def test_one_alarm_is_silenced_by_an_action(city: RunningApi) -> None:
    id_ = alarm(city)
    assert act(city, id_, "silence", text="sensor at repair", **{"for": "1d"}).json()["visibility"] == "silenced"
    assert now(city, alarm(city), "visibility") == ("shown",)


@pytest.mark.parametrize(
    ("body", "said_"),
    [
        ({"reason": "x", "for": "1h"}, (422, "no_selector")),
        ({"reason": "x", "rule": "hourly-peak"}, (422, "no_end")),
        ({"rule": "hourly-peak", "for": "1h"}, (422, "invalid_request")),
        ({"reason": "x", "rule": "none", "for": "1h"}, (404, "unknown_rule")),
        ({"reason": "x", "entity": "enterprise/none", "for": "1h"}, (404, "unknown_entity")),
        ({"reason": "x", "alarm": "none", "for": "1h"}, (404, "unknown_alarm")),
        ({"reason": "x", "alarm": "a", "rule": "b", "for": "1h"}, (422, "bad_selector")),
        ({"reason": "x", "entity": "enterprise/other", "until": "2018-01-01"}, (422, "bad_time")),
    ],
)
def test_a_silence_that_cannot_be_is_refused(city: RunningApi, body: dict[str, Any], said_: tuple[int, str]) -> None:
    assert said(silence(city, **body)) == said_


def test_alarms_are_chosen_by_where_people_are_with_them(city: RunningApi) -> None:
    rule = f"r-{uuid.uuid4().hex[:8]}"
    ids = [
        alarm(city, rule=rule, start=f"2018-02-0{n}T08", severity="critical" if n == 3 else "warning")
        for n in (1, 2, 3)
    ]
    assert act(city, ids[0], "assign", to="Han Meimei").status_code == 200
    assert act(city, ids[1], "silence", text="x", **{"for": "1h"}).status_code == 200

    def chosen(**query: Any) -> list[int]:
        return [ids.index(one["id"]) for one in city.get("/v1/alarms", rule=rule, **query).json()["items"]]

    assert chosen(handling="new") == [2, 1]
    assert chosen(handling="assigned") == chosen(owner="Han Meimei") == [0]
    assert chosen(visibility="shown") == [2, 0]
    assert chosen(severity="critical") == [2]
    assert said(city.get("/v1/alarms", handling="lost")) == (422, "invalid_request")
    first = city.get("/v1/alarms", rule=rule, severity="warning", limit=1).json()
    second = city.get("/v1/alarms", rule=rule, severity="warning", limit=1, cursor=first["next"]).json()
    assert [ids.index(page["items"][0]["id"]) for page in (first, second)] == [1, 0]


def test_of_two_api_processes_that_write_at_once_each_sees_what_the_other_did(city: RunningApi) -> None:
    id_ = alarm(city, "ok")
    with running_api(city.settings) as other:
        assert act(other, id_, "comment", text="1").status_code == 200
        assert act(city, id_, "close").status_code == 200
        assert said(act(other, id_, "close")) == (409, "already_closed")
        assert act(city, id_, "comment", text="2").status_code == 200
        found = other.get(f"/v1/alarms/{id_}/history").json()["items"]
    assert [one["what"] for one in found if one["kind"] == "action"] == ["commented", "closed", "commented"]


def test_a_territorys_alarm_names_those_of_its_enterprises_on_the_same_metric(city: RunningApi) -> None:
    assert city.put([watching("by-county", "county"), watching("by-works", "enterprise")]).status_code == 200
    county = alarm(city, entity="county/bazhou", rule="by-county", start="2018-02", period="month")
    works = alarm(city, entity="enterprise/bz-steel", rule="by-works", start="2018-02", period="month")
    alarm(city, entity="enterprise/other", rule="by-works", start="2018-02", period="month")  # in another county
    alarm(city, "ok", entity="enterprise/bz-steel", rule="by-works", start="2018-01", period="month")
    alarm(city, entity="enterprise/bz-steel", rule="steel-limit", start="2018-02", period="month")

    assert [one["id"] for one in city.get(f"/v1/alarms/{county}").json()["contributors"]] == [works]
    assert city.get(f"/v1/alarms/{works}").json()["contributors"] == []


def watching(id_: str, kind: str) -> dict[str, Any]:
    spec = {
        "metric": "energy.cv", "window": "month", "period": "month", "select": {"kind": kind},
        "raise": {"gt": "1000000000"}, "severity": "warning",
    }  # fmt: skip
    return {"apiVersion": "qingyu/v1", "kind": "rule", "id": id_, "valid_from": "2018-01-01", "spec": spec}
