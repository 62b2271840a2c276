"""Evidence of an alarm is a folder: the alarm, its rule, what happened, who was told, and the number explained.

The number's own evidence stands in the folder `number`, as `qingyu explain --evidence` writes it; checksums of
everything stand in SHA256SUMS, which `sha256sum -c` checks.
"""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from schemas.settings import Settings
from services.command.client import ApiError, Client
from services.command.output import WRONG_USE, CommandError

SUMS = "SHA256SUMS"
NUMBER = "number"


class Packed(NamedTuple):
    """What was packed: the files, whether the series says the same as the number computed anew (None: not asked)."""

    files: list[str]
    same: bool | None
    notes: list[str]


def pack(settings: Settings, id_: str, folder: Path, temp: Path | None) -> Packed:
    """Write the evidence of an alarm into a new or empty folder; raise CommandError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} is not empty: name a new folder", status=WRONG_USE)
    notes: list[str] = []
    with Client(settings) as client:
        alarm = client.get(f"/v1/alarms/{quote(id_, safe='')}")
        documents = {
            "alarm.json": alarm,
            "history.json": client.get(f"/v1/alarms/{quote(id_, safe='')}/history")["items"],
            "rule.json": _rule(client, alarm, notes),
            "deliveries.json": _deliveries(client, id_, notes),
        }
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in documents.items():
        if body is not None:
            text = json.dumps(body, ensure_ascii=False, indent=2)
            (folder / name).write_text(text + "\n", encoding="utf-8")
    same = _explain(settings, alarm, documents["rule.json"], folder / NUMBER, temp, notes)
    (folder / "README.md").write_text(_read_me(alarm, notes), encoding="utf-8")
    files = sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in files]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8")
    return Packed([*files, SUMS], same, notes)


def _rule(client: Client, alarm: dict[str, Any], notes: list[str]) -> dict[str, Any] | None:
    for kind in ("rule", "limit"):
        try:
            found = client.get(f"/v1/registry/{kind}/{alarm['rule']}")
        except ApiError as error:
            if error.http_status != 404:
                raise
        else:
            return {"rule_version_of_the_alarm": alarm["rule_version"], "registry": found["version"], **found}
    notes.append(f"no rule and no limit {alarm['rule']} is registered now")
    return None


def _deliveries(client: Client, id_: str, notes: list[str]) -> Any:
    try:
        return client.get(f"/v1/alarms/{quote(id_, safe='')}/deliveries")
    except ApiError as error:
        if error.http_status != 404:
            raise
        notes.append("this api has no log of deliveries")
        return None


def _explain(
    settings: Settings, alarm: dict[str, Any], rule: dict[str, Any] | None, folder: Path, temp: Path | None,
    notes: list[str],
) -> bool | None:  # fmt: skip
    """Explain the number that the alarm is about, and return whether the series says the same."""
    from services.explain.asking import Question, checked, explain
    from services.explain.evidence import write_evidence
    from services.replay.errors import AskedWrongError, ReplayError
    from services.replay.preparing import registered, room

    spec = {} if rule is None else rule["document"]["spec"]
    metric = spec.get("metric") or (f"ind.{spec['indicator']}" if "indicator" in spec else None)
    if metric is None:
        notes.append("the rule holds no number of the series: there is none to explain")
        return None
    question = Question(alarm["entity"], metric, alarm["start"])

    async def run() -> bool:
        snapshot = await registered(settings)
        checked(snapshot, question)
        with room(temp) as held:
            found = await explain(settings, snapshot, question, held, lambda *_: None)
            write_evidence(folder, snapshot, found)
        return found.same

    try:
        return asyncio.run(run())
    except AskedWrongError as error:
        notes.append(f"{metric} of {alarm['start']} is not explained: {error}")
        return None
    except ReplayError as error:
        raise CommandError(str(error)) from error


def _read_me(alarm: dict[str, Any], notes: list[str]) -> str:
    lines = [
        f"# Alarm {alarm['id']} 告警",
        "",
        f"{alarm['rule']} about {alarm['entity']}, {alarm['start']} ({alarm['period']}): {alarm['reason']}",
        "",
        "- `alarm.json`: the alarm as it was when this was packed, with the engine's transitions",
        "- `history.json`: transitions, people's actions and silences, by when they became known [epoch ms]",
        "- `rule.json`: the rule or limit as registered, and the rule's version that the alarm was judged by",
        "- `deliveries.json`: who was told what, by which channel",
        f"- `{NUMBER}/`: the number, computed anew from the readings; its own README says how to check it by hand",
        f"- `{SUMS}`: checksums; check with `sha256sum -c {SUMS}`",
        *(["", "Notes 备注:", "", *(f"- {note}" for note in notes)] if notes else []),
    ]
    return "\n".join(lines) + "\n"
