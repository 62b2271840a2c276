"""Sizing is what an installation needs, from a county to the nation, reckoned from what was measured on one machine.

    python -m bench.sizing

Needs bench/results/scale.json and ingest.json; the table goes to docs/performance.md, which also has the formulae.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.outcome import RESULTS
from bench.page import write_table
from schemas.settings import Settings
from schemas.topics import KEPT_DAYS

# A process is given half a core's work, so that after a stop it takes in twice what comes.
SHARE = 0.5
LEAST_PARTITIONS = Settings().partitions
_HOURS = 24
_DAY_S = 86_400
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Place:
    """A place: enterprises with so many meters each, each meter read and each enterprise pushing once a minute."""

    name: str
    enterprises: int
    meters_each: int

    @property
    def meters(self) -> int:
        """All meters."""
        return self.enterprises * self.meters_each

    @property
    def readings_per_s(self) -> float:
        """Readings a second."""
        return self.meters / 60


PLACES = (
    Place("a county", 200, 50),
    Place("a city", 2_000, 100),
    Place("a province", 16_000, 100),
    Place("the nation: 31 such provinces", 31 * 16_000, 100),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What a place needs."""

    worker_cores: float
    workers: int
    partitions: int
    worker_gib: float
    state_gib: float
    gateways: int
    kafka_gib_a_day: float
    points_per_s: float
    sinks: int
    series: float
    influx_cores: float
    influx_gib_a_day: float


def need(place: Place, scale: Mapping[str, Any], ingest: Mapping[str, Any]) -> Need:
    """Return what a place needs, from the results of both benches."""
    cpu = scale["cpu"]
    cases = {row["case"]: row for row in scale["cases"]}
    small, large, year = cases["1,000 meters"], cases["100,000 meters"], cases["a year of history"]
    readings, visits = place.readings_per_s, place.enterprises / 60
    workers = partitions = 1
    cores = 0.0
    # More workers need more partitions, and each of these has steps of its own.
    for _ in range(20):
        partitions = max(LEAST_PARTITIONS, 2 ** math.ceil(math.log2(2 * workers)))
        steps = partitions * min(1 / Settings().step_s, visits / partitions)
        cores = (readings * cpu["reading_us"] + visits * cpu["visit_us"] + steps * cpu["step_us"]) / 1e6
        workers = max(math.ceil(cores / SHARE), 1)
    of_meters = large["enterprises"] * large["meters"] - small["enterprises"] * small["meters"]
    mib_a_meter = max(large["peak_mib"] - small["peak_mib"], 0.0) / of_meters
    gateway = next(
        row for row in ingest["gateway"]
        if (row["form"], row["readings"], row["encoding"], row["gateways"]) == ("columns", 200, "identity", 1)
    )  # fmt: skip
    sink = next(row for row in ingest["sink"] if row["store"] == "influx")
    points = readings * sink["points_per_reading"]
    return Need(
        worker_cores=cores,
        workers=workers,
        partitions=partitions,
        worker_gib=(workers * small["peak_mib"] + place.meters * mib_a_meter) / 1024,
        state_gib=place.meters * KEPT_DAYS * _HOURS * _disk_a_meter_hour(year) / _GIB,
        gateways=max(math.ceil(readings * gateway["gateway_cpu_us_per_reading"] / 1e6 / SHARE), 1),
        kafka_gib_a_day=readings * _DAY_S * cases["usual"]["topics_bytes_per_reading"] / _GIB,
        points_per_s=points,
        sinks=max(math.ceil(points * sink["sink_cpu_us_per_point"] / 1e6 / SHARE), 1),
        series=place.meters * sink["series_per_meter"],
        influx_cores=points * sink["influxdb_cpu_us_per_point"] / 1e6,
        influx_gib_a_day=points * _DAY_S * sink["stored_bytes_per_point"] / _GIB,
    )


def _disk_a_meter_hour(year: Mapping[str, Any]) -> float:
    return year["disk_bytes_per_meter"] / (year["history_days"] * _HOURS)


def sizing_table(scale: Mapping[str, Any], ingest: Mapping[str, Any]) -> str:
    """Return the lines of the sizing."""
    needs = {place: need(place, scale, ingest) for place in PLACES}
    rows: list[tuple[str, list[str]]] = [
        ("enterprises x meters", [f"{place.enterprises:,} x {place.meters_each}" for place in needs]),
        ("readings a second", [f"{place.readings_per_s:,.0f}" for place in needs]),
        ("CPU of the workers [cores]", [f"{each.worker_cores:,.2f}" for each in needs.values()]),
        ("workers", [f"**{each.workers:,}**" for each in needs.values()]),
        ("partitions", [f"**{each.partitions:,}**" for each in needs.values()]),
        ("memory of the workers [GiB]", [f"{each.worker_gib:,.1f}" for each in needs.values()]),
        (f"their disk, {KEPT_DAYS} days [GiB]", [f"{each.state_gib:,.0f}" for each in needs.values()]),
        ("gateways", [f"{each.gateways:,}" for each in needs.values()]),
        ("disk of Kafka, a replica [GiB a day]", [f"{each.kafka_gib_a_day:,.1f}" for each in needs.values()]),
        ("points a second", [f"{each.points_per_s:,.0f}" for each in needs.values()]),
        ("sinks, so InfluxDBs", [f"**{each.sinks:,}**" for each in needs.values()]),
        ("series in InfluxDB", [f"{each.series:,.0f}" for each in needs.values()]),
        ("CPU of InfluxDB [cores]", [f"{each.influx_cores:,.2f}" for each in needs.values()]),
        ("disk of InfluxDB [GiB a day]", [f"{each.influx_gib_a_day:,.1f}" for each in needs.values()]),
    ]
    lines = [f"| | {' | '.join(place.name for place in needs)} |", "|---" * (len(needs) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    return "\n".join(
        [*lines, "", f"From commits `{scale['commit'][:12]}` (scale) and `{ingest['commit'][:12]}` (ingest)."]
    )


def write_sizing() -> bool:
    """Write the table where both results are there; return whether they are."""
    files = [RESULTS / f"{name}.json" for name in ("scale", "ingest")]
    if not all(each.exists() for each in files):
        return False
    scale, ingest = (json.loads(each.read_text(encoding="utf-8")) for each in files)
    write_table("sizing", sizing_table(scale, ingest))
    return True


if __name__ == "__main__":
    print("written" if write_sizing() else "nothing written: run make bench-scale and make bench-ingest first")
