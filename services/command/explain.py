"""Explain shows the tree behind one number, computed anew from the readings and held against the series."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from schemas.settings import Settings
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, say, say_json
from services.command.replay import Bar
from services.command.serving import set_up_logs

PIPE_COLUMNS = 240

if TYPE_CHECKING:
    from services.explain.asking import Explanation, Question
    from streams.domain.registry import Snapshot


def explain(
    entity: Annotated[str, typer.Argument(help="An enterprise, a meter or a territory: kind/id.", show_default=False)],
    metric: Annotated[
        str, typer.Argument(help="qty.*, energy.*, co2.*, time.*, output.* or ind.*", show_default=False)
    ],
    window: Annotated[
        str,
        typer.Argument(help="2026-11-21T08, 2026-11-21, 2026-11, 2026-Q4 or 2026.", show_default=False),
    ],
    evidence: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write it as a new folder that others can check by hand.")
    ] = None,
    temp: Annotated[Path | None, typer.Option(help="Folder of the temporary state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a number was made from: readings, spans, coefficients with their sources, rounding.

    The number is computed anew from the readings of that enterprise in Kafka; a territory's from the documents of its
    members. Exit status 1 when the series says something else.
    """
    from services.explain.asking import Question
    from services.replay.errors import AskedWrongError, ReplayError

    settings = Settings()
    set_up_logs(logging.WARNING)
    try:
        found, files = asyncio.run(_run(settings, Question(entity, metric, window), evidence, temp, as_json=as_json))
    except AskedWrongError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    except ReplayError as error:
        raise CommandError(str(error)) from error
    if not as_json:
        if files:
            say(f"evidence 证据: {len(files)} files in {evidence}")
        say(
            "the series says the same 与序列一致" if found.same else f"DIFFERENT 不一致: the series says {_said(found)}"
        )
    if not found.same:
        raise typer.Exit(FOUND)


async def _run(
    settings: Settings, question: "Question", evidence: Path | None, temp: Path | None, *, as_json: bool
) -> "tuple[Explanation, list[str]]":
    from services.explain.asking import checked, explain
    from services.explain.evidence import told, write_evidence
    from services.replay.preparing import registered, room

    snapshot: Snapshot = await registered(settings)
    checked(snapshot, question)
    with room(temp) as held:
        with Bar() as bar:
            found = await explain(settings, snapshot, question, held, bar.tell)
        files = write_evidence(evidence, snapshot, found) if evidence is not None else []
    if as_json:
        say_json({**told(found), **({"evidence": str(evidence), "files": files} if files else {})})
    else:
        # Into a file or a pipe a line may be as long as it is.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
        console.print(found.tree.as_rich())
        for note in found.notes:
            say(note)
    return found, files


def _said(found: "Explanation") -> str:
    from services.explain.wording import number

    value = number(found.series.value)
    return f"{'no value' if value is None else f'{value} {found.unit}'}, {found.series.status or 'no status'}"
