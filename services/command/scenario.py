"""The scenario commands run stories of the field, and say where a number is not the one that the story tells."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.command.document_files import FilesError, faults_error
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, complain, say, say_json

if TYPE_CHECKING:
    from services.scenarios.files import Story
    from services.scenarios.playing import Result
    from services.scenarios.telling import Chapter

app = typer.Typer(no_args_is_help=True, help="Stories of the field, with what must be true at which moment.")


@app.callback()
def _scenario() -> None:
    """Stories of the field, with what must be true at which moment."""


@app.command()
def run(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR...", help="YAML files, or folders of such files.", show_default=False),
    ],
    shuffle: Annotated[
        int | None,
        typer.Option(
            help="Deliver everything in another order, split and twice; the number chooses which.", show_default=False
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Through all processes of an installation that is started for it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run stories through the computation with the clock that they give, and print what differs.

    Nothing is needed but the files (docs/scenarios.md); with --live also Java, or a Kafka at QINGYU_KAFKA. Exit status
    1 when something differs, 2 when a file is wrong.
    """
    if live and shuffle is not None:
        raise CommandError("--live and --shuffle do not go together: leave one out", status=WRONG_USE)
    told = _told(paths)
    if live:
        results = _live(told)
    elif shuffle is None:
        from services.scenarios.playing import play

        results = [(story, play(story, chapters)) for story, chapters in told]
    else:
        from services.scenarios.playing import play_shuffled

        results = [(story, play_shuffled(story, chapters, shuffle)) for story, chapters in told]
    if as_json:
        say_json(_body(results))
    else:
        _say(results)
    if any(result.differences for _, result in results):
        raise typer.Exit(FOUND)


def _live(told: "Sequence[tuple[Story, list[Chapter]]]") -> "list[tuple[Story, Result]]":
    import tempfile

    from deploy.local.cache import LocalServerError
    from services.scenarios.live import PlayError, play_live
    from services.simulator.stack import StackError

    with tempfile.TemporaryDirectory(prefix="qingyu-scenarios-") as folder:
        try:
            results = play_live(told, Path(folder), complain)
        except (PlayError, StackError, LocalServerError) as error:
            raise CommandError(str(error)) from error
    return [(story, result) for (story, _), result in zip(told, results, strict=True)]


def _told(paths: Sequence[Path]) -> "list[tuple[Story, list[Chapter]]]":
    from services.scenarios.files import read_stories
    from services.scenarios.telling import Teller

    try:
        stories, faults = read_stories(paths)
    except FilesError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    tellers = [Teller(story) for story in stories]
    for teller in tellers:
        teller.tell()
        faults += teller.faults
    names: dict[str, str] = {}
    for story in stories:
        first = names.setdefault(story.scenario.scenario, story.page.file)
        if first != story.page.file:
            faults.append(story.fault("scenario", "duplicate", f"{first} has this name too: each page has its own"))
    if faults:
        raise faults_error(faults, "nothing was run")
    if not stories:
        raise CommandError("no file tells a story: `story` is missing or empty in all of them", status=WRONG_USE)
    return [(teller.story, teller.chapters) for teller in tellers]


def _say(results: "Sequence[tuple[Story, Result]]") -> None:
    for _, result in results:
        for difference in result.differences:
            say(str(difference))
    checks = sum(result.checks for _, result in results)
    wrong = sum(bool(result.differences) for _, result in results)
    differences = sum(len(result.differences) for _, result in results)
    if wrong:
        say(f"{wrong} of {len(results)} scenarios differ, in {differences} of {checks} checks")
    else:
        say(f"{len(results)} scenarios, {checks} checks: all hold")


def _body(results: "Sequence[tuple[Story, Result]]") -> dict[str, Any]:
    return {
        "scenarios": [
            {
                "file": story.page.file,
                "scenario": story.scenario.scenario,
                "title": {"zh": story.scenario.title.zh, "en": story.scenario.title.en},
                "holds": not result.differences,
                "checks": result.checks,
                "differences": [difference._asdict() for difference in result.differences],
            }
            for story, result in results
        ],
        "checks": sum(result.checks for _, result in results),
        "differ": sum(bool(result.differences) for _, result in results),
    }
