"""The store commands act on the series store of the settings, whichever it is."""

import asyncio
import logging
import sys
import time
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from schemas.settings import Settings
from services.command.output import CommandError, JsonOption, complain, say, say_json
from services.command.serving import set_up_logs
from services.command.status import heartbeats

app = typer.Typer(no_args_is_help=True, help="The series store.")

# A sink that lives tells so every five seconds.
ALIVE_S = 15.0
TELL_S = 10.0


@app.callback()
def _store() -> None:
    """The series store."""


@app.command()
def rebuild(
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Also when topics no longer hold all that the store has.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Drop the series store and fill it again from the topics, with progress.

    A sink may run meanwhile: it begins again by itself, and this command watches it. Needs the same QINGYU_STORE,
    QINGYU_DATA and QINGYU_INFLUX settings as the sink. Queries answer with what is there so far.
    """
    from services.sink.rebuilding import RebuildError, Rebuilding, extents
    from streams.stores.opening import open_store

    settings = Settings()
    set_up_logs(logging.WARNING)
    name = settings.influx if settings.store == "influx" else str(settings.store_path)
    began = time.monotonic()
    try:
        held = asyncio.run(extents(settings))
        gone = sorted({one.topic for one, extent in held.items() if extent.gone})
        if gone and not accept_loss:
            raise CommandError(
                f"nothing was dropped: {', '.join(gone)} no longer hold their first records, so what the store has of "
                "them would be lost; say --accept-loss if that may be"
            )
        sink_runs = any(
            "points" in one.get("counts", {}) and one["heard_s"] <= ALIVE_S
            for one in heartbeats(settings, forgotten_s=ALIVE_S)
        )
        if sink_runs and not settings.store_path.exists():
            raise CommandError(
                f"nothing was dropped: a sink runs, but not with {settings.store_path}; give this command the sink's "
                "QINGYU_STORE and QINGYU_DATA"
            )
        with closing(open_store(settings)) as store, _Bar() as bar:
            by = asyncio.run(Rebuilding(settings, store, bar.tell).run(held, sink_runs=sink_runs))
    except RebuildError as error:
        raise CommandError(str(error)) from error
    records = sum(extent.end - extent.first for extent in held.values())
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        say_json({"store": name, "filled_by": by, "offsets": records, "seconds": seconds})
    else:
        say(f"rebuilt {name} by {by}: {records} offsets in {seconds:.0f} s")


class _Bar:
    """How far it is, where errors go: a bar at a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._told = float("-inf")
        self._progress = Progress(
            TextColumn("filling"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), disable=not sys.stderr.isatty(),
        )  # fmt: skip
        self._task = self._progress.add_task("filling", total=None)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, filled: tuple[int, int]) -> None:
        done, total = filled
        self._progress.update(self._task, completed=done, total=total)
        if self._progress.disable and time.monotonic() - self._told > TELL_S:
            self._told = time.monotonic()
            complain(f"filled {done} of {total} offsets")
