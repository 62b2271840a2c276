"""The transport is Faust's connection to Kafka with three changes: it reads committed records, commits nothing, and
hands a message on without tasks where nobody has to wait.

Offsets are committed by the transactions of our own steps only. Faust's own commit could run ahead of a step, or fall
behind one.
"""

import time
from collections.abc import Coroutine, Generator
from typing import Any

from faust.transport.drivers import aiokafka as driver
from mode.services import Service, WaitResults


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust offers this with its own exactly-once only; without it a reader sees records of aborted transactions.
        consumer._isolation_level = "read_committed"
        return consumer


class _Begun:
    """A coroutine that ran to its first wait, to be waited for from there on."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    got = yield waits_for
                except BaseException as error:  # noqa: BLE001  whatever it is, it is for the coroutine
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(got)
        except StopIteration as end:
            return end.value


class HandsOn(Service):
    """A service that waits for the first of some coroutines, and makes no tasks where that one ends at once."""

    async def wait_first(self, *coros: Any, **limit: Any) -> Any:
        """Wait as any service does; return what the first coroutine gives where it has not to wait for anything.

        Faust waits so for each message to be taken by its stream, against the suspension of the flow: four tasks each.
        """
        if limit or not all(isinstance(each, Coroutine) for each in coros):
            return await super().wait_first(*coros, **limit)
        first, *others = coros
        try:
            waits_for = first.send(None)
        except StopIteration as end:
            for each in others:
                each.close()
            return WaitResults([first], [end.value], stopped=False)
        except BaseException:
            for each in others:
                each.close()
            raise
        return await super().wait_first(_Begun(first, waits_for), *others)


class CommittedConsumer(HandsOn, driver.Consumer):
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
