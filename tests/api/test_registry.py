"""The registry over HTTP: a set is written whole or not at all, by one writer, from the version it was made from."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from schemas.messages import COMMIT_KEY, decode_commit, decode_registry
from schemas.settings import Settings
from schemas.topics import REGISTRY, REGISTRY_LOG, Topic
from tests.api_server import OPERATOR, RunningApi, running_api


def enterprise(id_: str, **changed: Any) -> dict[str, Any]:
    return {
        "apiVersion": "qingyu/v1",
        "kind": "enterprise",
        "id": id_,
        "valid_from": "2018-01-01",
        "spec": {},
    } | changed


def committed(settings: Settings, topic: Topic) -> list[tuple[bytes, bytes]]:
    """Return the records that readers of committed data see."""
    consumer: Any = KafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        partition = TopicPartition(settings.topic(topic), 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        found = []
        deadline = time.monotonic() + 120
        while consumer.position(partition) < end:
            assert time.monotonic() < deadline
            found += [(one.key, one.value) for one in consumer.poll(timeout_ms=200).get(partition, ())]
        return found
    finally:
        consumer.close()


def errors(answer: httpx.Response) -> list[tuple[str, str, str]]:
    assert answer.status_code == 422, answer.text
    return [(fault["document"], fault["path"], fault["code"]) for fault in answer.json()["errors"]]


def test_a_set_is_written_with_its_marker_and_to_the_log(api: RunningApi) -> None:
    answer = api.put([enterprise("a"), enterprise("b")])

    assert answer.status_code == 200
    assert answer.json() == {"version": 1, "created": ["enterprise/a", "enterprise/b"], "changed": [], "ended": []}
    assert answer.headers["etag"] == '"1"'
    for topic in (REGISTRY, REGISTRY_LOG):
        *records, (key, marker) = committed(api.settings, topic)
        assert [key for key, _ in records] == [b"enterprise/a", b"enterprise/b"]
        assert {decode_registry(value).version for _, value in records} == {1}
        assert {decode_registry(value).by for _, value in records} == {"operator"}
        assert (key, decode_commit(marker).documents) == (COMMIT_KEY, 2)


def test_the_answer_comes_when_the_set_can_be_read(api: RunningApi) -> None:
    api.put([enterprise("a", name={"zh": "甲"})])

    found = api.get("/v1/registry/enterprise/a")

    assert found.json()["version"] == 1
    assert found.json()["document"]["name"] == {"zh": "甲"}
    assert found.headers["etag"] == '"1"'


def test_changed_and_ended_documents_are_told_apart(api: RunningApi) -> None:
    api.put([enterprise("a"), enterprise("b")])

    answer = api.put([enterprise("a", name={"en": "A"}), enterprise("b", valid_to="2020-01-01"), enterprise("c")])

    assert answer.json() == {
        "version": 2,
        "created": ["enterprise/c"],
        "changed": ["enterprise/a"],
        "ended": ["enterprise/b"],
    }


def test_a_set_that_is_there_already_writes_nothing(api: RunningApi) -> None:
    api.put([enterprise("a")])

    answer = api.put([enterprise("a")])

    assert answer.json() == {"version": 1, "created": [], "changed": [], "ended": []}
    assert len(committed(api.settings, REGISTRY)) == 2


def test_a_dry_run_checks_and_writes_nothing(api: RunningApi) -> None:
    answer = api.put([enterprise("a")], dry_run=True)

    assert answer.json() == {"version": 0, "created": ["enterprise/a"], "changed": [], "ended": []}
    assert committed(api.settings, REGISTRY) == []


def test_every_fault_is_answered_and_nothing_is_written(api: RunningApi) -> None:
    source = {"kind": "source", "id": "s", "spec": {"enterprise": "nobody"}}
    answer = api.put([enterprise("a"), enterprise("B"), enterprise("a"), enterprise("c") | source, {"kind": "x"}])

    assert errors(answer) == [
        ("enterprise/B", "id", "bad_id"),
        ("enterprise/a", "id", "duplicate"),
        ("source/s", "spec.enterprise", "missing_reference"),
        ("#4", "kind", "unknown_kind"),
    ]
    assert answer.headers["content-type"] == "application/problem+json"
    assert committed(api.settings, REGISTRY) == []


def test_a_document_that_is_too_large_is_refused(api: RunningApi) -> None:
    lists = [{"from": "2018-01-01", "id": f"l{n}"} for n in range(40_000)]

    answer = api.put([enterprise("a"), enterprise("b", spec={"lists": lists})])

    assert answer.status_code == 422
    assert ("enterprise/b", "", "too_large") in errors(answer) or all(
        fault[0] == "enterprise/b" for fault in errors(answer)
    )
    assert committed(api.settings, REGISTRY) == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "not_json"),
        (b'{"documents": [{"a": ' + b"[" * 100_000, {}, 400, "not_json"),
        (b'{"base": 0}', {}, 422, "invalid_request"),
        (b'{"base": "0", "documents": []}', {}, 422, "invalid_request"),
        (b'{"base": 0, "documents": [1]}', {}, 422, "invalid_request"),
        (b'{"documents": []}', {}, 428, "base_missing"),
        (b'{"documents": []}', {"If-Match": "abc"}, 422, "bad_if_match"),
        (b'{"base": 1, "documents": []}', {"If-Match": '"0"'}, 422, "bad_if_match"),
        (b'{"base": 7, "documents": []}', {}, 409, "base_moved"),
        (b'{"documents": []}', {"If-Match": '"7"'}, 409, "base_moved"),
    ],
)
def test_what_is_no_set_is_answered_with_its_code(
    empty_api: RunningApi, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = empty_api.client.post("/v1/registry", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_of_two_sets_from_one_base_one_is_written_and_the_other_told(api: RunningApi) -> None:
    names = [[f"{set_}{n}" for n in range(50)] for set_ in "ab"]
    answers: list[httpx.Response] = []
    at_once = threading.Barrier(2)

    def send(ids: list[str]) -> None:
        at_once.wait(120)
        answers.append(api.put([enterprise(id_) for id_ in ids], base=0))

    threads = [threading.Thread(target=send, args=(ids,)) for ids in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    moved = next(answer for answer in answers if answer.status_code == 409)
    assert (moved.json()["code"], moved.json()["version"]) == ("base_moved", 1)
    there = {item["id"] for item in api.get("/v1/registry/enterprise", limit=1000).json()["items"]}
    assert there in (set(names[0]), set(names[1]))


def test_a_second_api_takes_over_and_both_stay_right(api: RunningApi) -> None:
    api.put([enterprise("a")])
    with running_api(api.settings) as second:
        assert second.put([enterprise("b")]).json()["version"] == 2
        fenced = api.put([enterprise("c")], base=2)
        assert (fenced.status_code, fenced.json()["code"]) == (503, "unavailable")
        assert api.put([enterprise("c")], base=2).json()["version"] == 3
        second.put([enterprise("d")], base=2)

    assert [item["id"] for item in api.get("/v1/registry/enterprise").json()["items"]] == ["a", "b", "c"]


@pytest.fixture
def dying_api(settings: Settings) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An api of its own process that kills itself between a set's records and its commit."""
    code = (
        "import os, uvicorn, schemas.settings, services.api.app as a\n"
        "config = uvicorn.Config(a.create_app(schemas.settings.Settings()), port=0, log_level='warning')\n"
        "server = uvicorn.Server(config)\n"
        "startup = server.startup\n"
        "async def told(sockets=None):\n"
        "    await startup(sockets)\n"
        "    print(server.servers[0].sockets[0].getsockname()[1], flush=True)\n"
        "server.startup = told\n"
        "server.run()\n"
    )
    environment = os.environ | {
        "QINGYU_KAFKA": settings.kafka,
        "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
        "QINGYU_DATA": str(settings.data),
        "QINGYU_OPERATOR_TOKEN": OPERATOR,
        "QINGYU_FAILPOINT": "fenced.sent",
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process
    finally:
        process.kill()
        process.communicate(timeout=120)


def test_an_api_killed_before_the_commit_leaves_nothing(
    settings: Settings, dying_api: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, process = dying_api
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {OPERATOR}"}, timeout=120) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)
        with pytest.raises(httpx.TransportError):
            client.post("/v1/registry", json={"base": 0, "documents": [enterprise("a")]})
    assert process.wait(120) == -signal.SIGKILL
    assert committed(settings, REGISTRY) == []

    with running_api(settings) as api:
        assert api.get("/v1/registry/enterprise").json() == {"items": [], "next": None, "version": 0}
        assert api.put([enterprise("b")], base=0).json()["version"] == 1
        assert [item["id"] for item in api.get("/v1/registry/enterprise").json()["items"]] == ["b"]


def test_documents_are_paged_by_id(api: RunningApi) -> None:
    api.put([enterprise(f"e{n}") for n in range(5)])

    first = api.get("/v1/registry/enterprise", limit=3).json()
    second = api.get("/v1/registry/enterprise", limit=3, cursor=first["next"]).json()

    assert [item["id"] for item in first["items"] + second["items"]] == [f"e{n}" for n in range(5)]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("path", "code"), [("/v1/registry/enterprise/x", "unknown_document"), ("/v1/registry/x", "unknown_kind")]
)
def test_what_is_not_registered_is_not_found(empty_api: RunningApi, path: str, code: str) -> None:
    answer = empty_api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)
