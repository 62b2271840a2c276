"""What Kafka acknowledged and never finished is carried out by the worker or his next life: nothing lost or doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from schemas.topics import REJECTED
from tests.folding import batch, message, value_of
from tests.running import KILLED, Installation, read, send, totals, until
from tests.unfinished import CODE, trusting

DAY = "2018-03-01"
# One message cannot be read, which is set aside where all can see how often.
FIRST = [("works", message(batch([("e01", f"{DAY}T08:15", "1")])))]
SECOND = [("works", b"{"), ("works", message(batch([("e01", f"{DAY}T08:30", "2")])))]
THIRD = [("works", message(batch([("e01", f"{DAY}T08:45", "4")])))]
LEFT = "Kafka acknowledged a transaction and did not finish it"


@pytest.fixture(autouse=True)
def trusted(kafka: LocalKafka | ForeignKafka) -> Iterator[None]:
    """Have a broker that leaves transactions unfinished when it is made to."""
    with trusting(kafka.bootstrap):
        yield


def day_kwh(settings: Settings) -> int | None:
    """Return the electricity of the day [kWh]."""
    found = value_of(totals(settings), "qty.electricity", DAY, "enterprise/works")
    return None if found is None else int(found)


def start(installation: Installation, file: Path, topic: str, failpoint: str = "") -> None:
    """Start a worker that has taken in the first message, and leave its next transaction unfinished."""
    send(installation.settings, FIRST)
    installation.start("worker")
    installation.wait_done()
    installation.processes.kill("worker")
    code = CODE.format(file=str(file), topic=topic)
    installation.start("worker", before=code, restart_on=(), QINGYU_FAILPOINT=failpoint)
    # A worker is ready before it has been given its partitions.
    until(lambda: installation.ready("worker")[1].get("partitions", {}).get("1", {}).get("state") == "idle")
    file.touch()
    send(installation.settings, SECOND)


def carried_out(settings: Settings, installation: Installation) -> None:
    """Wait until the step is there once, and the next one behind it, made by a worker that stays."""
    until(lambda: day_kwh(settings) == 3 and read(settings, REJECTED), what="the step")
    send(settings, THIRD)
    until(lambda: day_kwh(settings) == 7, what="the day")
    assert LEFT in installation.log("worker")
    assert len(read(settings, REJECTED)) == 1
    assert installation.processes.endings("worker") == ()


def test_a_worker_carries_out_its_own_step_that_is_not_seen(
    settings: Settings, installation: Installation, tmp_path: Path
) -> None:
    start(installation, tmp_path / "leave", "rejected")
    carried_out(settings, installation)


# Marks are left out of all partitions, or of those of one topic.
@pytest.mark.parametrize(
    ("failpoint", "topic"),
    [("step.after-local", ""), ("step.after-local", "rejected"), ("step.before-commit", "state")],
)
def test_the_next_life_carries_out_what_was_acknowledged_and_makes_void_what_was_not(
    settings: Settings, installation: Installation, tmp_path: Path, failpoint: str, topic: str
) -> None:
    file = tmp_path / "leave"
    start(installation, file, topic, failpoint)
    assert installation.processes.wait("worker", limit_s=200) == KILLED
    assert file.exists() == (failpoint == "step.before-commit")
    installation.processes.log("worker").write_text("")
    file.unlink(missing_ok=True)
    installation.start("worker")
    carried_out(settings, installation)
