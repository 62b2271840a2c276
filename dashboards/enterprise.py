"""An enterprise's dashboard: its hours and days, its limits with margin and tier, the readings of its meters."""

from typing import Any

from dashboards import figures, panels, variables
from dashboards.board import board
from dashboards.city import KG_PER_T
from dashboards.coverage import coverage
from dashboards.figures import CO2, ENERGY_CV, ENERGY_EQ, KINDS
from dashboards.influxql import IN_RANGE, Measurement, select
from dashboards.names import ENTERPRISE_UID
from dashboards.variables import ENTERPRISE, METER, METER_ENTITY, METRIC, RULES
from schemas.series import ALARM, READING

_ALARM = Measurement(ALARM)
_READING = Measurement(READING)
_HELD = f"{_ALARM.tag('entity')} = {ENTERPRISE} AND {_ALARM.tag('rule')} =~ {RULES}"


def enterprise() -> dict[str, Any]:
    """Return the dashboard of an enterprise."""
    rows = [
        (10, "现在 Now", _now()),
        (20, "指标 Metric: ${metric}", _metric()),
        (30, "强度与限额 Intensities and limits", _limits()),
        (40, "计量点 Meter: ${meter}", _meter()),
    ]
    chosen = [
        variables.territory(),
        variables.enterprise(),
        variables.enterprise_id(),
        variables.metric(),
        variables.rules(),
        variables.meter(),
    ]
    about = (
        "一家企业的时与日、强度与限额、计量点读数; 时间为事件时间 (北京时间)。"
        " Hours and days, intensities and limits, and meter readings of an enterprise; times are event times"
        " (Asia/Shanghai)."
    )
    return board(ENTERPRISE_UID, "晴雨 企业 Enterprise", about, "30d", chosen, rows)


def _now() -> list[Any]:
    def stat(id_: int, title: str, metric: str, unit: str) -> Any:
        series = [(name, figures.current(kind, ENTERPRISE, metric, per=KG_PER_T)) for kind, name in KINDS.items()]
        about = (
            "各取所选时段末所在的时、日、月、年, 未结束者为至今之值。"
            " The hour, day, month and year at the end of the range; what is not over yet: so far."
        )
        return panels.numbers(id_, title, about, series, size=(8, 6), unit=unit)

    return [
        stat(11, "综合能耗 (当量) Energy, calorific", ENERGY_CV, panels.TCE),
        stat(12, "综合能耗 (等价) Energy, equivalent", ENERGY_EQ, panels.TCE),
        stat(13, "碳排放 Emissions", CO2, panels.TCO2),
    ]


def _metric() -> list[Any]:
    unit = (
        "单位: 能耗为 kgce, 排放为 kgCO2, 实物量为品种自己的单位。没有数据处没有柱。"
        " Units: kgce, kgCO2, or the carrier's own. No bar where there is no data."
    )
    return [
        panels.bars(
            21, "逐时 By hour", unit, [("${metric}", figures.windows("hour", ENTERPRISE, METRIC))], size=(14, 8)
        ),
        panels.bars(22, "逐日 By day", unit, [("${metric}", figures.windows("day", ENTERPRISE, METRIC))], size=(10, 8)),
        coverage(23, ENTERPRISE, METRIC, size=(24, 6)),
    ]


def _limits() -> list[Any]:
    held = [_HELD, IN_RANGE]
    value, limit = _ALARM.field("value"), _ALARM.field("limit")
    columns = {
        "rule": "限额或规则 Limit or rule",
        "state": "状态 State",
        "tier": "档 Tier",
        "value": "数值 Value",
        "limit": "限值 Limit",
        "margin": "裕度 Margin",
    }
    newest = panels.rows(
        31,
        "最近一次评估 Newest evaluation",
        "裕度 = 限值 - 数值; 档从 1 数起, 1 最轻, 0 为未超。"
        " Margin = limit - value; tiers count from 1, the mildest; 0: none.",
        [figures.newest_alarms(_HELD)],
        columns,
        size=(12, 8),
    )
    newest.override_by_name(columns["state"], [panels.property_of("mappings", [panels.state_mapping()])])
    newest.override_by_name(
        columns["margin"],
        [
            panels.property_of("thresholds", panels.Steps(panels.RED, (0, panels.GREEN)).build()),
            panels.property_of("custom.cellOptions", {"type": "color-text"}),
        ],
    )
    against = select(_ALARM, {"数值 value": value, "限值 limit": limit}, held, by=["rule"])
    margin = select(_ALARM, {"margin": _ALARM.field("margin")}, held, by=["rule"])
    tier = select(_ALARM, {"tier": _ALARM.field("tier")}, held, by=["rule"])
    of_limit = select(_ALARM, {"share": f"{value} / {limit}"}, [_HELD, f"{limit} > 0", IN_RANGE], by=["rule"])
    indicators = figures.windows_of_metrics("month", ENTERPRISE, r"/^ind\./")
    over = panels.Steps(panels.GREEN, (1, panels.RED))
    return [
        newest,
        panels.lines(
            32,
            "各月指标 Indicators by month",
            "分母未报的月份没有点。 A month whose denominator is not reported has no point.",
            [("$tag_metric", indicators)],
            size=(12, 8),
            gap_ms=panels.MONTH_MS * 3 // 2,
        ),
        panels.lines(
            33,
            "数值与限值 Value and limit",
            "从核算周期或事件的开始起。 From the start of the accounting period or of the episode.",
            [("$tag_rule $col", against)],
            size=(12, 8),
            gap_ms=panels.MONTH_MS * 3 // 2,
        ),
        panels.lines(
            34,
            "裕度 Margin",
            "限值 - 数值: 上限以下为正。 Limit - value: positive below an upper limit.",
            [("$tag_rule", margin)],
            size=(12, 8),
            gap_ms=panels.MONTH_MS * 3 // 2,
            steps=panels.Steps(panels.RED, (0, panels.GREEN)),
        ),
        panels.lines(
            35,
            "占限值的份额 Share of the limit",
            "只在限值为正处存在, 其余看裕度与档。"
            " Exists only where the limit is positive; elsewhere see margin and tier.",
            [("$tag_rule", of_limit)],
            size=(12, 8),
            gap_ms=panels.MONTH_MS * 3 // 2,
            unit=panels.SHARE,
            steps=over,
        ),
        panels.lines(
            36,
            "档 Tier",
            "超过了限额的第几档: 1 最轻, 0 未超。 How many tiers are passed: 1 is the mildest, 0 none.",
            [("$tag_rule", tier)],
            size=(12, 8),
            gap_ms=panels.MONTH_MS * 3 // 2,
        ),
    ]


def _meter() -> list[Any]:
    sent = [f"{_READING.tag('meter')} = {METER}", f"{_READING.field('void')} = 0", IN_RANGE]
    readings = select(_READING, {"value": f"last({_READING.field('value')})"}, sent, by=["rev"], every="$__interval")
    hours = figures.windows_of_metrics("hour", METER_ENTITY, r"/^qty\.[^.]+$/")
    return [
        panels.lines(
            41,
            "读数 Readings",
            "如所接收, 每个修订号一条线, 最高者有效; 远看时每段取最后一个。"
            " As accepted, a line for each revision, the highest counts; from afar, the last of each interval.",
            [("修订 rev $tag_rev", readings)],
            size=(12, 8),
            gap_ms=panels.HOUR_MS * 3 // 2,
        ),
        panels.bars(
            42,
            "计量点逐时 The meter's hours",
            "品种自己的单位。 In the carrier's own unit.",
            [("$tag_metric", hours)],
            size=(12, 8),
        ),
    ]
