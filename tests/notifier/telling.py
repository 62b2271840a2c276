"""A chain under test without servers: what was written is kept on a shelf, lanes deliver when they are told to."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from schemas.handling import Quieting
from schemas.handling import Silence as Quiet
from schemas.messages import AlarmEvent
from schemas.settings import Settings
from services.clock import Clock
from services.notifier.chain import Chain
from services.notifier.parcel import Item, note, parcel_of, record
from services.notifier.telling import Figures
from services.notifier.timer import Timer
from streams.domain.alarm import alarm_id
from streams.domain.attention import Attention
from streams.domain.registry import Snapshot
from streams.domain.routing import Routing, unsaid
from tests.folding import documents
from tests.notifier.conftest import event
from tests.notifier.storming import HandTimer, Shelf

# A Thursday, 2026-01-01T08:00+08:00, on both clocks.
BEGIN_MS = 1_767_225_600_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SILENT = """
{apiVersion: qingyu/v1, kind: city, id: bazhong, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: county, id: bazhou, valid_from: 2018-01-01, spec: {city: bazhong}}
---
{apiVersion: qingyu/v1, kind: carrier, id: electricity, valid_from: 2018-01-01, spec: {unit: kWh, medium: electricity}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: steel, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: bazhou}]}}
---
{apiVersion: qingyu/v1, kind: source, id: gw1, valid_from: 2018-01-01, spec: {enterprise: steel}}
---
{apiVersion: qingyu/v1, kind: meter, id: steel.e01, valid_from: 2018-01-01,
 spec: {carrier: electricity, type: interval, unit: kWh, resolution: "0.01", step: 15min, role: input,
        source: [{from: 2018-01-01, id: gw1}]}}
