"""A board is a dashboard as Grafana takes it: rows of panels, variables, links, and nothing that Grafana adds."""

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.names import OWNER

# Windows are those of this calendar, whatever the reader's own zone is.
ZONE = "Asia/Shanghai"

Row = tuple[int, str, Sequence[Builder[models.Panel]]]


def board(
    uid: str,
    title: str,
    about: str,
    range_: str,
    variables: Sequence[Builder[models.VariableModel]],
    rows: Sequence[Row],
) -> dict[str, Any]:
    """Return a dashboard over the last `range_` (such as `7d`), as JSON's own kinds of values."""
    found = dashboard.Dashboard(title)
    found.uid(uid).description(about).tags([OWNER]).timezone(ZONE).time(f"now-{range_}", "now").refresh("30s")
    found.editable().tooltip(models.DashboardCursorSync.CROSSHAIR).fiscal_year_start_month(0)
    for variable in variables:
        found.with_variable(variable)
    for id_, name, panels in rows:
        found.with_row(dashboard.Row(name).id(id_).collapsed(False))
        for panel in panels:
            found.with_panel(panel)
    link = dashboard.DashboardLink("晴雨 Qingyu").type(models.DashboardLinkType.DASHBOARDS).tags([OWNER])
    found.link(link.as_dropdown(False).include_vars(True).keep_time(True))
    return plain(found.build())


def plain(found: models.Dashboard) -> dict[str, Any]:
    """Return a dashboard of the SDK as JSON's own kinds of values."""
    body = json.loads(json.dumps(found, cls=JSONEncoder))
    for link in body.get("links", ()):
        # The SDK would hide the links in a menu.
        link.pop("placement", None)
    return body
