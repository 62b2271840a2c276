"""Document files are YAML on disk, many documents a file; here each is read with the line of every field.

Scalars are read as JSON would read them: `true`, `false`, `null` and JSON's numbers, everything else is text. So a date
stays the text it is, `no` is no boolean and `010` no octal number.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from services.command.output import WRONG_USE, CommandError

SUFFIXES = (".yaml", ".yml")
_TAG = "tag:yaml.org,2002:"
# The fast YAML reader recurses natively and has no limit of its own; a document nests a handful of levels.
MAX_DEPTH = 500
_BRACKET = re.compile(r"[\[{]|[\]}]")
_NESTED_IN_LINE = re.compile(rf"(?:[-?:][ \t]+){{{MAX_DEPTH}}}")
_DEEPER_LINE = re.compile(rf"^[ \t]{{{MAX_DEPTH}}}", re.MULTILINE)


class FilesError(ValueError):
    """A path that was named cannot be used; the message says which and why."""


class FileFault(NamedTuple):
    """One fault, with the file and the line (from 1) it stands in; `document` is `kind/id` as far as it is known."""

    file: str
    line: int
    document: str
    path: str
    code: str
    message: str

    def __str__(self) -> str:
        place = " ".join(part for part in (self.document, self.path) if part)
        return f"{self.file}:{self.line}: {self.code}: {place + ': ' if place else ''}{self.message}"


def faults_error(faults: Iterable[FileFault], so: str) -> CommandError:
    """Return the error that tells all faults in the order of their files and lines, and what became of the command."""
    ordered = sorted(faults, key=lambda fault: (fault.file, fault.line, fault.path))
    count = "1 fault" if len(ordered) == 1 else f"{len(ordered)} faults"
    body = {"errors": [fault._asdict() for fault in ordered]}
    return CommandError(*map(str, ordered), f"{count}; {so}", status=WRONG_USE, body=body)


@dataclass(frozen=True, slots=True)
class FileDocument:
    """A document as its file has it; `lines` gives the line of each path (`spec.tiers.0.max`), "" its first."""

    raw: Mapping[str, Any]
    file: str
    lines: Mapping[str, int]

    @property
    def label(self) -> str:
        """`kind/id` as the file says it, "" when it says neither."""
        kind, id_ = self.raw.get("kind"), self.raw.get("id")
        return f"{kind}/{id_}" if isinstance(kind, str) and isinstance(id_, str) else ""

    def line_of(self, path: str) -> int:
        """Return the line of a path or, when it is not there, of what is nearest above it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines[path]

    def fault(self, path: str, code: str, message: str) -> FileFault:
        """Return a fault of this document at its place in the file."""
        return FileFault(self.file, self.line_of(path), self.label, path, code, message)


class _ExactLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML with JSON's scalars, but a number with a point or an exponent stays the text it is."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class _Loader(_ExactLoader):
    """YAML with JSON's scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _loaders, _name, _pattern, _first in (
    ((_ExactLoader, _Loader), "bool", r"true|false", "tf"),
    ((_ExactLoader, _Loader), "null", r"null|~|", ["n", "~", ""]),
    ((_ExactLoader, _Loader), "int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ((_Loader,), "float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
):
    for _one in _loaders:
        _one.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(slots=True)
class _Reading:
    """The reading of one YAML document: the line of each path, and what cannot be used."""

    file: str
    seen: set[int]
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[FileFault] = field(default_factory=list)

    def value(self, node: yaml.Node, path: str) -> Any:
        """Return what a node says, with the line of each path below it kept."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self.seen:
            # The node stands where its name was given; the alias stands in the line of its own field.
            message = "an alias (*name) is not read here: write it out"
            self.faults.append(FileFault(self.file, self.lines[path], "", path, "alias", message))
            return None
        self.seen.add(id(node))
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value(item, _below(path, str(index))) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in ("str", "bool", "null", "int", "float"):
            return self._scalar(node, kind, path)
        self._fault(node, path, "bad_tag", f"the tag {node.tag} is not read here: leave it out")
        return None

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, path, "bad_field", "a field's name is text")
                continue
            name = key_node.value
            below = _below(path, name)
            if name in found:
                self._fault(key_node, below, "duplicate_field", f"{name} stands twice: keep one")
                continue
            self.lines[below] = key_node.start_mark.line + 1
            found[name] = self.value(value_node, below)
        return found

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: str) -> Any:
        text = node.value
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool" and text in ("true", "false"):
            return text == "true"
        try:
            number = int(text) if kind == "int" else float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self._fault(node, path, "bad_value", f"{text[:60]!r} is no number that JSON can hold")
            return None
        return number

    def _fault(self, node: yaml.Node, path: str, code: str, message: str) -> None:
        self.faults.append(FileFault(self.file, node.start_mark.line + 1, "", path, code, message))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML files that the paths name, those of a folder (and below) in order of name.

    Raises FilesError when a path is not there or none of them holds a YAML file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            found.update(dict.fromkeys(sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES)))
        else:
            raise FilesError(f"{path} is no file and no folder")
    if not found:
        raise FilesError(f"no file {' or '.join('*' + suffix for suffix in SUFFIXES)} is there")
    return list(found)


