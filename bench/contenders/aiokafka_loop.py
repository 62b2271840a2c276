"""The bare loop on aiokafka is a ceiling: the arithmetic with its sums in memory, and no state that outlives it."""

import asyncio
import signal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.contenders.arithmetic import Meters, add, result
from bench.contenders.contender import Arguments, Contender, module_program
from schemas.messages import decode_readings

CONTENDER = Contender(
    "aiokafka",
    "bare loop, sums in memory only: the ceiling",
    {1: 2_000_000, 20: 2_000_000, 200: 2_000_000},
    module_program("bench.contenders.aiokafka_loop"),
)
POLL = 4000


async def run(task: Arguments) -> None:
    """Poll, add, write what changed, commit; until told to stop."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=task.kafka,
        group_id=task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=60_000,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=task.kafka, enable_idempotence=True, max_batch_size=512 << 10, linger_ms=0
    )
    await producer.start()
    await consumer.start()
    consumer.subscribe([task.source])
    state: dict[str, Meters] = {}
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    while not stopped.is_set():
        touched: set[tuple[str, int]] = set()
        for messages in (await consumer.getmany(timeout_ms=100, max_records=POLL)).values():
            for each in messages:
                message = decode_readings(each.value or b"")
                if message.enterprise is not None:
                    hours = add(state.setdefault(message.enterprise, {}), message)
                    touched.update([(message.enterprise, hour) for hour in hours])
        futures = [
            await producer.send(task.results, result(name, state[name], hour), name.encode()) for name, hour in touched
        ]
        for future in futures:
            await future
        await consumer.commit()
    await consumer.stop()
    await producer.stop()


if __name__ == "__main__":
    asyncio.run(run(Arguments.given()))
