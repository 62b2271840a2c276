"""`qingyu dashboards push` brings what is ours, twice the same as once, and touches nothing of anybody else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.alerting import route
from dashboards.files import boards
from dashboards.rules import EVALUATED_EVERY_S, rules
from services.provision import push as pushing
from tests.provision.conftest import Push
from tests.provision.fake_grafana import EDITOR, FakeGrafana

GROUP = ("qingyu-alerts", "qingyu")


def test_an_empty_grafana_gets_everything(grafana: FakeGrafana, push: Push):
    done = push()
    assert done.exit_code == 0, done.output
    assert set(grafana.sources) == {"qingyu-raw", "qingyu-hour", "qingyu-day"}
    assert grafana.sources["qingyu-day"]["secureJsonData"] == {"httpHeaderValue1": "Token reading-token"}
    assert set(grafana.folders) == {"qingyu", "qingyu-alerts"}
    assert {uid: one["meta"]["folderUid"] for uid, one in grafana.boards.items()} == {
        board["uid"]: "qingyu" for board in boards()
    }
    assert set(grafana.rules) == {rule.uid for rule in rules()}
    assert grafana.intervals == {GROUP: EVALUATED_EVERY_S}
    assert grafana.tree["routes"] == [route()]
    assert "Grafana 11.0.0: 15 changed" in done.stdout


def test_what_was_pushed_can_be_edited_in_grafana(full: FakeGrafana, push: Push):
    owned = [*full.rules.values(), *full.points.values(), *full.mutes.values(), *full.templates.values()]
    assert {one["provenance"] for one in [*owned, full.tree]} == {""}


def test_a_second_push_writes_nothing(full: FakeGrafana, push: Push):
    full.writes.clear()
    again = push()
    assert (again.exit_code, full.writes) == (0, [])
    assert "0 changed" in again.stdout
    assert push("--check").exit_code == 0
    assert full.writes == []


def test_a_check_prints_every_difference_and_writes_nothing(grafana: FakeGrafana, push: Push):
    done = push("--check")
    assert done.exit_code == 1
    assert "error: dashboard qingyu-city: is missing" in done.stderr
    assert "error: notification route of our alerts: is missing" in done.stderr
    assert grafana.writes == []
    found = json.loads(push("--check", "--json").stdout)
    assert len(found["differences"]) == 15


def _title(grafana: FakeGrafana) -> None:
    grafana.boards["qingyu-city"]["dashboard"]["title"] = "mine"


def _moved(grafana: FakeGrafana) -> None:
    grafana.boards["qingyu-city"]["meta"]["folderUid"] = "elsewhere"


def _address(grafana: FakeGrafana) -> None:
    grafana.sources["qingyu-day"]["url"] = "http://old:8086"


def _named(grafana: FakeGrafana) -> None:
    grafana.folders["qingyu"]["title"] = "old"


def _threshold(grafana: FakeGrafana) -> None:
    grafana.rules["qingyu-lag"]["data"][-1]["model"]["conditions"][0]["evaluator"]["params"] = [5]


def _hold(grafana: FakeGrafana) -> None:
    grafana.rules["qingyu-lag"]["for"] = "1h"


def _interval(grafana: FakeGrafana) -> None:
    grafana.intervals[GROUP] = 60


def _hook(grafana: FakeGrafana) -> None:
    grafana.points["qingyu-webhook"]["settings"]["url"] = "http://old"


def _text(grafana: FakeGrafana) -> None:
    grafana.templates["qingyu"]["template"] = "old"


def _weekday(grafana: FakeGrafana) -> None:
    grafana.mutes["qingyu-told-by-engine"]["time_intervals"] = [{"weekdays": ["sunday"]}]


def _route(grafana: FakeGrafana) -> None:
    grafana.tree["routes"][0]["repeat_interval"] = "1h"


RULES = "/v1/provisioning"
CHANGES: list[tuple[Callable[[FakeGrafana], None], str, tuple[str, str]]] = [
    (_title, 'dashboard qingyu-city: title is "mine", not "晴雨 区域总览 City overview"', ("POST", "/dashboards/db")),
    (_moved, 'dashboard qingyu-city: folderUid is "elsewhere", not "qingyu"', ("POST", "/dashboards/db")),
    (
        _address,
        'data source qingyu-day: url is "http://old:8086", not "http://influxdb:8086"',
        ("PUT", "/datasources/uid/qingyu-day"),
    ),
    (_named, 'folder qingyu: title is "old", not "晴雨 Qingyu"', ("PUT", "/folders/qingyu")),
    (
        _threshold,
        "rule qingyu-lag: data/2/model/conditions/0/evaluator/params/0 is 5, not 10000",
        ("PUT", f"{RULES}/alert-rules/qingyu-lag"),
    ),
    (_hold, 'rule qingyu-lag: for is "1h", not "5m"', ("PUT", f"{RULES}/alert-rules/qingyu-lag")),
    (
        _interval,
        "rule group qingyu: interval is 60, not 30",
        ("PUT", f"{RULES}/folder/qingyu-alerts/rule-groups/qingyu"),
    ),
    (
        _hook,
        'contact point qingyu-webhook: settings/url is "http://old", not "http://postbox/alerts"',
        ("PUT", f"{RULES}/contact-points/qingyu-webhook"),
    ),
    (_text, "template qingyu: template is", ("PUT", f"{RULES}/templates/qingyu")),
    (
        _weekday,
        "mute time qingyu-told-by-engine: time_intervals/0/weekdays is",
        ("PUT", f"{RULES}/mute-timings/qingyu-told-by-engine"),
    ),
    (
        _route,
        'notification route of our alerts: repeat_interval is "1h", not "4h"',
        ("PUT", f"{RULES}/policies"),
    ),
]


@pytest.mark.parametrize(("change", "line", "write"), CHANGES, ids=[one[0].__name__ for one in CHANGES])
def test_what_was_changed_by_hand_is_told_and_mended_by_one_write(
    full: FakeGrafana, push: Push, change: Callable[[FakeGrafana], None], line: str, write: tuple[str, str]
):
    change(full)
    checked = push("--check")
    assert checked.exit_code == 1
    assert checked.stderr.startswith(f"error: {line}")
    full.writes.clear()
    assert push().exit_code == 0
    assert full.writes == [write]


def test_what_others_have_stays_as_it_is(grafana: FakeGrafana, push: Push):
    theirs = {"receiver": "grafana-default-email", "object_matchers": [["team", "=", "ops"]]}
    grafana.tree["routes"] = [theirs]
    grafana.folders["ops"] = {"uid": "ops", "title": "Ops"}
    grafana.boards["ops"] = {"dashboard": {"uid": "ops"}, "meta": {"provisioned": True}}
    grafana.sources["ops"] = {"uid": "ops", "name": "Ops", "readOnly": True, "isDefault": True}
    push()
    # A rule of theirs in our group, and our data source made the default one.
    mine = {"uid": "mine", "folderUID": GROUP[0], "ruleGroup": GROUP[1], "provenance": ""}
    grafana.rules["mine"] = mine
    grafana.sources["qingyu-day"].update(isDefault=True, url="http://old")
    _interval(grafana)
    assert push().exit_code == 0
    assert grafana.rules["mine"] == mine
    assert grafana.sources["qingyu-day"]["isDefault"]
    assert (grafana.tree["receiver"], grafana.tree["routes"]) == ("grafana-default-email", [route(), theirs])
    assert grafana.boards["ops"] == {"dashboard": {"uid": "ops"}, "meta": {"provisioned": True}}
    assert grafana.sources["ops"]["isDefault"]


def test_two_routes_of_ours_become_one(full: FakeGrafana, push: Push):
    full.tree["routes"] = [*full.tree["routes"], route()]
    assert "it is there more than once" in push("--check").stderr
    push()
    assert full.tree["routes"] == [route()]


def _as_file(name: str, uid: str) -> Callable[[FakeGrafana], None]:
    def change(grafana: FakeGrafana) -> None:
        getattr(grafana, name)[uid]["provenance"] = "file"

    return change


def _source_of_file(grafana: FakeGrafana) -> None:
    grafana.sources["qingyu-hour"]["readOnly"] = True


def _board_of_file(grafana: FakeGrafana) -> None:
    grafana.boards["qingyu-city"]["meta"]["provisioned"] = True


def _tree_of_file(grafana: FakeGrafana) -> None:
    grafana.tree = {**grafana.tree, "routes": [], "provenance": "file"}


def _tree_of_tool(grafana: FakeGrafana) -> None:
    grafana.tree = {**grafana.tree, "routes": [], "provenance": "api"}


PROVISIONED = [
    (_source_of_file, "data source qingyu-hour is provisioned by files"),
    (_board_of_file, "dashboard qingyu-city is provisioned by files"),
    (_as_file("rules", "qingyu-lag"), "rule qingyu-lag is provisioned by files"),
    (_as_file("points", "qingyu-webhook"), "contact point qingyu-webhook is provisioned by files"),
    (_as_file("templates", "qingyu"), "template qingyu is provisioned by files"),
    (_as_file("mutes", "qingyu-told-by-engine"), "mute time qingyu-told-by-engine is provisioned by files"),
    (_tree_of_file, "the tree of notification policies is provisioned by files"),
    (_tree_of_tool, "the tree of notification policies is provisioned by another tool (api)"),
]


@pytest.mark.parametrize(("change", "line"), PROVISIONED, ids=[line for _, line in PROVISIONED])
def test_what_is_provisioned_elsewhere_is_refused_before_anything_is_written(
    full: FakeGrafana, push: Push, change: Callable[[FakeGrafana], None], line: str
):
    change(full)
    _hold(full)
    full.writes.clear()
    done = push()
    assert done.exit_code == 1
    assert f"error: {line}" in done.stderr
    assert "nothing was written" in done.stderr
    assert full.writes == []


def test_a_tree_of_others_that_has_our_route_is_no_hindrance(full: FakeGrafana, push: Push):
    full.tree["provenance"] = "file"
    assert push().exit_code == 0


def test_without_a_hook_nothing_of_notifying_is_made(grafana: FakeGrafana, push: Push):
    done = push(grafana_hook="", grafana_hook_token="")
    assert done.exit_code == 0
    assert (grafana.points, grafana.mutes, grafana.templates) == ({}, {}, {})
    assert "routes" not in grafana.tree
    assert "QINGYU_GRAFANA_HOOK is not set" in done.stdout


def test_tokens_are_sent_again_when_asked_for_and_shown_never(full: FakeGrafana, push: Push):
    done = push("--renew-tokens", grafana_influx_token="new-reading", grafana_hook_token="new-hook")
    assert done.exit_code == 0
    assert full.sources["qingyu-raw"]["secureJsonData"] == {"httpHeaderValue1": "Token new-reading"}
    assert full.points["qingyu-webhook"]["settings"]["authorization_credentials"] == "new-hook"
    assert "4 changed" in done.stdout
    assert "new-" not in done.output


def test_a_rule_that_is_no_longer_ours_is_removed(full: FakeGrafana, push: Push, monkeypatch: pytest.MonkeyPatch):
    full.rules["qingyu-old"] = {**full.rules["qingyu-lag"], "uid": "qingyu-old"}
    monkeypatch.setattr(pushing, "RETIRED", ("qingyu-old", "qingyu-older"))
    assert "rule qingyu-old: is no longer used" in push("--check").stderr
    assert push().exit_code == 0
    assert "qingyu-old" not in full.rules


def test_a_data_source_that_cannot_be_read_is_told(grafana: FakeGrafana, push: Push):
    grafana.unhealthy.add("qingyu-day")
    done = push()
    assert done.exit_code == 1
    assert "cannot be read through Grafana: data source qingyu-day: Grafana answered 400" in done.stderr
    assert "unauthorized access" in done.stderr


def test_what_grafana_does_not_keep_is_told(grafana: FakeGrafana, push: Push):
    grafana.forgetful = True
    done = push()
    assert done.exit_code == 1
    assert "Grafana did not keep: dashboard qingyu-city: is missing" in done.stderr


def test_a_folder_of_our_title_that_is_not_ours_is_told(grafana: FakeGrafana, push: Push):
    grafana.folders["random"] = {"uid": "random", "title": "晴雨告警 Qingyu alerts"}
    done = push()
    assert done.exit_code == 1
    assert "folder qingyu-alerts: Grafana answered 412: a folder with the same name" in done.stderr


def test_an_editors_token_brings_all_but_data_sources(grafana: FakeGrafana, push: Push):
    refused = push(grafana_token=EDITOR)
    assert refused.exit_code == 1
    assert "data source qingyu-raw: Grafana refuses" in refused.stderr
    assert "the role Admin for data sources" in refused.stderr
    push()
    _hold(grafana)
    assert push(grafana_token=EDITOR).exit_code == 0


@pytest.mark.usefixtures("grafana")
def test_the_answer_as_json_tells_what_changed(push: Push):
    found: dict[str, Any] = json.loads(push("--json").stdout)
    assert found["grafana"] == "11.0.0"
    assert "rule group qingyu: interval is 60, not 30" not in found["changed"]
    assert "rule qingyu-lag: is missing" in found["changed"]
