"""Receiving a batch of readings: who sends it, can it be read, is it within the rate, check it, keep it, answer."""

import time
from typing import Any

from fastapi import Request

from schemas.messages import Correction
from schemas.pushed import ColumnBatch, LooseRowBatch, RowBatch
from schemas.settings import Settings
from schemas.topics import DAY_MS, KEPT_DAYS
from services.clock import Clock
from services.gateway import figures
from services.gateway.body import read_body
from services.gateway.envelope import parse_batch, readings_of, unreadable
from services.gateway.gathering import Gathering, parts_of
from services.gateway.holding import Holding, key_of
from services.gateway.intake import Intake
from services.gateway.rate import RateLimit
from services.gateway.receipts import dead_letters, receipt
from services.http.problem import Problem, unauthorized, unavailable
from services.http.tokens import Principal, bearer, principal_of
from services.outbox import NotAcknowledgedError, Outbox
from streams.domain.checking import Checked, Checker
from streams.domain.holding import Held, needs_second_person, parted
from streams.domain.registry import Snapshot
from streams.domain.views import SourceView
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError

RETRY_AFTER_S = 2
NO_REASON = "sent with a revision and without a reason"
KEPT_MS = KEPT_DAYS * DAY_MS

AnyBatch = RowBatch | LooseRowBatch | ColumnBatch


class Door:
    """What every push passes first: the registry must be there, and the bearer token must be somebody's."""

    def __init__(self, settings: Settings, follower: RegistryFollower, clock: Clock) -> None:
        self._settings = settings
        self._follower = follower
        self._clock = clock

    @property
    def snapshot(self) -> Snapshot:
        """The registry as it is known here."""
        return self._follower.snapshot

    async def principal(self, request: Request) -> Principal:
        """Return who is calling; raise the Problem 401, or 503 while the registry is not read."""
        token = bearer(request)
        if not self._follower.loaded:
            raise unavailable("the registry is not read yet", RETRY_AFTER_S)
        found = self._principal(token, self.snapshot) or self._principal(token, await self.newest())
        if found is None:
            raise unauthorized("the bearer token is unknown or revoked")
        return found

    async def newest(self) -> Snapshot:
        """Return the registry as it is now, for before something is refused; raise the Problem 503 when it is away."""
        try:
            return await self._follower.read_to_end(self._settings.ack_timeout_s)
        except RegistryUnavailableError as error:
            raise unavailable(str(error), RETRY_AFTER_S) from error

    def _principal(self, token: str, snapshot: Snapshot) -> Principal | None:
        return principal_of(token, snapshot, self._settings.operator_token, self._clock.now_ms())


