"""A heartbeat tells topic `engine` every few seconds how a process is, measured against the ends of what it reads."""

import asyncio
import time
from collections.abc import Callable
from importlib.metadata import version

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.messages import VERSION, Heartbeat, encode
from schemas.settings import Settings
from schemas.topics import ENGINE, Topic

HEARTBEAT_S = 5.0

_log = structlog.get_logger(__name__)


class Heart:
    """Beats for a process named `name`; `ends` are those of the topic it reads, by partition, at the last beat."""

    def __init__(self, settings: Settings, topic: Topic, name: str, figures: Callable[[], Heartbeat]) -> None:
        self.ends: dict[int, int] = {}
        self._settings = settings
        self._topic = topic
        self._name = name
        self._figures = figures

    async def beat(self) -> None:
        """Beat for ever; while Kafka is away, try again."""
        settings = self._settings
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
        started = False
        while True:
            try:
                async with asyncio.timeout(2 * HEARTBEAT_S):
                    if not started:
                        await producer.start()
                        await consumer.start()
                        started = True
                    tps = [TopicPartition(settings.topic(self._topic), each) for each in range(settings.partitions)]
                    self.ends = {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}
                    text = encode(self._figures())
                    await producer.send_and_wait(settings.topic(ENGINE), text, self._name.encode(), partition=0)
            except (TimeoutError, KafkaError, OSError) as error:
                _log.warning("no heartbeat", error=str(error) or type(error).__name__)
            await asyncio.sleep(HEARTBEAT_S)


def heartbeat(name: str, *, watermark: int | None, lag: int, step_s: float | None, counts: dict[str, int]) -> Heartbeat:
    """Return what a process says of itself now."""
    return Heartbeat(
        v=VERSION,
        process=name,
        version=version("qingyu"),
        at=int(time.time() * 1000),
        watermark=watermark,
        lag=lag,
        step_s=step_s,
        counts=counts,
    )
