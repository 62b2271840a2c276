"""`qingyu alarms`: what a person at a terminal does about alarms."""

import hashlib
import json
from pathlib import Path

from schemas.deliveries import DeliveryNote
from schemas.messages import AlarmEvent, Condition
from services.api.answers import ALARM, EVENT
from tests.api_server import RunningApi
from tests.command.conftest import Command
from tests.registry_writing import STEEL, documents

ID = ALARM["id"]


def put_alarm(api: RunningApi) -> None:
    assert api.put([dict(raw) for raw in documents(STEEL)]).status_code == 200
    facts = {("from_" if name == "from" else name): value for name, value in EVENT.items()}
    note = DeliveryNote(1, ALARM["known"], [(ID, 1)], "not_sent", "other_severity", by="grave")
    api.store.keep([], [Condition(**ALARM), AlarmEvent(**facts), note], [])


def test_an_alarm_is_acted_on_and_shown_with_all_that_happened(
    api: RunningApi, qingyu: Command, tmp_path: Path
) -> None:
    put_alarm(api)
    assert qingyu("alarms", "list", "--handling", "closed").output == "no alarm is so\n"
    assert ID in qingyu("alarms", "list", "--handling", "new").output
    assert f"{ID} firing, acknowledged by Li Lei until" in qingyu(
        "alarms", "acknowledge", ID, "--for", "4h", "--by", "Li Lei"
    ).output  # fmt: skip
    assert qingyu("alarms", "assign", ID, "--to", "Han Meimei").exit_code == 0
    assert qingyu("alarms", "comment", ID, "泵 3 空转").exit_code == 0
    refused = qingyu("alarms", "close", ID)
    assert (refused.exit_code, "still_going_on" in refused.output) == (1, True)
    made = qingyu("alarms", "silence", ID, "--for", "1h", "--reason", "repair", "--json")
    assert json.loads(made.output)["visibility"] == "silenced"
    (one,) = json.loads(qingyu("alarms", "silences", "list", "--json").output)["items"]
    assert qingyu("alarms", "silences", "end", one["id"]).output.startswith(f"{one['id']} over")
    new = qingyu(
        "alarms", "silences", "new", "--entity", "enterprise/other", "--maintenance", "--until", "2100-01-01",
        "--reason", "work",
    )  # fmt: skip
    assert "in_force: enterprise/other until 2100-01-01" in new.output
    shown = qingyu("alarms", "show", ID).output
    for text in (
        "-> firing",
        "acknowledged until",
        "assigned to Han Meimei",
        "泵 3 空转",
        "repair",
        "--dir DIR",
        "other_severity by grave",
    ):
        assert text in shown, text

    folder = tmp_path / "proof"
    packed = qingyu("alarms", "evidence", ID, "--dir", folder, "--json")
    assert packed.exit_code == 0, packed.output
    found = json.loads(packed.output)
    assert {"README.md", "SHA256SUMS", "alarm.json", "history.json"} <= set(found["files"])
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    again = qingyu("alarms", "evidence", ID, "--dir", folder)
    assert (again.exit_code, "not empty" in again.output) == (2, True)


def test_wrong_use_is_told_in_a_line_and_by_the_exit_status(api: RunningApi, qingyu: Command, alone: Command) -> None:
    put_alarm(api)
    for status, code, *arguments in (
        (1, "unknown_alarm", "show", "none"),
        (2, "is no alarm", "comment", "a/b", "x"),
        (2, "bad_time", "acknowledge", ID, "--for", "soon"),
        (2, "no_end", "silence", ID, "--reason", "x"),
        (2, "no_selector", "silences", "new", "--reason", "x", "--for", "1h"),
        (1, "unknown_silence", "silences", "end", "none"),
        (2, "invalid_request", "list", "--handling", "lost"),
    ):
        result = qingyu("alarms", *arguments)
        assert (result.exit_code, code in result.output) == (status, True), result.output
    nobody = alone("alarms", "list", QINGYU_TOKEN="x")
    assert (nobody.exit_code, "cannot be reached" in nobody.output) == (1, True)
