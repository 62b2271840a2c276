"""A commit that Kafka acknowledged and never finished is found, made void, done again: nothing is lost or doubled."""

from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import TRY_AGAIN
from schemas.settings import Settings
from schemas.topics import REJECTED, STATE
from tests.folding import batch, message, value_of
from tests.running import KILLED, Installation, read, send, totals, until
from tests.unfinished import CODE, trust_producers

HASTE = "import streams.agents.step; streams.agents.step.SEEN_LIMIT_S = 1.0\n"
DAY = "2018-03-01"
# One message cannot be read, which is set aside where all can see how often.
FIRST = [("works", message(batch([("e01", f"{DAY}T08:15", "1")])))]
SECOND = [("works", b"{"), ("works", message(batch([("e01", f"{DAY}T08:30", "2")])))]
THIRD = [("works", message(batch([("e01", f"{DAY}T08:45", "4")])))]


@pytest.fixture(autouse=True)
def trusting(kafka: LocalKafka | ForeignKafka) -> None:
    """Have a broker that leaves commits unfinished when it is made to."""
    trust_producers(kafka.bootstrap)


def day_kwh(settings: Settings) -> int | None:
    """Return the electricity of the day [kWh]."""
    found = value_of(totals(settings), "qty.electricity", DAY, "enterprise/works")
    return None if found is None else int(found)


def test_a_worker_whose_step_is_not_seen_starts_anew_and_makes_it_once(
    settings: Settings, installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "leave"
    installation.start("worker", before=HASTE + CODE.format(file=str(file)))
    send(settings, FIRST)
    installation.wait_done()
    file.touch()
    send(settings, SECOND)
    until(lambda: installation.processes.endings("worker"), what="the end of the worker")
    assert "Kafka acknowledged a commit and did not finish it" in installation.log("worker")
    assert f"{settings.topic(STATE)}/1 before" in installation.log("worker")
    send(settings, THIRD)
    until(lambda: day_kwh(settings) == 7, what="the day")
    assert len(read(settings, REJECTED)) == 1
    installation.wait_ready("worker")
    assert set(installation.processes.endings("worker")) == {TRY_AGAIN}


def test_the_local_copy_of_a_step_that_was_not_seen_is_not_trusted_by_the_next_life(
    settings: Settings, installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "leave"
    installation.start("worker")
    send(settings, FIRST)
    installation.wait_done()
    installation.processes.kill("worker")
    killed = {"restart_on": (), "QINGYU_FAILPOINT": "step.after-local"}
    installation.start("worker", before=CODE.format(file=str(file)), **killed)
    # A worker is ready before it has been given its partitions.
    until(lambda: installation.ready("worker")[1].get("partitions", {}).get("1", {}).get("state") == "idle")
    # The step's records stay hidden; the group's offsets, which another partition holds, are beyond it.
    file.touch()
    send(settings, SECOND)
    assert installation.processes.wait("worker", limit_s=200) == KILLED
    assert not file.exists()
    installation.start("worker")
    send(settings, THIRD)
    until(lambda: day_kwh(settings) == 7, what="the day")
    assert len(read(settings, REJECTED)) == 1
    installation.wait_ready("worker")


def test_a_worker_that_cannot_make_void_what_was_left_tries_again(
    settings: Settings, installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "leave"
    file.touch()
    send(settings, FIRST)
    installation.start("worker", before=CODE.format(file=str(file)))
    until(lambda: day_kwh(settings) == 1, what="the day")
    assert "Kafka acknowledged a commit and did not finish it" in installation.log("worker")
    assert installation.processes.endings("worker") == (TRY_AGAIN,)
