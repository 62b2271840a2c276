"""The rules fire where they should, on what the sink writes, and keep still where they should not."""

from collections.abc import Iterable
from typing import Any

import pytest

from dashboards.figures import OPEN, newest_alarms
from dashboards.influxql import Measurement
from dashboards.rules import LAG_MESSAGES
from schemas.documents import Document
from schemas.messages import VERSION, Condition, encode
from schemas.series import ALARM, ALARM_STATE, Point
from schemas.windows import window
from streams.domain.alarm import Bound, Facts, Step, Value, Watch, transition
from streams.domain.registry import Snapshot
from tests.dashboards import seeding
from tests.dashboards.asking import Asker, put_in
from tests.dashboards.conftest import Write
from tests.dashboards.evaluating import NO_DATA, Labels, alerting, firing, rule, values
from tests.folding import instant

LIMIT, SILENT, LAG = rule("qingyu-limit-passed"), rule("qingyu-process-silent"), rule("qingyu-lag")
MINUTE_MS = 60_000
DAY_MS = 86_400_000
PEAK = Watch(
    "peak", "1", "qty.electricity", "hour", "month", "kWh",
    (
        Step("mild", Bound("gt", 400 * 10**6, "400"), "warning"),
        Step("grave", Bound("gt", 500 * 10**6, "500"), "critical"),
    ), None,
)  # fmt: skip
FLOOR = Watch(
    "floor", "1", "qty.electricity", "hour", "month", "kWh",
    (Step(None, Bound("lt", 100 * 10**6, "100"), "warning"),), None,
)  # fmt: skip


def written(conditions: Iterable[Condition]) -> list[Point]:
    """What the sink writes of conditions."""
    texts = [("alarm.conditions", encode(condition)) for condition in conditions]
    return seeding.through_the_sink(texts, Snapshot.build(1, list[Document]()))


def found(watch: Watch, entity: str, start: str, *kwh: int | None) -> Condition:
    """The engine's condition of an alarm after these values, one after the other [1e-6 kWh]."""
    condition: Condition | None = None
    for micro in kwh:
        step = watch.passed(micro)
        facts = Facts("ok" if step is None else "firing", step, Value(micro, 1.0), 0, "test")
        condition, _ = transition(watch, entity, start, condition, facts, 0)
    assert condition is not None
    return condition


def of(labels: Iterable[Labels], name: str) -> set[str]:
    return {dict(one)[name] for one in labels if one != NO_DATA}


AT, OVER = 400 * 10**6, 400 * 10**6 + 1
CASES = {
    "at-the-limit": ([found(PEAK, "enterprise/at-the-limit", "2018-03", AT)], False),
    "over-the-limit": ([found(PEAK, "enterprise/over-the-limit", "2018-03", OVER)], True),
    "far-over": ([found(PEAK, "enterprise/far-over", "2018-03", 501 * 10**6)], True),
    "came-down": ([found(PEAK, "enterprise/came-down", "2018-03", OVER, AT)], False),
    "no-value": ([found(PEAK, "enterprise/no-value", "2018-03", None)], False),
    "under-the-floor": ([found(FLOOR, "enterprise/under-the-floor", "2018-03", 99 * 10**6)], True),
    "at-the-floor": ([found(FLOOR, "enterprise/at-the-floor", "2018-03", 100 * 10**6)], False),
    "last-month-only": (
        [
            found(PEAK, "enterprise/last-month-only", "2018-02", OVER),
            found(PEAK, "enterprise/last-month-only", "2018-03", AT),
        ],
        False,
    ),
    "since-january": ([found(PEAK, "enterprise/since-january", "2017", OVER)], True),
}


@pytest.fixture(scope="module")
def passed(asker: Asker, write: Write) -> set[str]:
    for conditions, _ in CASES.values():
        write(written(conditions))
    states = [
        Condition(
            VERSION, "x", "state", "1", f"enterprise/state-{state}", "2018-03", "month", state, None, "warning", "1",
            "2", "kWh", 0, 0, "test", 1.0, 0,
        )
        for state in ALARM_STATE
    ]  # fmt: skip
    write(written(states))
    return of(firing(asker, LIMIT, seeding.NOW_MS), "entity")


