"""Who was told of an alarm, as its page shows it: a line for each event and whom it was for, and why not."""

from typing import Any

from services.console.numerals import instant_text
from services.console.words import Words
from streams.stores.deliveries import NOT_SENT, Delivered


def told_lines(words: Words, found: list[Delivered]) -> list[dict[str, Any]]:
    """Return the lines, the newest event first; `by` is the alarm that stands in the way, where it is one."""
    ordered = sorted(found, key=lambda one: (-one.seq, one.at, one.recipient or "", one.channel or ""))
    return [_line(words, one) for one in ordered]


def _line(words: Words, one: Delivered) -> dict[str, Any]:
    to = " · ".join(filter(None, (one.recipient, None if one.channel is None else words.known("channel", one.channel))))
    why = words.known("not_sent", one.reason) if one.outcome == NOT_SENT else one.reason
    return {
        "at": instant_text(one.at),
        "seq": one.seq,
        "to": to or words("told.everybody"),
        "outcome": words.known("outcome", one.outcome),
        "why": why,
        "by": one.by,
        "digest": one.digest,
        "sent": one.outcome == "delivered",
    }
