"""An answer is what a channel said to a message: it has it, it will never take it, or not now."""

from dataclasses import dataclass
from typing import Literal

# What a server says may be a whole page; a reason is a line.
MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """`refused` is for good, `failed` may be tried again, no sooner than `retry_after_s` [s] where that is given."""

    outcome: Literal["delivered", "refused", "failed"]
    reason: str
    retry_after_s: float | None = None


def delivered(reason: str) -> Answer:
    """Return that the channel has the message."""
    return Answer("delivered", line(reason))


def refused(reason: str) -> Answer:
    """Return that the channel will never take the message."""
    return Answer("refused", line(reason))


def failed(reason: str, retry_after_s: float | None = None) -> Answer:
    """Return that the message may be tried again."""
    return Answer("failed", line(reason), retry_after_s)


def line(text: str) -> str:
    """Return a text as one line of printable characters, cut where it is too long."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return plain if len(plain) <= MAX_REASON else plain[: MAX_REASON - 1] + "…"
