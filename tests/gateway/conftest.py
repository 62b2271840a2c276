"""A running gateway on a real socket, and what it has written to Kafka."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from tests.gateway.running import OPERATOR, Gateway, write_registry


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> Settings:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, operator_token=OPERATOR, gather_s=0.01)
    apply_topics(settings)
    write_registry(settings)
    return settings


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Gateway]:
    with Gateway(settings) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client("gw1-token") as client:
        yield client
