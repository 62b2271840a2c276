"""The real year of the steel works, gone once through all processes of an installation for the tests of this folder."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.settings import Settings
from services.topics import apply_topics
from tests.endtoend.city import city_documents
from tests.endtoend.live import Live
from tests.endtoend.year import SENDERS, SILENT_FROM, thresholds
from tests.running import Installation

TOKEN = "operator-token-of-the-year"
# The year, and the time in which its figures are provisional, are over.
NOW = "2019-06-01T00:00:00+08:00"
SENT_S = 250.0
ROLES = ("gateway", "worker", "territory", "sink")


@pytest.fixture(scope="session")
def year(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The installation with the whole year taken in, counted and stored."""
    directory = tmp_path_factory.mktemp("year")
    settings = Settings(
        kafka=kafka.bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:8]}.",
        partitions=2,
        operator_token=SecretStr(TOKEN),
    )
    apply_topics(settings)
    clock = f"{NOW}@1@{dt.datetime.now(dt.UTC).isoformat()}"
    with Processes(directory / "logs", env={"QINGYU_CLOCK": clock}) as processes:
        installation = Installation(settings, directory, processes)
        for role in ("api", *ROLES):
            installation.start(role)
        installation.wait_ready("api", "gateway")
        with contextlib.closing(Live(installation, TOKEN)) as live:
            live.register(city_documents(*thresholds()))
            installation.wait_ready(*ROLES)
            with ThreadPoolExecutor(len(SENDERS)) as threads:
                for done in [threads.submit(send, live) for send in SENDERS.values()]:
                    done.result(timeout=SENT_S)
            live.let_time_pass(f"{SILENT_FROM}-01", "2019-01-01")
            installation.start("ticker")
            live.wait_through()
            yield live
