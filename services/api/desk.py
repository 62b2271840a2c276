"""The desk is where people act on alarms: what they ask for is held against where the alarm stands, and written.

An action counts when Kafka has it. Of several api processes one writes at a time, and it has read all that was written
before it decides; so of two people who act at once, the second one is judged by what the first one did.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from schemas.handling import SILENCE_KEY, Action, Did, Handling, Quieting, Silence
from schemas.ids import TERRITORY_KINDS
from schemas.messages import VERSION, AlarmEvent, Condition, encode
from schemas.settings import Settings
from schemas.topics import ALARM_HANDLING
from schemas.windows import window
from services.api.access import Reader, forbidden
from services.api.fenced import FencedProducer, NotWrittenError, Record
from services.http.problem import Problem, unavailable
from services.http.tokens import Principal
from streams.domain.alarm import PASSED
from streams.domain.handling import Refusal, Seen, Stand, apply, is_about, refusal, seen, stand
from streams.domain.inhibiting import causes_of, contributes, on_silence, watched, watching, wider
from streams.domain.registry import Snapshot
from streams.stores.handling_topic import HandlingFollower, HandlingUnavailableError
from streams.stores.series import Store

# Another api process may have been the writer in between: once more then, as the second one.
TRIES = 3
# A page shows no more.
MOST_CONTRIBUTORS = 100
WRITE_LIMIT_S = 60.0
RETRY_AFTER_S = 2
_REFUSED = {
    Refusal.GOING_ON: "the alarm still goes on: acknowledge or silence it; it can be closed when it is over",
    Refusal.ACKNOWLEDGED: "the same person has acknowledged it, with the same end, already",
    Refusal.CLOSED: "the alarm is closed: it takes comments only, until it fires again",
    Refusal.OVER: "the alarm was withdrawn: there is nothing to acknowledge; it can be closed",
    Refusal.FULL: "so much was done about this alarm that no more can be kept",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to do about an alarm; `id` tells it from all others, so that asked twice it is done once."""

    what: Did
    by: str | None = None
    until_ms: int | None = None
    to: str | None = None
    text: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Quiet:
    """What somebody wants to be silent, from when until when [epoch ms], and why."""

    kind: Quieting
    start_ms: int
    end_ms: int
    reason: str
    by: str | None = None
    alarm: str | None = None
    entity: str | None = None
    rule: str | None = None
    id: str | None = None


def key_of(principal: Principal) -> str:
    """Return what tells a person from another: the id of his key, or that it is the operator token of the settings."""
    return principal.key or str(principal)


