"""Coverage is how much of the expected time of a metric was measured, estimated, or is missing."""

from grafana_foundation_sdk.builders import timeseries

from dashboards import figures, panels

_PARTS = {
    "measured": ("实测 Measured", panels.GREEN),
    "estimated": ("估算 Estimated", panels.AMBER),
    "missing": ("缺测 Missing", panels.RED),
}


def coverage(id_: int, entity: str, metric: str, *, size: tuple[int, int]) -> timeseries.Panel:
    """Return the hours of a metric by what their numbers rest on; entity and metric are quoted."""
    series = [(name, colour, figures.share("hour", field, entity, metric)) for field, (name, colour) in _PARTS.items()]
    about = "应有计量时间中实测、估算、缺测的份额。 Shares of the expected time that are measured, estimated, missing."
    return panels.parts(id_, "逐时覆盖率 Coverage by hour", about, series, size=size)
