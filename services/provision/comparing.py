"""Comparing is finding what Grafana lacks of what we want; what it adds of its own is no difference."""

import json
from typing import Any


def lacking(wanted: Any, found: Any, place: str = "") -> str | None:
    """Return where what is found first fails to be what is wanted, and how; None where it does not.

    Names that only `found` has are passed over, lists must have the same length, numbers are compared by value.
    """
    here = place or "it"
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return f"{here} is {_short(found)}, not {_short(wanted)}"
        for name, value in wanted.items():
            below = f"{place}/{name}" if place else name
            if name not in found:
                # Grafana leaves out what is empty or false.
                if value not in (None, False, "", [], {}):
                    return f"{below} is not there"
            elif difference := lacking(value, found[name], below):
                return difference
        return None
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{here} is {_short(found)}, not {_short(wanted)}"
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((text for at, (one, two) in pairs if (text := lacking(one, two, f"{place}/{at}"))), None)
    if isinstance(wanted, bool) or isinstance(found, bool):
        return None if wanted is found else f"{here} is {_short(found)}, not {_short(wanted)}"
    return None if wanted == found else f"{here} is {_short(found)}, not {_short(wanted)}"


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return an object without these names."""
    return {name: part for name, part in value.items() if name not in names}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
