"""On a full disk the worker says where and what to do, ends, and does not come back by itself; nothing is lost."""

from pathlib import Path

from schemas.settings import Settings
from schemas.topics import REJECTED, STATE
from tests.folding import batch, message, value_of
from tests.running import Installation, read, send, totals

BEGIN_MS = 1_519_833_600_000  # 2018-03-01 in Shanghai
ROWS = 2_880
# The system refuses every write to a file beyond this, as it does on a full disk; the worker's log stays below.
ROOM = 48 << 10
FULL = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOM}, resource.RLIM_INFINITY))"


def rows_from(first: int, count: int) -> list[tuple[str, int, str]]:
    """Return quarter-hours of March, each of another amount, that do not pack well."""
    return [
        ("e01", BEGIN_MS + (place + 1) * 900_000, f"{place * 7919 % 9973}.{place % 89 + 10}")
        for place in range(first, first + count)
    ]


def ends_for_lack_of_room(installation: Installation, folder: Path) -> None:
    name = installation.start("worker", before=FULL)
    assert installation.processes.wait(name, limit_s=200) == 1
    (line,) = (line for line in installation.log(name).splitlines() if "stops on purpose" in line)
    assert f"local state {folder} cannot be" in line
    assert "free the disk" in line
    assert "Traceback" not in installation.log(name)
    installation.processes.log(name).write_text("")


def test_the_worker_ends_with_a_clear_line_and_after_room_is_made_everything_counts_once(
    settings: Settings, installation: Installation
) -> None:
    rows = rows_from(0, ROWS - 1)
    messages = [("works", message(batch(rows[at : at + 100]))) for at in range(0, len(rows), 100)]
    send(settings, messages)
    folder = installation.data("worker") / "state" / settings.topic(STATE) / "1"
    ends_for_lack_of_room(installation, folder)
    # What comes while it is away, and what was in before, sent again.
    send(settings, [messages[0], ("works", message(batch(rows_from(ROWS - 1, 1))))])
    ends_for_lack_of_room(installation, folder)
    assert installation.processes.restarts("worker") == 0

    installation.start("worker")
    installation.wait_done()
    stands = totals(settings)
    whole = batch(rows_from(0, ROWS))
    counts = [value or 0 for value in whole.v]
    for hour in range(0, ROWS // 4):
        name = f"2018-03-{hour // 24 + 1:02}T{hour % 24:02}"
        found = value_of(stands, "qty.electricity", name, "enterprise/works")
        assert found is not None
        assert found * 100 == sum(counts[hour * 4 : hour * 4 + 4]), name
    month = value_of(stands, "qty.electricity", "2018-03", "enterprise/works")
    assert month is not None
    assert month * 100 == sum(counts)
    assert read(settings, REJECTED) == []
    installation.wait_ready("worker")
