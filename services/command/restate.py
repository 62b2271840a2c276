"""Restating shows what another release of coefficients would move in a reporting year, and then moves it."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.settings import Settings
from schemas.windows import local_datetime
from services.command.client import Client
from services.command.output import WRONG_USE, CommandError, JsonOption, say, say_json, say_table
from services.command.replay import Bar
from services.command.serving import set_up_logs

if TYPE_CHECKING:
    from services.replay.restating import Move, Restatement

COLUMNS = ("entity", "period", "metric", "now", "then", "change")


def restate(
    release: Annotated[str, typer.Option(help="The release that is to count.", show_default=False)],
    entities: Annotated[
        list[str] | None, typer.Argument(metavar="[ENTITY...]", help="Show these only; none: all.", show_default=False)
    ] = None,
    year: Annotated[
        list[int] | None,
        typer.Option(help="A reporting year, again for more; none: all that the release's days touch so far."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Move it: pin the years to the release in settings/default.")
    ] = False,
    why: Annotated[str, typer.Option(help="Why; kept in the registry's log beside the pin.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many numbers; all are counted.")] = 200,
    temp: Annotated[Path | None, typer.Option(help="Folder of the temporary state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a reporting year's numbers would be under another release, by entity and period, and move them.

    The readings in Kafka are folded once more under the release, beside the installation. Nothing is written without
    --yes; then the years are pinned, the workers compute them again, and what had settled is kept as revisions whose
    cause is that version of the registry.
    """
    from services.replay.errors import AskedWrongError, ReplayError

    settings = Settings()
    set_up_logs(logging.WARNING)
    try:
        years, restatement, found = asyncio.run(_run(settings, release, entities or [], year, temp))
    except AskedWrongError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    except ReplayError as error:
        raise CommandError(str(error)) from error
    version = _pin(restatement, why or f"restate {', '.join(map(str, years))} with release {release}") if yes else None
    if as_json:
        say_json(
            {
                "release": release, "years": years, "moves": len(found), "version": version,
                "numbers": [dict(zip(COLUMNS, _row(move), strict=True)) for move in found[:limit]],
            }
        )  # fmt: skip
        return
    if found:
        say_table(COLUMNS, [_row(move) for move in found[:limit]])
    if len(found) > limit:
        say(f"and {len(found) - limit} more: see --limit")
    counted = f"{len(found)} numbers of {', '.join(map(str, years))}"
    if version is None:
        say(f"{counted} would move; nothing was written: --yes moves them")
    else:
        say(f"{counted} move: the registry's version {version} pins release {release}")


async def _run(
    settings: Settings, release: str, entities: list[str], years: list[int] | None, temp: Path | None
) -> "tuple[tuple[int, ...], Restatement, list[Move]]":
    from services.clock import Clock
    from services.replay.preparing import registered, room
    from services.replay.restating import moves, pinned, years_of

    snapshot = await registered(settings)
    this_year = local_datetime(Clock.parse(settings.clock).now_ms()).year
    chosen = tuple(sorted(set(years))) if years else years_of(snapshot, release, this_year)
    restatement = pinned(snapshot, release, chosen)
    with room(temp) as held, Bar() as bar:
        return chosen, restatement, await moves(settings, restatement.snapshot, entities, chosen, held, bar.tell)


def _pin(restatement: "Restatement", why: str) -> Any:
    with Client(Settings()) as client:
        body = {"base": restatement.snapshot.version, "documents": [restatement.settings], "why": why}
        return client.post("/v1/registry", body)["version"]


def _row(move: "Move") -> tuple[str | None, ...]:
    from schemas.decimals import decimal_text

    now, then = (None if value is None else decimal_text(value) for value in (move.now, move.then))
    change = None if move.now is None or move.then is None else decimal_text(move.then - move.now)
    return move.entity, move.window, move.metric, now, then, change
