"""Secret files hold what nobody may guess: made with random content on first use, kept ever after.

`python3 -m deploy.secret_files` makes those that are missing and prints where they are and how to log in; standard
library only, so that a bare python3 does it. No secret has a default.

The folder can be entered by its owner only. The files in it can be read by all: containers run as users of their own,
and compose mounts a file with the permissions that it has.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

FOLDER = Path("var") / "secrets"
# Secrets of recipients (secret:NAME in documents) are put here by the operator.
NOTIFIER = "notifier"
TOKEN_BYTES = 32
# File, and what it is.
SECRETS = {
    "operator_token": "the first operator token of Qingyu: board, api, command",
    "influx_admin_password": "password of user admin in InfluxDB",
    "influx_admin_token": "InfluxDB's token that may do everything; makes the two that Qingyu and Grafana use",
    "grafana_admin_password": "password of user admin in Grafana",
    "grafana_secret_key": "encrypts what Grafana keeps",
    "grafana_hook_token": "what Grafana shows to the address it sends alerts to",
}


class SecretError(Exception):
    """A secret cannot be made or is not fit for use; the message says which and what to do."""


def make_secrets(folder: Path) -> list[str]:
    """Make the secrets that are missing and return their names; raise SecretError where one is empty or a link."""
    made: list[str] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / NOTIFIER).mkdir(mode=0o755, exist_ok=True)
        for name in SECRETS:
            file = folder / name
            if not _is_there(file):
                _write(file, secrets.token_urlsafe(TOKEN_BYTES))
                made.append(name)
    except OSError as error:
        raise SecretError(f"{error.filename}: {error.strerror}; mend it, then repeat") from error
    return made


def _is_there(file: Path) -> bool:
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise SecretError(f"{file} is no ordinary file: remove it, then repeat")
    if not file.exists():
        return False
    if not file.read_text(encoding="ascii").strip():
        raise SecretError(f"{file} is empty: write a secret into it, or remove it to get a random one")
    return True


def _write(file: Path, secret: str) -> None:
    # Under another name first: a file that is there is whole. And never over one that somebody else has just made.
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with part.open("x", encoding="ascii") as opened:
            opened.write(secret)
        part.chmod(0o444)
        os.link(part, file)
    finally:
        part.unlink(missing_ok=True)


def how_to(folder: Path, address: str = "127.0.0.1") -> str:
    """Return the lines that say where everything is, once it runs."""
    return f"""
board    http://{address}:8000/   log in with the token in {folder / "operator_token"}
api      http://{address}:8000/docs
gateway  http://{address}:8001/docs
Grafana  http://{address}:3000/   user admin, password in {folder / "grafana_admin_password"}

secrets  {folder}/ (only its owner can enter; back it up apart from the data)
next     docs/compose.md: documents into the registry, keys, backup
"""


def main(arguments: list[str]) -> int:
    """Run the command; exit status 0 done, 1 a secret cannot be made."""
    parser = argparse.ArgumentParser(prog="python3 -m deploy.secret_files", description="Make secrets on first use.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they are (%(default)s)")
    parser.add_argument("--how-to", action="store_true", help="only say where everything is")
    options = parser.parse_args(arguments)
    if options.how_to:
        print(how_to(options.folder, os.environ.get("QINGYU_PUBLISH") or "127.0.0.1"))
        return 0
    try:
        made = make_secrets(options.folder)
    except SecretError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name in made:
        print(f"made {options.folder / name}: {SECRETS[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
