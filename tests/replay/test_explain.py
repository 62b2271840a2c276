"""`qingyu explain`: the tree behind a number, and evidence that adds up without our code."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.messages import CalendarDocument
from tests.folding import value_of
from tests.replay.by_hand import recomputed
from tests.replay.conftest import COUNTY, Running
from tests.replay.test_replay import altered, write
from tests.running import totals

DAY = "2026-03-30"


def explained(running: Running, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Return the exit status and what is told as JSON."""
    result = running.qingyu("explain", *arguments, "--json")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def said(running: Running) -> dict[str, CalendarDocument]:
    """What stands in topic totals."""
    return totals(running.settings)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("qty.electricity", f"{DAY}T10"),
        ("energy.cv", f"{DAY}T20"),
        ("co2.total", "2026-03"),
        ("ind.intensity", "2026-03"),
    ],
)
def test_the_evidence_of_a_number_adds_up_to_it_without_our_code(
    running: Running, said: dict[str, CalendarDocument], tmp_path: Path, metric: str, name: str
) -> None:
    folder = tmp_path / "evidence"
    status, told = explained(running, "enterprise/works", metric, name, "--evidence", folder)
    expected = value_of(said, metric, name, "enterprise/works")
    assert (status, told["same"], Decimal(told["computed"]["value"])) == (0, True, expected)
    assert recomputed(folder, metric) == expected
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False).returncode == 0


def test_an_hour_is_shown_down_to_the_readings_in_both_languages(running: Running) -> None:
    result = running.qingyu("explain", "enterprise/works", "energy.cv", f"{DAY}T20")
    assert result.exit_code == 0, result.output
    for text in (
        f"enterprise/works energy.cv {DAY}T20: coal equivalent by calorific value 当量值 = 37.025208 kgce",
        "2027.52 kWh × 0.1229 kgce/kWh = 249.182208 exactly 精确值, rounded 修约 249.182208",
        "source 来源: GB/T 2589-2020 demo",
        "+ meter 计量点 r01 (input 输入, register) = 219.6 kWh",
        "(1965.48 - 1958.16) kWh × 30 kWh/kWh = 219.6 kWh",
        "- meter 计量点 s01 (output 输出, interval) = -1650 kg",
        "missing 缺失 2700 s",
        "the series says the same 与序列一致",
    ):
        assert text in result.output


def test_a_territory_is_shown_by_its_members(running: Running, said: dict[str, CalendarDocument]) -> None:
    status, told = explained(running, COUNTY, "qty.electricity", "2026-03")
    members = {each["label"]: each.get("value") for each in told["tree"]["children"]}
    assert (status, told["same"]) == (0, True)
    assert Decimal(told["computed"]["value"]) == value_of(said, "qty.electricity", "2026-03", COUNTY)
    assert Decimal(members["enterprise/works"]) * 2 == Decimal(told["computed"]["value"])
    assert "without a value 无值: smelter" in members


def test_a_number_that_the_series_has_otherwise_is_told_with_status_one(
    running: Running, said: dict[str, CalendarDocument]
) -> None:
    document = said[f"meter/works.e01|{DAY}"]
    write(running, altered(document, "qty.electricity", 5))
    result = running.qingyu("explain", "meter/works.e01", "qty.electricity", f"{DAY}T05")
    write(running, document)
    assert result.exit_code == 1
    assert "DIFFERENT 不一致: the series says" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("enterprise/works", "qty.gold", DAY), "qty.gold"),
        (("enterprise/works", "ind.nothing", DAY), "ind.nothing"),
        (("enterprise/works", "qty.electricity", "today"), "'today' names no window"),
        (("meter/works.e01", "qty.electricity", "2026-03"), "a meter has hours and days"),
    ],
)
def test_what_does_not_exist_is_wrong_use(running: Running, arguments: tuple[str, ...], says: str) -> None:
    result = running.qingyu("explain", *arguments)
    assert (result.exit_code, says in result.output) == (2, True), result.output
