"""The house of the proof is a notifier among receivers, with alarms that come while it is killed and started again."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.telling.alarms import Alarms
from bench.telling.audience import CHAT, LISTENERS, ROBOT, SECRET, documents, should_be_told
from bench.telling.hearing import compare_heard
from bench.telling.receivers import Receivers
from deploy.local.processes import Processes
from schemas.deliveries import decode_note
from schemas.messages import AlarmEvent, encode
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
        figures: dict[str, Any] = {}
        missing: list[tuple[str, str]] = []
        unexpected: list[tuple[str, str]] = []
        wrong: list[str] = []
        expected = should_be_told(self.alarms.events)
        for listener in LISTENERS:
            name = listener.name
            heard = compare_heard(listener, expected[name], self.receivers, notes)
            missing += [(name, key) for key in heard.missing]
            unexpected += [(name, key) for key in heard.unexpected]
            wrong += heard.wrong
            figures[name] = heard.figures
        figures[CHAT] |= {"overrun": self.receivers.robot_overrun, "most_in_a_minute": self.receivers.robot_most}
        return Found(figures, missing, unexpected, wrong)
