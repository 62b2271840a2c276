"""`apply`, `diff` and `get`: files become the registry as a whole, every fault with its file and line."""

import json
from pathlib import Path

import yaml

from tests.api_server import RunningApi
from tests.command.conftest import Command

GOOD = """\
{apiVersion: qingyu/v1, kind: enterprise, id: a, name: {zh: 甲}, valid_from: 2018-01-01, spec: {}}
---
apiVersion: qingyu/v1
kind: source
id: s
valid_from: 2018-01-01
spec:
  enterprise: a
  rate_limit_per_s: 10
"""

TEN_FAULTS = {
    "a.yaml": """\
apiVersion: qingyu/v1
kind: city
id: Upper Case
valid_from: 2018-01-01
spec: {}
---
apiVersion: qingyu/v1
kind: enterprise
id: e1
valid_from: 2018-01-01
valid_to: 2017-01-01
spec:
  colour: red
  park:
    - {from: 2018-01-01, id: nowhere}
""",
    "more/b.yaml": """\
{apiVersion: qingyu/v1, kind: clock, id: x, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: carrier, id: gas, valid_from: 2018-01-01,
 spec: {unit: florin, medium: fuel}}
---
{apiVersion: qingyu/v1, kind: carrier, id: power, valid_from: 2018-01-01, spec: {unit: kWh, medium: electricity}}
---
apiVersion: qingyu/v1
kind: enterprise
id: e2
valid_from: 2018-02-30
spec:
  county:
    - {from: 2019-01-01, id: null}
    - {from: 2018-01-01, id: null}
---
apiVersion: qingyu/v1
kind: enterprise
id: e3
valid_from: 2018-01-01
---
apiVersion: qingyu/v1
kind: meter
id: e3.m1
valid_from: 2018-01-01
spec:
  carrier: power
  type: interval
  unit: m3
  resolution: 0.01
  step: 15min
  role: input
---
apiVersion: qingyu/v1
kind: source
id: s1
valid_from: 2018-01-01
spec:
  enterprise: nobody
---
apiVersion: qingyu/v1
kind: industry
id: i1
valid_from: 2018-01-01
spec: {parent: i1}
""",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_is_applied_and_told(qingyu: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"all.yaml": GOOD})

    done = qingyu("apply", folder)

    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "created enterprise/a",
        "created source/s",
        "version 1: 2 created, 0 changed, 0 ended",
    ]


def test_applying_again_changes_nothing(qingyu: Command, tmp_path: Path) -> None:
    file = write(tmp_path, {"all.yaml": GOOD}) / "all.yaml"
    qingyu("apply", file)

    again = qingyu("apply", file, "--json")

    assert json.loads(again.stdout) == {"version": 1, "created": [], "changed": [], "ended": []}


def test_ten_faults_are_all_told_with_file_and_line_and_nothing_is_written(
    qingyu: Command, api: RunningApi, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", TEN_FAULTS)

    refused = qingyu("apply", folder)

    assert refused.exit_code == 2
    told = [tuple(line.removeprefix(f"{folder}/").split(": ")[:2]) for line in refused.stderr.splitlines()]
    assert told == [
        ("a.yaml:3", "bad_id"),
        ("a.yaml:11", "empty_range"),
        ("a.yaml:13", "unknown_field"),
        ("more/b.yaml:1", "unknown_kind"),
        ("more/b.yaml:4", "bad_unit"),
        ("more/b.yaml:11", "bad_value"),
        ("more/b.yaml:13", "not_sorted"),
        ("more/b.yaml:30", "inexact_number"),
        ("more/b.yaml:39", "missing_reference"),
        ("more/b.yaml:45", "loop"),
        ("10 faults; nothing was written",),
    ]
    assert api.version() == 0


def test_faults_come_as_json_too(qingyu: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", TEN_FAULTS)

    refused = qingyu("apply", folder, "--json")

    assert refused.exit_code == 2
    first = json.loads(refused.stdout)["errors"][0]
    assert (first["file"], first["line"], first["code"]) == (f"{folder}/a.yaml", 3, "bad_id")


def test_what_cannot_be_read_is_told_beside_the_faults_of_the_rest(qingyu: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"a.yaml": "a: [\n", "b.yaml": "kind: enterprise\nid: B\n"})

    refused = qingyu("apply", folder)

    assert refused.exit_code == 2
    assert f"{folder}/a.yaml:2: bad_yaml" in refused.stderr
    assert f"{folder}/b.yaml:2: bad_id" in refused.stderr


def test_a_dry_run_writes_nothing(qingyu: Command, api: RunningApi, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"all.yaml": GOOD})

    done = qingyu("apply", "--dry-run", folder)

    assert (done.exit_code, api.version()) == (0, 0)
    assert done.stdout.splitlines()[-1] == "dry run, nothing written: version 0: 2 created, 0 changed, 0 ended"


def test_diff_tells_each_field_and_exits_with_one(qingyu: Command, tmp_path: Path) -> None:
    file = write(tmp_path, {"all.yaml": GOOD}) / "all.yaml"
    assert qingyu("diff", file).exit_code == 1
    qingyu("apply", file)
    assert (qingyu("diff", file).exit_code, qingyu("diff", file).stdout) == (0, "")
    file.write_text(GOOD.replace("rate_limit_per_s: 10", "rate_limit_per_s: 20"), encoding="utf-8")

    found = qingyu("diff", file)

    assert found.exit_code == 1
    assert found.stdout.splitlines() == ["~ source/s", "    spec.rate_limit_per_s: 10 -> 20"]
    fields = json.loads(qingyu("diff", file, "--json").stdout)["fields"]
    assert fields == {"source/s": [{"path": "spec.rate_limit_per_s", "before": 10, "after": 20}]}


def test_what_get_shows_can_be_applied(qingyu: Command, tmp_path: Path) -> None:
    qingyu("apply", write(tmp_path / "set", {"all.yaml": GOOD}))

    shown = qingyu("get", "enterprise")

    assert [document["name"] for document in yaml.safe_load_all(shown.stdout)] == [{"zh": "甲"}]
    again = write(tmp_path / "again", {"all.yaml": shown.stdout})
    assert qingyu("diff", again).exit_code == 0
    assert json.loads(qingyu("get", "source", "s", "--json").stdout)["spec"]["rate_limit_per_s"] == 10


def test_what_is_not_there_is_one_clear_line(qingyu: Command) -> None:
    missing, unknown = qingyu("get", "enterprise", "nobody"), qingyu("get", "enterprize")

    assert (missing.exit_code, missing.stderr) == (
        1,
        "error: unknown_document: enterprise/nobody is not registered\n",
    )
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("error: unknown_kind: kind 'enterprize' is not known: the kinds are province,")
