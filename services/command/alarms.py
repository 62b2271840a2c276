"""The commands about alarms: list them, look at one, act on it, silence, and pack what proves it."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from schemas.settings import Settings
from schemas.windows import local_datetime
from services.command import told as telling
from services.command.client import Client
from services.command.output import WRONG_USE, CommandError, JsonOption, say, say_json, say_table
from services.command.preview import preview

app = typer.Typer(no_args_is_help=True, help="Alarms, and what people do about them.")
silences = typer.Typer(no_args_is_help=True, help="Silences and announced maintenance.")
app.add_typer(silences, name="silences")
app.command("preview")(preview)

Id = Annotated[str, typer.Argument(help="The alarm, as `alarms list` names it.", show_default=False)]
By = Annotated[str | None, typer.Option(help="Who acts; without it, the holder of the token.")]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Until when: 2026-11-22, or 2026-11-21T18:00:00+08:00.")
]
For = Annotated[str | None, typer.Option("--for", metavar="TIME", help="For how long instead: 30min, 4h, 2d.")]
Text = Annotated[str | None, typer.Option(help="What is to be remembered with it.")]
Reason = Annotated[str, typer.Option(help="Why nobody is to be told.", show_default=False)]
COLUMNS = (
    "id",
    "start",
    "rule",
    "entity",
    "condition",
    "severity",
    "handling",
    "owner",
    "visibility",
    "value",
    "limit",
)


@app.callback()
def _alarms() -> None:
    """Alarms, and what people do about them."""


@app.command("list")
def list_(
    entity: Annotated[str | None, typer.Option(help="Only of this entity (kind/id).")] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule or limit.")] = None,
    condition: Annotated[str | None, typer.Option(help="ok, firing, established, withdrawn, ..")] = None,
    handling: Annotated[str | None, typer.Option(help="new, acknowledged, assigned or closed.")] = None,
    visibility: Annotated[str | None, typer.Option(help="shown, silenced, inhibited or maintenance.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only of this severity.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only those assigned to this person.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List alarms, the newest start first; those that are over stand there too."""
    with Client(Settings()) as client:
        found = list(
            client.items(
                "/v1/alarms", limit, entity=entity, rule=rule, condition=condition, handling=handling,
                visibility=visibility, severity=severity, owner=owner,
            )
        )  # fmt: skip
    if as_json:
        say_json({"items": found})
    elif found:
        say_table(COLUMNS, [[each.get(name) for name in COLUMNS] for each in found])
    else:
        say("no alarm is so")


@app.command("show")
def show(id: Id, as_json: JsonOption = False) -> None:
    """Show an alarm, where people are with it, everything that happened to it, and who was told, or why not."""
    with Client(Settings()) as client:
        found = client.get(f"/v1/alarms/{quote(id, safe='')}")
        happened = client.get(f"/v1/alarms/{quote(id, safe='')}/history")["items"]
        told = client.get(f"/v1/alarms/{quote(id, safe='')}/deliveries")["items"]
    if as_json:
        say_json({**found, "history": happened, "deliveries": told})
        return
    _tell(found)
    say(f"{found['rule']} about {found['entity']}, {found['start']} ({found['period']}), severity {found['severity']}")
    say(f"{found['reason']} (rule version {found['rule_version']})")
    if found["because"]:
        say(f"{found['visibility']} by {found['because']}")
    rows = [(_instant(each["at"]), *_line(each)) for each in happened]
    say_table(("at", "what", "by", "text"), rows)
    if told:
        say_table(telling.COLUMNS, [(_instant(at_ms), *rest) for at_ms, *rest in telling.rows(told)])
    say(f"proof: {found['evidence']} --dir DIR")


@app.command("acknowledge")
def acknowledge(
    id: Id, until: Until = None, for_: For = None, text: Text = None, by: By = None, as_json: JsonOption = False
) -> None:
    """Say that somebody looks after an alarm; with an end, the alarm is new again after it."""
    _act(id, as_json, action="acknowledge", until=until, **{"for": for_}, text=text, by=by)


