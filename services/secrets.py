"""A secret is a text that only its users may know; documents and settings hold its name, `secret:NAME`.

It stands in the environment as QINGYU_SECRET_NAME (upper case, '-' as '_'), else in a file NAME of the folder
`QINGYU_SECRETS`. It is looked up each time it is used, so a file that was put there late, or changed, counts at once.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.documents.channel import SECRET_PREFIX
from schemas.ids import IdError, check_id

# A key or a password; a larger file is a mistake.
MAX_BYTES = 16 << 10


class SecretError(Exception):
    """A secret cannot be had; the message says which and where it was looked for, and never holds the secret."""


class Secrets:
    """Looks secrets up in an environment, then in a folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = os.environ if environment is None else environment

    def resolve(self, reference: str) -> str:
        """Return the secret that `secret:NAME` names, line ends around it cut off; raise SecretError without one."""
        name = reference.removeprefix(SECRET_PREFIX)
        variable = f"QINGYU_SECRET_{name.upper().replace('-', '_')}"
        try:
            if name == reference:
                raise SecretError(f"no reference to a secret: write {SECRET_PREFIX}NAME")
            check_id(name)
        except IdError as error:
            raise SecretError(f"no reference to a secret: {error}") from error
        if found := self._environment.get(variable):
            return found
        file = self._folder / name
        try:
            if file.stat().st_size > MAX_BYTES:
                raise SecretError(f"secret {name}: {file} has more than {MAX_BYTES} bytes, so it is no secret")
            found = file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise SecretError(f"secret {name} is neither in {variable} nor readable in {file}: {said}") from error
        if not found:
            raise SecretError(f"secret {name}: {file} is empty")
        return found

    def missing(self, references: Iterable[str]) -> dict[str, str]:
        """Return of each reference whose secret cannot be had why that is so."""
        found: dict[str, str] = {}
        for reference in sorted(set(references)):
            try:
                self.resolve(reference)
            except SecretError as error:
                found[reference] = str(error)
        return found
