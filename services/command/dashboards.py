"""`qingyu dashboards`: the files of Grafana written, and brought into a Grafana that somebody already has."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.settings import Settings
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, say, say_json

app = typer.Typer(no_args_is_help=True, help="Dashboards and alert rules of Grafana.")

if TYPE_CHECKING:
    from services.provision.push import Wanted

CheckOption = Annotated[bool, typer.Option("--check", help="Change nothing; exit status 1 when something differs.")]


@app.callback()
def _dashboards() -> None:
    """Dashboards and alert rules of Grafana."""


@app.command()
def build(
    into: Annotated[
        Path | None, typer.Option(help="Folder to write into; by default the package `dashboards`.")
    ] = None,
    check: CheckOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the dashboards (JSON) and the provisioning files (YAML) that the code makes."""
    from dashboards.files import HERE, write
    from dashboards.files import check as faults_of

    folder = into or HERE
    if check:
        faults = [str(fault) for fault in faults_of(folder)]
        if faults:
            raise CommandError(*faults, body={"faults": faults})
    touched = [] if check else write(folder)
    if as_json:
        say_json({"folder": str(folder), "written": touched})
        return
    for path in touched:
        say(f"written {path}")
    say("as the code makes them" if check else f"{len(touched)} written")


@app.command()
def push(
    check: CheckOption = False,
    renew: Annotated[
        bool, typer.Option("--renew-tokens", help="Send the tokens again; Grafana never shows those that it has.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring data sources, dashboards and rules into the Grafana of QINGYU_GRAFANA; doing it twice changes nothing.

    Only what carries our uids is written. Where something of that is provisioned by files, nothing is.
    """
    from services.provision.grafana_port import GrafanaError, GrafanaPort
    from services.provision.push import ProvisionedError, changes, unhealthy

    settings = Settings()
    wanted = _wanted(settings, renew)
    try:
        with GrafanaPort(settings.grafana, _token(settings)) as port:
            version = port.version()
            found = changes(port, wanted)
            done = [str(change) for change in found]
            if check:
                if done:
                    raise CommandError(*done, body={"grafana": version, "differences": done})
            else:
                for change in found:
                    try:
                        change.mend()
                    except GrafanaError as error:
                        raise CommandError(f"{change.what}: {error}") from error
                if found and (left := [str(change) for change in changes(port, replace(wanted, renew=False))]):
                    lines = [f"Grafana did not keep: {line}" for line in left]
                    raise CommandError(*lines, body={"grafana": version, "not_kept": left})
            if silent := unhealthy(port, wanted):
                lines = (f"cannot be read through Grafana: {line}" for line in silent)
                raise CommandError(*lines, body={"grafana": version, "changed": done, "unhealthy": silent})
    except ProvisionedError as error:
        remedy = "nothing was written: change it where it comes from, or remove it there and push again"
        raise CommandError(*error.objects, remedy, body={"refused": error.objects}) from error
    except GrafanaError as error:
        status = WRONG_USE if error.code == "bad_address" else FOUND
        raise CommandError(str(error), status=status, body={"code": error.code}) from error
    if as_json:
        say_json({"grafana": version, "changed": done})
        return
    for line in done:
        say(f"mended {line}")
    if not wanted.hook:
        say("no contact point and no route: QINGYU_GRAFANA_HOOK is not set")
    say(f"Grafana {version}: {len(done)} changed")


def _wanted(settings: Settings, renew: bool) -> "Wanted":
    from services.provision.push import Wanted

    token = settings.grafana_influx_token
    if token is None:
        raise CommandError(
            "QINGYU_GRAFANA_INFLUX_TOKEN is not set: give Grafana a token of InfluxDB that may only read the buckets",
            status=WRONG_USE,
        )
    return Wanted(
        influx=settings.grafana_influx or settings.influx,
        influx_token=token.get_secret_value(),
        influx_prefix=settings.influx_prefix,
        hook=settings.grafana_hook,
        hook_token=settings.grafana_hook_token.get_secret_value() if settings.grafana_hook_token else "",
        renew=renew,
    )


def _token(settings: Settings) -> str:
    if settings.grafana_token is None:
        raise CommandError(
            "QINGYU_GRAFANA_TOKEN is not set: make a service account in Grafana (role Admin) and a token for it",
            status=WRONG_USE,
        )
    return settings.grafana_token.get_secret_value()
