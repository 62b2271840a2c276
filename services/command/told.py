"""Who was told of an alarm, and who was not and why, as a table of the command."""

from collections.abc import Sequence
from typing import Any

COLUMNS = ("at", "seq", "to", "channel", "outcome", "why")


def rows(items: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return a row for each event and whom it was for; `at` is an instant [epoch ms], which the caller writes."""
    return [
        (each["at"], each["seq"], each["recipient"] or "-", each["channel"] or "-", each["outcome"], _why(each))
        for each in items
    ]


def _why(each: dict[str, Any]) -> str:
    by = f" by {each['by']}" if each["by"] else ""
    digest = f" (digest {each['digest']})" if each["digest"] else ""
    return f"{each['reason']}{by}{digest}"
