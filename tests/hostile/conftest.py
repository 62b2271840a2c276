"""A gateway and an api in processes of their own, for requests that mean them harm."""

import uuid
from collections.abc import Iterator

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from tests.hostile.house import House, running_house


@pytest.fixture(scope="module")
def house(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(kafka.bootstrap, f"t{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("house")) as found:
        yield found
        for role in ("gateway", "api"):
            # Whatever came, nothing was unforeseen.
            assert "Traceback" not in found.installation.log(role), found.installation.log(role)[-3000:]
