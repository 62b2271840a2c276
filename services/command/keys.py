"""Keys at the terminal: `key new` makes a token, shows it once and registers its hash; `key revoke` closes one."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from schemas.settings import Settings
from schemas.windows import EARLIEST_MS, local_datetime
from services.command.client import ApiError, Client
from services.command.output import FOUND, CommandError, JsonOption, say, say_json

# Somebody else may write to the registry between our reading its version and our writing.
ATTEMPTS = 5

app = typer.Typer(no_args_is_help=True, help="Make and revoke keys.")

Day = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="A day (Asia/Shanghai).", show_default=False)]


@app.command("new")
def new(
    role: Annotated[
        Literal["source", "enterprise", "viewer", "operator"], typer.Option(help="What the holder may do.")
    ],
    subject: Annotated[
        str | None,
        typer.Option(
            help="A source's or an enterprise's id; a viewer's territory (city/bazhong); an operator has none."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Whose key it is, for people.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The key's id; otherwise a random one.")] = None,
    valid_from: Day = None,
    valid_to: Day = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. The token is shown once, here; the registry keeps its SHA-256 only."""
    from services.http.tokens import new_token, token_hash

    token = new_token()
    key_id = id_ or f"{role}-{secrets.token_hex(4)}"
    spec = {"hash": token_hash(token), "role": role, "subject": subject}
    document: dict[str, Any] = {
        "apiVersion": "qingyu/v1",
        "kind": "key",
        "id": key_id,
        # A new key opens at once, also where the numbers live on a clock that is years behind.
        "valid_from": valid_from or f"{local_datetime(EARLIEST_MS):%Y-%m-%d}",
        "spec": {field: value for field, value in spec.items() if value is not None},
    }
    if valid_to is not None:
        document["valid_to"] = valid_to
    if name is not None:
        document["name"] = {"en" if name.isascii() else "zh": name}
    with Client(Settings()) as client:
        if id_ is not None and _find(client, id_) is not None:
            raise CommandError(f"key {id_} is there already: ids are never used again, choose another")
        version = _write(client, lambda: document)["version"]
    if as_json:
        say_json({"id": key_id, "token": token, "role": role, "subject": subject, "version": version})
        return
    say(f"key {key_id}: role {role}{f', subject {subject}' if subject else ''}")
    say(f"token {token}")
    say("It is not shown again and not kept anywhere: store it now.")


@app.command("revoke")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Revoke a key: its token opens nothing any more."""
    with Client(Settings()) as client:
        done = False

        def revoked() -> dict[str, Any] | None:
            nonlocal done
            document = _find(client, id_)
            if document is None:
                raise CommandError(f"no key {id_} is registered")
            done = bool(document["spec"].get("revoked"))
            return None if done else {**document, "spec": {**document["spec"], "revoked": True}}

        answer = _write(client, revoked)
    if as_json:
        say_json({"id": id_, "revoked": True, "version": answer["version"]})
    else:
        say(f"key {id_} was revoked already" if done else f"key {id_} is revoked")


def _find(client: Client, id_: str) -> dict[str, Any] | None:
    try:
        return client.get(f"/v1/registry/key/{id_}")["document"]
    except ApiError as error:
        if error.http_status == 404:
            return None
        raise


def _write(client: Client, make: Callable[[], dict[str, Any] | None]) -> Any:
    for _ in range(ATTEMPTS):
        base = client.version()
        document = make()
        if document is None:
            return {"version": base}
        try:
            return client.post("/v1/registry", {"base": base, "documents": [document]})
        except ApiError as error:
            if error.code == "invalid_set":
                faults = [f"{fault['code']}: {fault['path']}: {fault['message']}" for fault in error.problem["errors"]]
                raise CommandError(*faults, status=error.status, body=error.problem) from error
            if error.code != "base_moved":
                raise
    raise CommandError("others keep writing to the registry: try again", status=FOUND)