class Desk:
    """What people have done about alarms, and the only way to add to it."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._follower = HandlingFollower(settings)
        self._producer = FencedProducer(settings, "handling", ALARM_HANDLING)
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Begin to follow what is done."""
        await self._follower.start()

    async def stop(self) -> None:
        """Stop; what is under way is waited for."""
        async with self._lock:
            await self._producer.stop()
        await self._follower.stop()

    async def read(self) -> None:
        """Return when what people did was read once; raise the Problem 503."""
        if not self._follower.loaded:
            try:
                await self._follower.read_to_end()
            except HandlingUnavailableError as error:
                raise unavailable(str(error), RETRY_AFTER_S) from error

    def handling(self, alarm: str) -> Handling | None:
        """Return what was done about an alarm."""
        return self._follower.handled.get(alarm)

    def stand(self, condition: Condition, now_ms: int) -> Stand:
        """Return where people are with an alarm at an instant [epoch ms]."""
        return stand(self.handling(condition.id), condition, now_ms)

    def seen(self, condition: Condition, reader: Reader) -> Seen:
        """Return whether an alarm is shown to be told of, now."""
        places = (condition.entity, *reader.snapshot.within(condition.entity, reader.at_ms))
        silences = tuple(self._follower.silences.values())
        return seen(condition, places, silences, reader.at_ms, self._inhibitor(condition, reader.snapshot))

    def _inhibitor(self, condition: Condition, snapshot: Snapshot) -> str | None:
        """Return the alarm that inhibits an open one; the notifier decides by the same function."""
        if condition.condition not in PASSED or not on_silence(snapshot, condition.rule):
            return None
        around = wider(snapshot, condition.entity, condition.known)
        if not around:
            return None
        pages = [self._store.conditions(entities=around, condition=one) for one in sorted(PASSED)]
        return causes_of((one for page in pages for one in page.items), snapshot).of(snapshot, condition)

    def contributors(self, condition: Condition, reader: Reader) -> list[Condition]:
        """Return the alarms of enterprises that contribute to a territory's, the newest start first; at most 100."""
        metric = watched(reader.snapshot, condition.rule)
        if metric is None or condition.entity.partition("/")[0] not in TERRITORY_KINDS:
            return []
        found = [
            one
            for rule in watching(reader.snapshot, metric)
            for state in sorted(PASSED)
            for one in islice(self._contributors(condition, reader, rule, state), MOST_CONTRIBUTORS)
        ]
        found.sort(key=lambda one: (-window(one.start).start_ms, one.id))
        return found[:MOST_CONTRIBUTORS]

    def _contributors(self, whole: Condition, reader: Reader, rule: str, state: str) -> Iterator[Condition]:
        after: str | None = None
        while True:
            page = self._store.conditions(rule=rule, condition=state, after=after, limit=1000)
            for one in page.items:
                if reader.sees(one.entity) and contributes(reader.snapshot, one, whole):
                    yield one
            after = page.next
            if after is None:
                return

    def silences(self, reader: Reader) -> list[Silence]:
        """Return the silences that a caller may see, what ends last first."""
        found = [
            one for one in tuple(self._follower.silences.values()) if one.entity is None or reader.sees(one.entity)
        ]
        return sorted(found, key=lambda one: (-one.end, one.id))

    def about(self, condition: Condition, reader: Reader) -> list[Silence]:
        """Return the silences that are, were or will be about an alarm, the first made first."""
        places = (condition.entity, *reader.snapshot.within(condition.entity, reader.at_ms))
        found = [one for one in self.silences(reader) if is_about(one, condition.id, condition.rule, places)]
        return sorted(found, key=lambda one: (one.made, one.id))

    async def condition(self, reader: Reader, alarm: str) -> Condition:
        """Return an alarm that a caller may see; raise the Problem 403 or 404."""
        found = await asyncio.to_thread(self._store.condition, alarm)
        if found is None:
            raise Problem(404, "unknown_alarm", f"no alarm has the id {alarm[:60]!r}")
        if not reader.sees(found.entity):
            raise forbidden(f"alarm {alarm} is not within what this token may read")
        return found

    async def events(self, alarm: str) -> list[AlarmEvent]:
        """Return the engine's transitions of an alarm, by `seq`."""
        return await asyncio.to_thread(self._store.events, alarm)

    async def act(self, reader: Reader, alarm: str, wish: Wish) -> Handling:
        """Do something about an alarm; raise the Problem 403, 404, 409, 422 or 503 (nothing counts twice)."""
        if wish.what == "closed":
            _check_operator(reader)
        if wish.until_ms is not None and wish.until_ms <= reader.at_ms:
            raise Problem(422, "bad_time", "until: an acknowledgement ends in the future")
        id_ = wish.id or uuid.uuid4().hex
        key = key_of(reader.principal)
        condition = await self.condition(reader, alarm)
        action = Action(
            id_, wish.what, reader.at_ms, wish.by or key, key, condition.seq, wish.until_ms, wish.to, wish.text
        )

        def decide() -> Record | None:
            before = self.handling(alarm)
            if before is not None and any(each.id == id_ for each in before.actions):
                return None
            why = refusal(before, condition, action)
            if why is not None:
                raise Problem(409, str(why), _REFUSED[why], alarm=alarm)
            return Record(ALARM_HANDLING, alarm.encode(), encode(apply(before, condition, action)))

        await self._write(decide)
        return self._follower.handled[alarm]

    async def quiet(self, reader: Reader, quiet: Quiet) -> Silence:
        """Silence alarms; raise the Problem 403, 404, 422 or 503."""
        _check_operator(reader)
        await self._check(reader, quiet)
        id_ = quiet.id or uuid.uuid4().hex[:20]
        key = key_of(reader.principal)
        by = quiet.by or key
        entity, rule = quiet.entity, quiet.rule
        if quiet.alarm is not None:
            # Only said for readers: which alarm is meant is told by its id.
            condition = await self.condition(reader, quiet.alarm)
            entity, rule = condition.entity, condition.rule
        silence = Silence(
            VERSION, id_, quiet.kind, 1, reader.at_ms, by, quiet.start_ms, quiet.end_ms, quiet.reason, by, key,
            reader.at_ms, quiet.alarm, entity, rule,
        )  # fmt: skip

        def decide() -> Record | None:
            return None if id_ in self._follower.silences else _record(silence)

        await self._write(decide)
        return self._follower.silences[id_]

    async def end(self, reader: Reader, id_: str, by: str | None) -> Silence:
        """End a silence now; one that never began is then over, too. Raises the Problem 403, 404, 409 or 503."""
        _check_operator(reader)
        name = by or key_of(reader.principal)

        def decide() -> Record:
            found = self._follower.silences.get(id_)
            if found is None:
                raise Problem(404, "unknown_silence", f"no silence has the id {id_[:60]!r}")
            if found.end <= reader.at_ms or found.ended_by is not None:
                raise Problem(409, "already_over", f"the silence {id_} is over already")
            # One that never began holds for no time at all.
            end_ms = max(found.start, reader.at_ms)
            ended = replace(found, seq=found.seq + 1, known=reader.at_ms, actor=name, ended_by=name, end=end_ms)
            return _record(ended)

        await self._write(decide)
        return self._follower.silences[id_]

    async def _check(self, reader: Reader, quiet: Quiet) -> None:
        if quiet.end_ms <= max(quiet.start_ms, reader.at_ms):
            raise Problem(422, "bad_time", "a silence ends in the future, and after its start")
        if quiet.alarm is None and quiet.entity is None and quiet.rule is None:
            raise Problem(422, "no_selector", "say what is to be silent: alarm, entity or rule")
        if quiet.alarm is not None and (quiet.entity is not None or quiet.rule is not None):
            raise Problem(422, "bad_selector", "an alarm is silenced by itself: give no entity and no rule with it")
        if quiet.entity is not None:
            reader.check(quiet.entity)
        if quiet.rule is not None and not {quiet.rule} & {*reader.snapshot.rules, *reader.snapshot.limits}:
            raise Problem(404, "unknown_rule", f"no rule and no limit has the id {quiet.rule[:60]!r}")

    async def _write(self, decide: Callable[[], Record | None]) -> None:
        """Write what `decide` makes of all that was written before; None writes nothing."""
        try:
            async with asyncio.timeout(WRITE_LIMIT_S), self._lock:
                for left in reversed(range(TRIES)):
                    try:
                        await self._producer.open()
                        await self._follower.read_to_end()
                        record = decide()
                        if record is not None:
                            await self._producer.commit([record])
                            await self._follower.read_to_end()
                    except NotWrittenError:
                        if not left:
                            raise
                    else:
                        return
        except (NotWrittenError, HandlingUnavailableError, TimeoutError) as error:
            raise unavailable(f"{error}: ask again with the same id, nothing counts twice", RETRY_AFTER_S) from error


def _record(silence: Silence) -> Record:
    return Record(ALARM_HANDLING, (SILENCE_KEY + silence.id).encode(), encode(silence))


def _check_operator(reader: Reader) -> None:
    if reader.principal.role != "operator":
        raise forbidden("only an operator silences and closes alarms; this token may acknowledge, assign and comment")
