"""An installation on the session's Kafka for the tests of the worker: two partitions, one enterprise in each."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.documents import canonical
from schemas.settings import Settings
from services.topics import apply_topics
from tests.folding import REGISTRY, document, documents, meter
from tests.registry_writing import write_set
from tests.running import Installation, run

# With two partitions these two live in different ones.
REGISTERED = documents(
    REGISTRY,
    meter("e01"),
    document("enterprise", "mill"),
    document("source", "mill-gw1", enterprise="mill"),
    meter("e01", enterprise="mill"),
)


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    """Topics of this test alone, with a registry of two enterprises as set 1."""
    found = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, data=tmp_path / "data")
    apply_topics(found)
    run(write_set(found, 1, [json.loads(canonical(each)) for each in REGISTERED]))
    return found


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """Processes on those topics; none is started yet."""
    with Processes(tmp_path / "logs") as processes:
        yield Installation(settings, tmp_path, processes)
