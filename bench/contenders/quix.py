# /// script
# requires-python = "==3.11.*"
# dependencies = ["msgspec==0.22.0", "quixstreams==3.28.1"]
# ///
"""Quix Streams keeps each enterprise's sums as one packed value of its state, in RocksDB with a changelog topic.

It runs in an environment of its own, which the lines above name and quix.py.lock pins: it refuses the project's
pydantic. One key a message is the cheapest form that its state has; its windows would need a topic more, by meter.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders.arithmetic import Meters, add, result
from bench.contenders.contender import ROOT, Arguments, Contender, Task
from schemas.messages import decode_readings

_STATE = "sums"


@cache
def _python() -> str:
    """Return the interpreter of the environment, which is made first where it is not there."""
    # `uv run` says where it is itself; without it uv is looked for on PATH and where the Makefile brings it.
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run([uv, "sync", "--quiet", "--frozen", "--script", __file__], check=True, timeout=600)
    found = subprocess.run(
        [uv, "python", "find", "--script", __file__], check=True, timeout=60, capture_output=True, text=True
    )
    return found.stdout.strip()


def _command(task: Task) -> list[str]:
    return [_python(), "-m", "bench.contenders.quix", *task.arguments()]


CONTENDER = Contender(
    "quix",
    "Quix Streams, packed state, at least once",
    {1: 200_000, 20: 2_000_000, 200: 2_000_000},
    _command,
    environment=lambda _: {"PYTHONPATH": str(ROOT)},
)


def main(task: Arguments) -> None:
    """Run until told to stop."""
    from quixstreams import Application  # pyright: ignore[reportMissingImports]

    app = Application(
        broker_address=task.kafka,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=0.5,
        consumer_extra_config={"isolation.level": "read_committed"},
        state_dir=Path(task.data),
        auto_create_topics=True,
        loglevel="ERROR",
    )
    source = app.topic(task.source, key_deserializer="str", value_deserializer="bytes")
    results = app.topic(task.results, key_serializer="str", value_serializer="bytes")
    pack, unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Meters).decode

    def fold(value: bytes, state: Any) -> list[bytes]:
        message = decode_readings(value)
        name = str(message.enterprise)
        packed = state.get_bytes(_STATE)
        meters = unpack(packed) if packed else {}
        touched = add(meters, message)
        state.set_bytes(_STATE, pack(meters))
        return [result(name, meters, hour) for hour in touched]

    app.dataframe(source).apply(fold, stateful=True, expand=True).to_topic(results)
    app.run()


if __name__ == "__main__":
    main(Arguments.given())
    sys.exit(0)
