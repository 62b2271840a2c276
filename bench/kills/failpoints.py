"""The failpoints of the source, read from it, and which process each is in."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# By the first part of a failpoint's name the role whose process it kills.
ROLE_OF = {
    "open": "worker",
    "step": "worker",
    "territory": "territory",
    "sink": "sink",
    "outbox": "gateway",
    "fenced": "api",
    "notifier": "notifier",
}
# Has a proof of its own (`bench.verify_notifier`): the city of this one does not run it.
NOTIFIER = "notifier"
# How many passings there are to choose from, so that kills come at different times; a role's others: MOST_PASSINGS.
PASSINGS = {
    "open.before-fence": 3,
    "open.after-fence": 3,
    "open.catching-up": 3,
    "fenced.before-begin": 2,
    "fenced.sent": 2,
    "fenced.committed": 2,
    # A fetch brings what was written at once; offsets are noted every two seconds.
    "notifier.before-fetch": 12,
    "notifier.after-fetch": 3,
    "notifier.before-commit": 2,
    "notifier.after-commit": 2,
}
MOST_PASSINGS = {"worker": 12, "territory": 3, "sink": 8, "gateway": 12, "api": 2, "notifier": 60}
_HIT = re.compile(r"\bhit\(\s*(?:\"([^\"]+)\"|([^)]*))")


class FailpointError(Exception):
    """A failpoint in the source that no kill can be planned for."""


def in_source(root: Path = ROOT) -> dict[str, str]:
    """Return by name of each failpoint that the city's processes pass the role that does, in order of names.

    Raises FailpointError as `every` does.
    """
    return {name: role for name, role in every(root).items() if role != NOTIFIER}


def of_notifier(root: Path = ROOT) -> list[str]:
    """Return the names of the failpoints that a notifier passes: its own, and those of the way into Kafka."""
    return [name for name, role in every(root).items() if role == NOTIFIER or name.startswith("outbox.")]


def every(root: Path = ROOT) -> dict[str, str]:
    """Return by name of each failpoint in the source the role that passes it, in order of names.

    Raises FailpointError for a name that is not written out, or whose first part says no role.
    """
    found: dict[str, str] = {}
    for folder in ("streams", "services"):
        for path in sorted((root / folder).rglob("*.py")):
            for match in _HIT.finditer(path.read_text(encoding="utf-8")):
                name = match[1]
                if name is None:
                    if path.name == "failpoints.py":
                        continue  # its definition
                    raise FailpointError(f"{path}: hit({match[2]}): write the failpoint's name out")
                role = ROLE_OF.get(name.partition(".")[0])
                if role is None:
                    raise FailpointError(f"{path}: failpoint {name!r}: say in ROLE_OF which process passes it")
                found[name] = role
    return dict(sorted(found.items()))


def passings(name: str, role: str) -> int:
    """Return at which passing, at most, a process is to be killed at a failpoint."""
    return PASSINGS.get(name, MOST_PASSINGS[role])
