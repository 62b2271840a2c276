"""An answer is what a channel said to a message: it has it, or it has not, and what kind of trouble that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

# What a server says may be a whole page; a reason is a line.
MAX_REASON = 300
HIDDEN = "***"


class Trouble(StrEnum):
    """Why a channel does not have a message; each kind has its own way to be tried again (see `Lane`)."""

    # A key, a signature or a permission is wrong: somebody must put it right, then everything that waits goes out.
    AUTH = "auth"
    # Too much in too short a time: the channel wants a pause.
    LIMITED = "limited"
    # This message will never be taken.
    REFUSED = "refused"
    # Not reached, no answer in time, or the other side is in trouble itself.
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """`trouble` is None where the channel has the message; `retry_after_s` [s] is the pause that it asks for."""

    trouble: Trouble | None
    reason: str
    retry_after_s: float | None = None

    @property
    def result(self) -> str:
        """`delivered`, or the kind of trouble, as metrics tell it."""
        return "delivered" if self.trouble is None else self.trouble.value


def delivered(reason: str) -> Answer:
    """Return that the channel has the message."""
    return Answer(None, line(reason))


def refused(reason: str) -> Answer:
    """Return that the channel will never take the message."""
    return Answer(Trouble.REFUSED, line(reason))


def denied(reason: str) -> Answer:
    """Return that the channel does not know us, or that what lets us speak there cannot be had."""
    return Answer(Trouble.AUTH, line(reason))


def limited(reason: str, retry_after_s: float | None = None) -> Answer:
    """Return that the channel wants a pause."""
    return Answer(Trouble.LIMITED, line(reason), retry_after_s)


def unreachable(reason: str, retry_after_s: float | None = None) -> Answer:
    """Return that the channel cannot be reached, or cannot take anything now."""
    return Answer(Trouble.UNREACHABLE, line(reason), retry_after_s)


def line(text: str) -> str:
    """Return a text as one line of printable characters, cut where it is too long."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return plain if len(plain) <= MAX_REASON else plain[: MAX_REASON - 1] + "…"


def hiding(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets that stand in it: what others say ends in logs and in topic `delivery`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
