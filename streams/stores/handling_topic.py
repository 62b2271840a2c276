"""The handling topic, read: what people have done about alarms, and what they have silenced, the newest of each."""

from collections.abc import Callable, Sequence

import structlog

from schemas.handling import SILENCE_KEY, Handling, Silence, decode_handling, decode_silence
from schemas.messages import UNREADABLE
from schemas.settings import Settings
from schemas.topics import ALARM_HANDLING
from streams.stores.following import REQUEST_TIMEOUT_S, Follower, FollowingError, Record

_log = structlog.get_logger(__name__)


class HandlingUnavailableError(FollowingError):
    """What people have done could not be read in time: Kafka is away or slow. The caller may try again."""


class HandlingFollower:
    """Follows the handling topic: `handled` by the alarm's id, `silences` by their own.

    `on_change` holds functions that are called, in the event loop, after something changed; they must not wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._follower = Follower(settings, ALARM_HANDLING, "handling", self._take, HandlingUnavailableError)
        self.handled: dict[str, Handling] = {}
        self.silences: dict[str, Silence] = {}
        self.on_change: list[Callable[[], None]] = []

    @property
    def loaded(self) -> bool:
        """Whether the topic was read to its end once since the start."""
        return self._follower.loaded

    @property
    def ready(self) -> bool:
        """Whether the topic was read once and Kafka has answered lately."""
        return self._follower.ready

    async def start(self, limit_s: float = 0.0) -> bool:
        """Begin to follow; return whether the present end was reached within `limit_s` [s] (0: do not wait)."""
        return await self._follower.start(limit_s)

    async def stop(self) -> None:
        """Stop following; what was read stays."""
        await self._follower.stop()

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Return when everything committed before this call stands here; raise HandlingUnavailableError."""
        await self._follower.read_to_end(timeout_s)

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._put((record.key or b"").decode(), record.value)
            except UNREADABLE as error:
                _log.error("record of handling skipped", offset=record.offset, key=record.key, error=str(error))
        if records:
            for tell in self.on_change:
                tell()

    def _put(self, key: str, value: bytes | None) -> None:
        if key.startswith(SILENCE_KEY):
            if value is None:
                self.silences.pop(key.removeprefix(SILENCE_KEY), None)
            else:
                silence = decode_silence(value)
                self.silences[silence.id] = silence
        elif value is None:
            self.handled.pop(key, None)
        else:
            handling = decode_handling(value)
            self.handled[handling.id] = handling
