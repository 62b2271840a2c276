"""The bare pattern is the control of the worker's bench: Faust, own transactions, and the least arithmetic there is.

It keeps decoded state in memory, sums each meter's register differences by hour and writes one record an enterprise
and step. It knows no registry, no corrections, no gaps, no account, no documents and no alarms. Run by bench.worker.
"""

import asyncio
import sys
from typing import Any

import faust
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.messages import decode_readings
from schemas.settings import Settings
from schemas.topics import READINGS, STATE
from schemas.windows import HOUR_MS
from streams.agents.stopping import die
from streams.agents.worker import faust_app, quiet

CURSOR = b"\0cursor"
_encode = msgspec.msgpack.Encoder().encode

Meter = list[int]  # last instant, last value, hour, sum of the hour


class Bare:
    """One partition: its producer, its state, its next offset."""

    def __init__(self, settings: Settings, app: faust.App, number: int) -> None:
        self.settings, self.app, self.number = settings, app, number
        self.state: dict[str, dict[str, Meter]] = {}
        self.next = 0
        self.opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka,
            transactional_id=f"{self.app.conf.id}-{self.number}",
            request_timeout_ms=10_000,
            retry_backoff_ms=20,
            max_batch_size=512 << 10,
            linger_ms=0,
        )
        await self.producer.start()

    def fold(self, value: bytes, dirty: set[str]) -> None:
        """Add a message's readings to the sums."""
        message = decode_readings(value)
        if message.enterprise is None:
            return
        dirty.add(message.enterprise)
        meters = self.state.setdefault(message.enterprise, {})
        for batch in message.batches:
            names = batch.meters
            for i, t, v in zip(batch.i, batch.t, batch.v, strict=True):
                if v is None:
                    continue
                meter = meters.get(names[i])
                hour = t // HOUR_MS
                if meter is None:
                    meters[names[i]] = [t, v, hour, 0]
                elif t > meter[0]:
                    if hour != meter[2]:
                        meter[2] = hour
                        meter[3] = 0
                    meter[3] += v - meter[1]
                    meter[0] = t
                    meter[1] = v

    async def step(self, events: list[Any]) -> None:
        """Make one transaction of some events."""
        await self.opening
        dirty: set[str] = set()
        for event in events:
            self.fold(event.message.value, dirty)
        self.next = events[-1].message.offset + 1
        producer, topic = self.producer, self.settings.topic(STATE)
        await producer.begin_transaction()
        futures = [
            await producer.send(topic, _encode(self.state[key]), key.encode(), partition=self.number) for key in dirty
        ]
        futures.append(await producer.send(topic, b"%d" % self.next, CURSOR, partition=self.number))
        source = TopicPartition(self.settings.topic(READINGS), self.number)
        await producer.send_offsets_to_transaction({source: self.next}, self.app.conf.id)
        for future in futures:
            await future
        await producer.commit_transaction()


def main() -> None:
    """Run until told to stop; the process's settings come from the environment."""
    settings = Settings()
    quiet()
    app = faust_app(settings, "bare")
    topic = app.topic(settings.topic(READINGS), key_type=bytes, value_type=bytes, value_serializer="raw")
    parts: dict[int, Bare] = {}

    @app.agent(topic, name="bare", concurrency=1)
    async def bare(stream: Any) -> None:
        try:
            async for events in stream.noack_take(settings.step_messages, within=settings.step_s):
                groups: dict[int, list[Any]] = {}
                for event in events:
                    number = event.message.partition
                    if number not in parts:
                        parts[number] = Bare(settings, app, number)
                    if event.message.offset >= parts[number].next:
                        groups.setdefault(number, []).append(event)
                await asyncio.gather(*(parts[number].step(group) for number, group in groups.items()))
                for event in events:
                    event.ack()
        except Exception as error:  # noqa: BLE001 -- a control that limps on would flatter what is compared with it
            die(repr(error))

    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    sys.exit(main())
