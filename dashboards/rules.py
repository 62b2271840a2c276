"""A rule watches our series from Grafana: what the engine has found, and what the engine cannot see of itself.

Limits are not repeated here: whether one is passed is what the engine says in measurement `alarm`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards import engine
from dashboards.city import ALARMS_PANEL, BEATS_PANEL, LAG_PANEL
from dashboards.figures import PASSED
from dashboards.influxql import IN_RANGE, Measurement, Query, newest
from dashboards.names import CITY_UID, EXPRESSION, LABEL, RULE_FOLDER, RULE_GROUP
from schemas.series import ALARM, ALARM_STATE

EVALUATED_EVERY_S = 30
# A multiple of Grafana's own beat.
EVALUATED_EVERY = f"{EVALUATED_EVERY_S}s"

_DAY_S = 86_400
# The longest accounting period is a year, and its alarm stands at its start; it settles some months after its end.
_ALARMS_S = 500 * _DAY_S
# For so long a silent process counts as one that should speak; after that, as one that was taken away.
_PROCESSES_S = 6 * 3600
# What came within the last minute may not be in the store yet.
_UNTIL_S = 60
_LAG_S = 600
# A worker takes up to 4000 messages a step, several steps a second: so many for minutes is standing still.
LAG_MESSAGES = 10_000

# Where a rule says only what the engine has said already: our own notifier has told it.
FROM_ENGINE = ("origin", "engine")
FROM_GRAFANA = ("origin", "grafana")


@dataclass(frozen=True, slots=True)
class Watched:
    """A query of a rule, over the seconds from `from_s` to `to_s` before now; its last value is expression `last`."""

    ref: str
    last: str
    query: Query
    from_s: int
    to_s: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: it fires when the last value of its first query fulfils the condition for `hold`.

    `condition` is one of Grafana's (`gt`, `lt`) with its values; `absent`
    what no series at all means.
    """

    uid: str
    title: str
    watched: tuple[Watched, ...]
    condition: tuple[str, tuple[float, ...]]
    hold: str
    absent: str
    labels: Mapping[str, str]
    summary: str
    panel: int

    def body(self) -> dict[str, Any]:
        """Return the rule as both files and Grafana's HTTP interface write it."""
        data = [part for watched in self.watched for part in _query(watched)]
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": "C",
            "data": [*data, _threshold("C", self.watched[0].last, *self.condition)],
            "for": self.hold,
            "noDataState": self.absent,
            # The series cannot be read: told as DatasourceError, which has a route of its own.
            "execErrState": "Error",
            "labels": dict(self.labels),
            "annotations": {
                "summary": self.summary,
                "__dashboardUid__": CITY_UID,
                "__panelId__": str(self.panel),
            },
        }


def rules() -> tuple[Rule, ...]:
    """Return all rules, in their order."""
    return _limit_passed(), _process_silent(), _lag()


# Uids that once were ours: removing a rule from a file leaves it in Grafana.
RETIRED: tuple[str, ...] = ()


def rule_file() -> dict[str, Any]:
    """Return the file that brings the rules into a Grafana provisioned by files."""
    group = {
        "orgId": 1,
        "name": RULE_GROUP,
        "folder": RULE_FOLDER.title,
        "interval": EVALUATED_EVERY,
        "rules": [rule.body() for rule in rules()],
    }
    found: dict[str, Any] = {"apiVersion": 1, "groups": [group]}
    if RETIRED:
        found["deleteRules"] = [{"orgId": 1, "uid": uid} for uid in RETIRED]
    return found


def _limit_passed() -> Rule:
    alarm = Measurement(ALARM)
    by = ["entity", "rule"]
    state = newest(alarm, "state", {"state": "state"}, [IN_RANGE], by, keep=PASSED)
    margin = newest(alarm, "state", {"margin": "margin"}, [IN_RANGE], by)
    return Rule(
        uid="qingyu-limit-passed",
        title="超过限额或规则 Limit or rule passed",
        watched=(Watched("A", "B", state, _ALARMS_S), Watched("M", "N", margin, _ALARMS_S)),
        # Any series at all: the query leaves out what is not passed.
        condition=("gt", (ALARM_STATE["ok"],)),
        hold="10m",
        absent="OK",
        labels=dict([LABEL, FROM_ENGINE, ("severity", "warning")]),
        summary="{{ $labels.entity }} 超过 passed {{ $labels.rule }}"
        '{{ if $values.N.Labels }}, 裕度 margin {{ printf "%.2f" $values.N.Value }}{{ end }}',
        panel=ALARMS_PANEL,
    )


def _process_silent() -> Rule:
    return Rule(
        uid="qingyu-process-silent",
        title="引擎心跳缺失 No heartbeat of the engine",
        watched=(Watched("A", "B", engine.beats("1m"), _PROCESSES_S, _UNTIL_S),),
        condition=("lt", (1,)),
        hold="1m",
        absent="Alerting",
        labels=dict([LABEL, FROM_GRAFANA, ("severity", "critical")]),
        summary="{{ if $labels.process }}进程 process {{ $labels.process }}{{ else }}全部进程 all processes{{ end }}"
        " 无心跳: no heartbeat",
        panel=BEATS_PANEL,
    )


def _lag() -> Rule:
    return Rule(
        uid="qingyu-lag",
        title="引擎滞后 The engine lags",
        watched=(Watched("A", "B", engine.newest_lag(), _LAG_S),),
        condition=("gt", (LAG_MESSAGES,)),
        hold="5m",
        # Silence is told by the rule on heartbeats.
        absent="OK",
        labels=dict([LABEL, FROM_GRAFANA, ("severity", "warning")]),
        summary='进程 process {{ $labels.process }} 滞后 lags by {{ printf "%.0f" $values.B.Value }} 条消息 messages',
        panel=LAG_PANEL,
    )


def _query(watched: Watched) -> list[dict[str, Any]]:
    source = watched.query.data_source
    asked = {
        "refId": watched.ref,
        "relativeTimeRange": {"from": watched.from_s, "to": watched.to_s},
        "datasourceUid": source["uid"],
        "model": {
            "refId": watched.ref,
            "datasource": source,
            "query": watched.query.text,
            "rawQuery": True,
            "resultFormat": "time_series",
        },
    }
    reduced = {"type": "reduce", "expression": watched.ref, "reducer": "last", "settings": {"mode": "dropNN"}}
    return [asked, _expression(watched.last, reduced)]


def _threshold(ref: str, of: str, kind: str, values: tuple[float, ...]) -> dict[str, Any]:
    evaluator = {"type": kind, "params": list(values)}
    return _expression(ref, {"type": "threshold", "expression": of, "conditions": [{"evaluator": evaluator}]})


def _expression(ref: str, model: dict[str, Any]) -> dict[str, Any]:
    return {"refId": ref, "datasourceUid": EXPRESSION, "model": {"refId": ref, **model}}
