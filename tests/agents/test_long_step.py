"""A step may compute for longer than it may wait for Kafka: it is finished, and its process is not ended meanwhile."""

from schemas.settings import Settings
from tests.folding import batch, message, value_of
from tests.running import Installation, send, totals

NAMES = ("works", "mill")
LIMIT = "import streams.agents.step; streams.agents.step.STEP_LIMIT_S = 2.0"
# As a step of very many readings would, on any machine.
SLOW = """
import time
from streams.domain.fold import PartitionFold
compute = PartitionFold.step
def slow(*arguments):
    time.sleep(2.5)
    return compute(*arguments)
PartitionFold.step = slow
"""


def test_a_step_that_computes_for_longer_than_kafka_may_take_is_finished(
    settings: Settings, installation: Installation
) -> None:
    send(settings, [(name, message(batch([("e01", "2018-03-01T08:15", "150")]), enterprise=name)) for name in NAMES])
    installation.start("worker", before=LIMIT + SLOW)
    installation.wait_done()
    stands = totals(settings)
    assert [value_of(stands, "qty.electricity", "2018", f"enterprise/{name}") for name in NAMES] == [150, 150]
    assert installation.processes.endings("worker") == ()
