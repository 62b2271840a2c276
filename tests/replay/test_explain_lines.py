"""An explanation tells how a product line's energy came about: its own meters, the common energy, and the key."""

import csv
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from schemas.messages import CalendarDocument
from services.explain.asking import Explanation, Question
from services.explain.enterprise import EnterpriseExplainer
from services.explain.evidence import write_evidence
from services.explain.facts import Documents, EnterpriseFacts
from services.replay.held import Held
from streams.domain.registry import Snapshot
from tests.folding import REGISTRY, Stream, document, documents, meter, report, tick

LINES = (
    {"id": "iron", "meters": ["works.e02"], "share": "0.6", "products": [{"id": "pig-iron"}]},
    {"id": "steel", "share": "0.3", "products": [{"id": "crude-steel"}]},
)
BY_OUTPUTS = (
    {"id": "iron", "meters": ["works.e02"], "products": [{"id": "pig-iron"}]},
    {"id": "steel", "products": [{"id": "crude-steel", "weight": "3"}]},
)
REGISTERED = documents(
    REGISTRY, document("product", "pig-iron", unit="t"), meter("e01", step="1h"),
    meter("e02", step="1h", role="sub", parent="e01"),
    document("allocation", "a1", enterprise="works", key="shares", unallocated="0.1", source="paper 1", lines=[*LINES])
    + "valid_to: '2018-03-02'\n",
    document(
        "allocation", "a2", "2018-03-02", enterprise="works", key="outputs", source="paper 2", lines=[*BY_OUTPUTS]
    ),
)  # fmt: skip
DAY, NEXT = "2018-03-01", "2018-03-02"


@pytest.fixture(scope="module")
def told() -> Stream:
    stream = Stream(REGISTERED)
    stream.readings(
        *(("e01", f"{day}T{hour:02}:00", "10") for day in (DAY, NEXT) for hour in range(1, 5)),
        *(("e02", f"{day}T{hour:02}:00", "4") for day in (DAY, NEXT) for hour in range(1, 4)),
        ("e01", "2018-03-03T01:00", "10"), ("e02", "2018-03-03T01:00", "4"), received=0,
    )  # fmt: skip
    iron = msgspec.structs.replace(report(NEXT, "10"), metric="output.pig-iron")
    stream.step(iron, report(NEXT, "10"), tick("2018-03-04T00:00"))
    return stream


def explained(stream: Stream, metric: str, name: str) -> tuple[Explanation, Snapshot]:
    snapshot = Snapshot.build(1, REGISTERED)

    def stored(entity: str, period: str, *, series: bool = False) -> CalendarDocument | None:
        del series
        return stream.totals.get(f"{entity}|{period}")

    held = cast("Held", SimpleNamespace(store=stream.state, document=stored))
    facts, found = EnterpriseFacts(snapshot, "works", held), Documents(held)
    question = Question("enterprise/works", metric, name)
    said = found.fold(*question)
    tree = EnterpriseExplainer(facts, found).node(metric, name)
    return Explanation(question, snapshot.unit_of(metric), said, said, tree, facts, found, []), snapshot


def words(stream: Stream, metric: str, name: str) -> str:
    explanation, _ = explained(stream, metric, name)
    return "\n".join("\n".join((each.line, *each.notes)) for each in explanation.tree.walk())


def test_an_hour_tells_own_meters_common_energy_and_share(told: Stream) -> None:
    text = words(told, "energy.cv.line.iron", f"{DAY}T00")
    # 4 x 0.1229 + 0.6 x 6 x 0.1229
    assert "energy.cv.line.iron 2018-03-01T00: energy of a product line 产品线能耗 = 0.93404 kgce" in text
    assert "allocation 分摊办法: a1, key 分摊依据: shares; source 来源: paper 1" in text
    assert "its part 分摊所得 = 0.44244 kgce\n0.7374 × 6 / 10 (0.6)" in text
    assert "4 × 0.1229 = 0.4916 exactly" in text
    assert "meter 计量点 e02 (sub-meter 分表, interval) = 4 kWh" in text
    assert "measured 实测 100 %" in text


def test_an_hour_that_is_not_divided_tells_which_meter_lacks(told: Stream) -> None:
    text = words(told, "energy.cv.line.iron", f"{DAY}T03")
    assert "energy.cv.line.iron 2018-03-01T03: energy of a product line 产品线能耗 = no value" in text
    assert "所需计量点覆盖不全，该小时不分摊: e02" in text


def test_a_day_of_shares_is_the_sum_of_its_hours(told: Stream) -> None:
    assert "the sum of 3 of 24 hours" in words(told, "energy.cv.line.iron", DAY)


def test_by_outputs_a_window_tells_the_outputs_that_divide_it(told: Stream) -> None:
    text = words(told, "energy.cv.line.steel", NEXT)
    assert "2.2122 × 30000000 / 40000000 (0.75)" in text
    assert "enterprise/works output.crude-steel 2018-03-02: output 产量 = 10 t" in text
    assert "an hour is not divided" in words(told, "energy.cv.line.steel", f"{NEXT}T00")
    assert "no output is known of 缺少产量: crude-steel, pig-iron" in words(told, "energy.cv.line.iron", "2018-03-03")


def test_what_is_left_and_what_is_common_tell_their_difference(told: Stream) -> None:
    assert "energy.cv.own.iron 2018-03-01T00" in words(told, "energy.cv.common", f"{DAY}T00")
    assert "energy.cv.line.steel 2018-03-01:" in words(told, "energy.cv.unallocated", DAY)
    assert "the enterprise's energy less that of all lines" in words(told, "energy.cv.unallocated", DAY)


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("metric", "name", "windows"),
    [
        ("energy.cv.line.iron", DAY, [f"{DAY}T{hour:02}" for hour in range(3)]),
        ("energy.eq.product.crude-steel", NEXT, [NEXT]),
        ("energy.cv.product.pig-iron", "2018-03-01", [f"{DAY}T{hour:02}" for hour in range(3)]),
    ],
)
def test_the_evidence_of_a_line_is_checked_by_hand(
    told: Stream, tmp_path: Path, metric: str, name: str, windows: list[str]
) -> None:
    explanation, snapshot = explained(told, metric, name)
    folder = tmp_path / "evidence"
    write_evidence(folder, snapshot, explanation)
    rows = rows_of(folder, "lines.csv")
    mine = [row for row in rows if row["metric"] == metric]
    assert [row["window"] for row in mine] == windows
    assert sum(Decimal(row["energy"]) for row in mine) == told.value(metric, name)
    account = rows_of(folder, "account.csv")
    for row in rows:
        shared = int(Decimal(row["shared"]) * 10**6)
        low, high, whole = (int(row[each]) for each in ("from_weight", "to_weight", "whole"))
        part = Decimal(shared * high // whole - shared * low // whole).scaleb(-6)
        assert Decimal(row["energy"]) == Decimal(row["own"]) + part
        if ".line.iron" in row["metric"] and "T" in row["window"]:
            own = row["metric"].replace(".line.", ".own.")
            (found,) = [each for each in account if (each["hour"], each["metric"]) == (row["window"], own)]
            assert Decimal(found["rounded"]) == Decimal(row["own"]) and found["source"] == "demo"
    assert "kind: allocation" in (folder / "registry.yaml").read_text(encoding="utf-8")
    assert {row["meter"] for row in rows_of(folder, "hours.csv")} == {"e01", "e02"}
    assert f"rows of lines.csv with metric `{metric}`" in (folder / "README.md").read_text(encoding="utf-8")
