"""What the commit before left is taken over: topics, state, series store, and the processes one after the other.

The commit before (or the one that QINGYU_UPGRADE_FROM names) runs from its own source, under load, and every process is
replaced while the load goes on; so for a while both read what the other one wrote. At the end every value and alarm
equals an independent calculation.
"""

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from bench.kills.city import WORKERS, City, summary
from bench.kills.load import cast
from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from tests.running import until

ROOT = Path(__file__).parents[2]
SEED = 7
BEFORE = os.environ.get("QINGYU_UPGRADE_FROM", "HEAD~1")


def source_of(commit: str, folder: Path) -> Path:
    """Lay the source of a commit down; skip where this clone does not have it."""
    packed = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"this clone has no {commit}: {packed.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class Changing(City):
    """A city whose processes run the source in `source` when they are started."""

    source: Path = ROOT

    def start_one(self, role: str, name: str = "", *, before: str = "") -> None:
        """Start a process of that source, which says first where it is from."""
        whence = f"import sys; sys.path.insert(0, {str(self.source)!r})"
        told = "import services; print('source:', services.__file__)"
        super().start_one(role, name, before="\n".join((whence, told, before)))

    def whence(self, name: str) -> list[Path]:
        """Return the sources that the lives of a process had."""
        return [Path(found).parents[1] for found in re.findall(r"source: (\S+)", self.installation.log(name))]


@pytest.mark.timeout(900)
def test_every_process_takes_over_from_the_commit_before_while_the_load_goes_on(
    kafka: LocalKafka | ForeignKafka, tmp_path: Path, prefix: str
) -> None:
    earlier = source_of(BEFORE, tmp_path / "earlier")
    with Processes(tmp_path / "logs") as processes:
        city = Changing(kafka.bootstrap, tmp_path, processes, cast(2, 3), prefix=prefix, seed=SEED, rate_per_s=6)
        city.source = earlier
        city.start()
        until(lambda: city.sending.batches >= 30, what="the commit before has taken in some days")
        city.source = ROOT
        # First those that only read, last who takes in; a worker that is new beside one that is not.
        for role, name in [
            ("sink", "sink"), ("territory", "territory"), *(("worker", each) for each in WORKERS), ("ticker", "ticker"),
            ("api", "api"), ("gateway", "gateway"),
        ]:  # fmt: skip
            processes.stop(name)
            city.start_one(role, name)
            city.installation.wait_ready(name)
        taken = city.sending.batches
        until(lambda: city.sending.batches >= taken + 15, what="this state has taken in some days")
        comparison = city.finish()
        for name in processes.names():
            assert city.whence(name) == [earlier, ROOT], name
    assert comparison.differences == [], summary(comparison)
    assert comparison.counts["topic meter hours"] > 0
    assert comparison.counts["alarm stories"] > 0
