"""A live installation as people outside meet it: what is pushed to its gateway, and what its api then says."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.messages import VERSION, Readings, encode
from schemas.settings import Settings
from schemas.topics import ALARM_CONDITIONS, ALARM_EVENTS, READINGS, REJECTED, REPORTED, TOTALS
from tests import independent
from tests.independent import Reading
from tests.running import Installation, lag, run, send_to, until

ANSWER_S = 120.0
THROUGH_S = 240.0
# Longer than the processes take between two looks at the ends of what they read.
QUIET_S = 6.0
# A worker makes up for no longer a silence of the ticker than 40 days.
STRIDE_MS = 39 * 24 * independent.HOUR_MS
SHOWN = 3
OUTPUT = "output.crude-steel"

Share = float | None
# Numbers keep all their digits on the way, as a collector's own would.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Live:
    """Pushes to the gateway and asks the api of an installation; `token` is an operator's."""

    def __init__(self, installation: Installation, token: str) -> None:
        self.installation = installation
        self._api = _client(installation.ports["api"], token)
        self._operator = _client(installation.ports["gateway"], token)
        self._points: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()
        self._operator.close()

    def register(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Put a set of documents into the registry."""
        answer = self._api.post("/v1/registry", json={"base": 0, "documents": documents})
        assert answer.status_code == 200, answer.text[:2000]

    def push(self, key: str, source: str, batches: Iterable[Sequence[Reading]], chance: random.Random) -> None:
        """Send batches of meter e01 with a source's key, one after the other, in all forms that a batch may have."""
        with _client(self.installation.ports["gateway"], key) as gateway:
            for number, batch in enumerate(batches):
                body = {"source": source, "batch": f"{source}-{number}", **_form(batch, chance)}
                answer = gateway.post("/v1/readings", content=_encode(body))
                assert answer.status_code == 202, answer.text[:500]
                receipt = answer.json()
                assert (receipt["accepted"], receipt["rejected"]) == (len(batch), []), str(receipt)[:500]

    def report(self, enterprise: str, tonnes: Mapping[str, Decimal], rev: int = 0) -> None:
        """Report the output of months."""
        values = [
            {"entity": f"enterprise/{enterprise}", "metric": OUTPUT, "period": month, "value": str(each), "unit": "t",
             "rev": rev}
            for month, each in tonnes.items()
        ]  # fmt: skip
        answer = self._operator.post("/v1/reported", json={"values": values})
        assert (answer.status_code, answer.json().get("accepted")) == (202, len(values)), answer.text[:500]

    def let_time_pass(self, first: str, last: str) -> None:
        """Tick from one local day to another, as a ticker that was there then would have."""
        settings = self.installation.settings
        at_ms, end_ms = (independent.day_ms(day) for day in (first, last))
        while True:
            tick = encode(Readings(VERSION, 1, tick=at_ms))
            for partition in range(settings.partitions):
                send_to(settings, partition, [tick])
            # Of ticks that a worker finds together only the last counts.
            self.installation.wait_done(THROUGH_S)
            if at_ms >= end_ms:
                return
            at_ms = min(at_ms + STRIDE_MS, end_ms)

    def get(self, path: str, **query: Any) -> Any:
        """Return the answer of the api."""
        answer = self._api.get(path, params=query)
        assert answer.status_code == 200, answer.text[:500]
        return answer.json()

    def points(self, entity: str, metric: str, window: str) -> list[dict[str, Any]]:
        """Return the points of 2018, values as exact text; asked for once, so only when all has gone through."""
        asked = entity, metric, window
        if asked not in self._points:
            query = {"entity": entity, "metric": metric, "window": window, "from": "2018", "to": "2019"}
            self._points[asked] = self.get("/v1/series", exact="true", **query)["points"]
        return self._points[asked]

    def values(self, entity: str, metric: str, window: str) -> dict[str, Decimal | None]:
        """Return the values of 2018 by window."""
        points = self.points(entity, metric, window)
        return {each["start"]: None if each["value"] is None else Decimal(each["value"]) for each in points}

    def shares(self, entity: str, metric: str, window: str) -> dict[str, tuple[Share, Share, Share]]:
        """Return the measured, estimated and missing share of 2018 by window."""
        return {
            each["start"]: (each["measured"], each["estimated"], each["missing"])
            for each in self.points(entity, metric, window)
        }

    def alarms(self, **query: Any) -> list[dict[str, Any]]:
        """Return the alarms that a query finds, all pages of it, in order of their start."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get("/v1/alarms", limit=50, **query, **cursor)
            found += page["items"]
            if page["next"] is None:
                return sorted(found, key=lambda each: each["start"])
            cursor = {"cursor": page["next"]}

    def events(self, alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the transitions of an alarm, in order."""
        return self.get(f"/v1/alarms/{alarm['id']}")["events"]

    def wait_through(self) -> None:
        """Wait until all that was pushed has gone through every process, and nothing moves any more."""
        still_since = time.monotonic()
        before: tuple[object, ...] = ()

        def quiet() -> bool:
            nonlocal before, still_since
            now = self._state()
            if now != before or any(now[:-1]):
                before, still_since = now, time.monotonic()
            return time.monotonic() - still_since > QUIET_S

        logs = {name: self.installation.log(name)[-1000:] for name in ("worker", "territory", "sink")}
        until(quiet, THROUGH_S, f"everything has gone through; {logs}", 0.5)

    def _state(self) -> tuple[object, ...]:
        """Return what is not done yet of worker, territory and sink, and how far the topics are."""
        settings = self.installation.settings
        told = [self.installation.ready(name) for name in ("worker", "territory", "sink")]
        undone = [not ready or details.get("lag") or details.get("recomputing") for ready, details in told]
        try:
            ends = run(_ends(settings), 20)
        except (KafkaError, TimeoutError, OSError):
            return True, None
        return lag(settings), *undone, ends


def differing(got: Mapping[str, Any], wanted: Mapping[str, Any], what: str = "") -> list[str]:
    """Return where two mappings differ: the first few keys with both values, and how many there are."""
    nothing = "nothing"
    keys = [key for key in sorted({*got, *wanted}) if got.get(key, nothing) != wanted.get(key, nothing)]
    shown = [f"{what} {key}: got {got.get(key, nothing)}, wanted {wanted.get(key, nothing)}" for key in keys[:SHOWN]]
    return [*shown, f"{what} {len(keys)} differ in all"] if len(keys) > SHOWN else shown


def check(differences: Sequence[str]) -> None:
    """Fail with what `differing` found, if anything."""
    assert not differences, "\n".join(["it differs:", *differences])


def _client(port: int, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=ANSWER_S)


def _form(batch: Sequence[Reading], chance: random.Random) -> dict[str, Any]:
    """Return readings in rows or in columns, stamped in milliseconds or as local text, valued by numbers or text."""
    stamp: Callable[[int], int | str] = chance.choice((int, _local_text))
    value: Callable[[Decimal], Decimal | str] = chance.choice((Decimal, str))
    if chance.random() < 0.3:
        return {
            "meters": ["e01"],
            "ts": [stamp(each.t_ms) for each in batch],
            "values": [[value(each.kwh) for each in batch]],
        }
    return {"readings": [{"meter": "e01", "ts": stamp(each.t_ms), "value": value(each.kwh)} for each in batch]}


def _local_text(ms: int) -> str:
    return f"{independent.local_time(ms)}+08:00"


async def _ends(settings: Settings) -> tuple[int, ...]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [
            TopicPartition(settings.topic(topic), number)
            for topic in (READINGS, REPORTED, REJECTED, TOTALS, ALARM_CONDITIONS, ALARM_EVENTS)
            for number in range(settings.partitions)
        ]
        return tuple((await consumer.end_offsets(tps)).values())
    finally:
        await consumer.stop()
