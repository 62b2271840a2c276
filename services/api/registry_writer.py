"""The registry writer puts a set of documents into the registry: checked as a whole, one Kafka transaction or nothing.

Its transactional id is the same in every api process, so a second one fences the first: a set of the first that was
under way is aborted by Kafka, and the first opens again and reads to the end before it writes its next set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from schemas.documents import canonical
from schemas.messages import COMMIT_KEY, VERSION, RegistryCommit, RegistryRecord, encode
from schemas.settings import Settings
from schemas.topics import REGISTRY, REGISTRY_LOG
from services.api.fenced import WRITE_LIMIT_S, FencedProducer, NotWrittenError, Record
from streams.domain.registration import Accepted, Rejected, SetFault, register
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError

# The answer is given after the set is committed; that it is seen here, too, is only for the reader's convenience.
SEEN_LIMIT_S = 5.0
# Far above any real document and far below what the topic takes.
RECORD_LIMIT_BYTES = 1 << 20

_log = structlog.get_logger(__name__)


class BaseMovedError(Exception):
    """The registry is not at the version the set was made from; nothing was written."""

    def __init__(self, base: int, version: int) -> None:
        super().__init__(f"the set was made from version {base}, the registry is at version {version}")
        self.version = version


class InvalidSetError(Exception):
    """The set cannot be accepted; nothing was written. `faults` holds every fault of it."""

    def __init__(self, faults: Sequence[SetFault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Written:
    """What a set did: the registry's version after it and the keys (`kind/id`) of documents by what became of them.

    `warnings` are what may not be what was meant.
    """

    version: int
    created: tuple[str, ...]
    changed: tuple[str, ...]
    ended: tuple[str, ...]
    warnings: tuple[SetFault, ...] = ()


class RegistryWriter:
    """Writes sets, one at a time, all in one event loop; `now_ms` tells the time of writing [epoch ms]."""

    def __init__(self, settings: Settings, follower: RegistryFollower, now_ms: Callable[[], int]) -> None:
        self._follower = follower
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._producer = FencedProducer(settings, "registry", REGISTRY, REGISTRY_LOG)

    async def write(
        self, base: int, documents: Sequence[Mapping[str, Any]], *, by: str, why: str = "", dry_run: bool = False
    ) -> Written:
        """Put a set in that was made from version `base`; documents that stand there just so already are passed over.

        A dry run does everything but write. Raises BaseMovedError, InvalidSetError (nothing was written),
        NotWrittenError, RegistryUnavailableError.
        """
        try:
            async with asyncio.timeout(WRITE_LIMIT_S):
                await self._lock.acquire()
        except TimeoutError as error:
            raise NotWrittenError("another set has been under way for too long") from error
        try:
            if not dry_run:
                await self._producer.open()
            # Whoever wrote before was done or fenced when the producer was opened: what is read now is all there is.
            snapshot = await self._follower.read_to_end()
            if snapshot.version != base:
                raise BaseMovedError(base, snapshot.version)
            result = await asyncio.to_thread(register, snapshot.documents, documents)
            if isinstance(result, Rejected):
                raise InvalidSetError(result.errors)
            version = base
            if not dry_run and result.documents:
                version = base + 1
                await self._commit(self._records(result, documents, version, by, why), version)
                with suppress(RegistryUnavailableError):
                    await self._follower.wait_for(version, SEEN_LIMIT_S)
                _log.info("registry set written", version=version, documents=len(result.documents), by=by)
            return Written(version, result.created, result.changed, result.ended, result.warnings)
        finally:
            self._lock.release()

    async def stop(self) -> None:
        """Give the producer back; a set that is under way is waited for."""
        async with self._lock:
            await self._producer.stop()

    def _records(
        self, result: Accepted, documents: Sequence[Mapping[str, Any]], version: int, by: str, why: str
    ) -> list[tuple[bytes, bytes]]:
        at = self._now_ms()
        records: list[tuple[bytes, bytes]] = []
        faults: list[SetFault] = []
        for document in result.documents:
            value = encode(RegistryRecord(VERSION, version, msgspec.json.decode(canonical(document)), at, by, why))
            if len(value) > RECORD_LIMIT_BYTES:
                place = next(n for n, raw in enumerate(documents) if (raw["kind"], raw["id"]) == document.key)
                message = f"the document takes {len(value)} bytes, at most {RECORD_LIMIT_BYTES} are taken: split it"
                faults.append(SetFault(place, "", "too_large", message))
            records.append((str(document.key).encode(), value))
        if faults:
            raise InvalidSetError(faults)
        return records

    async def _commit(self, records: list[tuple[bytes, bytes]], version: int) -> None:
        marker = encode(RegistryCommit(VERSION, version, len(records)))
        both = (REGISTRY, REGISTRY_LOG)
        await self._producer.commit(
            [Record(topic, key, value) for key, value in (*records, (COMMIT_KEY, marker)) for topic in both]
        )
