"""The commands about corrections that wait for a second person: list them, look at one, confirm or reject it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from schemas.settings import Settings
from services.command.client import Client
from services.command.output import JsonOption, say, say_json, say_table

app = typer.Typer(no_args_is_help=True, help="Corrections that a second person has to confirm.")

Id = Annotated[str, typer.Argument(help="The correction, as `corrections list` names it.")]
Ids = Annotated[list[str], typer.Argument(help="The corrections, as `corrections list` names them.")]
By = Annotated[str | None, typer.Option(help="Who decides; without it, the holder of the token.")]
COLUMNS = ("id", "state", "sent", "enterprise", "readings", "by", "reason", "decided_by")


@app.callback()
def _corrections() -> None:
    """Corrections that a second person has to confirm."""


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the corrections that wait, the first sent first."""
    with Client(Settings(), gateway=True) as gateway:
        found = list(gateway.items("/v1/corrections", state=None if everything else "waiting"))
    if as_json:
        say_json({"corrections": found})
    elif found:
        say_table(COLUMNS, [[each[name] for name in COLUMNS] for each in found])
    else:
        say("no correction waits" if not everything else "no correction was ever held")


@app.command("show")
def show(id: Id, as_json: JsonOption = False) -> None:
    """Show a correction with its readings; these stand there until it is decided."""
    with Client(Settings(), gateway=True) as gateway:
        found = gateway.get(f"/v1/corrections/{quote(id, safe='')}")
    if as_json:
        say_json(found)
        return
    say(f"{found['state']}: {found['reason']} ({found['by']}, {found['sent']})")
    rows = [[each["meter"], each["ts"], each.get("value", "void"), str(each["rev"])] for each in found["rows"]]
    if rows:
        say_table(("meter", "ts", "value", "rev"), rows)


@app.command("confirm")
def confirm(ids: Ids, by: By = None, as_json: JsonOption = False) -> None:
    """Confirm corrections that another person sent: from now on they count, in both names."""
    _decide(ids, {"decision": "confirm"}, by, as_json)


@app.command("reject")
def reject(
    ids: Ids,
    reason: Annotated[str, typer.Option(help="Why it does not count.")] = "",
    by: By = None,
    as_json: JsonOption = False,
) -> None:
    """Reject corrections that another person sent: they never count, and stay listed."""
    _decide(ids, {"decision": "reject", "reason": reason}, by, as_json)


def _decide(ids: list[str], body: dict[str, Any], by: str | None, as_json: bool) -> None:
    said = body if by is None else {**body, "by": by}
    with Client(Settings(), gateway=True) as gateway:
        found = [gateway.post(f"/v1/corrections/{quote(id_, safe='')}", said) for id_ in ids]
    if as_json:
        say_json({"corrections": found})
    for each in () if as_json else found:
        say(
            f"{each['id']} {each['state']}: {each['readings']} readings, sent by {each['by']}, "
            f"decided by {each['decided_by']}"
        )
