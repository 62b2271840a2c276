"""Holding keeps corrections back until a second person has confirmed them, and then sends them on their way.

A correction is kept in topic `corrections` before its sender is answered. A decision counts by its place there; what
was confirmed and did not get on its way, since a gateway died in between, is sent by any gateway that sees it.
"""

import asyncio
import hashlib
from contextlib import suppress

from msgspec.structs import replace

from schemas.messages import VERSION, Batch, HeldEvent, encode
from schemas.settings import Settings
from schemas.topics import CORRECTIONS
from services.clock import Clock
from services.gateway import figures
from services.gateway.gathering import Gathering
from services.http.problem import Problem, unavailable
from services.http.tokens import Principal
from services.outbox import Message, NotAcknowledgedError, Outbox
from streams.domain.holding import Held
from streams.stores.held_topic import HeldFollower, HeldUnavailableError

RETRY_AFTER_S = 2
ID_LENGTH = 20
# A gateway that confirms sends at once; after this [s] another one takes it that it could not.
LEFT_BEHIND_S = 10.0
ROLES = ("operator", "enterprise")


def key_of(principal: Principal) -> str:
    """Return what tells a person from another: the id of his key, or that it is the operator token of the settings."""
    return principal.key or str(principal)


class Holding:
    """The corrections that a gateway holds back."""

    def __init__(self, settings: Settings, outbox: Outbox, gathering: Gathering, clock: Clock) -> None:
        self._settings = settings
        self._outbox = outbox
        self._gathering = gathering
        self._clock = clock
        self._follower = HeldFollower(settings)
        self._mending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow what is held."""
        await self._follower.start()
        self._mending = asyncio.create_task(self._mend(), name="held-corrections")

    async def stop(self) -> None:
        """Stop following."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending], timeout=LEFT_BEHIND_S)
        await self._follower.stop()

    async def hold(self, principal: Principal, enterprise: str, registry: int, batches: list[Batch]) -> Held:
        """Keep a correction until it is confirmed; the same one again is the one that is there.

        Raises NotAcknowledgedError; the sender must repeat then.
        """
        content = encode([replace(each, received=0) for each in batches])
        id_ = hashlib.sha256(b"|".join((enterprise.encode(), content))).hexdigest()[:ID_LENGTH]
        found = (await self._all()).get(id_)
        if found is None or found.state == "rejected":
            said = batches[0].correction
            by, reason = (said.by, said.reason) if said is not None else (key_of(principal), "")
            now_ms = self._clock.now_ms()
            event = HeldEvent(
                VERSION, id_, "waiting", now_ms, by, key_of(principal), reason, enterprise, registry, batches
            )
            await self._tell(event)
            found = (await self._all())[id_]
        return found

    async def all(self, principal: Principal) -> list[Held]:
        """Return the corrections that a caller may see, the first sent first; raise the Problem 403 or 503."""
        if principal.role == "source":
            raise Problem(403, "forbidden", "the key of a source sends readings, it does not read")
        return [each for each in (await self._all()).values() if _may_see(principal, each)]

    async def one(self, principal: Principal, id_: str) -> Held:
        """Return a correction; raise the Problem 403, 404 or 503."""
        found = next((each for each in await self.all(principal) if each.sent.id == id_), None)
        if found is None:
            raise Problem(404, "unknown_correction", f"no correction {id_[:80]!r} is or was held here")
        return found

    async def decide(self, principal: Principal, id_: str, *, confirm: bool, by: str | None, reason: str) -> Held:
        """Confirm or reject a correction in the name of a second person, and send it when it is confirmed.

        Raises the Problem 403 (not his to decide, or the same person), 404, 409 (it is decided already) or 503.
        """
        if principal.role not in ROLES:
            raise Problem(403, "forbidden", f"this key is of {principal} and decides on no corrections")
        found = await self.one(principal, id_)
        key = key_of(principal)
        name = by or key
        if found.is_by(key, name):
            raise Problem(
                403,
                "same_person",
                f"{found.sent.by} sent this correction: another person, with a key of his own, decides",
            )
        event = HeldEvent(VERSION, id_, "confirmed" if confirm else "rejected", self._clock.now_ms(), name, key, reason)
        try:
            if found.state == "waiting":
                await self._tell(event)
                found = (await self._all())[id_]
            if found.decided is None or (found.decided.key, found.decided.what) != (event.key, event.what):
                who = found.decided.by if found.decided is not None else "somebody"
                raise Problem(409, "already_decided", f"the correction was {found.state} by {who} already")
            if found.state == "confirmed":
                await self._publish(found)
        except NotAcknowledgedError as error:
            raise unavailable(f"{error}: decide again, nothing counts twice", RETRY_AFTER_S) from error
        return (await self._all())[id_]

    async def _publish(self, held: Held) -> None:
        """Send the readings of a confirmed correction; doing it twice changes nothing."""
        enterprise, decided = held.sent.enterprise, held.decided
        if enterprise is None or decided is None:
            return
        await self._gathering.put_batches(enterprise, held.sent.registry or 0, held.batches)
        figures.READINGS.labels("accepted").inc(held.readings)
        await self._tell(replace(decided, what="published", reason=None))

    async def _mend(self) -> None:
        left: set[str] = set()
        while True:
            await asyncio.sleep(LEFT_BEHIND_S)
            now = {id_: each for id_, each in self._follower.held.items() if each.state == "confirmed"}
            for id_ in left & now.keys():
                with suppress(NotAcknowledgedError):
                    await self._publish(now[id_])
            left = set(now)

    async def _tell(self, event: HeldEvent) -> None:
        await self._outbox.send([Message(CORRECTIONS, 0, event.id.encode(), encode(event))])

    async def _all(self) -> dict[str, Held]:
        try:
            return await self._follower.read_to_end(self._settings.ack_timeout_s)
        except HeldUnavailableError as error:
            raise unavailable(str(error), RETRY_AFTER_S) from error


def _may_see(principal: Principal, held: Held) -> bool:
    return principal.role == "operator" or (
        principal.role == "enterprise" and principal.subject == held.sent.enterprise
    )
