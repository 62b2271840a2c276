"""A panel is one picture of a dashboard: its queries, and how their answers are drawn.

Nothing is drawn where nothing is known: queries leave out windows without a value, bars have no bar there, and lines
are interrupted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from grafana_foundation_sdk.builders import common, dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.influxql import InfluxQuery, Query, Target
from dashboards.names import MIXED
from schemas.series import ALARM_STATE

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MONTH_MS = 31 * DAY_MS

UNKNOWN = "无数据 no data"
SHARE = "percentunit"
TCE = "suffix: tce"
TCO2 = "suffix: tCO₂"
AGO = "dateTimeFromNow"

GREEN, AMBER, RED, BLUE, GREY, VIOLET = "#3a9d5d", "#e0a030", "#d0453e", "#3b7dbf", "#8a8f98", "#7a5fb0"
# What the states of an alarm are called and drawn as.
STATE_TEXTS = {
    "ok": ("正常 ok", GREEN),
    "pending": ("待定 pending", AMBER),
    "firing": ("告警 firing", RED),
    "established": ("成立 established", VIOLET),
    "withdrawn": ("撤回 withdrawn", GREY),
    "recovering": ("恢复中 recovering", AMBER),
    "no_data": ("无数据 no data", BLUE),
    "error": ("无法判断 cannot be told", BLUE),
}


class Steps(Builder[models.ThresholdsConfig]):
    """Colours by value: `base` below the first of `steps` (value, colour)."""

    def __init__(self, base: str, *steps: tuple[float, str]) -> None:
        self._steps = [models.Threshold(value=None, color=base), *(models.Threshold(value, to) for value, to in steps)]

    def build(self) -> models.ThresholdsConfig:
        """Return the thresholds."""
        return models.ThresholdsConfig(mode=models.ThresholdsMode.ABSOLUTE, steps=self._steps)


class _Common(Protocol):
    """What the builders of all kinds of panel have."""

    def id(self, id_val: int) -> Any: ...
    def title(self, title: str) -> Any: ...
    def description(self, description: str) -> Any: ...
    def datasource(self, datasource: common_models.DataSourceRef) -> Any: ...
    def with_target(self, target: Target) -> Any: ...
    def span(self, w: int) -> Any: ...
    def height(self, h: int) -> Any: ...
    def no_value(self, no_value: str) -> Any: ...


# (name of the series, query); the name may hold `$tag_..` and `$col`.
Series = Sequence[tuple[str, Query]]


def numbers(
    id_: int, title: str, about: str, series: Series, *, size: tuple[int, int], unit: str = "", none: str = UNKNOWN
) -> stat.Panel:
    """Return large figures, one a series: its newest value; `none` where there is none."""
    panel = stat.Panel()
    _begin(panel, id_, title, about, series, size)
    panel.no_value(none)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    panel.graph_mode(common_models.BigValueGraphMode.NONE)
    panel.color_mode(common_models.BigValueColorMode.VALUE)
    panel.text_mode(
        common_models.BigValueTextMode.VALUE_AND_NAME if len(series) > 1 else common_models.BigValueTextMode.VALUE
    )
    if unit:
        panel.unit(unit)
    panel.thresholds(Steps(BLUE))
    return panel


def bars(
    id_: int,
    title: str,
    about: str,
    series: Series,
    *,
    size: tuple[int, int],
    unit: str = "",
    stacked: bool = False,
) -> timeseries.Panel:
    """Return a bar for each window and series, on one another where `stacked`."""
    panel = _chart(id_, title, about, series, size, unit)
    panel.draw_style(common_models.GraphDrawStyle.BARS)
    panel.fill_opacity(70)
    panel.line_width(0)
    # A window is named by its start, so its bar stands after that instant.
    panel.bar_alignment(common_models.BarAlignment.AFTER)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return panel


def lines(
    id_: int,
    title: str,
    about: str,
    series: Series,
    *,
    size: tuple[int, int],
    gap_ms: int,
    unit: str = "",
    steps: Steps | None = None,
) -> timeseries.Panel:
    """Return a line for each series, interrupted where two points are further apart than `gap_ms`."""
    panel = _chart(id_, title, about, series, size, unit)
    panel.draw_style(common_models.GraphDrawStyle.LINE)
    panel.line_width(2)
    panel.show_points(common_models.VisibilityMode.ALWAYS)
    panel.point_size(5)
    panel.insert_nulls(gap_ms)
    panel.span_nulls(False)
    if steps is not None:
        panel.thresholds(steps)
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.LINE_AND_AREA)
        )
    return panel


def parts(
    id_: int, title: str, about: str, series: Sequence[tuple[str, str, Query]], *, size: tuple[int, int]
) -> timeseries.Panel:
    """Return the parts (name, colour, query) that make up the whole of each window, on one another up to 100 %."""
    named = [(name, query) for name, _, query in series]
    panel = bars(id_, title, about, named, size=size, unit=SHARE, stacked=True).max(1)
    for name, colour, _ in series:
        panel.override_by_name(name, [property_of("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def states(id_: int, title: str, about: str, series: Series, *, size: tuple[int, int]) -> statetimeline.Panel:
    """Return a row of colours for each series: an alarm's states over time."""
    panel = statetimeline.Panel()
    _begin(panel, id_, title, about, series, size)
    panel.no_value(UNKNOWN)
    panel.mappings([state_mapping()])
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    panel.merge_values(True)
    panel.show_value(common_models.VisibilityMode.AUTO)
    panel.row_height(0.8)
    panel.fill_opacity(80)
    panel.legend(common.VizLegendOptions().show_legend(False).display_mode(common_models.LegendDisplayMode.LIST))
    return panel


