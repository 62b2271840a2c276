"""The bare loop on confluent-kafka is a ceiling: the arithmetic, its sums in memory, and no state that outlives it."""

import signal

from bench.contenders.arithmetic import Meters, add, result
from bench.contenders.contender import Arguments, Contender, module_program
from schemas.messages import decode_readings

CONTENDER = Contender(
    "confluent-kafka",
    "bare loop, sums in memory only: the ceiling",
    {1: 2_000_000, 20: 2_000_000, 200: 2_000_000},
    module_program("bench.contenders.confluent_loop"),
)
POLL = 4000


def run(task: Arguments) -> None:
    """Poll, add, write what changed, commit; until told to stop."""
    # Only the bench has it (dependency group `bench`), so nothing else may need it on import.
    from confluent_kafka import Consumer, Producer  # pyright: ignore[reportMissingImports]

    consumer = Consumer(
        {
            "bootstrap.servers": task.kafka,
            "group.id": task.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    producer = Producer({"bootstrap.servers": task.kafka, "enable.idempotence": True, "linger.ms": 0})
    consumer.subscribe([task.source])
    state: dict[str, Meters] = {}
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    while going:
        records = consumer.consume(POLL, 0.1)
        touched: set[tuple[str, int]] = set()
        for each in records:
            if each.error():
                raise RuntimeError(str(each.error()))
            message = decode_readings(each.value() or b"")
            if message.enterprise is not None:
                hours = add(state.setdefault(message.enterprise, {}), message)
                touched.update([(message.enterprise, hour) for hour in hours])
        for name, hour in touched:
            producer.produce(task.results, result(name, state[name], hour), name.encode())
        if producer.flush(30):
            raise RuntimeError("Kafka did not take the results within 30 s")
        if records:
            consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    run(Arguments.given())
