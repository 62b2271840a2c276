"""Kept are the runs of a long bench, in a file of this state of the source: interrupted, it goes on from there."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]


class Kept:
    """The runs of a bench that are done, by name."""

    def __init__(self, bench: str) -> None:
        self._file = _ROOT / "var" / "bench" / bench / f"{_state_of_source()}.jsonl"
        self.runs: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                # What failed is tried again.
                if "failed" not in one:
                    self.runs[one["name"]] = one

    def keep(self, name: str, done: Mapping[str, Any]) -> None:
        """Keep a run."""
        self.runs[name] = {"name": name, **done}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.runs[name]) + "\n")

    def forget(self) -> None:
        """Forget all of them: the next bench begins anew."""
        self._file.unlink(missing_ok=True)


def _state_of_source() -> str:
    """Return a digest of the commit and of what was changed since."""
    said = [
        subprocess.run(["git", *command], cwd=_ROOT, capture_output=True, timeout=60, check=False).stdout
        for command in (["rev-parse", "HEAD"], ["diff", "HEAD", "--", ":!bench/results", ":!docs"])
    ]
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:12]
