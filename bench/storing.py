"""Storing is what the sink does: how fast it fills a store with what lies in the topics, and how far behind it is live.

The topics have what gateways and the worker write of a city, its readings and its documents. A sink first finds all of
it at once; then readings come at a steady rate through the worker, and how long each record waits is taken from the
offsets that the sink commits once the store has answered.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import city
from bench.using import Using, cores_here, limit, memory_mib
from bench.worker import producing, send
from deploy.local.influx import LocalInflux, influx
from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from services.topics import apply_topics
from streams.stores.opening import open_store
from tests.influx_buckets import bucket_ids, http, influx_settings, store_environment
from tests.registry_writing import write_set
from tests.running import Installation, metric, read, until

METERS, INSTANTS = 20, 10
FILLED_S = 900.0
SAMPLE_S = 0.05
# Every so many meters one is looked up in the store, all of its readings.
LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How much is stored: the readings of so many enterprises in so many minutes, then at a rate for so long."""

    enterprises: int
    minutes: int
    live_readings_per_s: int
    live_s: float


SIZE = Size(200, 120, 4_000, 20.0)
SMALL_SIZE = Size(40, 120, 4_000, 2.0)


def store_runs(
    kafka: LocalKafka | ForeignKafka,
    prefix: str,
    folder: Path,
    stores: Sequence[str],
    size: Size,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Fill each store and return a row for each."""
    rows: list[dict[str, Any]] = []
    for store in stores:
        place = folder / store
        with settings_of(store, kafka, f"{prefix}{store}.", place) as (settings, server):
            rows.append({"store": store, **_Storing(settings, server, place, size, tell).measure()})
    return rows


@contextmanager
def settings_of(
    store: str, kafka: LocalKafka | ForeignKafka, prefix: str, folder: Path
) -> Iterator[tuple[Settings, LocalInflux | None]]:
    """Give the settings of a store of that name in a folder, and its server where one is started."""
    folder.mkdir(parents=True)
    if store == "influx":
        with influx(folder / "influx") as server:
            yield (
                influx_settings(server, folder / "sink", kafka=kafka.bootstrap, topic_prefix=prefix),
                server if isinstance(server, LocalInflux) else None,
            )
    else:
        file = str(folder / "series.sqlite")
        yield Settings(kafka=kafka.bootstrap, topic_prefix=prefix, data=folder / "sink", store=file), None


class _Storing:
    def __init__(
        self, settings: Settings, server: LocalInflux | None, folder: Path, size: Size, tell: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._server = server
        self._store = "influx" if settings.store == "influx" else "embedded"
        self._folder = folder
        self._size = size
        self._tell = tell
        self._tps = [
            TopicPartition(settings.topic(topic), number)
            for topic in (READINGS, TOTALS)
            for number in range(settings.partitions)
        ]

    def measure(self) -> dict[str, Any]:
        settings, size = self._settings, self._size
        apply_topics(settings)
        asyncio.run(write_set(settings, 1, city.documents(enterprises=size.enterprises, meters=METERS)))
        backlog = range(0, size.minutes, INSTANTS)
        with Processes(self._folder / "logs") as processes:
            installation = Installation(settings, self._folder, processes)
            # As it is live: a step has a batch of each enterprise at most.
            installation.start("worker", QINGYU_STEP_MESSAGES=str(size.enterprises))
            installation.wait_ready("worker")
            asyncio.run(self._fill(backlog))
            installation.wait_done(FILLED_S)
            self._tell(f"{self._store}: the topics are filled")
            more = store_environment(settings) if settings.store == "influx" else {"QINGYU_STORE": settings.store}
            installation.start("sink", restart_on=(), **more)
            filled = asyncio.run(self._filled(installation))
            self._tell(f"{self._store}: {filled['points_per_s']:,.0f} points/s")
            live = asyncio.run(self._live(installation, backlog.stop))
            self._tell(
                f"{self._store}: {live['readings_per_s']:,.0f} readings/s live: p99 {live['lag_p99_s']:.2f} s behind"
            )
            peak = memory_mib(processes.pid("sink"), "VmHWM")
            points = metric(installation.ports["sink"], "qingyu_sink_points_total")
        series = self._series()
        return {
            **filled,
            "sink_peak_mib": round(peak, 1),
            "live": live,
            **({} if series is None else {"series_per_meter": round(series / (size.enterprises * METERS), 2)}),
            "stored_bytes_per_point": round(self._stored_bytes() / points, 1),
            "correct": self._is_right(backlog.stop + live.pop("minutes")),
        }

    async def _fill(self, minutes: range) -> None:
        async with producing(self._settings) as producer:
            await send(producer, self._settings, city.stream(self._size.enterprises, METERS, minutes), {})

    async def _filled(self, installation: Installation) -> dict[str, Any]:
        """Return how fast the sink wrote what lay in the topics, from its first commit on."""
        port, pid = installation.ports["sink"], installation.processes.pid("sink")
        async with _watching(self._settings) as watcher:
            ends = await watcher.end_offsets(self._tps)

            async def written() -> int:
                return sum(await _committed(watcher, self._tps))

            await _reached(written, 1)
            first = await asyncio.to_thread(metric, port, "qingyu_sink_points_total")
            server = {} if self._server is None else {"influxdb": self._server.pid}
            with Using({"sink": pid, **server}) as using:
                # What ends a transaction is passed over a moment later, when nothing else is left.
                await _reached(written, sum(ends.values()) - len(self._tps))
        points = metric(port, "qingyu_sink_points_total")
        if points <= first:
            raise RuntimeError("the sink wrote all of it at once: only more readings can be measured")
        cores = {role: round(used, 3) for role, used in using.cores().items()}
        readings = self._size.enterprises * METERS * self._size.minutes
        return {
            "readings": readings,
            "points": round(points),
            "points_per_reading": round(points / readings, 3),
            "seconds": round(using.wall_s, 2),
            "points_per_s": round((points - first) / using.wall_s),
            **{
                f"{role}_cpu_us_per_point": round(used / (points - first) * 1e6, 2)
                for role, used in using.cpu_s.items()
            },
            "cpu_cores": cores,
            "limit": limit(cores, {"sink": 1}, cores_here()),
        }

    async def _live(self, installation: Installation, minute: int) -> dict[str, Any]:
        """Push at a steady rate through the worker, and return how long a record waited until it was stored [s]."""
        settings, size = self._settings, self._size
        every_s = METERS * INSTANTS / size.live_readings_per_s
        rounds = max(round(size.live_s / every_s / size.enterprises), 1)
        minutes = range(minute, minute + rounds * INSTANTS, INSTANTS)
        samples: list[tuple[float, list[int]]] = []
        async with _watching(settings) as watcher, producing(settings) as producer:
            begins = dict(zip(self._tps, await _committed(watcher, self._tps), strict=True))

            async def sample() -> None:
                while True:
                    found = await _committed(watcher, self._tps)
                    samples.append((time.time(), found))
                    await asyncio.sleep(SAMPLE_S)

            sampling, began = asyncio.create_task(sample()), time.monotonic()
            for count, (name, value) in enumerate(city.stream(size.enterprises, METERS, minutes)):
                await asyncio.sleep(max(0.0, began + count * every_s - time.monotonic()))
                place = partition_of_key(name, settings.partitions)
                await producer.send(settings.topic(READINGS), value, name.encode(), partition=place)
            took_s = time.monotonic() - began
            records = await self._all_stored(installation, samples, sampling)
            sampling.cancel()
        waits = sorted(
            next(at for at, found in samples if found[place] > offset) - at_ms / 1000
            for place, tp in enumerate(self._tps)
            for offset, at_ms in records[tp]
            if offset >= begins[tp]
        )
        return {
            "readings_per_s": round(rounds * size.enterprises * METERS * INSTANTS / took_s),
            "records": len(waits),
            **{f"lag_{name}_s": round(waits[min(int(len(waits) * share), len(waits) - 1)], 3)
               for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
            "minutes": rounds * INSTANTS,
        }  # fmt: skip

    async def _all_stored(
        self, installation: Installation, samples: Sequence[tuple[float, list[int]]], sampling: asyncio.Task[None]
    ) -> dict[TopicPartition, list[tuple[int, int]]]:
        """Wait until worker and sink are done; return by partition the offsets and times [epoch ms] of all records."""
        # What the worker has taken in stands on its topics: it writes both in one transaction.
        await asyncio.to_thread(installation.wait_done, FILLED_S)
        records: dict[TopicPartition, list[tuple[int, int]]] = {}
        for topic in (READINGS, TOTALS):
            for each in await asyncio.to_thread(read, self._settings, topic):
                tp = TopicPartition(self._settings.topic(topic), each.partition)
                records.setdefault(tp, []).append((each.offset, each.at_ms))
        last = [records[tp][-1][0] for tp in self._tps]

        def is_done() -> bool:
            if sampling.done():
                sampling.result()
            return all(found > end for found, end in zip(samples[-1][1], last, strict=True))

        await asyncio.to_thread(until, is_done, FILLED_S, "everything stored")
        return records

    def _series(self) -> int | None:
        """Return how many series InfluxDB keeps for the store, None where there is no InfluxDB."""
        if self._server is None:
            return None
        with http(self._settings) as client:
            ids = set(bucket_ids(client, self._settings).values())
            lines = client.get("/metrics").text.splitlines()
        return sum(
            round(float(line.rpartition(" ")[2]))
            for line in lines
            if line.startswith("storage_bucket_series_num{") and any(f'"{each}"' in line for each in ids)
        )

    def _stored_bytes(self) -> int:
        names = ("influx/engine",) if self._settings.store == "influx" else ("series.sqlite", "series.sqlite-wal")
        found = [self._folder / name for name in names]
        files = [each for place in found for each in ([place] if place.is_file() else place.rglob("*"))]
        return sum(each.stat().st_blocks * 512 for each in files if each.is_file())

    def _is_right(self, minutes: int) -> bool:
        """Tell whether the store has the readings of some meters, all of them and their values."""
        chosen = range(0, self._size.enterprises * METERS, LOOKED_AT)
        with closing(open_store(self._settings)) as store:
            for number in chosen:
                enterprise, meter = divmod(number, METERS)
                name = f"{city.enterprise_id(enterprise)}.m{meter:02}"
                found = {one.time_ms: one.value for one in store.readings(name, 0, 2**53)}
                expected = {
                    city.START_MS + minute * city.MINUTE_MS: city.value(meter, minute) / 100
                    for minute in range(minutes)
                }
                if found != expected:
                    return False
        return bool(chosen)


@asynccontextmanager
async def _watching(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Give a look at how far the sink has committed."""
    watcher = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.group("sink"), enable_auto_commit=False
    )
    await watcher.start()
    try:
        yield watcher
    finally:
        await watcher.stop()


async def _reached(written: Callable[[], Awaitable[int]], place: int) -> None:
    async with asyncio.timeout(FILLED_S):
        while True:
            if await written() >= place:
                return
            await asyncio.sleep(SAMPLE_S)


async def _committed(watcher: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> list[int]:
    return [found or 0 for found in await asyncio.gather(*(watcher.committed(tp) for tp in tps))]
