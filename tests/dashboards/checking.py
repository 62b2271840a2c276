"""Checking finds in the files of Grafana what a server would stumble over, or pass over in silence, without one."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import BaseModel, ValidationError

from dashboards.board import plain
from dashboards.files import load
from dashboards.names import ENVIRONMENT, MIXED
from tests.dashboards import shapes

_UID = re.compile(r"^[A-Za-z0-9_-]{1,40}$")
# Grafana's own variables.
_BUILT_IN = {"__to", "__from", "__interval", "__all", "__url_time_range", "__data", "timeFilter", "tag", "col"}
_FILES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("provisioning/datasources", shapes.DataSourceFile),
    ("provisioning/dashboards", shapes.ProviderFile),
    ("provisioning/alerting", shapes.AlertingFile),
)
_GRID_WIDTH = 24
_TITLE_LENGTH = 189


def faults(folder: Path) -> list[str]:
    """Return all faults of the files below a folder, each as one line that begins with the file's name."""
    checked = _Checked()
    for kind, shape in _FILES:
        for path in sorted((folder / kind).glob("*.yaml")):
            checked.add(path, kind, shape)
    for path in sorted((folder / "json").glob("*.json")):
        checked.add_board(path)
    return [*checked.faults, *checked.across()]


class _Checked:
    """The files that could be read, and the faults found in them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._boards: dict[str, dict[str, Any]] = {}
        self._sources: list[shapes.DataSource] = []
        self._providers: list[shapes.Provider] = []
        self._alerting: list[shapes.AlertingFile] = []

    def add(self, path: Path, kind: str, shape: type[BaseModel]) -> None:
        try:
            body = load(path)
            found = shape.model_validate(body)
        except ValidationError as error:
            for one in error.errors():
                place = "/".join(str(part) for part in one["loc"])
                self.faults.append(f"{path.name}: {place}: {one['msg']}")
            return
        except ValueError as error:
            self.faults.append(f"{path.name}: {error}")
            return
        if isinstance(found, shapes.DataSourceFile):
            self._sources += found.datasources
            self._environment(path.name, body)
        elif isinstance(found, shapes.ProviderFile):
            self._providers += found.providers
        elif isinstance(found, shapes.AlertingFile):
            self._alerting.append(found)
            self._environment(path.name, body.get("contactPoints", []))

    def add_board(self, path: Path) -> None:
        try:
            board = load(path)
        except ValueError as error:
            self.faults.append(f"{path.name}: {error}")
            return
        self._boards[path.name] = board
        self.faults += (f"{path.name}: {fault}" for fault in _board_faults(board))

    def across(self) -> Iterator[str]:
        """Yield the faults that show only when all files are seen together."""
        yield from self._twice("dashboards have the uid", (board.get("uid") for board in self._boards.values()))
        yield from self._twice("dashboards have the title", (board.get("title") for board in self._boards.values()))
        yield from self._twice("data sources have the uid", (source.uid for source in self._sources))
        yield from self._twice("data sources have the name", (source.name for source in self._sources))
        groups = [group for file in self._alerting for group in file.groups]
        rules = [rule for group in groups for rule in group.rules]
        yield from self._twice("rules have the uid", (rule.uid for rule in rules))
        for title in {group.folder for group in groups} & {provider.folder for provider in self._providers}:
            yield f"folder {title!r} is that of rules and of dashboards: Grafana does not start on an empty database"
        known = {source.uid for source in self._sources}
        for name, board in self._boards.items():
            for uid in _sources_of(board) - known - {MIXED["uid"]}:
                yield f"{name}: data source {uid!r} is not provisioned"
        panels = {board.get("uid"): {str(one.get("id")) for one in board["panels"]} for board in self._boards.values()}
        for rule in rules:
            yield from _rule_faults(rule, known, panels)
        gone = {deleted.uid for file in self._alerting for deleted in file.deleteRules}
        yield from (f"rule {rule.uid} is made and deleted" for rule in rules if rule.uid in gone)
        yield from self._notifying()

    def _notifying(self) -> Iterator[str]:
        trees = [tree for file in self._alerting for tree in file.policies]
        if len(trees) != 1:
            yield f"{len(trees)} policy trees: the file's tree replaces the whole, so there is one"
        receivers = {point.name for file in self._alerting for point in file.contactPoints}
        mutes = {time.name for file in self._alerting for time in file.muteTimes}
        for route in (route for tree in trees for route in [tree, *_routes(tree.routes)]):
            if route.receiver not in receivers:
                yield f"a route has receiver {route.receiver!r}, which is no contact point"
            for mute in getattr(route, "mute_time_intervals", ()):
                if mute not in mutes:
                    yield f"a route has mute time {mute!r}, which is not there"
        if trees and not any(_takes_failures(route) for route in _routes(trees[0].routes)):
            yield "no route takes DatasourceError and DatasourceNoData apart"

    def _environment(self, name: str, body: Any) -> None:
        for text in shapes.texts_of(body):
            for variable in shapes.variables_in(text):
                if variable not in ENVIRONMENT:
                    self.faults.append(f"{name}: {text!r}: ${variable} is no variable of ours; a dollar is written $$")

    def _twice(self, what: str, names: Iterable[Any]) -> Iterator[str]:
        return (f"{count} {what} {name!r}" for name, count in Counter(names).items() if count > 1)


def _board_faults(board: dict[str, Any]) -> Iterator[str]:
    for name in ("id", "version"):
        if name in board:
            yield f"has {name!r}, which the server gives"
    if not _UID.match(board.get("uid", "")):
        yield f"uid {board.get('uid')!r} is not 1 to 40 letters, digits, - and _"
    if not 0 < len(board.get("title", "")) <= _TITLE_LENGTH:
        yield "has no title, or one that is too long"
    panels = board["panels"]
    for id_, count in Counter(panel.get("id") for panel in panels).items():
        if count > 1 or id_ is None:
            yield f"{count} panels have the id {id_}"
    yield from _grid_faults(panels)
    yield from _source_faults(panels)
    defined = {variable["name"] for variable in board["templating"]["list"]}
    for variable in board["templating"]["list"]:
        if not isinstance(variable["query"], str):
            yield f"variable {variable['name']}: its query is not a plain text"
    used = {name for text in shapes.texts_of({**board, "links": []}) for name in _used(text)}
    for name in sorted(used - defined - _BUILT_IN):
        yield f"variable {name!r} is used and not defined"
    try:
        again = plain(Dashboard.from_json(json.loads(json.dumps(board))))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"cannot be read by the SDK: {error}"
        return
    if again != board:
        yield "does not come back from the SDK as it went in"


def _grid_faults(panels: list[dict[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], int] = {}
    for panel in panels:
        at = panel["gridPos"]
        if at["x"] + at["w"] > _GRID_WIDTH:
            yield f"panel {panel['id']} reaches over the grid's edge"
        cells = ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
        others = {taken.setdefault(cell, panel["id"]) for cell in cells} - {panel["id"]}
        for other in sorted(others):
            yield f"panels {other} and {panel['id']} overlap"


def _source_faults(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        uids = {target["datasource"]["uid"] for target in panel.get("targets", ()) if "datasource" in target}
        if any("datasource" not in target for target in panel.get("targets", ())):
            yield f"panel {panel['id']}: a query has no data source"
        for target in panel.get("targets", ()):
            # Grafana writes the tags of each series into a table in an order of its own.
            if target.get("resultFormat") == "table" and re.search(r'GROUP BY "\w+", "\w+"$', target["query"]):
                yield f"panel {panel['id']}: a table of several tags is asked for with the tags as columns"
        wanted = next(iter(uids)) if len(uids) == 1 else MIXED["uid"]
        if uids and panel["datasource"]["uid"] != wanted:
            yield f"panel {panel['id']}: its data source is not {wanted!r}, which its queries need"


def _rule_faults(rule: shapes.RuleShape, known: set[str], panels: dict[Any, set[str]]) -> Iterator[str]:
    for part in rule.data:
        if isinstance(part, shapes.Asked) and {part.datasourceUid, part.model.datasource.uid} - known:
            yield f"rule {rule.uid}: data source {part.datasourceUid!r} is not provisioned"
        if isinstance(part, shapes.Asked) and "$timeFilter" not in part.model.query:
            yield f"rule {rule.uid}: its query has no $timeFilter, so relativeTimeRange does nothing"
    board, panel = rule.annotations.get("__dashboardUid__"), rule.annotations.get("__panelId__")
    if panel not in panels.get(board, set()):
        yield f"rule {rule.uid}: panel {panel} of dashboard {board!r} is not there"
    for name, text in rule.annotations.items():
        if "$$" in text:
            yield f"rule {rule.uid}: annotation {name} has $$, and annotations are taken as they are"


def _routes(routes: list[shapes.Route]) -> Iterator[shapes.Route]:
    for route in routes:
        yield route
        yield from _routes(route.routes)


def _takes_failures(route: shapes.Route) -> bool:
    (name, how, text), *_ = route.object_matchers
    return name == "alertname" and how == "=~" and set(text.split("|")) == {"DatasourceError", "DatasourceNoData"}


def _used(text: str) -> set[str]:
    names = {match[1] or match[2] for match in re.finditer(r"\$(?:\{(\w+)|(\w+))", text)}
    return {"tag" if name.startswith("tag_") else name for name in names if name != ""}


def _sources_of(board: dict[str, Any]) -> set[str]:
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("datasource"), dict):
                found.add(value["datasource"]["uid"])
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(board)
    return found
