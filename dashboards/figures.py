"""A figure is a query that more than one picture shows: a metric's newest window, its windows, its coverage."""

from dashboards.influxql import IN_RANGE, Measurement, Query, newest, select
from schemas.series import ALARM, ALARM_STATE
from schemas.windows import WindowKind

ENERGY_CV, ENERGY_EQ, CO2 = "energy.cv", "energy.eq", "co2.total"
CO2_SOURCES = {
    "co2.fuel": "燃料 Fuel",
    "co2.power": "电力 Electricity",
    "co2.heat": "热力 Heat",
}
KINDS: dict[WindowKind, str] = {"hour": "时 Hour", "day": "日 Day", "month": "月 Month", "year": "年 Year"}

# The windows that contain an instant have begun less than so long before it; an hour's numbers need until the next one.
_SPAN = {"hour": "2h", "day": "1d", "month": "31d", "quarter": "92d", "year": "366d"}
_NOW = "time <= ${__to}ms"
# What of an hour is still to come would count as missing.
_OVER = ("time > ${__to}ms - 3h", "time <= ${__to}ms - 1h")

# What stands until something ends it: an alarm on its way in or out, or of which nothing can be told, is open, too.
OPEN = " AND ".join(f'"state" <> {ALARM_STATE[ended]:g}' for ended in ("ok", "withdrawn"))
# Of those the ones whose rule is passed in as many windows as it asks for.
PASSED = " OR ".join(f'"state" = {ALARM_STATE[passed]:g}' for passed in ("firing", "recovering", "established"))


def current(kind: WindowKind, entity: str, metric: str, *, per: float = 1) -> Query:
    """Return the value of the newest window at the range's end, in units of `per`; entity and metric are quoted."""
    window = Measurement(kind)
    where = [*_of(window, entity, metric), present(window), *_running(kind)]
    return select(window, {"value": _scaled(f"last({window.field('value')})", per)}, where)


def current_of_each(kind: WindowKind, entities: str, metric: str, column: str, *, per: float = 1) -> Query:
    """Return the same as `column` for each entity that an expression matches."""
    window = Measurement(kind)
    where = [*_each(window, entities, metric), present(window), *_running(kind)]
    return select(window, {column: _scaled(f"last({window.field('value')})", per)}, where, by=["entity"])


def windows(kind: WindowKind, entity: str, metric: str, *, per: float = 1) -> Query:
    """Return the values of the windows in the range."""
    window = Measurement(kind)
    where = [*_of(window, entity, metric), present(window), IN_RANGE]
    return select(window, {"value": _scaled(window.field("value"), per)}, where)


def windows_of_each(kind: WindowKind, entities: str, metric: str, *, per: float = 1) -> Query:
    """Return the same for each entity that an expression matches."""
    window = Measurement(kind)
    where = [*_each(window, entities, metric), present(window), IN_RANGE]
    return select(window, {"value": _scaled(window.field("value"), per)}, where, by=["entity"])


def windows_of_metrics(kind: WindowKind, entity: str, metrics: str) -> Query:
    """Return the same for each metric that an expression matches."""
    window = Measurement(kind)
    where = [f"{window.tag('entity')} = {entity}", f"{window.tag('metric')} =~ {metrics}", present(window), IN_RANGE]
    return select(window, {"value": window.field("value")}, where, by=["metric"])


def share(kind: WindowKind, field: str, entity: str, metric: str) -> Query:
    """Return a share of time (`measured`, `estimated` or `missing`) of the windows in the range.

    What is missing altogether counts here: it has no value, but a share.
    """
    window = Measurement(kind)
    return select(window, {"share": window.field(field)}, [*_of(window, entity, metric), IN_RANGE])


def share_of_each(kind: WindowKind, field: str, entities: str, metric: str) -> Query:
    """Return the same for each entity that an expression matches."""
    window = Measurement(kind)
    return select(window, {"share": window.field(field)}, [*_each(window, entities, metric), IN_RANGE], by=["entity"])


def current_share(field: str, entity: str, metric: str) -> Query:
    """Return a share of time of the newest hour that is over at the range's end."""
    hour = Measurement("hour")
    where = [*_of(hour, entity, metric), *_OVER]
    return select(hour, {"share": f"last({hour.field(field)})"}, where)


def current_share_of_each(field: str, entities: str, metric: str, column: str) -> Query:
    """Return the same as `column` for each entity that an expression matches."""
    hour = Measurement("hour")
    where = [*_each(hour, entities, metric), *_OVER]
    return select(hour, {column: f"last({hour.field(field)})"}, where, by=["entity"])


def newest_alarms(where: str, *, keep: str = "") -> Query:
    """Return what each limit or rule of each entity was evaluated to last, at the range's end."""
    alarm = Measurement(ALARM)
    columns = {name: name for name in ("state", "tier", "value", "limit", "margin")}
    return newest(alarm, "state", columns, [where, _NOW], ["entity", "rule"], keep=keep, flat=True)


def present(window: Measurement) -> str:
    """Return the condition that a value is there: where `present` is 0, `value` is an older one."""
    return f"{window.field('present')} = 1"


def _running(kind: WindowKind) -> list[str]:
    return [f"time > ${{__to}}ms - {_SPAN[kind]}", _NOW]


def _of(window: Measurement, entity: str, metric: str) -> list[str]:
    return [f"{window.tag('entity')} = {entity}", f"{window.tag('metric')} = {_quoted(metric)}"]


def _each(window: Measurement, entities: str, metric: str) -> list[str]:
    return [f"{window.tag('entity')} =~ {entities}", f"{window.tag('metric')} = {_quoted(metric)}"]


def _quoted(metric: str) -> str:
    return metric if metric.startswith("'") else f"'{metric}'"


def _scaled(expression: str, per: float) -> str:
    return expression if per == 1 else f"{expression} / {per:g}"
