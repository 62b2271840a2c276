"""An installation takes messages in: worker, territory and sink on own topics, and what its store then holds."""

import json
import random
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bench.order.stream import Message
from deploy.local.processes import Processes
from schemas.documents import Document, canonical
from schemas.settings import Settings
from schemas.topics import ENGINE, READINGS, REPORTED
from services.command.main import app
from services.topics import apply_topics
from tests.registry_writing import write_set
from tests.running import Installation, run, send_records, until

PARTITIONS = 3
TAKEN_S = 1800.0
STILL_S = 5.0
# What a store holds that is a number: all windows, by the measurement's own columns.
PRESENT = 1
_WINDOWS = ("hour", "day", "month", "quarter", "year")


class Taking:
    """One installation under a topic prefix, in a folder of its own; its processes end with `processes`."""

    def __init__(self, bootstrap: str, directory: Path, name: str) -> None:
        self.directory = directory / name
        self.settings = Settings(
            kafka=bootstrap, topic_prefix=f"{name}.", partitions=PARTITIONS, data=self.directory / "command"
        )
        self.processes = Processes(self.directory / "logs")
        self.installation = Installation(self.settings, self.directory, self.processes)
        self.kills = 0

    def start(self, documents: Iterable[Document], workers: Sequence[str]) -> None:
        """Make the topics, write the first set of documents and start everything."""
        apply_topics(self.settings)
        self.register(documents, 1)
        for name in workers:
            self.installation.start("worker", name)
        self.installation.start("territory")
        self.installation.start("sink")

    def register(self, documents: Iterable[Document], version: int) -> None:
        """Write a set of documents."""
        run(write_set(self.settings, version, [json.loads(canonical(each)) for each in documents]), TAKEN_S)

    def send(self, messages: Sequence[Message]) -> None:
        """Write messages in their order."""
        for topic in (READINGS, REPORTED):
            send_records(self.settings, topic, [each[1:] for each in messages if each.topic == topic])

    def kill_workers(self, names: Sequence[str], dice: random.Random) -> None:
        """Kill one of the workers with SIGKILL, at any moment, and start it again."""
        time.sleep(dice.uniform(0, 4))
        name = dice.choice(names)
        self.processes.kill(name)
        self.kills += 1
        self.processes.stop(name)
        self.installation.start("worker", name)

    def wait_taken(self) -> None:
        """Wait until everything is taken in, counted and stored, and nothing moves any more."""
        self.installation.wait_done(TAKEN_S)
        seen: tuple[Any, float] = None, 0.0

        def still() -> bool:
            nonlocal seen
            is_ready, territory = self.installation.ready("territory")
            done = is_ready and not territory["lag"] and self.installation.is_stored()
            state = (done, _steps(self.installation.directory / "series.sqlite", self.settings))
            if not done or state != seen[0]:
                seen = state, time.monotonic()
            return time.monotonic() - seen[1] > STILL_S

        until(still, TAKEN_S, f"everything is stored in {self.directory}", 0.5)

    def held(self) -> dict[tuple[Any, ...], Any]:
        """Return every number in the store: all windows of all series, and the alarms as they stand."""
        path = self.installation.directory / "series.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = dict((id_, (first, second)) for id_, first, second in connection.execute("SELECT * FROM series"))
            found: dict[tuple[Any, ...], Any] = {}
            for window in _WINDOWS:
                for id_, at_ms, *fields in connection.execute(f'SELECT * FROM "{window}"'):
                    # Where nothing is present, the value is what stood there before.
                    found[(window, *names[id_], at_ms)] = fields if fields[PRESENT] else [None, *fields[1:]]
            for entity, start, rule, meter, document in connection.execute(
                "SELECT enterprise, start, rule, meter, document FROM findings WHERE open"
            ):
                found["finding", entity, rule, meter, start] = json.loads(document)["end"]
            for id_, condition in connection.execute("SELECT id, condition FROM conditions"):
                found["alarm", id_] = condition
        return found

    def replay(self) -> dict[str, Any]:
        """Return what `qingyu replay` says of the installation: what it compared, and the differences."""
        settings = self.settings
        environment = {
            "QINGYU_KAFKA": settings.kafka,
            "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
            "QINGYU_PARTITIONS": str(settings.partitions),
            "QINGYU_DATA": str(settings.data),
            "QINGYU_STORE": str(self.installation.directory / "series.sqlite"),
        }
        done = CliRunner().invoke(app, ["replay", "--json"], env=environment)
        if '"windows"' not in done.stdout:
            raise AssertionError(f"the replay ended with {done.exit_code}: {done.output[-2000:]}")
        return json.loads(done.stdout)


def _steps(path: Path, settings: Settings) -> Any:
    """Return the place of a store in the topics: it moves while anything is written."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        query = 'SELECT topic, partition, "offset" FROM offsets WHERE topic != ? ORDER BY 1, 2'
        return connection.execute(query, (settings.topic(ENGINE),)).fetchall()
