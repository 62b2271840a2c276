"""Qingyu is the whole worker as an installation runs it: its state, account, documents and alarms in transactions."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bench.contenders.contender import PARTITIONS, Contender, Results, Task
from bench.contenders.readings import documents
from bench.contenders.topics import last_values
from bench.worker import environment
from schemas.messages import decode_calendar, decode_condition
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, STATE, TOTALS
from schemas.windows import HOUR_MS, window
from services.topics import apply_topics
from tests.registry_writing import write_set

_WORKER = "from streams.agents.worker import serve; from schemas.settings import Settings; serve(Settings())"
_METRICS = ("qty.electricity", "energy.cv", "co2.total")


def _settings(task: Task) -> Settings:
    return Settings(kafka=task.kafka, topic_prefix=task.prefix, partitions=PARTITIONS, data=Path(task.data))


def _prepare(task: Task) -> None:
    apply_topics(_settings(task))
    asyncio.run(write_set(_settings(task), 1, documents(task.readings)))


def _group(task: Task) -> str:
    return _settings(task).group("worker")


def _read(task: Task) -> Results:
    settings = _settings(task)
    found: Results = {}
    for value in last_values(task.kafka, settings.topic(TOTALS)).values():
        document = decode_calendar(value)
        kind, _, entity = document.entity.partition("/")
        if document.of != "hour" or kind not in {"meter", "enterprise"}:
            continue
        day_ms, metrics = window(document.period).start_ms, _METRICS[: 1 if kind == "meter" else 3]
        for hour, amounts in enumerate(zip(*(document.metrics[name] for name in metrics), strict=True)):
            if amounts[0] is not None:
                figures: tuple[Any, ...] = amounts if kind == "meter" else (*amounts, False)
                found[entity, day_ms + hour * HOUR_MS] = figures
    for value in last_values(task.kafka, settings.topic(ALARM_CONDITIONS)).values():
        condition = decode_condition(value)
        if condition.condition == "firing" and condition.fired is not None:
            place = condition.entity.partition("/")[2], condition.fired
            found[place] = (*found[place][:3], True)
    return found


CONTENDER = Contender(
    "qingyu",
    "the whole worker: corrections, gaps, account, documents, alarms; exactly once",
    {1: 200_000, 20: 2_000_000, 200: 2_000_000},
    lambda _: [sys.executable, "-c", _WORKER],
    group=_group,
    environment=lambda task: environment(_settings(task)),
    prepare=_prepare,
    read=_read,
    changelog=lambda task: (_settings(task).topic(STATE),),
)
