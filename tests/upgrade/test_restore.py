"""A backup of Kafka and the series store, made under load, is restored, and what was lost is sent again by its sources.

The backup is what docs/upgrade.md says: the lists, then InfluxDB, then Kafka, each as its disk is at a moment. After it
the load goes on; then all disks are lost.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bench.faults.town import Town
from bench.kills.expected import Calculation
from bench.kills.load import cast
from bench.kills.sending import push
from tests.running import until

SEED = 9


def back_up(town: Town, folder: Path) -> None:
    """Copy the disks; servers are killed for it, which leaves on them what a snapshot of a running one would."""
    folder.mkdir()
    lists = town.settings.store_path
    with closing(sqlite3.connect(lists)) as source, closing(sqlite3.connect(folder / lists.name)) as copy:
        source.backup(copy)
    assert town.influx is not None
    for server, name in ((town.influx, "influx"), (town.kafka, "kafka")):
        server.kill()
        shutil.copytree(town.directory / name, folder / name)
        server.restart()


def lose_everything(town: Town) -> None:
    """End all processes, and take their disks."""
    assert town.influx is not None
    for name in town.processes.names():
        town.processes.stop(name, grace_s=0)
        shutil.rmtree(town.installation.data(name), ignore_errors=True)
    for server, name in ((town.influx, "influx"), (town.kafka, "kafka")):
        server.kill()
        shutil.rmtree(town.directory / name)
    for each in town.directory.glob(f"{town.settings.store_path.name}*"):
        each.unlink()


def restore(town: Town, folder: Path) -> None:
    """Bring back what was copied, the servers and the processes."""
    assert town.influx is not None
    shutil.copy(folder / town.settings.store_path.name, town.settings.store_path)
    for server, name in ((town.influx, "influx"), (town.kafka, "kafka")):
        shutil.copytree(folder / name, town.directory / name)
        server.restart()
    for name in town.processes.names():
        town.processes.restart(name)
    town.wait_ready()
    # What it tells would be no end of writing.
    town.processes.stop("ticker")


@pytest.mark.timeout(900)
def test_what_is_restored_goes_on_and_is_whole_once_its_sources_have_sent_again(tmp_path: Path) -> None:
    with Town(tmp_path / "town", cast(2, 3), seed=SEED, rate_per_s=6, on_influx=True) as town:
        town.start()
        until(lambda: town.sending.batches >= 30, what="some days are taken in")
        kept = len(town.sending.sent())
        back_up(town, tmp_path / "backup")
        until(lambda: town.sending.batches >= kept + 30, what="some days are taken in after the backup")
        readings = town.end()
        wanted = Calculation(town.cast, readings)
        assert town.compare(wanted, town.topics()).differences == []

        lose_everything(town)
        restore(town, tmp_path / "backup")
        assert town.store.offsets(), "the store was restored, not made anew"
        town.settle()
        assert town.compare(wanted, town.topics()).lost["values"] > 0

        # Of what was taken before, all repeats are known; so nobody needs to know when the backup was made.
        headers = {"Authorization": f"Bearer {town.token}"}
        address = f"http://127.0.0.1:{town.installation.ports['gateway']}"
        with httpx.Client(base_url=address, headers=headers, timeout=30) as http:
            for batch in town.sending.sent()[max(0, kept - 10) :]:
                push(http, batch, batch.body())
        town.settle()
        found = town.compare(wanted, town.topics())
        assert found.differences == []
        assert found.counts["topic meter hours"] > 0
