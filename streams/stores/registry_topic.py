"""The registry topic, read: a follower folds the documents in it into a Snapshot that switches only at a set's end.

A set of documents is one Kafka transaction that ends with a commit marker. The follower reads committed records only,
keeps what belongs to a set aside until the marker comes, and goes on reading in the background for ever. While Kafka
is away it keeps the last snapshot and tries again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from schemas.documents import Document, parse_document
from schemas.messages import COMMIT_KEY, UNREADABLE, decode_commit, decode_registry
from schemas.settings import Settings
from schemas.topics import REGISTRY
from streams.domain.registry import Snapshot
from streams.stores.following import REQUEST_TIMEOUT_S, Follower, FollowingError, Record

_log = structlog.get_logger(__name__)


class RegistryUnavailableError(FollowingError):
    """The registry could not be read in time: Kafka is away or slow. The caller may try again."""


class RegistryFollower:
    """Follows the registry topic; `snapshot` and `documents` are of the last whole set that was read.

    All methods belong to one event loop. `on_change` holds functions that are called with each new snapshot, in the
    event loop; they must not wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._follower = Follower(settings, REGISTRY, "registry", self._take, RegistryUnavailableError)
        self._pending: dict[str, dict[str, Any] | None] = {}
        self._raw: dict[str, dict[str, Any]] = {}
        self._parsed: dict[str, Document] = {}
        self.snapshot = Snapshot.build(0, {})
        self.documents: Mapping[str, dict[str, Any]] = {}
        self.on_change: list[Callable[[Snapshot], None]] = []

    @property
    def version(self) -> int:
        """The number of the last set read; 0 while the registry is empty."""
        return self.snapshot.version

    @property
    def loaded(self) -> bool:
        """Whether the topic was read to its end once since the start."""
        return self._follower.loaded

    @property
    def ready(self) -> bool:
        """Whether the snapshot is loaded and Kafka has answered lately."""
        return self._follower.ready

    def state(self) -> dict[str, Any]:
        """Return figures for /readyz."""
        return {"registry": self.version, "registry_loaded": self.loaded, "kafka": self.ready or not self.loaded}

    async def start(self, limit_s: float = 30.0) -> bool:
        """Begin to follow; return whether the present end was reached within `limit_s` [s] (0: do not wait).

        When it was not, the follower goes on trying in the background and `loaded` tells when it succeeded.
        """
        return await self._follower.start(limit_s)

    async def stop(self) -> None:
        """Stop following; the snapshot stays."""
        await self._follower.stop()

    async def read_to_end(self, timeout_s: float = REQUEST_TIMEOUT_S) -> Snapshot:
        """Return a snapshot that holds every set committed before this call; callers at once share one question.

        Raises RegistryUnavailableError when that takes longer than `timeout_s` [s].
        """
        await self._follower.read_to_end(timeout_s)
        return self.snapshot

    async def wait_for(self, version: int, timeout_s: float = REQUEST_TIMEOUT_S) -> Snapshot:
        """Return a snapshot of at least `version`; raise RegistryUnavailableError after `timeout_s` [s]."""
        if not await self._follower.wait_until(lambda: self.version >= version, timeout_s):
            message = f"registry version {version} did not come within {timeout_s} s: version {self.version} is here"
            raise RegistryUnavailableError(message)
        return self.snapshot

    def _take(self, records: Sequence[Record]) -> None:
        version = None
        for record in records:
            try:
                key, value = record.key, record.value
                if key == COMMIT_KEY and value is not None:
                    version = decode_commit(value).version
                    self._fold()
                elif key is not None:
                    self._pending[key.decode()] = None if value is None else decode_registry(value).document
            except UNREADABLE as error:
                _log.error("registry record skipped", offset=record.offset, key=record.key, error=str(error))
        if version is not None:
            self._switch(version)

    def _fold(self) -> None:
        for key, raw in self._pending.items():
            parsed = None if raw is None else parse_document(raw)
            if raw is None or parsed is None:
                self._raw.pop(key, None)
                self._parsed.pop(key, None)
            elif isinstance(parsed, Document):
                self._raw[key] = raw
                self._parsed[key] = parsed
            else:
                _log.error("registry document skipped", key=key, faults=[str(fault) for fault in parsed])
        self._pending.clear()

    def _switch(self, version: int) -> None:
        try:
            self.snapshot = Snapshot.build(version, self._parsed)
        except (KeyError, ValueError) as error:
            _log.error("registry set skipped", version=version, error=repr(error), kept=self.version)
            return
        self.documents = dict(self._raw)
        for tell in self.on_change:
            tell(self.snapshot)
