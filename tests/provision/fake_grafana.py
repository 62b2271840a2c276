"""A stand-in for Grafana over real HTTP, with the answers that a real 11.0 was seen to give.

Empty bodies with 202 and 204, 412 for what is there already, 400 and 403 for what files have provisioned, a bare 500
for a provisioned rule and for a group that names an unknown rule, secrets that come back redacted.
"""

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

ADMIN, EDITOR = "admin-token", "editor-token"
REDACTED = "[REDACTED]"
LIMIT_S = 30.0
Body = dict[str, Any]


class FakeGrafana:
    """What a Grafana has, by uid or name, and what was written to it."""

    def __init__(self) -> None:
        self.address = ""
        self.sources: dict[str, Body] = {}
        self.folders: dict[str, Body] = {}
        self.boards: dict[str, Body] = {}
        self.rules: dict[str, Body] = {}
        self.intervals: dict[tuple[str, str], int] = {}
        self.points: dict[str, Body] = {}
        self.templates: dict[str, Body] = {}
        self.mutes: dict[str, Body] = {}
        self.tree: Body = {"receiver": "grafana-default-email", "group_by": ["grafana_folder", "alertname"]}
        self.database = "ok"
        self.unhealthy: set[str] = set()
        # Whether writes of dashboards are answered and then lost, as where files put their own back.
        self.forgetful = False
        self.slow_s = 0.0
        self.page = False
        self.writes: list[tuple[str, str]] = []

    def state(self) -> Body:
        """Return all of this but the address, to be restored."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "address"})

    def restore(self, state: Body) -> None:
        """Be as at an earlier time."""
        vars(self).update(copy.deepcopy(state))

    def provenance(self, request: Request) -> str:
        """Who owns what this request makes: nobody where the caller says so, else the HTTP interface."""
        return "" if request.headers.get("X-Disable-Provenance") == "true" else "api"


def create(grafana: FakeGrafana) -> FastAPI:
    """Return the HTTP interface of a Grafana, below `/grafana` too, as behind a proxy."""
    api = FastAPI()

    @api.middleware("http")
    async def seen(request: Request, call: Any) -> Response:
        if grafana.slow_s:
            time.sleep(grafana.slow_s)  # noqa: ASYNC251
        if grafana.page:
            return HTMLResponse("<html>a proxy's own page</html>")
        if request.method != "GET":
            grafana.writes.append((request.method, request.url.path.removeprefix("/grafana").removeprefix("/api")))
        return await call(request)

    @api.exception_handler(HTTPException)
    async def told(_: Request, error: HTTPException) -> Response:
        if error.detail == "":
            return Response(status_code=error.status_code)
        return JSONResponse({"message": error.detail}, error.status_code)

    def known(request: Request) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (ADMIN, EDITOR):
            raise HTTPException(401, "Invalid API key")
        return token

    def admin(token: str = Depends(known)) -> None:
        if token != ADMIN:
            raise HTTPException(403, "You'll need additional permissions to perform this action")

    # Before what asks for a token: anybody may ask for this.
    @api.get("/grafana/api/health")
    @api.get("/api/health")
    def health() -> Body:
        return {"commit": "83b9528bce", "database": grafana.database, "version": "11.0.0"}

    inner = FastAPI(dependencies=[Depends(known)])
    inner.exception_handlers[HTTPException] = told
    _general(inner, grafana, admin)
    _alerting(inner, grafana)
    api.mount("/grafana/api", inner)
    api.mount("/api", inner)
    return api


def _found(things: dict[str, Body], uid: str, what: str) -> Body:
    if uid not in things:
        raise HTTPException(404, f"{what} not found")
    return things[uid]


def _general(api: FastAPI, grafana: FakeGrafana, admin: Any) -> None:
    only_admin = [Depends(admin)]

    @api.get("/org", dependencies=only_admin)
    def organisation() -> Body:
        return {"id": 1, "name": "Main Org."}

    @api.get("/folders/{uid}")
    def folder(uid: str) -> Body:
        return _found(grafana.folders, uid, "folder")

    @api.post("/folders")
    async def make_folder(request: Request) -> Body:
        body = await request.json()
        if body["title"] in (one["title"] for one in grafana.folders.values()):
            raise HTTPException(412, "a folder with the same name already exists in the current location")
        grafana.folders[body["uid"]] = {"id": len(grafana.folders) + 1, "version": 1, **body}
        return grafana.folders[body["uid"]]

    @api.put("/folders/{uid}")
    async def name_folder(uid: str, request: Request) -> Body:
        body = await request.json()
        if not body.get("overwrite"):
            raise HTTPException(412, "The folder has been changed by someone else")
        grafana.folders[uid]["title"] = body["title"]
        return grafana.folders[uid]

    def shown(source: Body) -> Body:
        secrets = source.get("secureJsonData", {})
        return {
            **{name: value for name, value in source.items() if name != "secureJsonData"},
            "secureJsonFields": dict.fromkeys(secrets, True),
        }

    @api.get("/datasources/uid/{uid}")
    def source(uid: str) -> Body:
        return shown(_found(grafana.sources, uid, "Data source"))

    @api.post("/datasources", dependencies=only_admin)
    async def make_source(request: Request) -> Body:
        body = await request.json()
        if body["name"] in (one["name"] for one in grafana.sources.values()):
            raise HTTPException(409, "data source with the same name already exists")
        grafana.sources[body["uid"]] = {"id": len(grafana.sources) + 1, "readOnly": False, "orgId": 1, **body}
        return {"message": "Datasource added", "datasource": shown(grafana.sources[body["uid"]])}

    @api.put("/datasources/uid/{uid}", dependencies=only_admin)
    async def change_source(uid: str, request: Request) -> Body:
        present = _found(grafana.sources, uid, "Data source")
        if present["readOnly"]:
            raise HTTPException(403, "Cannot update read-only data source")
        grafana.sources[uid] = {**present, **await request.json()}
        return {"message": "Datasource updated", "datasource": shown(grafana.sources[uid])}

    @api.get("/datasources/uid/{uid}/health")
    def source_health(uid: str) -> Body:
        _found(grafana.sources, uid, "Data source")
        if uid in grafana.unhealthy:
            raise HTTPException(400, "error validating InfluxQL query: unauthorized access")
        return {"status": "OK", "message": "datasource is working. 4 measurements found"}

    @api.get("/dashboards/uid/{uid}")
    def board(uid: str) -> Body:
        return _found(grafana.boards, uid, "Dashboard")

    @api.post("/dashboards/db")
    async def save_board(request: Request) -> Body:
        body = await request.json()
        uid = body["dashboard"]["uid"]
        present = grafana.boards.get(uid)
        if body["folderUid"] not in grafana.folders:
            raise HTTPException(400, "folder not found")
        if present and present["meta"]["provisioned"]:
            raise HTTPException(400, "Cannot save provisioned dashboard")
        if present and not body.get("overwrite"):
            raise HTTPException(412, "The dashboard has been changed by someone else")
        version = present["dashboard"]["version"] + 1 if present else 1
        if not grafana.forgetful:
            grafana.boards[uid] = {
                "dashboard": {**body["dashboard"], "id": len(grafana.boards) + 1, "version": version},
                "meta": {"provisioned": False, "folderUid": body["folderUid"]},
            }
        return {"uid": uid, "status": "success", "version": version}


def _alerting(api: FastAPI, grafana: FakeGrafana) -> None:
    root = "/v1/provisioning"

    def writable(thing: Body, status: int = 500, message: str = "") -> None:
        if thing.get("provenance") == "file":
            raise HTTPException(status, message)

    def kept(body: Body, request: Request) -> Body:
        found = copy.deepcopy(body)
        for part in found["data"]:
            part.setdefault("relativeTimeRange", {"from": 0, "to": 0})
            part["queryType"] = ""
            part["model"] = {"intervalMs": 1000, "maxDataPoints": 43200, **part["model"]}
        more = {"id": len(grafana.rules) + 1, "updated": "2026-11-21T00:00:00Z", "isPaused": False}
        return {**found, **more, "provenance": grafana.provenance(request)}

    @api.get(f"{root}/alert-rules")
    def rules() -> list[Body]:
        return list(grafana.rules.values())

    @api.post(f"{root}/alert-rules", status_code=201)
    async def make_rule(request: Request) -> Body:
        body = await request.json()
        if body["uid"] in grafana.rules:
            raise HTTPException(409, "alert rule with the same UID already exists")
        if body["folderUID"] not in grafana.folders or not body.get("orgID"):
            raise HTTPException(400, "invalid alert rule")
        grafana.rules[body["uid"]] = kept(body, request)
        grafana.intervals.setdefault((body["folderUID"], body["ruleGroup"]), 60)
        return grafana.rules[body["uid"]]

    @api.put(f"{root}/alert-rules/{{uid}}")
    async def change_rule(uid: str, request: Request) -> Body:
        writable(_found(grafana.rules, uid, "rule"))
        grafana.rules[uid] = kept(await request.json(), request)
        return grafana.rules[uid]

    @api.delete(f"{root}/alert-rules/{{uid}}")
    def remove_rule(uid: str) -> Response:
        writable(grafana.rules.get(uid, {}))
        grafana.rules.pop(uid, None)
        return Response(status_code=204)

    @api.get(f"{root}/folder/{{folder}}/rule-groups/{{group}}")
    def group(folder: str, group: str) -> Body:
        mine = [one for one in grafana.rules.values() if (one["folderUID"], one["ruleGroup"]) == (folder, group)]
        if not mine:
            raise HTTPException(404, "rule group not found")
        return {"title": group, "folderUid": folder, "interval": grafana.intervals[folder, group], "rules": mine}

    @api.put(f"{root}/folder/{{folder}}/rule-groups/{{group}}")
    async def set_group(folder: str, group: str, request: Request) -> Body:
        body = await request.json()
        named = {one["uid"] for one in body["rules"]}
        if not named <= set(grafana.rules):
            raise HTTPException(500, "")
        for uid, one in list(grafana.rules.items()):
            if (one["folderUID"], one["ruleGroup"]) == (folder, group) and uid not in named:
                del grafana.rules[uid]
        grafana.intervals[folder, group] = body["interval"]
        return body

    @api.get(f"{root}/contact-points")
    def points() -> list[Body]:
        def redacted(point: Body) -> Body:
            secrets = (
                {"authorization_credentials": REDACTED} if "authorization_credentials" in point["settings"] else {}
            )
            return {**point, "settings": {**point["settings"], **secrets}}

        return [redacted(point) for point in grafana.points.values()]

    @api.post(f"{root}/contact-points", status_code=202)
    async def make_point(request: Request) -> Body:
        body = await request.json()
        grafana.points[body["uid"]] = {
            "disableResolveMessage": False, **body, "provenance": grafana.provenance(request)
        }  # fmt: skip
        return body

    @api.put(f"{root}/contact-points/{{uid}}")
    async def change_point(uid: str, request: Request) -> Response:
        writable(_found(grafana.points, uid, "contact point"))
        grafana.points[uid] = {**await request.json(), "provenance": grafana.provenance(request)}
        return Response(status_code=202)

    @api.get(f"{root}/templates/{{name}}")
    def template(name: str) -> Body:
        return _found(grafana.templates, name, "template")

    @api.put(f"{root}/templates/{{name}}", status_code=202)
    async def set_template(name: str, request: Request) -> Body:
        writable(grafana.templates.get(name, {}))
        text = (await request.json())["template"].strip()
        grafana.templates[name] = {"name": name, "template": text, "provenance": grafana.provenance(request)}
        return grafana.templates[name]

    @api.get(f"{root}/mute-timings/{{name}}")
    def mute(name: str) -> Body:
        return _found(grafana.mutes, name, "mute timing")

    @api.post(f"{root}/mute-timings", status_code=201)
    async def make_mute(request: Request) -> Body:
        body = await request.json()
        grafana.mutes[body["name"]] = {**body, "version": "", "provenance": grafana.provenance(request)}
        return body

    @api.put(f"{root}/mute-timings/{{name}}")
    async def change_mute(name: str, request: Request) -> Response:
        writable(_found(grafana.mutes, name, "mute timing"))
        grafana.mutes[name] = {**await request.json(), "provenance": grafana.provenance(request)}
        return Response(status_code=202)

    @api.get(f"{root}/policies")
    def policies() -> Body:
        return grafana.tree

    @api.put(f"{root}/policies", status_code=202)
    async def set_policies(request: Request) -> Body:
        body = await request.json()
        receivers = {"grafana-default-email", *(point["name"] for point in grafana.points.values())}
        for route in _all(body):
            if route["receiver"] not in receivers:
                raise HTTPException(400, f"invalid object specification: receiver '{route['receiver']}' does not exist")
            for name in route.get("mute_time_intervals", ()):
                _found(grafana.mutes, name, "mute time interval")
        # No guard: the tree is replaced, whoever owns it.
        grafana.tree = {**body, "provenance": grafana.provenance(request)}
        return {"message": "policies updated"}


def _all(route: Body) -> Iterator[Body]:
    yield route
    for one in route.get("routes") or ():
        yield from _all(one)


@contextmanager
def running(grafana: FakeGrafana) -> Iterator[None]:
    """Serve a Grafana on a free port until the end of the `with`."""
    config = uvicorn.Config(create(grafana), host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="grafana")
    thread.start()
    try:
        until_s = time.monotonic() + LIMIT_S
        while not server.started:
            assert thread.is_alive(), "the stand-in did not start"
            assert time.monotonic() < until_s, "the stand-in is not ready"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        grafana.address = f"http://127.0.0.1:{port}"
        yield
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