@pytest.mark.parametrize(("case", "fires"), [(case, fires) for case, (_, fires) in CASES.items()])
def test_the_limit_rule_fires_where_the_engine_says_that_a_limit_is_passed(passed: set[str], case: str, fires: bool):
    assert (f"enterprise/{case}" in passed) is fires


def test_the_limit_rule_fires_in_the_states_of_a_rule_that_is_passed_only(passed: set[str]):
    states = {entity.removeprefix("enterprise/state-") for entity in passed if entity.startswith("enterprise/state-")}
    assert states == {"firing", "recovering", "established"}


@pytest.mark.usefixtures("passed")
def test_whatever_is_neither_ok_nor_withdrawn_is_listed_as_open(asker: Asker):
    query = newest_alarms(f"{Measurement(ALARM).tag('entity')} =~ /state-/", keep=OPEN)
    text = put_in(query.text, instant(seeding.REGISTERED), seeding.NOW_MS, {})
    listed = {row["entity"] for series in asker.ask(query.data_source["uid"], text) for row in series.rows}
    assert listed == {f"enterprise/state-{state}" for state in ALARM_STATE if state not in ("ok", "withdrawn")}


@pytest.mark.usefixtures("passed")
def test_the_limit_rule_tells_the_margin_of_the_same_evaluation(asker: Asker):
    margins = values(asker, LIMIT, seeding.NOW_MS)["N"]
    key = frozenset([("entity", "enterprise/far-over"), ("rule", "peak")])
    assert margins[key] == -1.0
    assert frozenset([("entity", "enterprise/no-value"), ("rule", "peak")]) not in margins


def test_the_demo_steel_works_passes_its_limit_and_its_rule(asker: Asker):
    rules = {dict(one)["rule"] for one in firing(asker, LIMIT, seeding.NOW_MS) if ("entity", seeding.STEEL) in one}
    assert rules >= {"hourly-peak", "steel-limit"}


def test_without_any_evaluation_the_limit_rule_keeps_still(asker: Asker):
    assert firing(asker, LIMIT, window("2015").start_ms) == set()


# Each case on processes has days of its own.
QUIET_MS, LAGGING_MS = seeding.NOW_MS + 10 * DAY_MS, seeding.NOW_MS + 20 * DAY_MS


@pytest.fixture(scope="module")
def _processes(write: Write) -> None:
    write(seeding.heartbeats(QUIET_MS - 30 * MINUTE_MS, QUIET_MS, {"worker": 0, "ticker": None}))
    write(seeding.heartbeats(QUIET_MS - 30 * MINUTE_MS, QUIET_MS - 5 * MINUTE_MS, {"territory": 0}))


@pytest.mark.usefixtures("_processes")
@pytest.mark.parametrize("after_s", [0, 7, 31, 62])
def test_a_process_that_falls_silent_is_told_and_the_others_are_not(asker: Asker, after_s: int):
    # A minute that has only just begun has no heartbeat yet: that alone is no silence.
    assert of(firing(asker, SILENT, QUIET_MS - after_s * 1000), "process") == {"territory"}


@pytest.mark.usefixtures("_processes")
def test_all_processes_silent_are_told_one_by_one_and_later_as_no_data(asker: Asker):
    stopped = {"worker", "ticker", "territory"}
    assert of(firing(asker, SILENT, QUIET_MS + 10 * MINUTE_MS), "process") == stopped
    assert of(firing(asker, SILENT, QUIET_MS + 300 * MINUTE_MS), "process") == stopped
    assert firing(asker, SILENT, QUIET_MS + 400 * MINUTE_MS) == {NO_DATA}


def test_lag_is_told_over_the_threshold_and_not_at_it(asker: Asker, write: Write):
    lags: dict[str, Any] = {"at": LAG_MESSAGES, "over": LAG_MESSAGES + 1, "none": None}
    write(seeding.heartbeats(LAGGING_MS - 10 * MINUTE_MS, LAGGING_MS, lags))
    assert of(firing(asker, LAG, LAGGING_MS), "process") == {"over"}
    # Caught up a moment ago: the newest value counts.
    write(seeding.heartbeats(LAGGING_MS, LAGGING_MS + 5000, {"over": 0}))
    assert alerting(asker, LAG, LAGGING_MS + 5000) == set()


def test_without_heartbeats_the_lag_rule_keeps_still(asker: Asker):
    assert firing(asker, LAG, window("2015").start_ms) == set()
