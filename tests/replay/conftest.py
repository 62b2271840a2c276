"""An installation that has taken in one stream in order and the same stream shuffled, beside which replay runs."""

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.documents import canonical
from schemas.messages import VERSION, Batch, Reported, encode
from schemas.settings import Settings
from schemas.topics import REPORTED
from schemas.windows import HOUR_MS
from services.command.main import app
from tests.agents.conftest import installed, processes_of
from tests.folding import REGISTRY, batch, document, documents, instant, message, meter, tick
from tests.running import Installation, send, send_to, totals, until

ENTERPRISES = ("works", "mill", "smelter")
# Who buys the steam of whom; each lives in the partition that the other one does not.
BUYERS = {"works": "dyer", "mill": "bath"}
COUNTY = "county/bazhou"
FROM, TICK = "2026-03-30T00:00", "2026-04-02T03:00"
HOURS = 40
KILLS = 2

RELEASE = document(
    "release", "demo-2018",
    coefficients=[
        {"carrier": "electricity", "cv_kgce": "0.1229", "eq_kgce": "0.3", "source": "GB/T 2589-2020 demo"},
        {"carrier": "steam", "cv_kgce": "0.12858", "source": "demo"},
    ],
    factors=[
        {"carrier": "electricity", "gas": "co2", "kg": "0.57034", "scope": "power", "source": "demo"},
        {"carrier": "steam", "gas": "co2", "kg": "0.11", "scope": "heat", "source": "demo"},
    ],
)  # fmt: skip
REGISTERED = documents(
    REGISTRY,
    RELEASE,
    document("province", "sichuan"),
    document("city", "bazhong", province="sichuan"),
    document("county", "bazhou", city="bazhong"),
    *(
        text
        for id_ in ENTERPRISES
        for text in (
            document("enterprise", id_, county=[{"from": "2018-01-01", "id": "bazhou"}]),
            document("source", f"{id_}-gw1", enterprise=id_),
            meter("e01", enterprise=id_),
            meter("r01", "register", enterprise=id_, multiplier=[{"from": "2018-01-01", "value": "30"}], step="15min"),
            meter(
                "s01", enterprise=id_, carrier="steam", unit="kg", role="output", resolution="1",
                counterparty=[{"from": "2018-01-01", "id": BUYERS[id_]}] if id_ in BUYERS else [],
            ),
            meter("s02", enterprise=id_, role="sub", parent="e01"),
        )
    ),
    *(document("enterprise", each) for each in BUYERS.values()),
    document(
        "indicator", "intensity", type="intensity", numerator="energy.cv", denominator="output.crude-steel",
        unit="kgce/t",
    ),
)  # fmt: skip


def batches(seed: int) -> list[Batch]:
    """Return hours of readings of four meters: with gaps, a swap nobody declared, corrections, voids, late ones."""
    dice = random.Random(seed)
    start = instant(FROM)
    found: list[Batch] = []
    register = 0
    for hour in range(HOURS):
        rows: list[tuple[Any, ...]] = []
        for quarter in range(1, 5):
            at = start + hour * HOUR_MS + quarter * 900_000
            register += dice.randrange(5000)
            if hour == 20 and quarter == 2:
                register = 0
            if dice.random() > 0.08:
                rows.append(("e01", at, str(dice.randrange(90_000) / 100)))
            if dice.random() > 0.3 and hour not in (9, 10, 11):
                rows.append(("r01", at, str(register / 100)))
            rows += [("s01", at, str(dice.randrange(900))), ("s02", at, "1.25")]
        received = start + (hour + 1) * HOUR_MS + dice.choice((1000, 1000, 1000, 9 * HOUR_MS))
        scales = {"e01": 2, "r01": 2, "s01": 0, "s02": 2}
        found.append(batch(rows, scale=scales, received=received, name=f"b{hour}"))
        if hour % 7 == 3:
            old = start + (hour - 2) * HOUR_MS + 900_000
            found.append(
                batch([("e01", old, "7.77", 1), ("s01", old, None, 2)], scale=scales, received=received + 60_000)
            )
    return found


BATCHES = batches(7)


class Running(NamedTuple):
    """An installation that has taken everything in, and the command beside it."""

    settings: Settings
    installation: Installation
    folder: Path

    def qingyu(self, *arguments: str | Path, **more: str) -> Result:
        """Run the command with the installation's settings."""
        settings = self.settings
        environment = {
            "QINGYU_KAFKA": settings.kafka,
            "QINGYU_TOPIC_PREFIX": settings.topic_prefix,
            "QINGYU_PARTITIONS": str(settings.partitions),
            "QINGYU_DATA": str(self.folder / "command"),
            "QINGYU_STORE": str(self.folder / "series.sqlite"),
            **more,
        }
        return CliRunner().invoke(app, [str(each) for each in arguments], env=environment)

    def replay(self, *arguments: str | Path) -> dict[str, Any]:
        """Return what a replay tells as JSON, with its exit status."""
        result = self.qingyu("replay", "--json", *arguments)
        assert '"windows"' in result.stdout, (result.output, result.exception)
        return {"status": result.exit_code, **json.loads(result.stdout)}


@pytest.fixture(scope="session")
def running(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Works has its stream in order; mill the same shuffled, cut otherwise, repeated, over kills; smelter nothing."""
    folder = tmp_path_factory.mktemp("replay")
    raws = [json.loads(canonical(each)) for each in REGISTERED]
    settings = installed(kafka, f"t{uuid.uuid4().hex[:8]}.", folder, raws)
    with processes_of(settings, folder) as installation:
        installation.start("worker")
        installation.start("territory")
        installation.start("sink")
        for partition in range(settings.partitions):
            send_to(settings, partition, [tick(FROM)])
        ordered = BATCHES
        dice = random.Random(3)
        shuffled = [*ordered, *dice.sample(ordered, len(ordered) // 10 + 1)]
        dice.shuffle(shuffled)
        send(settings, [("works", message(each, enterprise="works")) for each in ordered])
        mixed = [("mill", message(*shuffled[at : at + 3], enterprise="mill")) for at in range(0, len(shuffled), 3)]
        for kill in range(KILLS):
            send(settings, mixed[kill::KILLS])
            installation.processes.kill("worker")
            installation.processes.stop("worker")
            installation.start("worker")
        reports = [
            Reported(VERSION, 1, f"enterprise/{each}", "output.crude-steel", "2026-03", 1_234_500_000, "1234.5", "t", 0,
                     f"{each}-gw1", instant(TICK))
            for each in ("works", "mill")
        ]  # fmt: skip
        send(settings, [(each.entity[11:], encode(each)) for each in reports], REPORTED)
        for partition in range(settings.partitions):
            send_to(settings, partition, [tick(at) for at in ("2026-03-31T12:00", "2026-04-01T00:00", TICK)])
        installation.wait_done()
        until(lambda: f"{COUNTY}|2026-04" in totals(settings), what="the county's month")
        # A test alters a point in the store: nothing may come after it.
        until(installation.is_stored, what="all of it stored")
        yield Running(settings, installation, folder)
