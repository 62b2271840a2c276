"""The bench of recovery brings back what it says: all of the state, from the topics alone."""

from pathlib import Path

from bench.growth import recovery_table
from bench.recovery import Size, measure
from deploy.local.kafka import ForeignKafka, LocalKafka

PLACE = {"machine": {"python": "3.11", "cores": 2, "load": 1.0}, "commit": "0" * 40}
SPREAD = {"median_s": 1.0, "least_s": 0.9, "most_s": 1.1}
SERIES = {"readings": 1000, "worker_s": 2.0, "worker_readings_per_s": 500,
          "stores": [{"store": "embedded", "seconds": 1.0, "offsets": 10, "readings_per_s": 1000}]}  # fmt: skip


def test_a_worker_has_all_of_its_state_again_from_nothing_but_the_topics(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path
) -> None:
    said: list[str] = []
    found = measure(kafka, prefix, tmp_path, Size(6, 1, 0, 0, 1), said.append, parts=("state",))
    assert found["state"]["correct"]
    assert found["state"]["hours"] == 6 * 24
    table = recovery_table({**PLACE, **found, "starts": {"worker": SPREAD}, "series": SERIES})
    assert "WRONG" not in table
    assert "nothing but the topics" in table