---
{apiVersion: qingyu/v1, kind: rule, id: silent-meter, valid_from: 2018-01-01,
 spec: {observe: {of: silence}, window: hour, period: episode, select: {kind: meter},
        raise: {gt: "6"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: silent-source, valid_from: 2018-01-01,
 spec: {observe: {of: silence}, window: hour, period: episode, select: {kind: source},
        raise: {gt: "6"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: silent-enterprise, valid_from: 2018-01-01,
 spec: {observe: {of: silence}, window: hour, period: episode, select: {kind: enterprise},
        raise: {gt: "6"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: recipient, id: duty, valid_from: 2018-01-01,
 spec: {channels: {mail: {address: duty@city.example}}}}
---
{apiVersion: qingyu/v1, kind: recipient, id: sleeper, valid_from: 2018-01-01,
 spec: {channels: {mail: {address: sleeper@city.example}}, quiet: [{from: "22:00", to: "09:00", except: [critical]}]}}
"""
ROUTES = """
{apiVersion: qingyu/v1, kind: route, id: all, valid_from: 2018-01-01, spec: {recipients: [duty]}}
"""
METER, SOURCE, ENTERPRISE = "meter/steel.e01", "source/steel.gw1", "enterprise/steel"


def about(
    entity: str, seq: int = 1, condition: str = "firing", start: str = "2026-01-01T07", **more: Any
) -> AlarmEvent:
    """Return a transition of an alarm on silence."""
    rule = f"silent-{entity.partition('/')[0]}"
    facts = {"rule": rule, "entity": entity, "id": alarm_id(rule, entity, start), "known": BEGIN_MS}
    return event("steel", seq, condition, start=start, **(facts | {"severity": "warning"} | more))


class Ways:
    """All lanes of a process."""

    def __init__(self, routing: Routing, timer: HandTimer) -> None:
        self.routing = routing
        self.timer: Timer = timer
        self.lanes: dict[tuple[str, str], deque[Item]] = defaultdict(deque)

    def put(self, event: AlarmEvent, targets: Iterable[tuple[str, str]], done: Callable[[], None]) -> None:
        for to in targets:
            self.lanes[to].append(Item(event, done, self.timer.now_ms()))


class Steps:
    """No escalation."""

    def take(self, event: AlarmEvent, routing: Routing, now_ms: int) -> list[tuple[str, str]]:
        return []

    async def save(self) -> None:
        return


class House:
    """A notifier's chain between a topic of events and the recipients, which can be killed and started again."""

    def __init__(self, routes: str = ROUTES, folder: Path = Path("data")) -> None:
        self.settings = Settings(secrets=folder, data=folder)
        self.shelf = Shelf()
        self.timer = HandTimer()
        self.clock = Clock(0, wall_ns=lambda: self.timer.at_ms * 1_000_000)
        self.silences: dict[str, Quiet] = {}
        self.events: list[AlarmEvent] = []
        self.done = 0
        self.changes = 0
        self.sent: list[tuple[str, str, int, str]] = []
        self.route(routes)
        self.start()

    def route(self, routes: str) -> None:
        self.routing = Routing.of(Snapshot.build(1, documents(SILENT, routes)))
        if hasattr(self, "ways"):
            self.ways.routing = self.routing
        self.changes += 1

    def start(self) -> None:
        """Begin, or begin again with what was written before."""
        self.memory = self.shelf.restored(self.settings)
        self.ways = Ways(self.routing, self.timer)
        attention = Attention({}, self.silences)
        self.chain = Chain(self.clock, self.memory, self.ways, Figures(lambda: 0), attention, Steps())
        self.open: dict[int, int] = {}
        self.chain.begin()
        for number in range(self.done, len(self.events)):
            self._take(number)
        self.settle()

    def say(self, *events: AlarmEvent) -> None:
        for one in events:
            self.events.append(one)
            self._take(len(self.events) - 1)
        self.settle()

    def silence(self, id_: str, lasts_ms: int = HOUR_MS, kind: Quieting = "silence", **about: str) -> None:
        now_ms = self.timer.at_ms
        self.silences[id_] = Quiet(
            1, id_, kind, 1, now_ms, "Li", now_ms, now_ms + lasts_ms, "", "Li", "k", now_ms, **about
        )
        self.changes += 1
        self.pass_by(0)

    def unsilence(self, id_: str) -> None:
        self.silences[id_] = replace(self.silences[id_], end=self.timer.at_ms)
        self.changes += 1
        self.pass_by(0)

    def pass_by(self, ms: int) -> None:
        """Let time pass, and what is held be looked at."""
        self.timer.at_ms += ms
        for _ in range(3):
            self.chain.look(self.changes)
            self.settle()
            self.timer.at_ms += 1_000

    def deliver(self) -> None:
        """Let every lane say what waits in it."""

        async def say() -> None:
            for (recipient, channel), lane in list(self.ways.lanes.items()):
                while lane:
                    one = lane.popleft()
                    before = self.memory.said(recipient, channel, one.event.id)
                    if unsaid(one.event, before) is None:
                        parcel = parcel_of(recipient, channel, one.group, [one])
                        self.sent.append((recipient, one.event.id, one.event.seq, one.event.condition))
                        told = "delivered", "", self.timer.at_ms
                        await self.memory.say(
                            record(recipient, channel, parcel, *told, before), note(recipient, channel, parcel, *told)
                        )
                    one.done()

        asyncio.run(say())
        self.settle()

    def why(self, one: AlarmEvent) -> list[tuple[str, str | None]]:
        """Return the reasons noted of an event, each with what stands in the way."""
        notes = [
            each for each in self.shelf.notes() if each.outcome == "not_sent" and (one.id, one.seq) in each.members
        ]
        return list(dict.fromkeys((each.reason, each.by) for each in notes))

    def settle(self) -> None:
        asyncio.run(self.chain.settle())
        while self.open.get(self.done) == 0:
            self.done += 1

    def _take(self, number: int) -> None:
        def hold(count: int) -> Any:
            self.open[number] = count

            def done() -> None:
                self.open[number] -= 1

            return done

        self.chain.take(self.events[number], 0, hold)
