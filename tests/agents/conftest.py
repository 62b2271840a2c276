"""An installation on the session's Kafka for the tests of the worker: two partitions, enterprises in each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.documents import canonical
from schemas.settings import Settings
from services.topics import apply_topics
from tests.folding import REGISTRY, document, documents, meter
from tests.registry_writing import Raw, write_set
from tests.running import Installation, run

# With two partitions the first two live in different ones; the third has a meter that never sends.
REGISTERED = documents(
    REGISTRY,
    meter("e01"),
    document("enterprise", "mill"),
    document("source", "mill-gw1", enterprise="mill"),
    meter("e01", enterprise="mill"),
    document("enterprise", "smelter"),
    document("source", "smelter-gw1", enterprise="smelter"),
    meter("e01", enterprise="smelter"),
)


def installed(kafka: LocalKafka | ForeignKafka, prefix: str, folder: Path, raws: list[Raw]) -> Settings:
    """Return the settings of an installation of two partitions whose topics are made, with documents as set 1."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=folder / "data")
    apply_topics(found)
    run(write_set(found, 1, raws))
    return found


@contextmanager
def processes_of(settings: Settings, folder: Path) -> Iterator[Installation]:
    """Give an installation without any process yet; those that run at the end are killed, nobody waits for them."""
    with Processes(folder / "logs") as processes:
        try:
            yield Installation(settings, folder, processes)
        finally:
            for name in processes.names():
                processes.kill(name)


def registered() -> list[Raw]:
    """Return the raw documents of the enterprises."""
    return [json.loads(canonical(each)) for each in REGISTERED]


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone, with the registry of the enterprises as set 1."""
    return installed(kafka, prefix, tmp_path, registered())


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """Processes on those topics; none is started yet."""
    with processes_of(settings, tmp_path) as found:
        yield found
