"""The city's dashboard: one territory, its enterprises, what is missing, what is over, and how the engine is."""

from typing import Any

from dashboards import engine, figures, panels, variables
from dashboards.board import board
from dashboards.coverage import coverage
from dashboards.figures import CO2, CO2_SOURCES, ENERGY_CV, ENERGY_EQ, KINDS, OPEN
from dashboards.influxql import IN_RANGE, Measurement, count_of, newest, select
from dashboards.names import CITY_UID, ENTERPRISE_UID
from dashboards.variables import MEMBERS, TERRITORY
from schemas.series import ALARM, MEMBER

# Panels that rules point to.
ALARMS_PANEL, LAG_PANEL, BEATS_PANEL = 51, 62, 63

KG_PER_T = 1000
_MEMBER = Measurement(MEMBER)
_ALARM = Measurement(ALARM)
_ENTITIES = f"({_ALARM.tag('entity')} = {TERRITORY} OR {_ALARM.tag('entity')} =~ {MEMBERS})"


def city() -> dict[str, Any]:
    """Return the dashboard of a territory."""
    rows = [
        (10, "现在 Now", _now()),
        (20, "逐时 By the hour", _hours()),
        (30, "企业 Enterprises", _enterprises()),
        (40, "覆盖 Coverage", _coverage()),
        (50, "告警 Alarms", _alarms()),
        (60, "引擎 Engine", _engine()),
    ]
    about = (
        "一个区域的能耗、排放、覆盖率与告警; 时间为事件时间 (北京时间)。"
        " Energy, emissions, coverage and alarms of a territory; times are event times (Asia/Shanghai)."
    )
    return board(
        CITY_UID, "晴雨 区域总览 City overview", about, "7d", [variables.territory(), variables.members()], rows
    )


def _now() -> list[Any]:
    def stat(id_: int, title: str, about: str, metric: str, unit: str) -> Any:
        series = [(name, figures.current(kind, TERRITORY, metric, per=KG_PER_T)) for kind, name in KINDS.items()]
        return panels.numbers(id_, title, about + " " + _NEWEST, series, size=(12, 4), unit=unit)

    missing = panels.numbers(
        14,
        "缺测 Missing",
        "最近结束的一小时缺测时间的份额。 Share of the newest whole hour that is missing.",
        [("", figures.current_share("missing", TERRITORY, ENERGY_CV))],
        size=(6, 4),
        unit=panels.SHARE,
    ).thresholds(panels.Steps(panels.GREEN, (0.01, panels.AMBER), (0.1, panels.RED)))
    open_alarms = panels.numbers(
        15,
        "未结告警 Open alarms",
        "最近一次评估既非正常也未撤回的限额与规则。"
        " Limits and rules whose newest evaluation is neither ok nor withdrawn.",
        [("", count_of(figures.newest_alarms(_ENTITIES, keep=OPEN), "state", "open"))],
        size=(6, 4),
        none="无 none",
    ).thresholds(panels.Steps(panels.GREEN, (1, panels.RED)))
    return [
        stat(11, "综合能耗 (当量) Energy, calorific", "当量值。 By calorific value.", ENERGY_CV, panels.TCE),
        stat(12, "综合能耗 (等价) Energy, equivalent", "等价值。 By equivalent value.", ENERGY_EQ, panels.TCE),
        stat(13, "碳排放 Emissions", "二氧化碳。 Carbon dioxide.", CO2, panels.TCO2),
        missing,
        open_alarms,
    ]


_NEWEST = (
    "各取所选时段末所在的时、日、月、年, 未结束者为至今之值。"
    " The hour, day, month and year at the end of the range; what is not over yet: so far."
)


def _hours() -> list[Any]:
    energy = [
        ("当量 Calorific", figures.windows("hour", TERRITORY, ENERGY_CV, per=KG_PER_T)),
        ("等价 Equivalent", figures.windows("hour", TERRITORY, ENERGY_EQ, per=KG_PER_T)),
    ]
    sources = [(name, figures.windows("hour", TERRITORY, metric, per=KG_PER_T)) for metric, name in CO2_SOURCES.items()]
    about = "没有数据的小时没有柱。 An hour without data has no bar."
    return [
        panels.bars(21, "逐时能耗 Energy by hour", about, energy, size=(12, 8), unit=panels.TCE),
        panels.bars(22, "逐时排放 Emissions by hour", about, sources, size=(12, 8), unit=panels.TCO2, stacked=True),
    ]


