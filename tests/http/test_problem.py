"""Every error over HTTP is a problem with a stable code, on a real socket."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from services.http.problem import MEDIA_TYPE, Problem, install, unauthorized, unavailable


class Thing(BaseModel):
    name: str
    sizes: list[int]


def _app() -> FastAPI:
    app = FastAPI()
    install(app)

    @app.get("/moved")
    async def moved() -> None:
        raise Problem(409, "version_moved", "the registry is at version 8", {"X-Version": "8"}, version=8)

    @app.get("/who")
    async def who() -> None:
        raise unauthorized()

    @app.get("/away")
    async def away() -> None:
        raise unavailable("Kafka is away", 3)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret of the inside")

    @app.post("/things")
    async def things(thing: Thing, limit: int = 5) -> Thing:
        return thing

    return app


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(_app(), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # Without its usual form of a traceback, which takes seconds to draw.
    with structlog.testing.capture_logs(), httpx.Client(base_url=address, timeout=30) as client:
        yield client
    server.should_exit = True
    thread.join(20)
    listener.close()


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == MEDIA_TYPE
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:qingyu:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return response.status_code, body["code"]


def test_a_problem_is_answered_with_its_members_and_headers(client: httpx.Client) -> None:
    response = client.get("/moved")
    assert problem(response) == (409, "version_moved")
    assert response.json()["version"] == 8
    assert response.headers["x-version"] == "8"


def test_a_401_asks_for_a_bearer_token(client: httpx.Client) -> None:
    response = client.get("/who")
    assert problem(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer realm="qingyu"'


def test_a_503_says_when_to_come_again(client: httpx.Client) -> None:
    response = client.get("/away")
    assert problem(response) == (503, "unavailable")
    assert response.headers["retry-after"] == "3"


def test_what_nobody_foresaw_tells_nothing_of_the_inside(client: httpx.Client) -> None:
    response = client.get("/broken")
    assert problem(response) == (500, "internal_error")
    assert "secret" not in response.text


def test_a_body_that_does_not_fit_is_a_422_with_the_path(client: httpx.Client) -> None:
    response = client.post("/things", json={"name": 5, "sizes": [1, "x"]})
    assert problem(response) == (422, "invalid_request")
    assert [one["path"] for one in response.json()["errors"]] == ["$.name", "$.sizes[1]"]


def test_a_query_that_does_not_fit_is_named_too(client: httpx.Client) -> None:
    response = client.post("/things", params={"limit": "many"}, json={"name": "a", "sizes": []})
    assert problem(response) == (422, "invalid_request")
    assert response.json()["errors"][0]["in"] == "query"


def test_a_body_that_is_no_json_is_a_400(client: httpx.Client) -> None:
    response = client.post("/things", content=b"{nothing", headers={"Content-Type": "application/json"})
    assert problem(response) == (400, "not_json")


def test_unknown_paths_and_methods_are_problems(client: httpx.Client) -> None:
    assert problem(client.get("/nothing")) == (404, "not_found")
    response = client.delete("/things")
    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
