"""An allowance is how many messages a robot still takes: none of its limits is passed, whichever span one looks at.

A message counts from the moment of its answer on, since the other side saw it no later; until then it is under way and
counts too. So a limit over any span of time holds on the other side's clock as well, however long a message travels.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class Limit(NamedTuple):
    """At most `messages` in any `span_ms` [ms]."""

    messages: int
    span_ms: int


class Allowance:
    """What is left of some limits; instants are epoch ms of one clock that does not go back."""

    def __init__(self, limits: Iterable[Limit], used_ms: Iterable[int] = ()) -> None:
        self._limits = tuple(limits)
        self._longest_ms = max(one.span_ms for one in self._limits)
        self._used: deque[int] = deque(sorted(used_ms))
        self._under_way = 0
        self._blocked_until_ms = 0

    def counted_ms(self, now_ms: int) -> list[int]:
        """Return when those messages were answered that still count; what is under way stands there as of now."""
        self._forget(now_ms)
        return [*self._used, *[now_ms] * self._under_way]

    def free(self, now_ms: int) -> int:
        """Return how many messages may be sent now."""
        self._forget(now_ms)
        if now_ms < self._blocked_until_ms:
            return 0
        return max(0, min(one.messages - self._under_way - self._within(one, now_ms) for one in self._limits))

    def when(self, count: int, now_ms: int) -> int:
        """Return when so many messages may be sent at once [epoch ms], of more than a limit takes as many as it takes.

        What is under way is taken to be answered now.
        """
        used = self.counted_ms(now_ms)
        at_ms = max(now_ms, self._blocked_until_ms)
        for one in self._limits:
            missing = len(used) + min(count, one.messages) - one.messages
            if missing > 0:
                at_ms = max(at_ms, used[missing - 1] + one.span_ms + 1)
        return at_ms

    def begin(self) -> None:
        """Count a message that is being sent; `end` must follow."""
        self._under_way += 1

    def end(self, now_ms: int) -> None:
        """Count a message that was answered, or that no answer will come to."""
        self._under_way -= 1
        self._used.append(now_ms)

    def block(self, until_ms: int) -> None:
        """Let nothing be sent before an instant: the other side said so."""
        self._blocked_until_ms = max(self._blocked_until_ms, until_ms)

    def _within(self, limit: Limit, now_ms: int) -> int:
        return sum(1 for at_ms in self._used if at_ms >= now_ms - limit.span_ms)

    def _forget(self, now_ms: int) -> None:
        while self._used and self._used[0] < now_ms - self._longest_ms:
            self._used.popleft()
