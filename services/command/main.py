"""The `qingyu` command: its commands put together, and every error turned into one clear line and an exit status.

What only one command needs is imported when that command runs: the others begin sooner.
"""

import sys
from importlib.metadata import version as package_version
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from schemas.settings import Settings
from schemas.windows import local_datetime
from services.clock import ClockError
from services.command import (
    alarms,
    corrections,
    dashboards,
    explain,
    importing,
    influx,
    keys,
    registry,
    replay,
    restate,
    scenario,
    serving,
    status,
    store,
)
from services.command.client import Client
from services.command.output import (
    FOUND,
    WRONG_USE,
    CommandError,
    JsonOption,
    complain,
    say,
    say_json,
    say_table,
    wants_json,
)

WAIT_S = 30.0
EPILOG = (
    "Servers are found by QINGYU_API, QINGYU_GATEWAY and QINGYU_KAFKA; QINGYU_TOKEN is the key shown to the api. "
    "Exit status: 0 done, 1 a difference or failure found, 2 wrong use or invalid input."
)


class _Commands(TyperGroup):
    """The root of the commands: errors end here."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            _report(ctx, error)
            raise typer.Exit(error.status) from error
        except OSError as error:
            _report(ctx, CommandError(_line(error)))
            raise typer.Exit(FOUND) from error
        except ValidationError as error:
            _report(ctx, _settings_error(error))
            raise typer.Exit(WRONG_USE) from error
        except ClockError as error:
            _report(ctx, CommandError(str(error)))
            raise typer.Exit(WRONG_USE) from error


def _report(context: Any, error: CommandError) -> None:
    # Faults in files begin with the place, as editors read it.
    mark = "" if error.body and "errors" in error.body else "error: "
    for line in error.lines:
        complain(mark + line)
    if wants_json(context):
        say_json({"error": error.lines[-1], **(error.body or {})})


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _settings_error(error: ValidationError) -> CommandError:
    names = ("QINGYU_" + ".".join(str(part) for part in one["loc"]).upper() for one in error.errors())
    return CommandError(*(f"{name}: {one['msg']}" for name, one in zip(names, error.errors(), strict=True)))


app = typer.Typer(
    name="qingyu",
    cls=_Commands,
    help="Qingyu 晴雨: a live barometer of energy and carbon.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
topics = typer.Typer(no_args_is_help=True, help="The topics in Kafka.")
rejected = typer.Typer(no_args_is_help=True, help="Inputs that could not be used.")
app.command()(serving.serve)
app.command()(registry.apply)
app.command()(registry.diff)
app.command()(registry.get)
app.command("import")(importing.import_file)
app.add_typer(keys.app, name="key")
app.add_typer(corrections.app, name="corrections")
app.add_typer(alarms.app, name="alarms")
app.add_typer(topics, name="topics")
app.add_typer(rejected, name="rejected")
app.add_typer(scenario.app, name="scenario")
app.add_typer(store.app, name="store")
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(influx.app, name="influx")
app.command()(status.status)
app.command()(replay.replay)
app.command()(restate.restate)
app.command()(explain.explain)


@topics.callback()
def _topics() -> None:
    """The topics in Kafka."""


@topics.command("apply")
def topics_apply(
    wait_s: Annotated[float, typer.Option(help="How long to wait until the topics can be used [s].")] = WAIT_S,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing and align the settings of the others; doing it twice changes nothing.

    What would break keys (another partition count, another clean-up) is refused with exit status 1, and nothing is
    changed.
    """
    from services.topics import TopicsError, TopicsRefusedError, apply_topics

    try:
        done = apply_topics(Settings(), timeout_s=wait_s)
    except TopicsRefusedError as error:
        raise CommandError(*error.faults, "nothing was changed", body={"refused": error.faults}) from error
    except TopicsError as error:
        raise CommandError(str(error)) from error
    if as_json:
        say_json({"created": done.create, "changed": done.change, "remarks": done.remarks})
        return
    for name in done.create:
        say(f"created {name}")
    for name, settings in done.change.items():
        for key, (before, after) in settings.items():
            say(f"changed {name}: {key} {before} -> {after}")
    for remark in done.remarks:
        say(f"remark: {remark}")
    say(f"{len(done.create)} created, {len(done.change)} changed")


@rejected.callback()
def _rejected() -> None:
    """Inputs that could not be used."""


@rejected.command("list")
def rejected_list(
    source: Annotated[str | None, typer.Option(help="Only of this source; `-` where none is known.")] = None,
    code: Annotated[str | None, typer.Option(help="Only for this reason, such as unknown_meter.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List inputs that could not be used, the newest first, with the reason and where they stood."""
    with Client(Settings()) as client:
        items = list(client.items("/v1/rejected", limit, source=source, code=code))
    if as_json:
        say_json({"items": items})
        return
    columns = ("at", "source", "code", "where", "message")
    say_table(
        columns, [(_instant(one["at"]), one["source"], one["code"], _place(one), one["message"]) for one in items]
    )


@app.command()
def version(as_json: JsonOption = False) -> None:
    """Print the version."""
    found = package_version("qingyu")
    if as_json:
        say_json({"version": found, "python": sys.version.split()[0]})
    else:
        say(f"qingyu {found}")


def _instant(at_ms: int) -> str:
    return f"{local_datetime(at_ms):%Y-%m-%dT%H:%M:%S}"


def _place(item: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in item["where"].items())
