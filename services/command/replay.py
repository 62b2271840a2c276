"""Replay computes numbers anew from the readings, beside a running installation, and says where the series differs."""

import asyncio
import logging
import sys
import time
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.settings import Settings
from schemas.windows import EARLIEST_MS, LATEST_MS, WindowError, window
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, complain, say, say_json, say_table
from services.command.serving import set_up_logs

if TYPE_CHECKING:
    from services.replay.findings import Findings
    from services.replay.replay import Against, Asked
    from streams.domain.comparison import Range

TELL_S = 10.0
COLUMNS = ("in", "entity", "metric", "window", "series says", "replay says", "status")


class Side(StrEnum):
    """What the numbers are compared with."""

    TOTALS = "totals"
    STORE = "store"
    BOTH = "both"


def replay(
    entities: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ENTITY...]",
            help="Enterprises (with their meters), meters, territories; none: all there are.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="WINDOW", help="Only windows from this one on, as 2026-11-21.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="WINDOW", help="Only windows up to this one, and in it.")
    ] = None,
    against: Annotated[
        Side | None,
        typer.Option(help="The documents in topic totals, the series store, or both (as far as a store is there)."),
    ] = None,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Write the series store anew for these entities instead of comparing.")
    ] = False,
    readings: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="CSV or Parquet files (columns meter, ts, value ..) in the place of the readings in the topic.",
        ),
    ] = None,
    registry: Annotated[
        list[Path] | None,
        typer.Option(help="YAML files or folders with the whole registry, in the place of topic registry."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many differences; all are counted.")] = 100,
    temp: Annotated[
        Path | None, typer.Option(help="Folder of the temporary state, some 30 bytes a meter and hour of minutes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fold the readings in Kafka once more and hold every number against the series, to the last digit.

    It runs beside the installation and disturbs nothing: what the workers had taken in when it began is what it folds.
    Exit status 0 when all is the same, 1 when something differs.
    """
    from services.replay.errors import AskedWrongError, ReplayError
    from services.replay.replay import Asked

    settings = Settings()
    set_up_logs(logging.WARNING)
    began = time.monotonic()
    try:
        within = range_of(since, until)
        asked = Asked(
            entities or [], within, _sides(settings, against, rewrite=rewrite), rewrite, limit, readings or ()
        )
        raws = documents_of(registry) if registry else None
        found = asyncio.run(_run(settings, asked, raws, temp))
    except AskedWrongError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    except ReplayError as error:
        raise CommandError(str(error)) from error
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        say_json({**found.told(), "seconds": seconds})
    else:
        _tell(found, seconds, rewrite=rewrite)
    if found.differing or not (rewrite or sum(found.windows.values())):
        raise typer.Exit(FOUND)


async def _run(settings: Settings, asked: "Asked", raws: list[Any] | None, temp: Path | None) -> "Findings":
    from services.replay.preparing import of_documents, registered, room
    from services.replay.replay import Replay
    from streams.stores.opening import open_store

    snapshot = await registered(settings)
    if raws is not None:
        # Messages name versions of the topic's registry: the files stand in the place of its newest.
        snapshot = of_documents(raws, snapshot.version)
    with ExitStack() as stack:
        held = stack.enter_context(room(temp))
        store = None
        if asked.rewrite or "store" in asked.against:
            store = stack.enter_context(closing(open_store(settings)))
        bar = stack.enter_context(Bar())
        return await Replay(settings, snapshot, asked, held, store, bar.tell).run()


def range_of(since: str | None, until: str | None) -> "Range":
    """Return the range from the beginning of one window to the end of another; None: without an end."""
    from streams.domain.comparison import Range

    try:
        found = Range(
            window(since).start_ms if since else EARLIEST_MS,
            window(until).end_ms if until else LATEST_MS,
        )
    except WindowError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    if found.from_ms >= found.to_ms:
        raise CommandError(f"--from {since} lies after --to {until}", status=WRONG_USE)
    return found


def documents_of(paths: list[Path]) -> list[Any]:
    """Return the documents of YAML files and folders as they are written there."""
    from services.command.document_files import FilesError, find_files, read_files

    try:
        documents, faults = read_files(find_files(paths))
    except FilesError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    if faults:
        raise CommandError(*map(str, faults), status=WRONG_USE)
    return [document.raw for document in documents]


def _sides(settings: Settings, against: Side | None, *, rewrite: bool) -> "frozenset[Against]":
    there = settings.store == "influx" or settings.store_path.exists()
    if not there and (rewrite or against in (Side.STORE, Side.BOTH)):
        raise CommandError(
            f"there is no series store at {settings.store_path}; give this command the sink's QINGYU_STORE and "
            "QINGYU_DATA",
            status=WRONG_USE,
        )
    if rewrite and against is not None:
        raise CommandError("--rewrite compares nothing: leave --against out", status=WRONG_USE)
    sides: set[Against] = set()
    if not rewrite and against in (None, Side.TOTALS, Side.BOTH):
        sides.add("totals")
    if not rewrite and against in (Side.STORE, Side.BOTH) or (against is None and there and not rewrite):
        sides.add("store")
    return frozenset(sides)


def _tell(found: "Findings", seconds: float, *, rewrite: bool) -> None:
    if found.differences:
        say_table(
            COLUMNS,
            [
                (
                    each.where, each.entity, each.metric, each.window, each.series, each.replay,
                    each.series_status if each.series_status == each.replay_status
                    else f"{each.series_status or '-'}, {each.replay_status or '-'}",
                )
                for each in found.differences
            ],
        )  # fmt: skip
        if found.differing > len(found.differences):
            say(f"and {found.differing - len(found.differences)} more: see --limit")
        say()
    for line in found.told_cuts():
        say(line)
    for note in found.notes:
        say(f"note: {note}")
    say(f"folded {found.readings} readings under registry version {found.registry} in {seconds:.1f} s")
    if rewrite:
        say(f"written: {found.written} points of {len(found.entities)} entities")
        return
    for side, count in sorted(found.windows.items()):
        say(f"compared with {_NAMES[side]}: {count} values of windows")
    if found.moving:
        say(f"not compared, since they were written again meanwhile: {found.moving}")
    if not sum(found.windows.values()):
        say("nothing was compared: neither side has a value in these windows; see QINGYU_PARTITIONS")
    else:
        say(f"different: {found.differing}" if found.differing else "the same to the last digit")


_NAMES = {"totals": "topic totals", "store": "the series store"}


class Bar:
    """How far it is, where errors go: a bar at a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=Console(stderr=True), disable=not sys.stderr.isatty(),
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """Tell how much of what is done."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)
        if self._progress.disable and time.monotonic() - self._told > TELL_S:
            self._told = time.monotonic()
            complain(f"{what}: {done} of {total}")
