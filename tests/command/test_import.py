"""Files of readings sent by the command, as a collector's batches and as corrections."""

import json
from pathlib import Path

import pytest

from schemas.messages import Correction
from schemas.series import READING, Point
from tests.api_server import OPERATOR, RunningApi
from tests.command.conftest import Command
from tests.gateway.running import Gateway, batches, key_documents
from tests.registry_writing import STEEL, documents

SECOND = {
    "apiVersion": "qingyu/v1", "kind": "settings", "id": "default", "valid_from": "2018-01-01",
    "spec": {"second_person": [{"from": "2018-01-01", "corrections": "all"}]},
}  # fmt: skip
NOON_MS = 1_519_876_800_000  # 2018-03-01T12:00:00+08:00
FILE = """meter,ts,value,void
e01,2018-03-01T12:00:00+08:00,5.5,
e01,2018-03-01T12:15:00+08:00,7,
e01,1519878600000,,true
e02,2018-03-01 12:00:00,1,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "march.csv"
    found.write_text(FILE)
    return found


def test_a_file_corrects_what_differs_with_a_revision_above_what_is_there(
    api: RunningApi, qingyu: Command, file: Path
) -> None:
    assert api.put([dict(raw) for raw in documents(STEEL)]).status_code == 200
    minutes = ((0, 4.0, "2"), (15, 7.0, "0"), (30, 1.0, "0"))
    there = [
        Point(READING, ("bz-steel.e01", rev), NOON_MS + at * 60_000, (value, 0.0, 0.0)) for at, value, rev in minutes
    ]
    api.store.keep(there, [], [])
    with Gateway(api.settings) as gateway:
        run = {"QINGYU_GATEWAY": gateway.address}
        reason = ("--correct", "--reason", "read wrongly", "--by", "Li Lei", "--json")
        first = qingyu("import", file, "--source", "gw1", *reason, **run)
        plain = qingyu("import", file, "--source", "gw1", **run)
    said = json.loads(first.stdout)
    assert (first.exit_code, said["accepted"], said["unchanged"]) == (1, 2, 1)
    assert [(one["line"], one["code"]) for one in said["rejected"]] == [(5, "wrong_source")]
    assert said["notes"]
    (_, corrected), (_, uncorrected) = batches(api.settings)
    assert corrected.correction is not None
    assert (corrected.correction.reason, corrected.correction.by) == ("read wrongly", "Li Lei")
    assert corrected.batch.startswith("march.csv-")
    assert list(zip(corrected.t, corrected.v, corrected.rev or [], strict=True)) == [
        (NOON_MS, 550, 3), (NOON_MS + 1_800_000, None, 1),
    ]  # fmt: skip
    assert (plain.exit_code, uncorrected.correction, len(uncorrected.t)) == (1, None, 3)


def test_a_file_that_waits_is_confirmed_by_another_person_and_not_by_the_same(
    api: RunningApi, qingyu: Command, file: Path
) -> None:
    assert api.put([dict(raw) for raw in (*documents(STEEL), *key_documents(), SECOND)]).status_code == 200
    api.store.keep([Point(READING, ("bz-steel.e01", "2"), NOON_MS, (4.0, 0.0, 0.0))], [], [])
    with Gateway(api.settings) as gateway:
        run = {"QINGYU_GATEWAY": gateway.address}
        reason = ("--correct", "--reason", "read wrongly", "--by", "Li Lei", "--json")
        said = json.loads(qingyu("import", file, "--source", "gw1", *reason, **run).stdout)
        assert "corrections" in said, said
        (id_,) = said["corrections"]
        assert (said["accepted"], said["waiting"]) == (0, 3)
        assert id_ in qingyu("corrections", "list", **run).stdout
        assert "read wrongly (Li Lei" in qingyu("corrections", "show", id_, **run).stdout
        same = qingyu("corrections", "confirm", id_, "--by", "Han Meimei", **run)
        assert (same.exit_code, "same_person" in same.stderr) == (1, True)
        done = qingyu("corrections", "confirm", id_, "--by", "Han Meimei", token="steel-token", **run)
        assert (done.exit_code, "published" in done.stdout) == (0, True)
        assert "no correction waits" in qingyu("corrections", "list", **run).stdout
        late = qingyu("corrections", "reject", id_, token="steel-token", **run)
        assert (late.exit_code, "already_decided" in late.stderr) == (1, True)
    ((_, kept),) = batches(api.settings)
    assert kept.correction == Correction("read wrongly", "Li Lei", "Han Meimei")


def test_readings_are_told_by_page(api: RunningApi) -> None:
    assert api.put([dict(raw) for raw in documents(STEEL)]).status_code == 200
    day_ms = 86_400_000
    points = [Point(READING, ("bz-steel.e01", "0"), NOON_MS + n * 9 * day_ms, (float(n), 0.0, 0.0)) for n in range(5)]
    api.store.keep(points, [], [])
    asked = {"entity": "meter/bz-steel.e01", "from": "2018-03", "to": "2018-05"}
    first = api.get("/v1/readings", **asked, limit=2).json()
    rest = api.get("/v1/readings", **asked, cursor=first["next"]).json()
    assert [one["value"] for one in first["items"] + rest["items"]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert rest["next"] is None
    assert first["items"][0] == {
        "ts": "2018-03-01T12:00:00.000+08:00", "value": 0.0, "rev": 0, "quality": "ok", "void": False,
    }  # fmt: skip
    assert api.get("/v1/readings", **{**asked, "entity": "enterprise/bz-steel"}).json()["code"] == "bad_entity"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (FILE, ("--correct",), "--reason"),
        (FILE, ("--reason", "x"), "--correct"),
        ("meter,ts,val\n", (), "column value is missing"),
        ("meter,ts,value\ne01,yesterday,1\n", (), "march.csv:2: 'yesterday' is no instant"),
        ("meter,ts,value\ne01,2018-03-01T12:00:00\n", (), "march.csv:2: it has not as many fields"),
        ("meter,ts,value,rev\ne01,2018-03-01T12:00:00,1,x\n", (), "rev is a whole number"),
        ("meter,ts,value,void\ne01,2018-03-01T12:00:00,,perhaps\n", (), "void is true or false"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_line_and_nothing_is_sent(
    alone: Command, file: Path, text: str, options: tuple[str, ...], said: str
) -> None:
    file.write_text(text)
    done = alone("import", file, "--source", "gw1", *options, QINGYU_TOKEN=OPERATOR)
    assert done.exit_code == 2
    assert said in done.stderr