def read_files(files: Iterable[Path], *, exact: bool = False) -> tuple[list[FileDocument], list[FileFault]]:
    """Return every document of the files, and every fault that keeps one from being read at all; see `read_text`."""
    documents: list[FileDocument] = []
    faults: list[FileFault] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            faults.append(FileFault(str(file), 1, "", "", "not_utf8", f"the file is no UTF-8 text: {error.reason}"))
        except OSError as error:
            faults.append(FileFault(str(file), 1, "", "", "unreadable", error.strerror or str(error)))
        else:
            for item in read_text(text, str(file), exact=exact):
                (documents if isinstance(item, FileDocument) else faults).append(item)  # type: ignore[arg-type]
    return documents, faults


def read_text(text: str, file: str, *, exact: bool = False) -> Iterator[FileDocument | FileFault]:
    """Yield the documents and the faults of a YAML text; a list at its top holds documents, too.

    With `exact` a number that is not whole stays text, so that none of its digits is lost.
    """
    if _nests_too_deeply(text):
        yield FileFault(file, 1, "", "", "bad_yaml", f"the YAML is nested more than {MAX_DEPTH} levels deep")
        return
    loader: Any = None
    try:
        loader = (_ExactLoader if exact else _Loader)(text)
        while loader.check_node():
            node = loader.get_node()
            yield from _read_node(node, file)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        yield FileFault(file, line, "", "", "bad_yaml", error.problem or "this is no YAML")
    except yaml.YAMLError as error:
        yield FileFault(file, 1, "", "", "bad_yaml", str(error).splitlines()[0])
    finally:
        if loader is not None:
            loader.dispose()


def _nests_too_deeply(text: str) -> bool:
    if _NESTED_IN_LINE.search(text) or _DEEPER_LINE.search(text):
        return True
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            return True
    return False


def _read_node(node: yaml.Node | None, file: str) -> Iterator[FileDocument | FileFault]:
    if node is None or node.tag == _TAG + "null":
        return
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    seen: set[int] = set()
    for item in items:
        reading = _Reading(file, seen)
        raw = reading.value(item, "")
        if reading.faults:
            label = FileDocument(raw if isinstance(raw, dict) else {}, file, {"": 1}).label
            yield from (fault._replace(document=label) for fault in reading.faults)
        elif isinstance(raw, dict):
            yield FileDocument(raw, file, reading.lines)
        else:
            line = item.start_mark.line + 1
            yield FileFault(file, line, "", "", "no_document", "a document is a mapping with kind, id and spec")


def check_documents(documents: Iterable[FileDocument]) -> list[FileFault]:
    """Return the faults that each document has by itself, whatever the registry holds."""
    from schemas.documents import Document, parse_document

    faults: list[FileFault] = []
    for document in documents:
        parsed = parse_document(document.raw)
        if not isinstance(parsed, Document):
            faults += [document.fault(*fault) for fault in parsed]
    return faults
