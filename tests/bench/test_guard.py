"""The worker costs no more beside a bare loop than it did: a ratio of CPU, never a time."""

from collections.abc import Callable
from pathlib import Path

from bench import guard
from deploy.local.kafka import ForeignKafka, LocalKafka


def test_the_workers_cpu_beside_a_bare_loops_has_not_doubled(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    known = guard.committed_ratio()
    found = guard.measure(kafka.bootstrap, prefix, tmp_path)
    said = f"the worker takes {found['ratio']:.2f} times the CPU of the bare aiokafka loop, {known:.2f} are known"
    record_property("measured", said)
    assert found["correct"], "the worker or the loop came to other results than expected"
    assert found["ratio"] < guard.WORSE * known, (
        f"{said}: find what made it dearer, or show in the change why it must be and run python -m bench.guard --write"
    )
