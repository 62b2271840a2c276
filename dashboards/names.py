"""Names are what Grafana knows our things by: uids, titles, folders, and the variables of its environment.

What carries one of these uids or lies in one of these folders is ours, and nothing else is.
"""

from typing import NamedTuple

from schemas.series import BUCKETS

OWNER = "qingyu"

CITY_UID = "qingyu-city"
ENTERPRISE_UID = "qingyu-enterprise"
# Grafana puts two data sources of one name in each other's way; uids are what panels and rules refer to.
DATA_SOURCE_UIDS = {bucket: f"{OWNER}-{bucket}" for bucket in BUCKETS}
DATA_SOURCE_TYPE = "influxdb"
# A panel whose queries go to several data sources refers to this one of Grafana's own.
MIXED = {"type": "datasource", "uid": "-- Mixed --"}
# The uid of Grafana's own expressions in rules.
EXPRESSION = "__expr__"

RULE_GROUP = "qingyu"
CONTACT_POINT = "qingyu-webhook"
TEMPLATE = "qingyu"
MUTE_TIME = "qingyu-told-by-engine"
# Every rule of ours has this label, and our route takes the alerts that have it and no others.
LABEL = ("system", OWNER)


class Folder(NamedTuple):
    """A folder of Grafana."""

    uid: str
    title: str


# Two titles: a rule file makes its folder by title alone, and Grafana does not start when a provider of dashboards
# then wants the same title under its own uid.
DASHBOARD_FOLDER = Folder("qingyu", "晴雨 Qingyu")
RULE_FOLDER = Folder("qingyu-alerts", "晴雨告警 Qingyu alerts")

# Variables of the environment of a Grafana that is provisioned by files. They are the settings' own names.
INFLUX = "QINGYU_GRAFANA_INFLUX"
INFLUX_TOKEN = "QINGYU_GRAFANA_INFLUX_TOKEN"
INFLUX_PREFIX = "QINGYU_INFLUX_PREFIX"
HOOK = "QINGYU_GRAFANA_HOOK"
HOOK_TOKEN = "QINGYU_GRAFANA_HOOK_TOKEN"
ENVIRONMENT = {
    INFLUX: "address of InfluxDB as Grafana reaches it, such as `http://influxdb:8086`",
    INFLUX_TOKEN: "token that may read the buckets and nothing else",
    INFLUX_PREFIX: "what stands before the buckets' names; may be unset",
    HOOK: "address that alerts are sent to by POST; Grafana does not start without it",
    HOOK_TOKEN: "token that is sent along, as a bearer; Grafana does not start without it",
}
# Where the folder of dashboards is mounted.
MOUNTED_DASHBOARDS = "/var/lib/grafana/dashboards"
