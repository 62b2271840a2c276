"""Rendering turns what is to be shown into HTML by the templates of the board; all text is escaped."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
TEMPLATES = _HERE / "templates"

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def page(template: str, **shown: Any) -> str:
    """Return a whole page."""
    return _environment.get_template(template).render(**shown)


def piece(name: str, *shown: Any) -> str:
    """Return a piece of a page: the macro `name` of `pieces.html`."""
    return str(getattr(_pieces(), name)(*shown)).strip()


@lru_cache(maxsize=1)
def _pieces() -> Any:
    return _environment.get_template("pieces.html").module


@lru_cache(maxsize=1)
def assets_version() -> str:
    """Return a text that changes with the files and templates of the board, for addresses that browsers may keep."""
    digest = hashlib.sha256()
    for path in sorted([*STATIC.iterdir(), *TEMPLATES.iterdir(), *(_HERE / "texts").iterdir()]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