class Receiving:
    """Takes batches of readings in."""

    def __init__(
        self,
        settings: Settings,
        door: Door,
        intake: Intake,
        outbox: Outbox,
        gathering: Gathering,
        clock: Clock,
        holding: Holding,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._door = door
        self._outbox = outbox
        self._gathering = gathering
        self._clock = clock
        self._holding = holding
        self._rate = RateLimit()

    async def receive(self, request: Request) -> dict[str, Any]:
        """Return the receipt of the batch in a request once Kafka has all of it; raise a Problem otherwise."""
        principal = await self._door.principal(request)
        if principal.role == "viewer":
            raise Problem(403, "forbidden", "a viewer's key reads and does not push")
        with self._intake.place() as place:
            body = await read_body(request, self._settings.body_limit, self._settings.decoded_limit, place.weigh)
            return await self._take(principal, body)

    async def _take(self, principal: Principal, body: bytes) -> dict[str, Any]:
        started = time.perf_counter()
        received_ms = self._clock.now_ms()
        batch = parse_batch(body)
        source = await self._source(principal, batch.source, received_ms)
        readings = readings_of(batch)
        wait_s = self._rate.take(source.id, readings, source.rate_limit_per_s)
        if wait_s:
            raise Problem(
                429,
                "rate_limited",
                f"source {source.id} may send {source.rate_limit_per_s} readings a second: repeat in {wait_s} s",
                {"Retry-After": str(wait_s)},
            )
        snapshot = self._door.snapshot
        checked = check(batch, source, snapshot, received_ms)
        if checked.doubtful():
            newer = await self._door.newest()
            if newer.version != snapshot.version:
                snapshot = newer
                checked = check(batch, source, snapshot, received_ms)
        correcting = batch.correction is not None
        waiting = needs_second_person(checked, snapshot, received_ms, correcting=correcting)
        held = None
        try:
            if waiting:
                checked, aside = parted(checked, waiting)
                held = await self._hold(batch, source, snapshot.version, received_ms, aside, principal)
            await self._keep(batch, source, snapshot.version, received_ms, checked, principal)
        except NotAcknowledgedError as error:
            self._rate.give_back(source.id, readings)
            raise unavailable(f"{error}: send the batch again, nothing counts twice", RETRY_AFTER_S) from error
        figures.READINGS.labels("accepted").inc(len(checked.v))
        figures.READINGS.labels("rejected").inc(len(checked.rejected))
        figures.BATCH_SECONDS.observe(time.perf_counter() - started)
        answer = receipt(batch.batch, len(checked.v), checked.rejected)
        if (note := older(checked, received_ms)) is not None:
            answer["older"] = note
        if held is not None:
            answer["waiting"] = len(waiting)
            answer["correction"] = {"id": held.sent.id, "state": held.state}
        return answer

    async def _source(self, principal: Principal, id_: str, at_ms: int) -> SourceView:
        if principal.role == "source" and principal.subject != id_:
            raise _not_yours(principal, id_)
        found = _usable(self._door.snapshot, id_, at_ms) or _usable(await self._door.newest(), id_, at_ms)
        if principal.role == "operator" and found is None:
            raise unreadable("$.source", f"no source {id_[:80]!r} is registered and in use")
        if found is None or (principal.role == "enterprise" and principal.subject != found.enterprise):
            raise _not_yours(principal, id_)
        return found

    async def _keep(
        self,
        batch: AnyBatch,
        source: SourceView,
        registry: int,
        received_ms: int,
        checked: Checked,
        principal: Principal,
    ) -> None:
        where = {"batch": batch.batch}
        letters = dead_letters(checked.rejected, source.id, where, received_ms, self._settings.partitions)
        if letters:
            await self._outbox.send(letters)
        if checked.v:
            said = batch.correction
            correction = None if said is None else Correction(said.reason, said.by or key_of(principal))
            await self._gathering.put(
                source.enterprise, source.id, batch.batch, received_ms, registry, checked, correction
            )

    async def _hold(
        self,
        batch: AnyBatch,
        source: SourceView,
        registry: int,
        received_ms: int,
        aside: Checked,
        principal: Principal,
    ) -> Held:
        said = batch.correction
        # A revision may come without a word about it; who confirms has to know whose it is all the same.
        reason, by = (NO_REASON, None) if said is None else (said.reason, said.by)
        correction = Correction(reason, by or key_of(principal))
        parts = list(parts_of(source.id, batch.batch, received_ms, aside, correction))
        return await self._holding.hold(principal, source.enterprise, registry, parts)


def check(batch: AnyBatch, source: SourceView, snapshot: Snapshot, received_ms: int) -> Checked:
    """Return a batch checked against a snapshot."""
    meters = snapshot.meters
    checker = Checker(
        lambda id_: meters.get(f"meter/{source.enterprise}.{id_}"),
        source.id,
        received_ms,
        correcting=batch.correction is not None,
    )
    if isinstance(batch, ColumnBatch):
        return checker.columns(batch.meters, batch.ts, batch.values, batch.rev, batch.quality)
    return checker.rows(batch.readings)


def older(checked: Checked, received_ms: int) -> dict[str, Any] | None:
    """Return what the receipt says of readings that are older than the log keeps, None where there are none."""
    oldest_ms = received_ms - KEPT_MS
    if not checked.t or min(checked.t) >= oldest_ms:
        return None
    count = sum(at < oldest_ms for at in checked.t)
    message = (
        f"{count} readings are of more than {KEPT_DAYS} days ago: they are kept and count where the worker still has "
        "their hours; where it has not, the operator runs `qingyu replay` over their time"
    )
    return {"count": count, "message": message}


def _usable(snapshot: Snapshot, id_: str, at_ms: int) -> SourceView | None:
    source = snapshot.sources.get(id_)
    return source if source is not None and source.from_ms <= at_ms < source.to_ms else None


def _not_yours(principal: Principal, id_: str) -> Problem:
    return Problem(403, "forbidden", f"this key is of {principal}, and {id_[:80]!r} is not its source")
