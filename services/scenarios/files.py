"""A story is a scenario's file together with the files that it extends; it knows where each of its parts stands."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from schemas.documents import API_VERSION, faults_of
from schemas.scenarios import Scenario
from services.command.document_files import FileDocument, FileFault, find_files, read_files

# Bases that extend bases are legal; a story that needs more of them cannot be followed by its reader.
LONGEST_CHAIN = 5


class Piece(NamedTuple):
    """What a file says of a registry document: its fields, the file, and the path inside."""

    raw: Mapping[str, Any]
    page: FileDocument
    path: str

    def fault(self, path: str, code: str, message: str) -> FileFault:
        """Return a fault of the document at its place in the file."""
        label = f"{self.raw.get('kind')}/{self.raw.get('id')}"
        found = self.page.fault(f"{self.path}.{path}" if path else self.path, code, message)
        return found._replace(document=label, path=path)


@dataclass(frozen=True, slots=True)
class Story:
    """A scenario as its file has it, and what it begins with: pieces of the registry, the base's first."""

    scenario: Scenario
    page: FileDocument
    pieces: tuple[Piece, ...]
    defaults: Mapping[str, Mapping[str, Any]]
    enterprise: str | None
    since: dt.date | None

    def fault(self, path: str, code: str, message: str) -> FileFault:
        """Return a fault of the story at its place in the file."""
        return self.page.fault(path, code, message)

    def merged(self, before: Mapping[str, Any] | None, piece: Piece) -> dict[str, Any]:
        """Return a document after a piece of it: fields that it names replace those of before, `spec` field by field.

        A document that begins here takes the defaults for what it does not say.
        """
        raw = piece.raw
        if before is None:
            since = None if self.since is None else self.since.isoformat()
            before = {"apiVersion": API_VERSION, "valid_from": since}
            if raw.get("kind") in self.defaults:
                before["spec"] = self.defaults[raw["kind"]]
        found = {**before, **raw}
        if isinstance(before.get("spec"), Mapping) and isinstance(raw.get("spec"), Mapping):
            found["spec"] = {**before["spec"], **raw["spec"]}
        return {name: value for name, value in found.items() if value is not None}


def read_stories(paths: Iterable[Path]) -> tuple[list[Story], list[FileFault]]:
    """Return the stories of the files that the paths name, and every fault of a file; bases without a story are passed.

    Raises FilesError when a path is not there or holds no YAML file.
    """
    stories: list[Story] = []
    faults: list[FileFault] = []
    for file in find_files(paths):
        read = _read(file)
        if isinstance(read, list):
            faults += read
            continue
        if not read[1].story:
            continue
        story = _whole([read])
        if isinstance(story, Story):
            stories.append(story)
        else:
            faults += story
    return stories, faults


_Read = tuple[FileDocument, Scenario]


def _read(file: Path) -> _Read | list[FileFault]:
    pages, faults = read_files([file], exact=True)
    if faults:
        return faults
    if len(pages) != 1:
        line = pages[1].lines[""] if pages else 1
        return [FileFault(str(file), line, "", "", "one_story", "a file holds one scenario: a mapping with `scenario`")]
    (page,) = pages
    try:
        return page, Scenario.model_validate_json(to_json(page.raw))
    except ValidationError as error:
        return [page.fault(*fault) for fault in faults_of(error)]


def _whole(chain: Sequence[_Read]) -> Story | list[FileFault]:
    """Return the story at the head of a chain of files, each extending the next, as far as it is read already."""
    page, scenario = chain[-1]
    if scenario.extends is not None:
        file = Path(page.file).parent / scenario.extends
        if len(chain) >= LONGEST_CHAIN:
            return [page.fault("extends", "bad_base", f"more than {LONGEST_CHAIN} files extend each other: join some")]
        if not file.is_file():
            return [page.fault("extends", "bad_base", f"{file} is no file: the path is relative to this file")]
        read = _read(file)
        return read if isinstance(read, list) else _whole([*chain, read])
    bases = list(reversed(chain))
    defaults: dict[str, dict[str, Any]] = {}
    pieces: list[Piece] = []
    for page, scenario in bases:
        for kind, spec in scenario.defaults.items():
            defaults[kind] = {**defaults.get(kind, {}), **spec}
        pieces += (Piece(raw, page, f"registry.{place}") for place, raw in enumerate(scenario.registry))
    enterprise = next((one.enterprise for _, one in chain if one.enterprise is not None), None)
    since = next((one.since for _, one in chain if one.since is not None), None)
    head, scenario = chain[0]
    return Story(scenario, head, tuple(pieces), defaults, enterprise, since)