def _enterprises() -> list[Any]:
    each = [("$tag_entity", figures.windows_of_each("hour", MEMBERS, ENERGY_CV, per=KG_PER_T))]
    of_territory = [f"{_MEMBER.tag('group')} = {TERRITORY}"]
    name = newest(_MEMBER, "value", {"value": "value"}, of_territory, ["entity", "name"], flat=True)
    queries = [
        name,
        figures.current_of_each("day", MEMBERS, ENERGY_CV, "cv", per=KG_PER_T),
        figures.current_of_each("day", MEMBERS, ENERGY_EQ, "eq", per=KG_PER_T),
        figures.current_of_each("day", MEMBERS, CO2, "co2", per=KG_PER_T),
        figures.current_share_of_each("missing", MEMBERS, ENERGY_CV, "missing"),
    ]
    columns = {
        "name": "企业 Enterprise",
        "entity": "对象 Entity",
        "cv": "当量 Calorific",
        "eq": "等价 Equivalent",
        "co2": "排放 Emissions",
        "missing": "缺测 Missing",
    }
    table = panels.rows(
        32,
        "各企业今日 Enterprises today",
        "当日至今, 缺测为最近结束的一小时; 空格表示没有数据。"
        " The day so far, missing of the newest whole hour; an empty cell: no data.",
        queries,
        columns,
        size=(10, 10),
        joined_by="entity",
        sort_by=columns["cv"],
    )
    for heading, unit in ((columns["cv"], panels.TCE), (columns["eq"], panels.TCE), (columns["co2"], panels.TCO2)):
        table.override_by_name(heading, [panels.property_of("unit", unit), panels.property_of("decimals", 2)])
    table.override_by_name(columns["missing"], [panels.property_of("unit", panels.SHARE)])
    url = (
        f"/d/{ENTERPRISE_UID}?${{__url_time_range}}&${{territory:queryparam}}"
        f'&var-enterprise=${{__data.fields["{columns["entity"]}"]}}'
    )
    links = [{"title": "看企业 Show the enterprise", "url": url}]
    for heading in (columns["name"], columns["entity"]):
        table.override_by_name(heading, [panels.property_of("links", links)])
    return [
        panels.bars(
            31,
            "各企业逐时能耗 Energy by enterprise and hour",
            "当量值, 叠加。 By calorific value, on one another.",
            each,
            size=(14, 10),
            unit=panels.TCE,
            stacked=True,
        ),
        table,
    ]


def _coverage() -> list[Any]:
    whole = coverage(41, TERRITORY, ENERGY_CV, size=(12, 8))
    each = panels.lines(
        42,
        "各企业缺测 Missing by enterprise",
        "每小时缺测时间的份额。 Share of each hour's time that is missing.",
        [("$tag_entity", figures.share_of_each("hour", "missing", MEMBERS, ENERGY_CV))],
        size=(12, 8),
        gap_ms=panels.HOUR_MS * 3 // 2,
        unit=panels.SHARE,
    )
    return [whole, each.min(0).max(1)]


def _alarms() -> list[Any]:
    over_time = select(_ALARM, {"state": _ALARM.field("state")}, [_ENTITIES, IN_RANGE], by=["entity", "rule"])
    columns = {
        "entity": "对象 Entity",
        "rule": "限额或规则 Limit or rule",
        "state": "状态 State",
        "tier": "档 Tier",
        "value": "数值 Value",
        "limit": "限值 Limit",
        "margin": "裕度 Margin",
    }
    table = panels.rows(
        52,
        "未结告警 Open alarms",
        "裕度 = 限值 - 数值; 档从 1 数起, 1 最轻, 0 为未超。单位为指标自己的单位。"
        " Margin = limit - value; tiers count from 1, the mildest; 0: none. In the metric's own unit.",
        [figures.newest_alarms(_ENTITIES, keep=OPEN)],
        columns,
        size=(10, 9),
    ).no_value("无 none")
    table.override_by_name(columns["state"], [panels.property_of("mappings", [panels.state_mapping()])])
    return [
        panels.states(
            ALARMS_PANEL,
            "告警状态 States of alarms",
            "从核算周期或事件的开始起。 From the start of the accounting period or of the episode.",
            [("$tag_entity $tag_rule", over_time)],
            size=(14, 9),
        ),
        table,
    ]


def _engine() -> list[Any]:
    columns = {"process": "进程 Process", "heartbeat": "心跳 Heartbeat", "lag": "滞后 Lag"}
    table = panels.rows(
        61,
        "进程 Processes",
        "最近一次心跳与滞后的消息数。 The newest heartbeat, and the lag in messages.",
        [engine.processes()],
        columns,
        size=(8, 8),
    )
    table.override_by_name(columns["heartbeat"], [panels.property_of("unit", panels.AGO)])
    lag = panels.lines(
        LAG_PANEL,
        "滞后 Lag",
        "尚未处理的消息数。 Messages not yet worked on.",
        [("$tag_process", engine.lag())],
        size=(8, 8),
        gap_ms=panels.HOUR_MS * 3 // 2,
    ).min(0)
    beats = panels.bars(
        BEATS_PANEL,
        "每段心跳数 Heartbeats by interval",
        "零就是没有心跳。 Zero is what it says: no heartbeat came.",
        [("$tag_process", engine.beats("$__interval"))],
        size=(8, 8),
    ).interval("1m")
    return [table, lag, beats]
