"""`qingyu influx`: the buckets and tokens that an InfluxDB needs before Qingyu and Grafana use it."""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from schemas.settings import Settings
from services.command.output import CommandError, JsonOption, say, say_json

app = typer.Typer(no_args_is_help=True, help="InfluxDB's buckets and tokens.")

# The token's user may read and write the file, its group read it: Grafana is of that group in compose.
_MODE = 0o640


@app.callback()
def _influx() -> None:
    """InfluxDB's buckets and tokens."""


@app.command()
def tokens(
    store: Annotated[Path, typer.Option(help="File for the token that reads and writes: api and sink.")],
    grafana: Annotated[Path, typer.Option(help="File for the token that only reads: Grafana.")],
    as_json: JsonOption = False,
) -> None:
    """Make the buckets that are missing, and a token for each file that has none or one that is not valid any more.

    InfluxDB shows a token once, when it is made, so it is written at once. QINGYU_INFLUX_TOKEN must be one that may
    do everything. Doing it twice changes nothing.
    """
    from streams.stores.influx_admin import InfluxAdmin
    from streams.stores.series import StoreError

    settings = Settings()
    made: list[str] = []
    try:
        admin = InfluxAdmin(settings)
        admin.complete()
        for file, name, write in ((store, "qingyu", True), (grafana, "grafana", False)):
            if not _is_valid(settings, file):
                _write(file, admin.token(f"Qingyu: {name}", write=write))
                made.append(str(file))
    except StoreError as error:
        raise CommandError(str(error)) from error
    if as_json:
        say_json({"written": made})
        return
    for file in made:
        say(f"written {file}")
    say(f"{len(made)} of 2 tokens made")


def _is_valid(settings: Settings, file: Path) -> bool:
    """Tell whether the token in a file is one that InfluxDB knows; its data may have been made anew since."""
    from streams.stores.influx_admin import InfluxAdmin
    from streams.stores.series import StoreError

    token = file.read_text(encoding="ascii").strip() if file.exists() else ""
    if not token:
        return False
    try:
        found = InfluxAdmin(settings.model_copy(update={"influx_token": SecretStr(token)})).buckets()
    except StoreError as error:
        if error.code != "store_denied":
            raise
        return False
    return bool(found)


def _write(file: Path, token: str) -> None:
    # Under another name first: whoever reads the file finds a whole token or the one before.
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(token, encoding="ascii")
    part.chmod(_MODE)
    part.replace(file)
