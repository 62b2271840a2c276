"""A gateway that is offered ten times what it takes sheds, keeps exactly what it accepted, and recovers by itself."""

from pathlib import Path

from bench.verify_overload import overload, sound
from deploy.local.kafka import ForeignKafka, LocalKafka


def test_ten_times_too_much_is_shed_and_what_was_accepted_is_kept(
    kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path
) -> None:
    found = overload(kafka.bootstrap, prefix, tmp_path, 4, 200)
    assert sound(found), found