def rows(
    id_: int,
    title: str,
    about: str,
    queries: Sequence[Query],
    columns: Mapping[str, str],
    *,
    size: tuple[int, int],
    joined_by: str = "",
    sort_by: str = "",
) -> table.Panel:
    """Return a table of `columns` (name in the query: heading), in their order and no others.

    `joined_by` is a column that brings the answers of several queries together; `sort_by` a heading, greatest first.
    """
    panel = table.Panel()
    _begin(panel, id_, title, about, [("", query) for query in queries], size, as_table=True)
    if joined_by:
        panel.with_transformation(_transformation("joinByField", {"byField": joined_by, "mode": "outer"}))
    panel.with_transformation(_transformation("filterFieldsByName", {"include": {"names": list(columns)}}))
    order = {name: at for at, name in enumerate(columns)}
    panel.with_transformation(
        _transformation("organize", {"excludeByName": {}, "indexByName": order, "renameByName": dict(columns)})
    )
    if sort_by:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    return panel


def property_of(id_: str, value: Any) -> models.DynamicConfigValue:
    """Return a setting of one column or series."""
    return models.DynamicConfigValue(id_val=id_, value=value)


def state_mapping() -> models.ValueMap:
    """Return how the states of an alarm are shown."""
    return models.ValueMap(
        options={
            f"{value:g}": models.ValueMappingResult(text=STATE_TEXTS[name][0], color=STATE_TEXTS[name][1], index=at)
            for at, (name, value) in enumerate(ALARM_STATE.items())
        }
    )


def _transformation(id_: str, options: dict[str, Any]) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=id_, options=options)


def _chart(id_: int, title: str, about: str, series: Series, size: tuple[int, int], unit: str) -> timeseries.Panel:
    panel = timeseries.Panel()
    _begin(panel, id_, title, about, series, size)
    panel.no_value(UNKNOWN)
    if unit:
        panel.unit(unit)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .calcs([])
    )
    panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    return panel


def _begin(
    panel: _Common, id_: int, title: str, about: str, series: Series, size: tuple[int, int], *, as_table: bool = False
) -> None:
    panel.id(id_)
    panel.title(title)
    panel.description(about)
    panel.span(size[0])
    panel.height(size[1])
    sources = {query.data_source["uid"]: query.data_source for _, query in series}
    source = next(iter(sources.values())) if len(sources) == 1 else MIXED
    panel.datasource(common_models.DataSourceRef(type_val=source["type"], uid=source["uid"]))
    for at, (name, query) in enumerate(series):
        panel.with_target(Target(InfluxQuery(chr(ord("A") + at), query, name, table=as_table)))
