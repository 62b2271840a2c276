"""The transport is Faust's connection to Kafka with two changes: it reads committed records, and it commits nothing.

Offsets are committed by the transactions of our own steps only. Faust's own commit could run ahead of a step, or fall
behind one.
"""

import time
from typing import Any

from faust.transport.drivers import aiokafka as driver


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust offers this with its own exactly-once only; without it a reader sees records of aborted transactions.
        consumer._isolation_level = "read_committed"
        return consumer


class CommittedConsumer(driver.Consumer):
    """Faust's consumer that commits nothing."""

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, offsets: Any) -> bool:
        # Faust keeps its books, so its lists of acknowledged offsets stay short.
        self._thread.tp_last_committed_at.update(dict.fromkeys(offsets, time.monotonic()))
        return True


class Transport(driver.Transport):
    """Faust's aiokafka transport that reads committed records and leaves committing to us."""

    Consumer = CommittedConsumer
