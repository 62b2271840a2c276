"""The corrections topic, read: which corrections wait for a second person, folded from its events as they come."""

from collections.abc import Sequence

import structlog

from schemas.messages import UNREADABLE, HeldEvent, decode_held
from schemas.settings import Settings
from schemas.topics import CORRECTIONS
from streams.domain.holding import Held, fold
from streams.stores.following import REQUEST_TIMEOUT_S, Follower, FollowingError, Record

_log = structlog.get_logger(__name__)


class HeldUnavailableError(FollowingError):
    """The corrections could not be read in time: Kafka is away or slow. The caller may try again."""


class HeldFollower:
    """Follows the corrections topic; `held` are the corrections by id, in the order in which they came."""

    def __init__(self, settings: Settings) -> None:
        self._follower = Follower(settings, CORRECTIONS, "corrections", self._take, HeldUnavailableError)
        self.held: dict[str, Held] = {}

    async def start(self) -> None:
        """Begin to follow, in the background."""
        await self._follower.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._follower.stop()

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Held]:
        """Return the corrections with every event acknowledged before this call; raise HeldUnavailableError."""
        await self._follower.read_to_end(timeout_s)
        return self.held

    def _take(self, records: Sequence[Record]) -> None:
        events: list[HeldEvent] = []
        for record in records:
            try:
                events.append(decode_held(record.value or b""))
            except UNREADABLE as error:
                _log.error("record of corrections skipped", offset=record.offset, error=str(error))
        fold(self.held, events)
