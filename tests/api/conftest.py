"""An api on a real Kafka, for the tests of this folder."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from tests.api_server import RunningApi, api_settings, running_api


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Settings:
    found = api_settings(kafka.bootstrap, prefix, tmp_path)
    apply_topics(found)
    return found


@pytest.fixture
def api(settings: Settings) -> Iterator[RunningApi]:
    with running_api(settings) as found:
        yield found


@pytest.fixture(scope="module")
def empty_api(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One api for the tests of a module that write nothing into its registry."""
    settings = api_settings(kafka.bootstrap, f"t{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("api"))
    apply_topics(settings)
    with running_api(settings) as found:
        yield found
