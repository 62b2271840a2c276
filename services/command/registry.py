"""The registry at the terminal: `apply` sends files, `diff` tells what that would change, `get` shows what is there."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from schemas.settings import Settings
from services.command.client import ApiError, Client
from services.command.document_files import (
    FileDocument,
    FileFault,
    FilesError,
    check_documents,
    faults_error,
    find_files,
    read_files,
)
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, say, say_json

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE|DIR...", help="YAML files of documents, or folders of such files.", show_default=False
    ),
]


def apply(
    paths: Paths,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    why: Annotated[str, typer.Option(help="Why; kept in the registry's log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Put documents from YAML files into the registry, all or nothing.

    Everything is checked together with what is registered. When something is wrong, each fault is printed with its
    file and line, nothing is written, and the exit status is 2. What one document says of another is looked at once
    each is right by itself.
    """
    documents = _read(paths)
    with Client(Settings()) as client:
        answer = _send(client, documents, client.version(), dry_run=dry_run, why=why)
    if as_json:
        say_json(answer)
        return
    for what in ("created", "changed", "ended"):
        for key in answer[what]:
            say(f"{what} {key}")
    for each in answer.get("warnings", ()):
        say(f"warning: {each['document']}: {each['path']}: {each['code']}: {each['message']}")
    counts = ", ".join(f"{len(answer[what])} {what}" for what in ("created", "changed", "ended"))
    say(f"{'dry run, nothing written: ' if dry_run else ''}version {answer['version']}: {counts}")


def diff(paths: Paths, as_json: JsonOption = False) -> None:
    """Tell what `apply` would change: exit status 0 when nothing, 1 when something, 2 when it would be refused."""
    documents = _read(paths)
    with Client(Settings()) as client:
        answer = _send(client, documents, client.version(), dry_run=True)
        by_key = {document.label: document for document in documents}
        changes = {key: _fields_changed(client, key, by_key[key]) for key in (*answer["changed"], *answer["ended"])}
    if as_json:
        say_json(
            {"created": answer["created"], "changed": answer["changed"], "ended": answer["ended"], "fields": changes}
        )
    else:
        for key in answer["created"]:
            say(f"+ {key}")
        for key, fields in changes.items():
            say(f"~ {key}")
            for field in fields:
                say(f"    {field['path']}: {_short(field['before'])} -> {_short(field['after'])}")
    if answer["created"] or changes:
        raise typer.Exit(FOUND)


def get(
    kind: Annotated[str, typer.Argument(help="A kind: enterprise, meter, rule, ...", show_default=False)],
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this document.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the documents of a kind, or one of them, as YAML that `apply` takes."""
    with Client(Settings()) as client:
        if id_ is not None:
            found = [client.get(f"/v1/registry/{kind}/{id_}")["document"]]
        else:
            found = list(client.items(f"/v1/registry/{kind}"))
    if as_json:
        say_json(found[0] if id_ is not None else found)
    elif found:
        say(yaml.safe_dump_all(found, allow_unicode=True, sort_keys=False, width=120).rstrip())


def _read(paths: Sequence[Path]) -> list[FileDocument]:
    try:
        documents, faults = read_files(find_files(paths))
    except FilesError as error:
        raise CommandError(str(error), status=WRONG_USE) from error
    if faults:
        # What could not be read would be missed by the rest, so only what each document has by itself is told.
        raise faults_error([*faults, *check_documents(documents)], "nothing was written")
    return documents


def _send(client: Client, documents: Sequence[FileDocument], base: int, *, dry_run: bool, why: str = "") -> Any:
    body = {"base": base, "documents": [document.raw for document in documents], "why": why}
    try:
        return client.post("/v1/registry", body, dry_run=dry_run)
    except ApiError as error:
        if error.code == "invalid_set":
            raise faults_error(_located(error.problem["errors"], documents), "nothing was written") from error
        raise


def _located(errors: Sequence[dict[str, Any]], documents: Sequence[FileDocument]) -> Iterator[FileFault]:
    for error in errors:
        path, code, message = error["path"], error["code"], error["message"]
        if error["index"] is None:
            yield FileFault("registry", 0, error["document"] or "", path, code, message)
        else:
            yield documents[error["index"]].fault(path, code, message)


def _fields_changed(client: Client, key: str, document: FileDocument) -> list[dict[str, Any]]:
    from schemas.documents import Document, canonical, parse_document

    kind, _, id_ = key.partition("/")
    before = client.get(f"/v1/registry/{kind}/{id_}")["document"]
    parsed = parse_document(document.raw)
    # The file as the registry would keep it; what the registry fills in by itself (a release) is told with it.
    after = json.loads(canonical(parsed)) if isinstance(parsed, Document) else document.raw
    return list(_differences(before, after, ""))


def _differences(before: Any, after: Any, path: str) -> Iterator[dict[str, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{path}.{at}")
    elif before != after:
        yield {"path": path, "before": before, "after": after}


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}.."
