"""A push brings our dashboards, data sources and rules into a Grafana that somebody already has, and nothing else.

It reads everything first. What is provisioned by files or by another tool is refused before anything is written: an
installation has one owner of its objects.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dashboards.alerting import TEMPLATE_TEXT, contact_point, mute_time, route
from dashboards.datasources import data_sources
from dashboards.files import boards
from dashboards.names import (
    CONTACT_POINT,
    DASHBOARD_FOLDER,
    MUTE_TIME,
    RULE_FOLDER,
    RULE_GROUP,
    TEMPLATE,
    Folder,
)
from dashboards.rules import EVALUATED_EVERY_S, RETIRED, rules
from services.provision.comparing import lacking, without
from services.provision.grafana_port import GrafanaError, GrafanaPort

_ALERTING = "/v1/provisioning"
_MISSING = "is missing"
_SECRET = "tokens are sent again"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a push is to bring: where InfluxDB is for Grafana, and where alerts go (`hook` empty: no notifying).

    Tokens cannot be read back from Grafana: they are sent with what is made or changed, with `renew` in any case.
    """

    influx: str
    influx_token: str
    influx_prefix: str
    hook: str = ""
    hook_token: str = ""
    renew: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A difference, and what mends it."""

    what: str
    difference: str
    mend: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.what}: {self.difference}"


class ProvisionedError(Exception):
    """Objects that a push would write belong to files or another tool; `objects` says which, and whose they are."""

    def __init__(self, objects: list[str]) -> None:
        super().__init__("; ".join(objects))
        self.objects = objects


def changes(port: GrafanaPort, wanted: Wanted) -> list[Change]:
    """Return what differs, in the order in which it is to be mended; nothing is written.

    Raises ProvisionedError, GrafanaError.
    """
    plan = _Plan(port, wanted)
    found = list(plan.changes())
    if plan.refused:
        raise ProvisionedError(plan.refused)
    return found


def unhealthy(port: GrafanaPort, wanted: Wanted) -> list[str]:
    """Return which of our data sources cannot be read through Grafana, and why."""
    found: list[str] = []
    for source in data_sources(wanted.influx, wanted.influx_token, wanted.influx_prefix):
        try:
            answer = port.get("/datasources/uid", source["uid"], "health") or {}
        except GrafanaError as error:
            if error.code not in ("refused", "failed"):
                raise
            found.append(f"data source {source['uid']}: {error}")
        else:
            if answer.get("status") != "OK":
                found.append(f"data source {source['uid']}: {answer.get('message') or 'its health is not known'}")
    return found


class _Plan:
    """What is read of Grafana to compare it with what is wanted."""

    def __init__(self, port: GrafanaPort, wanted: Wanted) -> None:
        self.refused: list[str] = []
        self._port = port
        self._wanted = wanted

    def changes(self) -> Iterator[Change]:
        yield from self._data_sources()
        yield from self._folder(DASHBOARD_FOLDER)
        yield from self._folder(RULE_FOLDER)
        if self._wanted.hook:
            yield from self._template()
            yield from self._mute_time()
            yield from self._contact_point()
        yield from self._boards()
        yield from self._rules()
        if self._wanted.hook:
            yield from self._route()

    def _data_sources(self) -> Iterator[Change]:
        wanted = self._wanted
        for source in data_sources(wanted.influx, wanted.influx_token, wanted.influx_prefix):
            uid = source["uid"]
            what = f"data source {uid}"
            found = self._port.get("/datasources/uid", uid)
            if found is None:
                yield Change(what, _MISSING, lambda body=source: self._port.post("/datasources", body=body))
            elif not self._is_ours(what, "file" if found.get("readOnly") else ""):
                continue
            # Which data source is the default is for the owner of this Grafana to say.
            elif difference := lacking(without(source, "secureJsonData", "isDefault"), found) or self._renewal():
                body = {**source, "isDefault": found.get("isDefault", False)}
                yield Change(
                    what, difference, lambda uid=uid, body=body: self._port.put("/datasources/uid", uid, body=body)
                )

    def _folder(self, folder: Folder) -> Iterator[Change]:
        found = self._port.folder(folder.uid)
        if found is None:
            yield Change(f"folder {folder.uid}", _MISSING, lambda: self._port.make_folder(*folder))
        elif difference := lacking({"title": folder.title}, found):
            yield Change(f"folder {folder.uid}", difference, lambda: self._port.name_folder(*folder))

    def _template(self) -> Iterator[Change]:
        body = {"template": TEMPLATE_TEXT}
        path = (f"{_ALERTING}/templates", TEMPLATE)
        found = self._port.get(*path)
        if found is not None:
            # Grafana may put the text into a definition of its own, and trims it.
            found = {**found, "template": str(found.get("template", "")).strip() + "\n"}
        yield from self._thing(f"template {TEMPLATE}", body, found, lambda: self._port.put(*path, body=body))

    def _mute_time(self) -> Iterator[Change]:
        body = mute_time()
        path = f"{_ALERTING}/mute-timings"
        found = self._port.get(path, MUTE_TIME)

        def mend() -> None:
            if found is None:
                self._port.post(path, body=body)
            else:
                self._port.put(path, MUTE_TIME, body=body)

        yield from self._thing(f"mute time {MUTE_TIME}", body, found, mend)

    def _contact_point(self) -> Iterator[Change]:
        body = {"name": CONTACT_POINT, **contact_point(self._wanted.hook, self._wanted.hook_token)}
        if not self._wanted.hook_token:
            body["settings"] = without(body["settings"], "authorization_scheme", "authorization_credentials")
        path = f"{_ALERTING}/contact-points"
        found = next((one for one in self._port.get(path) or [] if one.get("uid") == CONTACT_POINT), None)
        shown = {**body, "settings": without(body["settings"], "authorization_credentials")}

        def mend() -> None:
            if found is None:
                self._port.post(path, body=body)
            else:
                self._port.put(path, CONTACT_POINT, body=body)

        yield from self._thing(f"contact point {CONTACT_POINT}", shown, found, mend, self._renewal())

    def _boards(self) -> Iterator[Change]:
        for board in boards():
            what = f"dashboard {board['uid']}"
            found = self._port.dashboard(board["uid"])
            difference: str | None = _MISSING
            if found is not None:
                meta = found.get("meta", {})
                if not self._is_ours(what, "file" if meta.get("provisioned") else ""):
                    continue
                difference = lacking({"folderUid": DASHBOARD_FOLDER.uid}, meta) or lacking(board, found["dashboard"])
            if difference:
                yield Change(
                    what, difference, lambda board=board: self._port.save_dashboard(board, DASHBOARD_FOLDER.uid)
                )

    def _rules(self) -> Iterator[Change]:
        path = f"{_ALERTING}/alert-rules"
        present = {one.get("uid"): one for one in self._port.get(path) or []}
        for rule in rules():
            body = {**rule.body(), "folderUID": RULE_FOLDER.uid, "ruleGroup": RULE_GROUP}
            found = present.get(rule.uid)

            def mend(found: Any = found, body: dict[str, Any] = body) -> None:
                # Made one by one before the group: a group that names a uid which is not there yet fails.
                whole = {**body, "orgID": self._organisation()}
                if found is None:
                    self._port.post(path, body=whole)
                else:
                    self._port.put(path, body["uid"], body=whole)

            yield from self._thing(f"rule {rule.uid}", body, found, mend)
        for uid in RETIRED:
            if uid in present and self._is_ours(f"rule {uid}", present[uid].get("provenance")):
                yield Change(f"rule {uid}", "is no longer used", lambda uid=uid: self._port.delete(path, uid))
        group = self._group()
        if group is None or group.get("interval") != EVALUATED_EVERY_S:
            difference = _MISSING if group is None else f"interval is {group.get('interval')}, not {EVALUATED_EVERY_S}"
            yield Change(f"rule group {RULE_GROUP}", difference, self._set_interval)

    def _group(self) -> dict[str, Any] | None:
        return self._port.get(f"{_ALERTING}/folder", RULE_FOLDER.uid, "rule-groups", RULE_GROUP)

    def _set_interval(self) -> None:
        body = {**(self._group() or {}), "interval": EVALUATED_EVERY_S}
        self._port.put(f"{_ALERTING}/folder", RULE_FOLDER.uid, "rule-groups", RULE_GROUP, body=body)

    def _route(self) -> Iterator[Change]:
        ours = route()
        tree = self._port.get(f"{_ALERTING}/policies") or {}
        mine = [one for one in tree.get("routes") or [] if _is_our_route(one)]
        difference = _MISSING
        if mine:
            difference = lacking(ours, mine[0]) or ("it is there more than once" if len(mine) > 1 else None)
        if difference and self._is_ours("the tree of notification policies", tree.get("provenance")):
            yield Change("notification route of our alerts", difference, self._set_route)

    def _set_route(self) -> None:
        # The tree is replaced whole, so what others have in it is read again and kept. Ours comes first: it takes our
        # alerts only, and a route before it might take everything.
        tree = self._port.get(f"{_ALERTING}/policies") or {}
        others = [one for one in tree.get("routes") or [] if not _is_our_route(one)]
        body = {**without(tree, "provenance"), "routes": [route(), *others]}
        self._port.put(f"{_ALERTING}/policies", body=body)

    def _thing(
        self,
        what: str,
        wanted: dict[str, Any],
        found: dict[str, Any] | None,
        mend: Callable[[], object],
        renewal: str | None = None,
    ) -> Iterator[Change]:
        if found is None:
            yield Change(what, _MISSING, mend)
        elif self._is_ours(what, found.get("provenance")) and (difference := lacking(wanted, found) or renewal):
            yield Change(what, difference, mend)

    def _is_ours(self, what: str, provenance: str | None) -> bool:
        if provenance:
            owner = "files" if provenance == "file" else f"another tool ({provenance})"
            self.refused.append(f"{what} is provisioned by {owner}")
        return not provenance

    def _renewal(self) -> str | None:
        return _SECRET if self._wanted.renew else None

    def _organisation(self) -> int:
        try:
            return int((self._port.get("/org") or {}).get("id", 1))
        except GrafanaError as error:
            # An Editor's token may not ask; Grafana takes the token's own organisation.
            if error.code != "forbidden":
                raise
            return 1


def _is_our_route(one: dict[str, Any]) -> bool:
    return [list(matcher) for matcher in one.get("object_matchers") or []] == route()["object_matchers"]
