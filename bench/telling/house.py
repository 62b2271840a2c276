"""The house of the proof is a notifier among receivers, with alarms that come while it is killed and started again."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.telling.alarms import Alarms
from bench.telling.audience import CHAT, LISTENERS, ROBOT, SECRET, documents, should_be_told
from bench.telling.receivers import Receivers
from deploy.local.processes import Processes
from schemas.messages import AlarmEvent, decode_note, encode
from schemas.partitioner import partition_of
from schemas.settings import Settings
from schemas.topics import ALARM_EVENTS, DELIVERY_LOG
from services.topics import apply_topics
from tests.registry_writing import write_set
from tests.running import Installation, read, until
from tests.sink.conftest import send

PARTITIONS = 4
NAME = "notifier"
# Alarms that begin at each write, and how often something is written.
ALARMS_A_WRITE, EVERY_S = 2, 1.0
# A robot says a digest at most once a minute, so its lane is the last to be done.
CALM_LIMIT_S = 900.0


class Found(NamedTuple):
    """What the proof found; `missing` and `unexpected` are (recipient, key) told too little and too much."""

    figures: dict[str, Any]
    missing: list[tuple[str, str]]
    unexpected: list[tuple[str, str]]
    wrong: list[str]


def environment(receivers: Receivers) -> dict[str, str]:
    """Return what a notifier must know of its receivers."""
    return {
        "QINGYU_NOTIFY_PRIVATE": "127.0.0.1",
        "QINGYU_NOTIFY_RETRY_S": "0.2",
        "QINGYU_DINGTALK_API": receivers.address,
        f"QINGYU_SECRET_{SECRET.upper()}": "of the webhooks",
        f"QINGYU_SECRET_{ROBOT.upper()}": "of-the-robot",
    }


class House:
    """A notifier with its receivers on a Kafka that runs; made by `start`, ended with its processes."""

    def __init__(self, kafka: str, directory: Path, processes: Processes, receivers: Receivers, seed: int) -> None:
        self.directory = directory
        self.processes = processes
        self.receivers = receivers
        self.alarms = Alarms(seed)
        self.settings = Settings.model_validate(
            {"kafka": kafka, "topic_prefix": f"{directory.name}.", "partitions": PARTITIONS, "data": directory}
        )
        self.installation = Installation(self.settings, directory, processes)
        self._written_s = 0.0

    def start(self, *, before: str = "") -> None:
        """Make topics and registry, and start the notifier, which tells of everything from then on.

        `before` is Python that it runs first.
        """
        apply_topics(self.settings)
        asyncio.run(write_set(self.settings, 1, documents(self.receivers.address)))
        self.installation.start(NAME, before=before)
        self.installation.wait_ready(NAME)

    def write_some(self) -> None:
        """Write some transitions, when it is time again."""
        if time.monotonic() - self._written_s >= EVERY_S:
            self._written_s = time.monotonic()
            self._write(self.alarms.write(ALARMS_A_WRITE))

    def write_rest(self, alarms: int) -> None:
        """Write until so many alarms were begun and every one has come to its end."""
        while self.alarms.begun < alarms:
            self._write(self.alarms.write(min(100, alarms - self.alarms.begun)))
        self._write(self.alarms.rest())

    def _write(self, events: Iterable[AlarmEvent]) -> None:
        """Write events as workers do: in a transaction, to the partition of their entity."""
        messages = [
            (ALARM_EVENTS, partition_of(one.entity, PARTITIONS), one.id.encode(), encode(one)) for one in events
        ]
        if messages:
            send(self.settings, messages, transaction=f"{self.settings.topic_prefix}worker")

    def finish(self, tell: Callable[[str], None]) -> Found:
        """Wait until the notifier has nothing left to do, and compare."""

        def calm() -> bool:
            ready, state = self.installation.ready(NAME)
            tell(f"{state.get('lag')} events not done, {state.get('outstanding')} deliveries wait")
            return ready and state["lag"] == 0 and state["outstanding"] == 0

        until(calm, CALM_LIMIT_S, "everything is told", 0.5)
        self.processes.stop(NAME)
        return self._compare()

    def _compare(self) -> Found:
        notes = [decode_note(each.value) for each in read(self.settings, DELIVERY_LOG)]
        delivered = [one for one in notes if one.outcome == "delivered"]
        # What a digest holds is what is listed under its id.
        digests = dict(self.receivers.listed)
        digests |= {str(one.key): [f"{alarm}|{seq}" for alarm, seq in one.members] for one in delivered}
        expected = should_be_told(self.alarms.events)
        figures: dict[str, Any] = {}
        missing: list[tuple[str, str]] = []
        unexpected: list[tuple[str, str]] = []
        wrong: list[str] = []
        recorded: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in delivered:
            recorded[str(one.recipient)].update(f"{alarm}|{seq}" for alarm, seq in one.members)
        for listener in LISTENERS:
            name = listener.name
            messages = self.receivers.told[name]
            # A message that came again says nothing new.
            keys = [key for message in dict.fromkeys(messages) for key in digests.get(message, [message])]
            should, did = expected[name], set(keys)
            missing += [(name, key) for key in sorted(should - did)]
            unexpected += [(name, key) for key in sorted(did - should)]
            if not listener.robot:
                wrong += [f"{name}: {key} in two messages" for key, count in Counter(keys).items() if count > 1]
            wrong += [f"{name}: {one}" for one in _out_of_order(keys)]
            wrong += [f"{name}: {key} recorded {n} times" for key, n in recorded[name].items() if n > 1]
            wrong += [f"{name}: {key} told and not recorded" for key in sorted(did - recorded[name].keys())]
            figures[name] = {
                "should_be_told": len(should),
                "told": len(did),
                "messages": len(messages),
                "digests": sum(1 for one in set(messages) if one.startswith("digest|")),
                "repeats": len(messages) - len(set(messages)),
                # What a robot was told and a kill kept from being recorded may stand in a digest once more.
                "again_in_a_digest": len(keys) - len(set(keys)),
            }
        figures[CHAT] |= {"overrun": self.receivers.robot_overrun, "most_in_a_minute": self.receivers.robot_most}
        return Found(figures, missing, unexpected, wrong)


def _out_of_order(keys: Iterable[str]) -> list[str]:
    last: dict[str, int] = {}
    found: list[str] = []
    for key in keys:
        alarm, _, number = key.partition("|")
        if int(number or 0) < last.get(alarm, 0):
            found.append(f"{key} after seq {last[alarm]}")
        last[alarm] = int(number or 0)
    return found
