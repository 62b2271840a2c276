"""Faust per event is Faust as its documentation teaches it: one reading an event, a table and two windowed tables."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.contenders.arithmetic import MICRO_PER_COUNT, enterprise_figures, record
from bench.contenders.contender import PARTITIONS, Arguments, Contender, Task, module_program
from schemas.messages import decode_readings
from schemas.windows import HOUR_MS

HOUR = timedelta(hours=1)
LAST, METER_HOURS, ENTERPRISE_HOURS = "last", "meter-hours", "enterprise-hours"


def _prepare(task: Task) -> None:
    """Make the changelogs: Faust makes them itself, but goes on before it knows of them and then drops events."""
    from bench.contenders.topics import make_topic

    for table in (LAST, METER_HOURS, ENTERPRISE_HOURS):
        make_topic(task.kafka, f"{task.group}-{table}-changelog")


CONTENDER = Contender(
    "faust-per-event",
    "faust-streaming, windowed tables, one reading a message, at least once",
    {1: 20_000},
    module_program("bench.contenders.faust_per_event"),
    prepare=_prepare,
)


def _read_committed() -> None:
    """Make Faust read committed records only, which it offers with exactly-once alone."""
    from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

    thread: Any = AIOKafkaConsumerThread
    create = thread._create_worker_consumer

    def create_reading_committed(self: Any, transport: Any) -> Any:
        consumer = create(self, transport)
        consumer._isolation_level = "read_committed"
        return consumer

    thread._create_worker_consumer = create_reading_committed


def main(task: Arguments) -> None:
    """Run until told to stop."""
    import faust

    _read_committed()
    Path(task.data).mkdir(parents=True, exist_ok=True)
    app = faust.App(
        task.group,
        broker=f"kafka://{task.kafka}",
        datadir=task.data,
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=False,
        broker_commit_interval=0.5,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.02,
        worker_redirect_stdouts=False,
    )
    source = app.topic(task.source, key_type=bytes, value_type=bytes, value_serializer="raw")
    results = app.topic(task.results, key_type=str, value_type=bytes, value_serializer="raw")
    last = app.Table(LAST, default=list)
    began_s = 0.0

    def began(_: Any = None) -> float:
        return began_s

    def windowed(name: str) -> Any:
        # A difference belongs to the hour in which it began, so the windows are relative to that instant.
        table: Any = app.Table(name, default=int).tumbling(HOUR)
        return table.relative_to(began)

    meter_hours = windowed(METER_HOURS)
    enterprise_hours = windowed(ENTERPRISE_HOURS)

    @app.agent(source)
    async def fold(stream: Any) -> None:
        nonlocal began_s
        async for value in stream:
            message = decode_readings(value)
            batch, name = message.batches[0], str(message.enterprise)
            meter, at, count = f"{name}.{batch.meters[0]}", batch.t[0], batch.v[0]
            before = last[meter]
            last[meter] = [at, count]
            if not before or count is None:
                continue
            began_s = before[0] / 1000
            meter_hours[meter] += (count - before[1]) * MICRO_PER_COUNT
            enterprise_hours[name] += (count - before[1]) * MICRO_PER_COUNT
            of_meter, of_enterprise = meter_hours[meter].value(), enterprise_hours[name].value()
            figures = {meter: (of_meter,), name: enterprise_figures(of_enterprise)}
            await results.send(key=name, value=record(before[0] // HOUR_MS, figures))

    for logger in ("faust", "mode", "aiokafka"):
        # Without this every debug record is built, a fifth of the CPU.
        logging.getLogger(logger).setLevel(logging.ERROR)
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, logging_config=None).execute_from_commandline()


if __name__ == "__main__":
    main(Arguments.given())
