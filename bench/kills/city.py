"""The city of the proof is one running installation: every process, the load that is sent in, and what came of it."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.kills.comparing import Comparison, Topics, compare_store, compare_topics
from bench.kills.expected import Calculation
from bench.kills.load import Cast, Reading, documents
from bench.kills.sending import Sending
from deploy.local.processes import TRY_AGAIN, Processes
from schemas.messages import (
    COMMIT_KEY,
    decode_commit,
    decode_condition,
    decode_event,
    decode_registry,
)
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, REGISTRY, REJECTED, TOTALS
from services.topics import apply_topics
from streams.stores.opening import open_store
from tests.running import Installation, free_port, lag, read, run, totals, until

WORKERS = ("worker-1", "worker-2")
TICK_S = 1.0
# Several times what a start or a recovery takes on two cores that others use too.
READY_LIMIT_S = 240.0
SETTLE_LIMIT_S = 300.0
# What is written and read again within this time would still move the ends of topics.
STILL_S = 5.0
NOTES = 12
APPLY_LIMIT_S = 60.0
_COMMAND = "from services.command.main import app; app()"


class CityError(Exception):
    """The installation is not as it must be; the message says where."""


class City:
    """An installation with a registry of a cast, on a Kafka that runs; made by `start`, ended with its processes."""

    restart_on: tuple[int, ...] = (TRY_AGAIN,)

    def __init__(
        self, kafka: str, directory: Path, processes: Processes, cast: Cast, *, prefix: str, seed: int,
        rate_per_s: float, session_timeout_s: float = 5.0, series: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Name it without starting anything; `series` are settings of a series store, if not the embedded file."""
        self.cast = cast
        self.directory = directory
        self.processes = processes
        self.settings = Settings.model_validate(
            {
                "kafka": kafka,
                "topic_prefix": prefix,
                "partitions": 4,
                "data": directory,
                "operator_token": secrets.token_urlsafe(16),
                "session_timeout_s": session_timeout_s,
                "store": str(directory / "series.sqlite"),
                **(series or {}),
            }
        )
        self.installation = Installation(self.settings, directory, processes)
        self.store = open_store(self.settings)
        self.notes = 0  # sets of documents that were applied after the first, and confirmed
        self._is_in_doubt = False  # whether one was not confirmed since
        # One address for all lives of a process.
        self.installation.ports.update({"gateway": free_port(), "api": free_port()})
        self._registered = 0  # documents of the first set
        token = self.settings.operator_token
        assert token is not None
        self._token = token.get_secret_value()
        self.sending = Sending(cast, self._url("gateway"), self._token, seed, rate_per_s)

    def start(self, *, worker_code: str = "") -> None:
        """Start every process, register the cast, and begin to send once time has come to every partition.

        `worker_code` is Python that the workers run first.
        """
        apply_topics(self.settings)
        installation = self.installation
        for role in self.roles():
            self.start_one(role)
        for name in WORKERS:
            self.start_one("worker", name, before=worker_code)
        installation.wait_ready("api", limit_s=READY_LIMIT_S)
        registered = self.documents()
        self._registered = len(registered)
        done = self.apply(self._file("registry", registered))
        if done.returncode:
            raise CityError(f"the registry was refused: {done.stdout}{done.stderr}")
        self.wait_ready()
        installation.wait_done(READY_LIMIT_S)
        self.sending.start()

    def roles(self) -> tuple[str, ...]:
        """Return what runs beside the workers."""
        return ("api", "gateway", "territory", "sink", "ticker")

    def documents(self) -> list[dict[str, Any]]:
        """Return what is registered at the start."""
        return documents(self.cast)

    def environment(self, name: str) -> dict[str, str]:
        """Return what a process is told beyond its usual environment."""
        return {"QINGYU_TICK_S": str(TICK_S)} if name == "ticker" else {}

    def start_one(self, role: str, name: str = "", *, before: str = "") -> None:
        """Start a process of a role; `before` is Python that it runs first."""
        more = self.environment(name or role)
        self.installation.start(role, name, before=before, restart_on=self.restart_on, **more)

    def wait_ready(self) -> None:
        """Wait until every process says that it is ready."""
        self.installation.wait_ready(*self.processes.names(), limit_s=READY_LIMIT_S)

    def state(self) -> str:
        """Return what every process says of itself and how its lives ended, for whoever looks for a fault."""
        said = {
            name: {"ready": self.installation.ready(name), "endings": self.processes.endings(name)}
            for name in self.processes.names()
        }
        return json.dumps({"not taken in": lag(self.settings), **said}, indent=1, default=str)

    def apply(self, path: Path, limit_s: float = READY_LIMIT_S) -> subprocess.CompletedProcess[str]:
        """Run `qingyu apply` on a file; raise subprocess.TimeoutExpired when it does not end."""
        environment = self.installation.environment("command")
        environment |= {"QINGYU_API": self._url("api"), "QINGYU_TOKEN": self._token}
        command = [sys.executable, "-c", _COMMAND, "apply", str(path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)

    def note(self) -> None:
        """Apply the next set of notes, or the same one again when it was not confirmed; nothing while the api is away.

        Raises CityError when a set is refused.
        """
        if not self.installation.ready("api")[0]:
            return
        self._is_in_doubt = True
        try:
            done = self.apply(self._file("notes", notes(self.notes + 1)), APPLY_LIMIT_S)
        except subprocess.TimeoutExpired:
            return
        if done.returncode == 0:
            self.notes += 1
            self._is_in_doubt = False
        elif done.returncode == 2:
            raise CityError(f"a set was refused: {done.stdout}{done.stderr}")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.installation.ports[name]}"

    def _file(self, name: str, raws: list[dict[str, Any]]) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all(raws), encoding="utf-8")
        return path

    def finish(self, tell: Callable[[str], None] = lambda _: None) -> Comparison:
        """End the load, wait until everything is written everywhere, and compare all of it."""
        readings = self.end(tell)
        tell("the calculation")
        wanted = Calculation(self.cast, readings)
        result = self.compare(wanted, self.topics())
        result.differences += [f"rejected: {each.value.decode()[:500]}" for each in read(self.settings, REJECTED)]
        return result

    def end(self, tell: Callable[[str], None] = lambda _: None) -> list[Reading]:
        """End the load, wait until everything is written everywhere, and return all readings that were taken."""
        if self._is_in_doubt:
            before = self.notes
            # Whether it is there is known once it was repeated.
            until(lambda: self.note() or self.notes > before, READY_LIMIT_S, "a set is confirmed")
        tell("the last of the load")
        readings = self.sending.finish()
        self.processes.stop("ticker")
        tell("until everything is written")
        self.settle()
        return readings

    def compare(self, wanted: Calculation, topics: Topics) -> Comparison:
        """Compare topics, series and registry with what was calculated."""
        result = compare_topics(wanted, topics)
        result.take(compare_store(wanted, topics, self.store))
        self._registry(result)
        return result

    def topics(self) -> Topics:
        """Return what readers of committed records find now."""
        conditions = {each.key.decode(): decode_condition(each.value) for each in read(self.settings, ALARM_CONDITIONS)}
        events = [decode_event(each.value) for each in read(self.settings, ALARM_EVENTS)]
        return Topics(totals(self.settings), events, conditions)

    def settle(self) -> None:
        """Wait until all that was sent in has come out everywhere: nothing lags and no topic grows."""
        seen: tuple[dict[str, int], float] = {}, 0.0

        def still() -> bool:
            nonlocal seen
            ends = self._ends()
            if ends != seen[0]:
                seen = ends, time.monotonic()
            return time.monotonic() - seen[1] > STILL_S

        self.installation.wait_done(SETTLE_LIMIT_S)
        until(self._is_done, SETTLE_LIMIT_S, "territory and sink read to the end", 0.5)
        until(still, SETTLE_LIMIT_S, "no topic grows", 0.5)
        until(self._is_done, SETTLE_LIMIT_S, "territory and sink read to the end", 0.5)

    def _is_done(self) -> bool:
        ready, territory = self.installation.ready("territory")
        if not ready or territory["lag"] or territory["recomputing"]:
            return False
        ready, sink = self.installation.ready("sink")
        lags = {name: each["lag"] for name, each in sink.get("partitions", {}).items()}
        return ready and not any(lag for name, lag in lags.items() if "engine/" not in name)

    def _ends(self) -> dict[str, int]:
        async def ask() -> dict[str, int]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka)
            await consumer.start()
            try:
                partitions = range(self.settings.partitions)
                names = [self.settings.topic(each) for each in (TOTALS, ALARM_CONDITIONS, ALARM_EVENTS)]
                tps = [TopicPartition(name, number) for name in names for number in partitions]
                found = await consumer.end_offsets(tps)
                return {f"{tp.topic}/{tp.partition}": end for tp, end in found.items()}
            finally:
                await consumer.stop()

        return run(ask(), 30)

    def _registry(self, result: Comparison) -> None:
        """Compare the registry: every set is there whole, once, and the last says what was applied last."""
        sets: list[tuple[int, int, int]] = []  # version, documents said, documents there
        versions: list[int] = []
        last: dict[str, Any] = {}
        for each in read(self.settings, REGISTRY):
            if each.key == COMMIT_KEY:
                marker = decode_commit(each.value)
                sets.append((marker.version, marker.documents, len(versions)))
                if any(version != marker.version for version in versions):
                    result.differs(f"registry: set {marker.version} holds documents of {sorted(set(versions))}")
                versions = []
            else:
                record = decode_registry(each.value)
                versions.append(record.version)
                last[each.key.decode()] = record.document.get("name")
        result.equal("registry: documents behind the last set", versions, [])
        result.equal("registry: versions", [version for version, _, _ in sets], list(range(1, self.notes + 2)))
        wanted = [self._registered] + [NOTES] * self.notes
        result.equal("registry: documents said by each set", [said for _, said, _ in sets], wanted)
        result.equal("registry: documents of each set", [there for _, _, there in sets], wanted)
        for each in notes(self.notes) if self.notes else ():
            result.equal(f"registry: {each['id']}", last.get(f"product/{each['id']}"), each["name"])
        result.count("registry sets", len(sets))


def notes(number: int) -> list[dict[str, Any]]:
    """Return a set of documents that differs from the one of any other number in each of them."""
    return [
        {
            "apiVersion": "qingyu/v1", "kind": "product", "id": f"note-{place}", "valid_from": "2018-01-01",
            "name": {"en": f"note {number}", "zh": f"注 {number}"}, "spec": {"unit": "t"},
        }
        for place in range(NOTES)
    ]  # fmt: skip


def summary(comparison: Comparison) -> str:
    """Return a comparison as text: what was compared, and the first differences."""
    found = comparison.differences
    return json.dumps(comparison.counts, indent=1) + f"\n{len(found)} differences\n" + "\n".join(found[:40])
