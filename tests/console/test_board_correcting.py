"""The form with which one reading of a meter is corrected or taken away."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import Correction
from schemas.series import READING, Point
from services.topics import apply_topics
from tests.api_server import OPERATOR, RunningApi, api_settings, running_api
from tests.gateway.running import Gateway, batches, key_documents
from tests.registry_writing import STEEL, documents

AT_MS = 1_519_876_800_000  # 2018-03-01T12:00:00+08:00
FIELDS = {"ts": "2018-03-01T12:00:00", "value": "5.25", "reason": "抄错", "by": "Li Lei"}


@pytest.fixture
def board(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Iterator[RunningApi]:
    settings = api_settings(kafka.bootstrap, prefix, tmp_path)
    apply_topics(settings)
    with Gateway(settings) as gateway, running_api(settings.model_copy(update={"gateway": gateway.address})) as api:
        assert api.put([dict(raw) for raw in (*documents(STEEL), *key_documents())]).status_code == 200
        api.store.keep([Point(READING, ("bz-steel.e01", "2"), AT_MS, (4.0, 0.0, 0.0))], [], [])
        yield api


def post(board: RunningApi, fields: dict[str, str], token: str = OPERATOR, **headers: str) -> httpx.Response:
    cookie = {"Cookie": f"qingyu_token={token}"}
    return httpx.post(f"{board.url}/board/correct/bz-steel.e01", data=fields, headers=cookie | headers, timeout=30)


def test_a_form_becomes_a_correction_above_what_is_there_in_the_name_that_it_gives(board: RunningApi) -> None:
    page = httpx.get(
        f"{board.url}/board/correct/bz-steel.e01", headers={"Cookie": "qingyu_token=steel-token"}, timeout=30
    )
    assert (page.status_code, 'name="reason"' in page.text) == (200, True)
    assert post(board, FIELDS, "steel-token").status_code == 200
    assert post(board, {**FIELDS, "ts": "2018-03-01T12:15:00", "void": "1"}).status_code == 200
    kept = [batch for _, batch in batches(board.settings)]
    assert [(each.t, each.v, each.rev) for each in kept] == [([AT_MS], [525], [3]), ([AT_MS + 900_000], [None], [1])]
    assert {each.correction for each in kept} == {Correction("抄错", "Li Lei")}


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"ts": "noon"}, "no instant"), ({"value": "abc"}, "abc"), ({"reason": " "}, "$.correction.reason")],
)
def test_what_is_wrong_is_said_beside_what_was_written(board: RunningApi, changed: dict[str, str], said: str) -> None:
    page = post(board, FIELDS | changed)
    assert (page.status_code, said in page.text, "Li Lei" in page.text) == (422, True, True)
    assert batches(board.settings) == []


def test_nobody_corrects_who_only_looks_and_no_other_site_does(board: RunningApi) -> None:
    assert post(board, FIELDS, "viewer-token").status_code == 403
    assert post(board, FIELDS, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert httpx.post(f"{board.url}/board/correct/bz-steel.e01", data=FIELDS, timeout=30).status_code == 401
    assert batches(board.settings) == []


SECOND = {
    "apiVersion": "qingyu/v1", "kind": "settings", "id": "default", "valid_from": "2018-01-01",
    "spec": {"second_person": [{"from": "2018-01-01", "corrections": "settled"}]},
}  # fmt: skip


def test_a_second_person_confirms_on_the_board_and_the_first_one_cannot(board: RunningApi) -> None:
    assert board.put([SECOND], 1).status_code == 200
    sent = post(board, FIELDS, "steel-token")
    assert (sent.status_code, "/board/corrections" in sent.text, batches(board.settings)) == (200, True, [])
    page = seen(board)
    (id_,) = re.findall(r'action="/board/corrections/([0-9a-f]+)"', page.text)
    assert all(said in page.text for said in ("抄错", "Li Lei", "5.25"))
    decision = {"decision": "confirm", "by": "Han Meimei"}
    assert decided(board, id_, decision, "steel-token").status_code == 422
    assert decided(board, id_, decision, "viewer-token").status_code == 403
    assert batches(board.settings) == []
    done = decided(board, id_, decision, OPERATOR)
    assert (done.status_code, id_ in done.text) == (200, False)
    ((_, kept),) = batches(board.settings)
    assert kept.correction == Correction("抄错", "Li Lei", "Han Meimei")


def seen(board: RunningApi) -> httpx.Response:
    return httpx.get(f"{board.url}/board/corrections", headers={"Cookie": f"qingyu_token={OPERATOR}"}, timeout=30)


def decided(board: RunningApi, id_: str, fields: dict[str, str], token: str) -> httpx.Response:
    headers = {"Cookie": f"qingyu_token={token}"}
    return httpx.post(f"{board.url}/board/corrections/{id_}", data=fields, headers=headers, timeout=30)
