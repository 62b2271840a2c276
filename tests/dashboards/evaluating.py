"""Evaluating is what Grafana does with a rule: ask, reduce to the last value, hold against the threshold, wait.

It reads the committed file, and asks the same InfluxDB as the panels.
"""

from collections.abc import Iterator
from typing import Any

from dashboards.files import HERE, load
from dashboards.names import EXPRESSION
from dashboards.rules import EVALUATED_EVERY_S
from tests.dashboards.asking import Asker, put_in
from tests.dashboards.shapes import seconds

Labels = frozenset[tuple[str, str]]
Values = dict[Labels, float]
# No series at all: what that means is the rule's own noDataState.
NO_DATA: Labels = frozenset([("alertname", "no data")])


def rule(uid: str) -> dict[str, Any]:
    """Return a rule as it stands in the file."""
    rules = load(HERE / "provisioning/alerting/rules.yaml")["groups"][0]["rules"]
    return next(one for one in rules if one["uid"] == uid)


def values(asker: Asker, rule: dict[str, Any], now_ms: int) -> dict[str, Values]:
    """Return what each part of a rule is at an instant, by series."""
    found: dict[str, Values] = {}
    for part in rule["data"]:
        model = part["model"]
        if part["datasourceUid"] != EXPRESSION:
            span = part["relativeTimeRange"]
            text = put_in(model["query"], now_ms - span["from"] * 1000, now_ms - span["to"] * 1000, {})
            found[part["refId"]] = {
                frozenset(one.tags.items()): last
                for one in asker.ask(part["datasourceUid"], text)
                if (last := _last(one.rows)) is not None
            }
        elif model["type"] == "reduce":
            found[part["refId"]] = found[model["expression"]]
        else:
            found[part["refId"]] = dict(_held(model, found[model["expression"]]))
    return found


def alerting(asker: Asker, rule: dict[str, Any], now_ms: int) -> set[Labels]:
    """Return the series that fulfil a rule's condition at an instant; NO_DATA where that is what absence means."""
    held = values(asker, rule, now_ms)[rule["condition"]]
    if not held:
        return {NO_DATA} if rule["noDataState"] == "Alerting" else set()
    return {labels for labels, value in held.items() if value}


def firing(asker: Asker, rule: dict[str, Any], now_ms: int) -> set[Labels]:
    """Return the series that have fulfilled the condition at every evaluation for as long as the rule waits."""
    hold_ms = seconds(rule["for"]) * 1000
    instants = range(now_ms - hold_ms, now_ms + 1, EVALUATED_EVERY_S * 1000)
    return set.intersection(*(alerting(asker, rule, at) for at in instants))


def _last(rows: list[dict[str, Any]]) -> float | None:
    (column,) = {column for row in rows for column in row} - {"time"}
    numbers = [row[column] for row in rows if row[column] is not None]
    assert all(isinstance(number, int | float) for number in numbers), "a rule's value is a number"
    return numbers[-1] if numbers else None


def _held(model: dict[str, Any], values: Values) -> Iterator[tuple[Labels, float]]:
    (condition,) = model["conditions"]
    (bound,) = condition["evaluator"]["params"]
    kind = condition["evaluator"]["type"]
    for labels, value in values.items():
        yield labels, float(value > bound if kind == "gt" else value < bound)
