"""A variable is what the reader of a dashboard chooses: a territory, an enterprise, a metric, a rule, a meter.

Values are chosen from measurement `member`, which is rewritten from the registry, or from the tags of the data. In
queries they stand as `${name:raw}` in quotes, or, where several may be chosen, as `${name:regex}` between slashes; what
stands there is an id without a slash, which would end the expression.
"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from dashboards.influxql import Measurement, Query, series_keys, tag_values
from schemas.series import ALARM, MEMBER, READING

_MEMBER = Measurement(MEMBER)
_ALARM = Measurement(ALARM)
_READING = Measurement(READING)
_HOUR = Measurement("hour")

TERRITORY = "'${territory:raw}'"
ENTERPRISE = "'${enterprise:raw}'"
METRIC = "'${metric:raw}'"
METER = "'${meter:raw}'"
METER_ENTITY = "'meter/${meter:raw}'"
MEMBERS = r"/^enterprise\/${member:regex}$/"
RULES = "/^${rule:regex}$/"


def territory() -> dashboard.QueryVariable:
    """Return the choice of a park, county, city, province, industry or list."""
    return _variable("territory", "区域 Territory", tag_values(_MEMBER, "group"))


def members() -> dashboard.QueryVariable:
    """Return the bare ids of the territory's enterprises: all of them, and not shown."""
    found = _variable("member", "企业 Enterprises", tag_values(_MEMBER, "entity", [_of_territory()]))
    found.regex(r"/^enterprise\/(.*)$/")
    found.hide(models.VariableHide.HIDE_VARIABLE)
    return _all_of(found)


def enterprise() -> dashboard.QueryVariable:
    """Return the choice of one of the territory's enterprises, shown by name; its value is the entity."""
    found = _variable("enterprise", "企业 Enterprise", series_keys(_MEMBER, [_of_territory()]))
    found.regex("/entity=(?<value>[^,]+),.*name=(?<text>.+)/")
    return found


def enterprise_id() -> dashboard.QueryVariable:
    """Return the bare id of the enterprise, which its meters' names begin with; not shown."""
    found = _variable("id", "", tag_values(_MEMBER, "entity", [f"{_MEMBER.tag('entity')} = {ENTERPRISE}"]))
    found.regex(r"/^enterprise\/(.*)$/")
    found.hide(models.VariableHide.HIDE_VARIABLE)
    return found


def metric() -> dashboard.QueryVariable:
    """Return the choice of one of the enterprise's hourly metrics."""
    where = [f"{_HOUR.tag('entity')} = {ENTERPRISE}", rf"{_HOUR.tag('metric')} !~ /^time\./"]
    return _variable("metric", "指标 Metric", tag_values(_HOUR, "metric", where))


def rules() -> dashboard.QueryVariable:
    """Return the choice of limits and rules that the enterprise is held against; several or all."""
    where = [f"{_ALARM.tag('entity')} = {ENTERPRISE}"]
    return _all_of(_variable("rule", "限额与规则 Limits and rules", tag_values(_ALARM, "rule", where)))


def meter() -> dashboard.QueryVariable:
    """Return the choice of one of the enterprise's meters, of those that have sent readings."""
    where = [rf"{_READING.tag('meter')} =~ /^${{id:regex}}\./"]
    return _variable("meter", "计量点 Meter", tag_values(_READING, "meter", where))


def _of_territory() -> str:
    return f"{_MEMBER.tag('group')} = {TERRITORY}"


def _variable(name: str, label: str, query: Query) -> dashboard.QueryVariable:
    source = query.data_source
    found = dashboard.QueryVariable(name)
    found.label(label)
    found.datasource(common_models.DataSourceRef(type_val=source["type"], uid=source["uid"]))
    # A plain text: an object left the variable empty.
    found.query(query.text)
    found.definition(query.text)
    found.refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
    found.sort(models.VariableSort.ALPHABETICAL_ASC)
    found.multi(False)
    found.include_all(False)
    return found


def _all_of(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    variable.multi(True)
    variable.include_all(True)
    return variable.current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
