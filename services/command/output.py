"""Output is what the command leaves at the terminal: lines and tables for people, JSON for scripts."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

# Exit statuses, the same for every command.
FOUND = 1
WRONG_USE = 2

_JSON = "qingyu.json"


def _remember(context: typer.Context, value: bool) -> bool:
    context.find_root().meta[_JSON] = value
    return value


def wants_json(context: typer.Context) -> bool:
    """Return whether the command was called with --json."""
    return bool(context.find_root().meta.get(_JSON))


JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.", callback=_remember)]


class CommandError(Exception):
    """The command cannot go on: `lines` say why, each one clear line; `status` is what it exits with (1 or 2)."""

    def __init__(self, *lines: str, status: int = FOUND, body: Any = None) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status
        self.body = body


def say(text: str = "") -> None:
    """Print a line."""
    print(text)


def complain(text: str) -> None:
    """Print a line where errors go."""
    print(text, file=sys.stderr)


def say_json(body: Any) -> None:
    """Print a body as JSON."""
    print(json.dumps(body, ensure_ascii=False, indent=2, default=str))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns, as wide as they are: a line of the terminal or of a pipe is a row."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max([len(column), *(len(row[at]) for row in texts)]) for at, column in enumerate(columns)]
    for row in (columns, *texts):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    return "-" if value is None else " ".join(str(value).split()) or "-"
