"""A turn is what a recipient on a robot hears next: one event, a digest of all that waits, or nothing yet, and why.

A robot speaks to several recipients and takes few messages a minute. What fits is said event by event; what exceeds is
merged into a digest, at most one a minute for each recipient, and nothing is dropped.
"""

from enum import StrEnum
from typing import NamedTuple

from streams.domain.allowance import Allowance

# At most one digest a recipient in this time.
DIGEST_MS = 60_000


class Says(StrEnum):
    """What is said in a turn."""

    ONE = "one"
    DIGEST = "digest"
    NOTHING_YET = "nothing_yet"


class Turn(NamedTuple):
    """What is said; `at_ms` [epoch ms] is when to ask again where that is nothing yet, `reason` says why."""

    what: Says
    at_ms: int
    reason: str


def turn(waiting: int, total: int, older: int, digest_ms: int | None, allowance: Allowance, now_ms: int) -> Turn:
    """Return a recipient's turn.

    `waiting` events wait for this recipient, `total` for all of the robot's; `older` recipients have been waiting for
    longer; the last digest was sent at `digest_ms` [epoch ms], None: none was.
    """
    free = allowance.free(now_ms)
    if free <= older:
        return Turn(Says.NOTHING_YET, _later(allowance.when(older + 1, now_ms), now_ms), "the robot's rate is used up")
    if waiting == 1 or total <= free:
        return Turn(Says.ONE, now_ms, "the robot takes it")
    due_ms = now_ms if digest_ms is None else digest_ms + DIGEST_MS
    if due_ms <= now_ms:
        return Turn(Says.DIGEST, now_ms, "more waits than the robot takes")
    return Turn(Says.NOTHING_YET, _later(due_ms, now_ms), "the last digest is less than a minute old")


def _later(at_ms: int, now_ms: int) -> int:
    return max(at_ms, now_ms + 1)
