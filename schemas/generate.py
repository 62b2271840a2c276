"""The JSON Schemas of documents, messages and scenarios, generated into docs/schemas.

With `python -m schemas.generate --check` nothing is written: what is stale is named, and the exit status is 1.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from schemas import deliveries, escalation, handling, messages
from schemas.documents import KINDS
from schemas.scenarios import Scenario

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: Mapping[str, type[msgspec.Struct]] = {
    "readings": messages.Readings,
    "reported": messages.Reported,
    "reported-sold": messages.Sold,
    "corrections": messages.HeldEvent,
    "registry": messages.RegistryRecord,
    "registry-commit": messages.RegistryCommit,
    "totals": messages.CalendarDocument,
    "revisions": messages.Revision,
    "findings": messages.Finding,
    "alarm.conditions": messages.Condition,
    "alarm.handling": handling.Handling,
    "alarm.handling-silence": handling.Silence,
    "alarm.events": messages.AlarmEvent,
    "delivery": deliveries.Delivery,
    "delivery-read": deliveries.DeliveryRead,
    "delivery-digest": deliveries.DigestDelivery,
    "delivery-robot": deliveries.RobotUse,
    "delivery-held": deliveries.WaitingEvent,
    "delivery-cause": deliveries.OpenCause,
    "delivery-escalation": escalation.Escalating,
    "delivery.log": deliveries.DeliveryNote,
    "engine": messages.Heartbeat,
    "rejected": messages.Rejected,
}


def schemas() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    found: dict[str, dict[str, Any]] = {}
    for kind, model in KINDS.items():
        found[f"document.{kind}.json"] = model.model_json_schema(by_alias=True, mode="validation")
    found["scenario.json"] = Scenario.model_json_schema(by_alias=True, mode="validation")
    for topic, message in MESSAGES.items():
        # One call a message: each file stands alone, with the components that it needs.
        (shown,), components = msgspec.json.schema_components([message], ref_template="#/$defs/{name}")
        name = shown["$ref"].rpartition("/")[2]
        body = components.pop(name)
        found[f"message.{topic}.json"] = {**body, **({"$defs": components} if components else {})}
    return {name: _text(_clean({"$schema": DIALECT, **body})) for name, body in found.items()}


def _clean(value: Any) -> Any:
    # A docstring keeps the indentation of its source, in some versions of Python and not in others.
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            name: inspect.cleandoc(one) if name == "description" and isinstance(one, str) else _clean(one)
            for name, one in fields.items()
        }
    if isinstance(value, list):
        return [_clean(one) for one in cast("list[Any]", value)]
    return value


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the names of files in a folder that are missing, differ from what is generated, or should not be there."""
    wanted = schemas()
    there = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def write(folder: Path = FOLDER) -> list[str]:
    """Write what is stale, remove what should not be there, and return the names."""
    wanted, changed = schemas(), stale(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 when something is stale")
    if not parser.parse_args(arguments).check:
        for name in write(folder):
            sys.stdout.write(f"written {folder.name}/{name}\n")
        return 0
    found = stale(folder)
    for name in found:
        sys.stdout.write(f"stale: {folder.name}/{name}: run python -m schemas.generate\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
