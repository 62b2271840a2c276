"""Sizing follows from the measured figures by the formulae that the page shows."""

import pytest

from bench.sizing import PLACES, Place, need, sizing_table

CASE = {"enterprises": 50, "meters": 20, "peak_mib": 100.0}
SCALE = {
    "commit": "1" * 40,
    "cpu": {"reading_us": 2.0, "visit_us": 1000.0, "step_us": 3000.0, "largest_error": 0.0},
    "cases": [
        {"case": "usual", "topics_bytes_per_reading": 20.0, **CASE},
        {"case": "1,000 meters", **CASE},
        {"case": "100,000 meters", "enterprises": 5000, "meters": 20, "peak_mib": 100.0 + 99.0},
        {"case": "a year of history", "history_days": 365, "disk_bytes_per_meter": 365 * 24 * 40, **CASE},
    ],
}
INGEST = {
    "commit": "2" * 40,
    "gateway": [{"form": "columns", "readings": 200, "encoding": "identity", "gateways": 1,
                 "gateway_cpu_us_per_reading": 10.0}],
    "sink": [{"store": "influx", "points_per_reading": 2.0, "sink_cpu_us_per_point": 20.0, "series_per_meter": 6.0,
              "influxdb_cpu_us_per_point": 30.0, "stored_bytes_per_point": 10.0}],
}  # fmt: skip


def test_a_province_has_the_readings_of_the_plan() -> None:
    assert PLACES[2].readings_per_s == pytest.approx(27_000, rel=0.02)


def test_each_figure_follows_from_the_measured_ones() -> None:
    found = need(Place("a place", 600, 100), SCALE, INGEST)
    # 1,000 readings, 10 visits, and in each of 4 partitions as many steps as visits.
    assert found.worker_cores == pytest.approx(1000 * 2e-6 + 10 * 1e-3 + 10 * 3e-3)
    assert (found.workers, found.partitions, found.gateways, found.sinks) == (1, 4, 1, 1)
    assert found.worker_gib == pytest.approx((100 + 60_000 * 0.001) / 1024)
    assert found.state_gib == pytest.approx(60_000 * 800 * 24 * 40 / 2**30)
    assert found.points_per_s == pytest.approx(2000)
    assert found.series == pytest.approx(360_000)
    assert found.influx_cores == pytest.approx(0.06)


def test_more_readings_never_need_less_and_the_table_shows_all_places() -> None:
    needs = [need(place, SCALE, INGEST) for place in PLACES]
    for less, more in zip(needs, needs[1:], strict=False):
        assert (less.worker_cores, less.workers, less.partitions, less.sinks) <= (
            more.worker_cores, more.workers, more.partitions, more.sinks
        )  # fmt: skip
    table = sizing_table(SCALE, INGEST)
    assert all(place.name in table for place in PLACES)
