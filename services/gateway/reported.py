"""Reported values (填报值), received: each is checked, kept in its topic, and answered when Kafka has it."""

from typing import Any

from fastapi import Request

from schemas.ids import enterprise_of
from schemas.messages import Reported, encode
from schemas.partitioner import partition_of
from schemas.pushed import ReportedBatch
from schemas.settings import Settings
from schemas.topics import REPORTED
from services.clock import Clock
from services.gateway import figures
from services.gateway.body import read_body
from services.gateway.envelope import parse_reported
from services.gateway.intake import Intake
from services.gateway.receipts import dead_letters, receipt
from services.gateway.receiving import RETRY_AFTER_S, Door
from services.http.problem import Problem, unavailable
from services.http.tokens import Principal
from services.outbox import Message, NotAcknowledgedError, Outbox
from streams.domain.checking import Rejection
from streams.domain.counting import Fault
from streams.domain.registry import Snapshot
from streams.domain.reporting import check_reported, reported_row

_REGISTRY_CODES = {"unknown_entity", "unknown_metric", "unit_mismatch", "bad_period"}


class ReportedReceiving:
    """Takes reported values in."""

    def __init__(self, settings: Settings, door: Door, intake: Intake, outbox: Outbox, clock: Clock) -> None:
        self._settings = settings
        self._intake = intake
        self._door = door
        self._outbox = outbox
        self._clock = clock

    async def receive(self, request: Request) -> dict[str, Any]:
        """Return the receipt of the values in a request, once Kafka has them and the rejects; or raise a Problem."""
        principal = await self._door.principal(request)
        with self._intake.place() as place:
            body = await read_body(request, self._settings.body_limit, self._settings.decoded_limit, place.weigh)
            return await self._take(principal, body)

    async def _take(self, principal: Principal, body: bytes) -> dict[str, Any]:
        received_ms = self._clock.now_ms()
        batch = parse_reported(body)
        enterprise = self._own(principal)
        snapshot = self._door.snapshot
        accepted, rejected = _check(batch, snapshot, principal, enterprise, received_ms)
        if any(one.code in _REGISTRY_CODES for one in rejected):
            newer = await self._door.newest()
            if newer.version != snapshot.version:
                accepted, rejected = _check(batch, newer, principal, enterprise, received_ms)
        messages = dead_letters(rejected, "-", {"reported": batch.batch}, received_ms, self._settings.partitions)
        messages += [self._message(one) for one in accepted]
        try:
            await self._outbox.send(messages)
        except NotAcknowledgedError as error:
            raise unavailable(f"{error}: send the values again, nothing counts twice", RETRY_AFTER_S) from error
        figures.REPORTED.labels("accepted").inc(len(accepted))
        figures.REPORTED.labels("rejected").inc(len(rejected))
        return receipt(batch.batch, len(accepted), rejected)

    def _own(self, principal: Principal) -> str | None:
        """Return the enterprise that the caller may report for, None for all."""
        if principal.role == "operator":
            return None
        if principal.role == "enterprise":
            return principal.subject
        source = self._door.snapshot.sources.get(principal.subject or "") if principal.role == "source" else None
        if source is None:
            raise Problem(403, "forbidden", f"this key is of {principal} and may not report values")
        return source.enterprise

    def _message(self, one: Reported) -> Message:
        partition = partition_of(one.entity, self._settings.partitions)
        return Message(REPORTED, partition, one.entity.encode(), encode(one))


def _check(
    batch: ReportedBatch, snapshot: Snapshot, principal: Principal, enterprise: str | None, received_ms: int
) -> tuple[list[Reported], list[Rejection]]:
    accepted: list[Reported] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(batch.values):
        row = reported_row(item)
        if not isinstance(row, Fault):
            if enterprise is not None and enterprise_of(row.entity) != enterprise:
                raise Problem(403, "forbidden", f"this key is of {principal}, and {row.entity[:80]!r} is not its own")
            row = check_reported(row, snapshot, str(principal), received_ms)
        if isinstance(row, Fault):
            rejected.append(Rejection(index, row.code, row.message, item))
        else:
            accepted.append(row)
    return accepted, rejected
