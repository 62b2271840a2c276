"""What a gauge says is explained down to its readings: a rate by its integral, a level by its average."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.explain.evidence import write_evidence
from tests.folding import REGISTRY, Stream, document, documents, meter
from tests.replay.explaining import explained, words

REGISTERED = documents(
    REGISTRY,
    document("carrier", "so2", unit="mg/m3", medium="other", energy=False),
    meter("p01", "gauge", step="15min", unit="kW"),
    meter("g01", "gauge", step="15min", carrier="so2", unit="mg/m3"),
)
HOUR = "2018-03-01T08"


@pytest.fixture(scope="module")
def told() -> Stream:
    stream = Stream(REGISTERED)
    stream.readings(
        *((name, f"{HOUR}:{minute:02}", 7 + minute) for name in ("p01", "g01") for minute in (0, 15, 30, 47))
    )
    return stream


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    with (folder / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_energy_from_power_is_marked_as_integrated(told: Stream) -> None:
    text = words(explained(REGISTERED, told, "enterprise/works", "qty.electricity", HOUR)[0])
    # 7 and 22 kW for a quarter-hour each, 37 for 17 and 54 for 13 minutes
    assert "+ meter 计量点 p01 (input 输入, gauge) = 29.433333 kWh" in text
    assert "why 原因: a rate, integrated over the time it stands 瞬时值按时间积分" in text
    assert "54 kW × 1 × 900 s / 3600 = 13.5 kWh\nin this hour 本小时内: 2018-03-01T08:47 .. 2018-03-01T09:00" in text


def test_an_average_is_shown_as_integral_over_time(told: Stream) -> None:
    text = words(explained(REGISTERED, told, "meter/works.g01", "avg.so2", HOUR)[0])
    assert (
        "meter/works.g01 avg.so2 2018-03-01T08: average over measured time 实测时间加权均值 = 29.433333 mg/m3" in text
    )
    assert "it needs 有效性要求 45 min measured in an hour, 20 such hours in a day" in text
    assert "why 原因: a level, weighted by the time it stands 瞬时值按时间加权" in text


def test_the_evidence_of_an_average_adds_up_by_hand(told: Stream, tmp_path: Path) -> None:
    explanation, snapshot = explained(REGISTERED, told, "meter/works.g01", "avg.so2", HOUR)
    write_evidence(tmp_path / "evidence", snapshot, explanation)
    account = rows(tmp_path / "evidence", "account.csv")
    sums = {row["metric"]: Decimal(row["rounded"]) for row in account}
    assert sums == {"integral.so2": 105960, "integral.so2.estimated": 0, "time.measured.so2": 3600}
    assert sum(Decimal(row["part"]) for row in rows(tmp_path / "evidence", "spans.csv")) == sums["integral.so2"]
    assert "The number is an average" in (tmp_path / "evidence" / "README.md").read_text(encoding="utf-8")


def test_an_enterprise_has_no_level(told: Stream, tmp_path: Path) -> None:
    explanation, snapshot = explained(REGISTERED, told, "enterprise/works", "avg.so2", HOUR)
    assert "only a meter that is a gauge has an average" in words(explanation)
    assert "spans.csv" not in write_evidence(tmp_path / "evidence", snapshot, explanation)
