"""The preview shows how templates word a sample alarm, or a sample digest, before they are registered."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.command.document_files import FilesError, check_documents, faults_error, find_files, read_files
from services.command.output import WRONG_USE, CommandError, say


def preview(
    file: Annotated[Path, typer.Argument(help="A YAML file with documents of kind template.", show_default=False)],
    language: Annotated[Literal["zh", "en"], typer.Option(help="Which of its languages.")] = "zh",
    digest: Annotated[bool, typer.Option("--digest", help="As a digest of several alarms.")] = False,
) -> None:
    """Show title, text and HTML that templates make of a sample alarm; nothing is sent, nothing registered."""
    from schemas.documents import Template, parse_document
    from schemas.documents.template import DIGEST, SINGLE
    from schemas.templating import render

    try:
        documents, faults = read_files(find_files([file]))
    except FilesError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    if faults := [*faults, *check_documents(documents)]:
        raise faults_error(faults, "nothing was shown")
    templates = [found for one in documents if isinstance(found := parse_document(one.raw), Template)]
    if not templates:
        raise CommandError(f"{file} holds no document of kind template", status=WRONG_USE)
    for template in templates:
        for part in ("title", "text", "html"):
            source: str | None = getattr(getattr(template.spec, part), language)
            say(f"--- {template.key} {part}.{language}")
            fields = DIGEST if digest else SINGLE
            say("(as ever)" if source is None else render(source, fields, html=part == "html"))
