"""The intake is what the gateway has taken in and not answered yet: so many pushes and so many bytes at once.

What would go beyond is refused at once with 503 and Retry-After: better than a promise that grows old in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from services.http.problem import too_busy


class Place:
    """The place of one push, with the bytes that it holds."""

    def __init__(self, intake: "Intake") -> None:
        self._intake = intake
        self.held = 0

    def weigh(self, size: int) -> None:
        """Count bytes that this push holds from now on; raise the Problem 503 `overloaded` when they are too many."""
        intake = self._intake
        if intake.held + size > intake.most_bytes:
            raise too_busy(f"the pushes under way hold {intake.held} bytes, at most {intake.most_bytes} are taken")
        intake.held += size
        self.held += size


class Intake:
    """Counts pushes under way and the bytes that they hold, as sent and inflated."""

    def __init__(self, most_pushes: int, most_bytes: int) -> None:
        self.most_pushes = most_pushes
        self.most_bytes = most_bytes
        self.pushes = 0
        self.held = 0

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Give a push its place until the block ends; raise the Problem 503 `overloaded` when there is none."""
        if self.pushes >= self.most_pushes:
            raise too_busy(f"{self.pushes} pushes are under way")
        place = Place(self)
        self.pushes += 1
        try:
            yield place
        finally:
            self.pushes -= 1
            self.held -= place.held
