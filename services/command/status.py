"""Status is how the processes are: what each last said in topic `engine`, and whether api and gateway answer."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer

from schemas.messages import Heartbeat, decode_heartbeat
from schemas.settings import Settings
from schemas.topics import ENGINE
from services.command.output import FOUND, CommandError, JsonOption, say, say_json, say_table

# Processes tell of themselves every few seconds; a rebalance or a restart may keep one silent for a while.
SILENT_S = 60.0
# A process that was renamed or taken away stays in the compacted topic for ever.
FORGOTTEN_S = 86_400.0
ANSWER_S = 3.0
READ_LIMIT_S = 20.0

COLUMNS = ("process", "state", "heard", "version", "lag", "step", "counts")


def status(
    every: Annotated[bool, typer.Option("--all", help="Also processes that were silent for more than a day.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how the processes are: exit status 1 when one is silent or not ready.

    Heartbeats are read from Kafka (QINGYU_KAFKA); api and gateway are asked at QINGYU_API and QINGYU_GATEWAY.
    """
    settings = Settings()
    rows = [*_servers(settings), *heartbeats(settings, FORGOTTEN_S if not every else float("inf"))]
    if as_json:
        say_json({"items": rows})
    else:
        say_table(COLUMNS, [_row(item) for item in rows])
    if any(item["state"] not in ("ready", "alive") for item in rows):
        raise typer.Exit(FOUND)
    if len(rows) == 2:
        say("no process has told of itself yet")
        raise typer.Exit(FOUND)


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    heard = None if item.get("heard_s") is None else f"{item['heard_s']:.0f} s ago"
    step = None if item.get("step_s") is None else f"{item['step_s'] * 1000:.0f} ms"
    counts = " ".join(f"{name}={count}" for name, count in (item.get("counts") or {}).items())
    return item["process"], item["state"], heard, item.get("version"), item.get("lag"), step, counts


def _servers(settings: Settings) -> Iterator[dict[str, Any]]:
    import httpx

    for name, url in (("api", settings.api), ("gateway", settings.gateway)):
        try:
            answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=ANSWER_S)
            state = "ready" if answer.status_code == 200 else "not ready"
        except (httpx.HTTPError, httpx.InvalidURL):
            state = "away"
        yield {"process": name, "state": state, "url": url}


def heartbeats(settings: Settings, forgotten_s: float) -> Iterator[dict[str, Any]]:
    """Yield what each process said last, unless it was silent for longer than `forgotten_s` [s]."""
    from services.topics import TopicsError

    try:
        last = _read(settings)
    except TopicsError as error:
        raise CommandError(str(error)) from error
    now_ms = time.time() * 1000
    for process, (at_ms, heartbeat) in sorted(last.items()):
        # Kafka's time of the record, since a process may live on a clock of its own.
        heard_s = max(0.0, (now_ms - at_ms) / 1000)
        if heard_s <= forgotten_s:
            state = "alive" if heard_s <= SILENT_S else "silent"
            yield {**msgspec.to_builtins(heartbeat), "process": process, "state": state, "heard_s": round(heard_s, 1)}


def _read(settings: Settings) -> dict[str, tuple[int, Heartbeat]]:
    """Return the last heartbeat of each process and when Kafka received it [epoch ms]."""
    from kafka import KafkaConsumer
    from kafka.structs import TopicPartition

    from services.topics import admin_client

    name = settings.topic(ENGINE)
    with admin_client(settings) as admin:
        if name not in admin.list_topics():
            raise CommandError(f"topic {name} is not there: run `qingyu topics apply`")
        consumer: Any = KafkaConsumer(
            bootstrap_servers=settings.kafka.split(","), enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            partition = TopicPartition(name, 0)
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            end = consumer.end_offsets([partition])[partition]
            found: dict[str, tuple[int, Heartbeat]] = {}
            deadline = time.monotonic() + READ_LIMIT_S
            while consumer.position(partition) < end:
                if time.monotonic() > deadline:
                    raise CommandError(f"topic {name} was not read within {READ_LIMIT_S:.0f} s: is Kafka well?")
                for record in consumer.poll(timeout_ms=200).get(partition, ()):
                    _take(found, record)
            return found
        finally:
            consumer.close()


def _take(found: dict[str, tuple[int, Heartbeat]], record: Any) -> None:
    try:
        heartbeat = None if record.value is None else decode_heartbeat(record.value)
    except msgspec.DecodeError:
        return
    if heartbeat is None:
        found.pop((record.key or b"").decode(errors="replace"), None)
    else:
        found[heartbeat.process] = (record.timestamp, heartbeat)
