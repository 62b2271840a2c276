"""Alerting is how Grafana tells people: contact point, template, mute time and the route that our alerts take.

What rules say that only repeat the engine's alarms is not sent: our notifier has sent those. Whoever wants Grafana to
send them too takes the mute time from the route.
"""

from typing import Any

from dashboards.names import CONTACT_POINT, HOOK, HOOK_TOKEN, LABEL, MUTE_TIME, TEMPLATE
from dashboards.rules import FROM_ENGINE

_WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

TEMPLATE_TEXT = """\
{{ define "qingyu.title" }}[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }}{{ end }}
{{ define "qingyu.message" }}{{ range .Alerts }}{{ .Status }} {{ .Annotations.summary }}
{{ end }}{{ end }}
"""


def contact_point(url: str, token: str) -> dict[str, Any]:
    """Return the contact point: a webhook to `url` with a bearer `token`, as both files and HTTP write it."""
    return {
        "uid": CONTACT_POINT,
        "type": "webhook",
        "settings": {
            "url": url,
            "httpMethod": "POST",
            "authorization_scheme": "Bearer",
            "authorization_credentials": token,
            "title": '{{ template "qingyu.title" . }}',
            "message": '{{ template "qingyu.message" . }}',
        },
    }


def mute_time() -> dict[str, Any]:
    """Return the time in which nothing is sent of what the engine has told: always."""
    return {"name": MUTE_TIME, "time_intervals": [{"weekdays": _WEEK}]}


def route() -> dict[str, Any]:
    """Return the route of our alerts, and of no others."""
    failed = {
        # Not the rule's own condition: its series cannot be read, or are not there. Its name is in label `rulename`.
        "receiver": CONTACT_POINT,
        "object_matchers": [["alertname", "=~", "DatasourceError|DatasourceNoData"]],
        "group_by": ["alertname", "rulename"],
        "repeat_interval": "12h",
    }
    told = {
        "receiver": CONTACT_POINT,
        "object_matchers": [[FROM_ENGINE[0], "=", FROM_ENGINE[1]]],
        "mute_time_intervals": [MUTE_TIME],
    }
    return {
        "receiver": CONTACT_POINT,
        "object_matchers": [[LABEL[0], "=", LABEL[1]]],
        "group_by": ["alertname", "entity", "process"],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": "4h",
        "routes": [failed, told],
    }


def alerting_file() -> dict[str, Any]:
    """Return the file of a Grafana provisioned by files; it is the one owner of the whole policy tree."""
    settings = contact_point(f"${HOOK}", f"${HOOK_TOKEN}")
    settings["settings"].update({name: literal(settings["settings"][name]) for name in ("title", "message")})
    tree = {
        "orgId": 1,
        "receiver": CONTACT_POINT,
        "group_by": ["grafana_folder", "alertname"],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": "4h",
        "routes": [route()],
    }
    return {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": CONTACT_POINT, "receivers": [settings]}],
        "templates": [{"orgId": 1, "name": TEMPLATE, "template": TEMPLATE_TEXT}],
        "muteTimes": [{"orgId": 1, **mute_time()}],
        "policies": [tree],
    }


def literal(text: str) -> str:
    """Return a setting of a contact point that Grafana's reading of the file leaves as it is."""
    return text.replace("$", "$$")
