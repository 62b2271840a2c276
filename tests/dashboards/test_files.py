"""The files of Grafana are what the code makes, and a server would take them; what is broken is said clearly."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.files import HERE, check, load
from dashboards.names import ENVIRONMENT
from tests.dashboards.checking import faults

BOARD = "json/qingyu-city.json"
RULES = "provisioning/alerting/rules.yaml"
NOTIFYING = "provisioning/alerting/notifying.yaml"
SOURCES = "provisioning/datasources/qingyu.yaml"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("json", "provisioning"):
        shutil.copytree(HERE / part, tmp_path / part)
    return tmp_path


def test_the_files_are_what_the_code_makes():
    assert check(HERE) == []


def test_no_fault_is_found_in_the_files():
    assert faults(HERE) == []


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        *way, last = path
        for part in way:
            body = body[part]
        if value is None:
            del body[last]
        else:
            body[last] = value

    return change


RULE = ("groups", 0, "rules", 0)
BROKEN: list[tuple[str, str, Callable[[Any], None], str]] = [
    (
        "one folder title for rules and dashboards",
        RULES,
        _set("groups", 0, "folder", value="晴雨 Qingyu"),
        "is that of rules and of dashboards",
    ),
    ("a rule without data", RULES, _set(*RULE, "data", value=[]), "data: List should have at least 1 item"),
    ("a condition that is no refId", RULES, _set(*RULE, "condition", value="Z"), "condition 'Z' is none of its refIds"),
    (
        "an expression of nothing",
        RULES,
        _set(*RULE, "data", 1, "model", "expression", value="Q"),
        "refers to 'Q', which is not there",
    ),
    (
        "the key of Grafana's own sample",
        RULES,
        _set(*RULE, "executionErrorState", value="Alerting"),
        "executionErrorState: Extra inputs are not permitted",
    ),
    ("no state for errors", RULES, _set(*RULE, "execErrState", value=None), "execErrState: Field required"),
    ("no state for no data", RULES, _set(*RULE, "noDataState", value=None), "noDataState: Field required"),
    ("no duration", RULES, _set(*RULE, "for", value=None), "for: Field required"),
    ("an interval off the beat", RULES, _set("groups", 0, "interval", value="15s"), "15s is no multiple of 10 s"),
    ("a uid with a dot", RULES, _set(*RULE, "uid", value="a.b"), "uid: String should match pattern"),
    ("a rule twice", RULES, _set("groups", 0, "rules", 1, "uid", value="qingyu-lag"), "2 rules have the uid"),
    ("a rule deleted", RULES, _set("deleteRules", value=[{"orgId": 1, "uid": "qingyu-lag"}]), "is made and deleted"),
    (
        "a panel that is not there",
        RULES,
        _set(*RULE, "annotations", "__panelId__", value="999"),
        "panel 999 of dashboard 'qingyu-city' is not there",
    ),
    (
        "a dollar doubled where it is not read",
        RULES,
        _set(*RULE, "annotations", "summary", value="{{ $$labels.entity }}"),
        "annotations are taken as they are",
    ),
    (
        "a recovery threshold, which a restart forgets",
        RULES,
        _set(*RULE, "data", 4, "model", "conditions", 0, "unloadEvaluator", value={"type": "lt", "params": [1]}),
        "unloadEvaluator: Extra inputs are not permitted",
    ),
    (
        "a data source that is not provisioned",
        RULES,
        _set(*RULE, "data", 0, "datasourceUid", value="influx"),
        "data source 'influx' is not provisioned",
    ),
    (
        "a range that the query does not use",
        RULES,
        _set(*RULE, "data", 0, "model", "query", value='SELECT "state" FROM "alarm"'),
        "has no $timeFilter",
    ),
    (
        "a dollar in a contact point",
        NOTIFYING,
        _set("contactPoints", 0, "receivers", 0, "settings", "title", value="{{ $x := 1 }}"),
        "a dollar is written $$",
    ),
    (
        "a variable of the environment that nobody sets",
        NOTIFYING,
        _set("contactPoints", 0, "receivers", 0, "settings", "url", value="$QINGYU_HOOK"),
        "$QINGYU_HOOK is no variable of ours",
    ),
    (
        "a second policy tree",
        NOTIFYING,
        lambda body: body["policies"].append(body["policies"][0]),
        "2 policy trees",
    ),
    (
        "a receiver that is not there",
        NOTIFYING,
        _set("policies", 0, "receiver", value="mail"),
        "receiver 'mail', which is no contact point",
    ),
    (
        "a mute time that is not there",
        NOTIFYING,
        _set("policies", 0, "routes", 0, "routes", 1, "mute_time_intervals", value=["night"]),
        "mute time 'night', which is not there",
    ),
    (
        "failures of queries told like alarms",
        NOTIFYING,
        lambda body: body["policies"][0]["routes"][0]["routes"].pop(0),
        "no route takes DatasourceError",
    ),
    (
        "a token in the file",
        SOURCES,
        _set("datasources", 0, "secureJsonData", "httpHeaderValue1", value="Token abc"),
        "httpHeaderValue1: String should match pattern",
    ),
    ("a dashboard with an id", BOARD, _set("id", value=7), "has 'id', which the server gives"),
    ("a dashboard without a title", BOARD, _set("title", value=""), "has no title"),
    ("a dashboard's uid taken", BOARD, _set("uid", value="qingyu-enterprise"), "2 dashboards have the uid"),
    ("a title taken", BOARD, _set("title", value="晴雨 企业 Enterprise"), "2 dashboards have the title"),
    ("a panel's id twice", BOARD, _set("panels", 1, "id", value=12), "2 panels have the id 12"),
    ("panels over one another", BOARD, _set("panels", 2, "gridPos", "x", value=6), "panels 11 and 12 overlap"),
    (
        "a data source of nobody",
        BOARD,
        _set("panels", 1, "targets", 0, "datasource", "uid", value="other"),
        "data source 'other' is not provisioned",
    ),
    (
        "queries of two sources in a panel of one",
        BOARD,
        _set("panels", 1, "datasource", "uid", value="qingyu-hour"),
        "its data source is not '-- Mixed --'",
    ),
    (
        "a variable that is not defined",
        BOARD,
        _set("panels", 1, "title", value="$province"),
        "variable 'province' is used and not defined",
    ),
    (
        "a variable's query as an object",
        BOARD,
        _set("templating", "list", 0, "query", value={"query": "SHOW"}),
        "its query is not a plain text",
    ),
    (
        "a table whose tags would be mixed up",
        BOARD,
        _set("panels", 11, "targets", 0, "query", value='SELECT last("value") FROM "member" GROUP BY "entity", "name"'),
        "is asked for with the tags as columns",
    ),
    (
        "a panel of a wrong type of value",
        BOARD,
        _set("panels", 1, "fieldConfig", value="x"),
        "does not come back",
    ),
]


@pytest.mark.parametrize(("path", "change", "wanted"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_a_fault_is_found(copy: Path, path: str, change: Callable[[Any], None], wanted: str):
    body = load(copy / path)
    change(body)
    text = json.dumps(body) if path.endswith(".json") else yaml.safe_dump(body, allow_unicode=True)
    (copy / path).write_text(text, encoding="utf-8")
    assert [fault for fault in faults(copy) if wanted in fault], faults(copy)
    assert check(copy)


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        (BOARD, '{"title": "x",\n "panels": [}', "is not JSON: line 2, column 13: "),
        (RULES, "groups:\n  - name: [", "is not YAML: line "),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(copy: Path, path: str, text: str, wanted: str):
    (copy / path).write_text(text, encoding="utf-8")
    (found,) = [fault for fault in faults(copy) if fault.startswith(Path(path).name)]
    assert wanted in found
    (difference,) = [str(fault) for fault in check(copy) if fault.path == path]
    assert wanted in difference
    assert "run `qingyu dashboards build`" in difference


def test_a_file_changed_by_hand_is_named_with_the_place_and_both_values(copy: Path):
    board = load(copy / BOARD)
    board["panels"][3]["title"] = "mine"
    (copy / BOARD).write_text(json.dumps(board), encoding="utf-8")
    (difference,) = [str(fault) for fault in check(copy)]
    assert difference.startswith(f'{BOARD}: /panels/3/title is "mine", not "碳排放 Emissions"; ')


def test_a_file_that_is_missing_or_made_by_nobody_is_named(copy: Path):
    (copy / BOARD).rename(copy / "json" / "old.json")
    assert [fault.path for fault in check(copy)] == ["json/old.json", BOARD]


def test_the_rules_of_limits_look_back_over_the_longest_accounting_period():
    (rule,) = [one for one in load(HERE / RULES)["groups"][0]["rules"] if one["uid"] == "qingyu-limit-passed"]
    assert all(part["relativeTimeRange"]["from"] > 366 * 86_400 for part in rule["data"] if "relativeTimeRange" in part)


def test_every_variable_of_the_environment_is_explained():
    text = (HERE / "README.md").read_text(encoding="utf-8")
    assert not [name for name, meaning in ENVIRONMENT.items() if f"| `{name}` | {meaning} |" not in text]