@app.command("assign")
def assign(
    id: Id,
    to: Annotated[str, typer.Option(help="To whom.", show_default=False)],
    text: Text = None,
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Give an alarm an owner."""
    _act(id, as_json, action="assign", to=to, text=text, by=by)


@app.command("comment")
def comment(
    id: Id,
    text: Annotated[str, typer.Argument(help="The comment.", show_default=False)],
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Write something down about an alarm."""
    _act(id, as_json, action="comment", text=text, by=by)


@app.command("silence")
def silence(
    id: Id, reason: Reason, until: Until = None, for_: For = None, by: By = None, as_json: JsonOption = False
) -> None:
    """Let nobody be told of an alarm until an end; it goes on and stays listed. Operators only."""
    _act(id, as_json, action="silence", until=until, **{"for": for_}, text=reason, by=by)


@app.command("close")
def close(id: Id, text: Text = None, by: By = None, as_json: JsonOption = False) -> None:
    """Close an alarm that is over; when it fires again, it is new. Operators only."""
    _act(id, as_json, action="close", text=text, by=by)


@app.command("evidence")
def evidence(
    id: Id,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="The folder to write; new or empty.", show_default=False)
    ],
    temp: Annotated[Path | None, typer.Option(help="Folder of the temporary state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pack what proves an alarm: the number explained, the rule, events, actions, deliveries, and their checksums.

    Exit status 1 when the number, computed anew, is not what the series says.
    """
    from services.command.alarm_evidence import pack

    done = pack(Settings(), id, folder, temp)
    if as_json:
        say_json({"alarm": id, "evidence": str(folder), "files": done.files, "same": done.same, "notes": done.notes})
    else:
        for note in done.notes:
            say(note)
        say(f"evidence 证据: {len(done.files)} files in {folder}")
    if done.same is False:
        raise typer.Exit(1)


@silences.callback()
def _silences() -> None:
    """Silences and announced maintenance."""


@silences.command("list")
def list_silences(
    state: Annotated[str | None, typer.Option(help="in_force, coming or over.")] = None, as_json: JsonOption = False
) -> None:
    """List silences and maintenance, what ends last first."""
    with Client(Settings()) as client:
        found = list(client.items("/v1/silences", state=state))
    if as_json:
        say_json({"items": found})
        return
    rows = [
        (each["id"], each["kind"], each["state"], _instant(each["start"]), _instant(each["end"]), _about(each),
         each["by"], each["reason"])
        for each in found
    ]  # fmt: skip
    if rows:
        say_table(("id", "kind", "state", "from", "until", "about", "by", "reason"), rows)
    else:
        say("nothing is silenced")


@silences.command("new")
def new_silence(
    reason: Reason,
    entity: Annotated[str | None, typer.Option(help="Alarms of this entity (kind/id) and of all in it.")] = None,
    rule: Annotated[str | None, typer.Option(help="Alarms of this rule or limit.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when; without it, now.")] = None,
    until: Until = None,
    for_: For = None,
    maintenance: Annotated[bool, typer.Option("--maintenance", help="It is announced work.")] = False,
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Let nobody be told of alarms of an entity, a rule, or both together for a time. Operators only."""
    body = {
        "kind": "maintenance" if maintenance else "silence", "entity": entity, "rule": rule, "from": from_,
        "until": until, "for": for_, "reason": reason, "by": by,
    }  # fmt: skip
    with Client(Settings()) as client:
        found = client.post("/v1/silences", {name: value for name, value in body.items() if value is not None})
    _say_silence(found, as_json)


@silences.command("end")
def end_silence(
    id: Annotated[str, typer.Argument(help="The silence, as `silences list` names it.", show_default=False)],
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """End a silence before its time."""
    with Client(Settings()) as client:
        found = client.delete(f"/v1/silences/{quote(id, safe='')}", by=by)
    _say_silence(found, as_json)


def _say_silence(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        say(f"{found['id']} {found['state']}: {_about(found)} until {_instant(found['end'])}")


def _act(id_: str, as_json: bool, **body: str | None) -> None:
    if not id_.strip() or "/" in id_:
        raise CommandError(f"{id_!r} is no alarm: `qingyu alarms list` names them", status=WRONG_USE)
    with Client(Settings()) as client:
        said = {name: value for name, value in body.items() if value is not None}
        found = client.post(f"/v1/alarms/{quote(id_, safe='')}/handling", said)
    if as_json:
        say_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    who = f", {found['owner']}'s" if found["owner"] else ""
    until = f" until {_instant(found['until'])}" if found["until"] else ""
    by = f" by {found['handled_by']}" if found["handled_by"] else ""
    say(f"{found['id']} {found['condition']}, {found['handling']}{by}{until}{who}, {found['visibility']}")


def _line(each: dict[str, Any]) -> tuple[str, str | None, str | None]:
    if each["kind"] == "event":
        return f"{each['from'] or '-'} -> {each['condition']}", each["actor"], each["reason"]
    if each["kind"] == "action":
        more = [f"to {each['to']}" if each["to"] else "", f"until {_instant(each['until'])}" if each["until"] else ""]
        return " ".join([each["what"], *filter(None, more)]), each["by"], each["text"]
    return f"{each['kind']} until {_instant(each['end'])} ({each['state']})", each["by"], each["reason"]


def _about(each: dict[str, Any]) -> str:
    if each["alarm"]:
        return f"alarm {each['alarm']}"
    return " ".join(filter(None, (each["entity"], f"rule {each['rule']}" if each["rule"] else "")))


def _instant(at_ms: int) -> str:
    return f"{local_datetime(at_ms):%Y-%m-%dT%H:%M:%S}"
