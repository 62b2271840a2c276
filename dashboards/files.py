"""The files are what the code makes and the repository keeps: dashboards as JSON, provisioning as YAML."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dashboards.alerting import alerting_file
from dashboards.city import city
from dashboards.datasources import data_source_file
from dashboards.enterprise import enterprise
from dashboards.names import DASHBOARD_FOLDER, MOUNTED_DASHBOARDS, OWNER
from dashboards.rules import rule_file

HERE = Path(__file__).parent
REMEDY = "run `qingyu dashboards build`; what is to be different is changed in dashboards/*.py"
_SUFFIXES = (".json", ".yaml", ".yml")
# The same reader, in C where PyYAML was built with it.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_HEAD = "# Written by `qingyu dashboards build`.\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file is not what the code makes: which file, and one line that says what is wrong and where."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def boards() -> list[dict[str, Any]]:
    """Return all dashboards, as the caller's own."""
    return copy.deepcopy(_boards())


@cache
def _boards() -> list[dict[str, Any]]:
    return [city(), enterprise()]


@cache
def files() -> Mapping[str, str]:
    """Return the text of every file by its path below the folder of this package."""
    provider = {
        "name": OWNER,
        "orgId": 1,
        "folder": DASHBOARD_FOLDER.title,
        "folderUid": DASHBOARD_FOLDER.uid,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 10,
        "options": {"path": MOUNTED_DASHBOARDS},
    }
    return {
        **{f"json/{board['uid']}.json": _json(board) for board in boards()},
        "provisioning/datasources/qingyu.yaml": _yaml(data_source_file()),
        "provisioning/dashboards/qingyu.yaml": _yaml({"apiVersion": 1, "providers": [provider]}),
        "provisioning/alerting/rules.yaml": _yaml(rule_file()),
        "provisioning/alerting/notifying.yaml": _yaml(alerting_file()),
    }


def write(folder: Path) -> list[str]:
    """Write what is missing or different, remove what nothing makes; return the paths touched."""
    wanted = files()
    touched = [path for path, text in wanted.items() if _read(folder / path) != text]
    for path in touched:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(wanted[path], encoding="utf-8")
    strays = _strays(folder, wanted)
    for path in strays:
        (folder / path).unlink()
    return sorted([*touched, *strays])


def check(folder: Path) -> list[Fault]:
    """Return how the files differ from what the code makes: nothing when they are the same."""
    wanted = files()
    found = [Fault(path, f"nothing makes this file: remove it, or {REMEDY}") for path in _strays(folder, wanted)]
    for path, text in wanted.items():
        present = _read(folder / path)
        if present is None:
            found.append(Fault(path, f"is missing; {REMEDY}"))
        elif present != text:
            found.append(Fault(path, f"{_difference(path, text, present)}; {REMEDY}"))
    return found


def load(path: Path) -> Any:
    """Return what a JSON or YAML file holds; ValueError with the place of the fault where it cannot be read."""
    return _parse(path.name, path.read_text(encoding="utf-8"))


def _parse(name: str, text: str) -> Any:
    try:
        return json.loads(text) if name.endswith(".json") else yaml.load(text, _LOADER)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"is not YAML: {where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {' '.join(str(error).split())}") from error


def _difference(path: str, wanted: str, present: str) -> str:
    try:
        found = _parse(path, present)
    except ValueError as error:
        return str(error)
    return first_difference(_parse(path, wanted), found) or "is written in another form"


def first_difference(wanted: Any, found: Any, place: str = "") -> str | None:
    """Return where two values of JSON's kinds first differ and how, None where they do not."""
    here = place or "/"
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            if name not in found:
                return f"{here} has no {name!r}"
            if name not in wanted:
                return f"{here} has {name!r}, which the code does not make"
            if difference := first_difference(wanted[name], found[name], f"{place}/{name}"):
                return difference
        return None
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{here} has {len(found)} items, not {len(wanted)}"
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((text for at, (one, two) in pairs if (text := first_difference(one, two, f"{place}/{at}"))), None)
    if type(wanted) is type(found) and wanted == found:
        return None
    return f"{here} is {_short(found)}, not {_short(wanted)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _strays(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    there = (path for part in ("json", "provisioning") for path in (folder / part).rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in there)
    return sorted(name for name in names if name.endswith(_SUFFIXES) and name not in wanted)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2) + "\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and the same object twice as itself twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(value: Any) -> str:
    return _HEAD + yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
