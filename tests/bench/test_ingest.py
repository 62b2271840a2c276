"""The ingest bench measures what it says: what was accepted is kept, and what is stored was sent."""

import shutil
from pathlib import Path

import pytest

from bench.growth import ingest_table
from bench.ingest import Extent, measure
from bench.pushing import ENTERPRISES, Load, bodies
from bench.storing import Size
from bench.using import limit
from deploy.local.kafka import ForeignKafka, LocalKafka
from services.gateway.envelope import parse_batch, readings_of


def test_every_body_has_as_many_readings_as_the_load_says() -> None:
    for load in (Load("rows", 200, "identity", 1, 1), Load("columns", 200, "identity", 1, 1),
                 Load("rows", 1, "identity", 1, 1)):  # fmt: skip
        found = list(bodies(load))
        assert len(found) == ENTERPRISES
        assert {readings_of(parse_batch(body)) for body in found} == {load.readings}


def test_the_limit_is_the_process_whose_thread_is_used_up_then_the_machine_then_waiting() -> None:
    assert limit({"gateway": 0.95, "kafka": 0.3}, {"gateway": 1}, 2) == "CPU of the gateway"
    assert limit({"gateway": 0.95, "kafka": 0.98}, {"gateway": 2}, 2) == "CPU of the machine, most of it the kafka's"
    assert limit({"gateway": 0.3, "kafka": 0.1}, {"gateway": 1}, 2) == "waiting: no CPU is used up"


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH; Debian: apt-get install wrk")
def test_what_senders_push_is_kept_and_what_is_kept_is_stored(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path
) -> None:
    load = Load("columns", 200, "gzip", 1, 4)
    said: list[str] = []
    extent = Extent(1, 1.0, (load,), Size(40, 60, 4_000, 1.0))
    found = measure(kafka, prefix, tmp_path, extent, said.append, stores=("embedded",))
    [pushed], [stored] = found["gateway"], found["sink"]
    assert pushed["correct"]
    assert pushed["readings_per_s"] > 0
    assert stored["correct"]
    assert stored["points"] > stored["readings"]
    assert stored["live"]["records"] > 0
    table = ingest_table(found)
    assert "WRONG" not in table
    assert "columns | 200 | gzip" in table
