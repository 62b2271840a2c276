"""Gathering puts what arrives for one enterprise within some tens of milliseconds into one message.

Work is paid for each message, so many small senders of an enterprise cost no more than a large one. Every sender is
answered when the message that carries its readings is acknowledged.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.messages import VERSION, Batch, Correction, Readings, encode
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS
from services.outbox import Message, NotAcknowledgedError, Outbox
from streams.domain.checking import Checked

# A message of about 1 MB: a reading takes some 30 bytes of it.
MAX_READINGS = 30_000


@dataclass(slots=True)
class _Group:
    sent: asyncio.Future[NotAcknowledgedError | None]
    registry: int = 0
    readings: int = 0
    batches: list[Batch] = field(default_factory=list[Batch])
    full: asyncio.Event = field(default_factory=asyncio.Event)


class Gathering:
    """Gathers accepted batches by enterprise and sends them through an outbox."""

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._open: dict[str, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(
        self,
        enterprise: str,
        source: str,
        batch: str,
        received_ms: int,
        registry: int,
        checked: Checked,
        correction: Correction | None = None,
    ) -> None:
        """Send what was accepted of a batch; return when Kafka has acknowledged it.

        `registry` is the version it was checked against. Raises NotAcknowledgedError; the sender must repeat then.
        """
        await self.put_batches(enterprise, registry, parts_of(source, batch, received_ms, checked, correction))

    async def put_batches(self, enterprise: str, registry: int, batches: Iterable[Batch]) -> None:
        """Send batches, each of which fits into a message, as `put` does."""
        groups = {id(group): group for part in batches for group in [self._add(enterprise, registry, part)]}
        faults = await asyncio.gather(*(asyncio.shield(group.sent) for group in groups.values()))
        for fault in faults:
            if fault is not None:
                raise NotAcknowledgedError(str(fault)) from fault

    async def stop(self) -> None:
        """Send what is gathered, within the limit of an acknowledgement."""
        for group in self._open.values():
            group.full.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.ack_timeout_s + self._settings.gather_s)

    def _add(self, enterprise: str, registry: int, part: Batch) -> _Group:
        group = self._open.get(enterprise)
        if group is not None and group.readings + len(part.v) > MAX_READINGS:
            group.full.set()
            group = None
        if group is None:
            group = self._open[enterprise] = _Group(asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._send(enterprise, group), name=f"gathering {enterprise}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        group.batches.append(part)
        group.readings += len(part.v)
        group.registry = max(group.registry, registry)
        return group

    async def _send(self, enterprise: str, group: _Group) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.gather_s):
                await group.full.wait()
        if self._open.get(enterprise) is group:
            del self._open[enterprise]
        message = Message(
            READINGS,
            partition_of_key(enterprise, self._settings.partitions),
            enterprise.encode(),
            encode(Readings(VERSION, group.registry, enterprise, group.batches)),
        )
        fault: NotAcknowledgedError | None = NotAcknowledgedError("the gateway stopped")
        try:
            await self._outbox.send([message])
            fault = None
        except NotAcknowledgedError as error:
            fault = error
        finally:
            # Whatever happens here, nobody is left waiting.
            group.sent.set_result(fault)


def parts_of(
    source: str, batch: str, received_ms: int, checked: Checked, correction: Correction | None
) -> Iterator[Batch]:
    """Yield what was accepted of a batch in parts that fit into a message each."""
    rev, q = checked.rev, checked.q
    for at in range(0, len(checked.v), MAX_READINGS):
        cut = slice(at, at + MAX_READINGS)
        yield Batch(
            batch,
            source,
            received_ms,
            checked.meters,
            checked.scale,
            checked.i[cut],
            checked.t[cut],
            checked.v[cut],
            None if rev is None else rev[cut],
            None if q is None else q[cut],
            correction,
        )
