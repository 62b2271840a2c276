"""An outcome is what a bench or a proof measured, with where, when and on which state of the source it ran."""

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from rich.console import Console

RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, Any]:
    """Return where, when and on which commit this runs; `commit` is empty where there is no repository."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": _git("status", "--porcelain", "--untracked-files=no").splitlines(),
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 2),
        },
    }  # fmt: skip


def write(name: str, result: dict[str, Any] | list[dict[str, Any]]) -> Path:
    """Write a result to the file of that name, and return the file."""
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return file


def conclude(console: Console, result: dict[str, Any], directory: Path, shown: str | None) -> int:
    """Print a proof's result and `shown`, what it has shown; return the exit status.

    Where it failed, `shown` is None, the status 1, and the logs in `directory` are kept.
    """
    console.print_json(data=result)
    if shown is None:
        console.print(f"logs, topics and stores are kept in {directory}")
        console.print("THE PROOF FAILED", style="red")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    console.print(shown, style="green")
    return 0


def _git(*command: str) -> str:
    try:
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
