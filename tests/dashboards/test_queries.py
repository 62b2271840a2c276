"""Every query of every panel and variable gives rows on what the sink writes of the demo's city."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.files import HERE, load
from dashboards.names import CITY_UID, ENTERPRISE_UID
from schemas.series import FIELDS, TAGS
from schemas.windows import local_datetime
from tests.dashboards import seeding
from tests.dashboards.asking import Asker, Series, Value, options, put_in, targets
from tests.folding import instant

BOARDS = {uid: load(HERE / "json" / f"{uid}.json") for uid in (CITY_UID, ENTERPRISE_UID)}
RANGE = instant(seeding.REGISTERED), seeding.NOW_MS
CHOSEN = {
    "territory": seeding.CITY,
    "enterprise": seeding.STEEL,
    "metric": "energy.cv",
    "meter": "bz-steel.e01",
    "id": "bz-steel",
}
# What the two days of the steel works and their tonnes make.
STEEL_KGCE_PER_T = 98.32
QUERIES = [(uid, name, target) for uid, board in BOARDS.items() for name, target in targets(board)]


def chosen(asker: Asker, board: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a dashboard's variables, each asked for with those before it; of several all are taken."""
    values: dict[str, Value] = {}
    for variable in board["templating"]["list"]:
        text = put_in(variable["query"], *RANGE, values)
        offered = options(variable, asker.ask(variable["datasource"]["uid"], text))
        assert offered, f"variable {variable['name']} offers nothing: {text}"
        if variable["multi"]:
            values[variable["name"]] = list(offered)
        else:
            assert CHOSEN[variable["name"]] in offered, offered
            values[variable["name"]] = CHOSEN[variable["name"]]
    return values


@pytest.fixture(scope="module")
def values(asker: Asker) -> dict[str, dict[str, Value]]:
    return {uid: chosen(asker, board) for uid, board in BOARDS.items()}


def answer(asker: Asker, target: Mapping[str, Any], values: Mapping[str, Value]) -> list[Series]:
    return asker.ask(target["datasource"]["uid"], put_in(target["query"], *RANGE, values))


@pytest.mark.parametrize(("uid", "name", "target"), QUERIES, ids=[f"{uid} {name}" for uid, name, _ in QUERIES])
def test_a_query_gives_numbers_and_keeps_its_groups(asker: Asker, values: Any, uid: str, name: str, target: Any):
    found = answer(asker, target, values[uid])
    rows = [row for series in found for row in series.rows]
    assert rows, f"no rows: {put_in(target['query'], *RANGE, values[uid])}"
    groups = re.search(r"GROUP BY ([^()]*?)( fill\(\w+\))?$", re.sub(r"time\([^)]*\)(, )?", "", target["query"]))
    wanted = set(re.findall(r'"(\w+)"', groups[1])) if groups else set()
    assert all(set(series.tags) == wanted for series in found)
    # A table has its tags as columns.
    tags = {"time", *TAGS[re.findall(r'FROM "(\w+)"', target["query"])[0]]}
    numbers = [value for row in rows for column, value in row.items() if column not in tags and value is not None]
    assert numbers
    assert all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)


def test_variables_show_enterprises_by_name_and_the_enterprises_of_a_territory_only(asker: Asker):
    board = BOARDS[ENTERPRISE_UID]
    enterprise = next(one for one in board["templating"]["list"] if one["name"] == "enterprise")

    def offered(territory: str) -> dict[str, str]:
        text = put_in(enterprise["query"], *RANGE, {"territory": territory})
        return options(enterprise, asker.ask(enterprise["datasource"]["uid"], text))

    assert offered(seeding.CITY)[seeding.STEEL] == "示范钢厂"
    assert seeding.STEEL not in offered("park/nj-materials")


def test_meters_are_those_of_the_enterprise(asker: Asker, values: Any):
    variable = next(one for one in BOARDS[ENTERPRISE_UID]["templating"]["list"] if one["name"] == "meter")
    text = put_in(variable["query"], *RANGE, values[ENTERPRISE_UID])
    found = options(variable, asker.ask(variable["datasource"]["uid"], text))
    assert found
    assert all(meter.startswith("bz-steel.") for meter in found)


@pytest.mark.parametrize(
    "target", [one for _, name, one in QUERIES if "value" in one["query"]], ids=lambda one: one["query"]
)
def test_no_query_of_a_window_reads_a_value_that_is_not_present(target: Any):
    if re.search(r'FROM "(hour|day|month|quarter|year)"', target["query"]) and '"value"' in target["query"]:
        assert '"present" = 1' in target["query"]


def test_an_hour_that_was_taken_back_is_not_drawn_although_the_store_holds_its_old_value(asker: Asker, values: Any):
    (target,) = [one for uid, name, one in QUERIES if uid == ENTERPRISE_UID and name == "逐时 By hour A"]
    found = answer(asker, target, {**values[ENTERPRISE_UID], "enterprise": seeding.UNIVERSITY})
    hours = {f"{local_datetime(row['time']):%Y-%m-%dT%H}": row["value"] for row in found[0].rows}
    assert seeding.TAKEN_BACK not in hours
    assert hours["2018-03-03T09"] > 0
    stale = target["query"].replace(' AND "present" = 1', "")
    text = put_in(stale, *RANGE, {**values[ENTERPRISE_UID], "enterprise": seeding.UNIVERSITY})
    assert instant(seeding.TAKEN_BACK + ":00") in [row["time"] for row in asker.ask("qingyu-hour", text)[0].rows]


def test_a_silent_enterprise_has_no_energy_today_and_its_missing_share_is_whole(asker: Asker, values: Any):
    (panel,) = [one for one in BOARDS[CITY_UID]["panels"] if one["id"] == 32]
    cells: dict[str, dict[str, Any]] = {}
    for target in panel["targets"]:
        for series in answer(asker, target, values[CITY_UID]):
            for row in series.rows:
                cell = row | series.tags
                cells.setdefault(cell["entity"], {}).update(cell)
    assert cells[seeding.SILENT]["name"] == "示范医院"
    assert "cv" not in cells[seeding.SILENT]
    assert cells[seeding.SILENT]["missing"] == 1
    assert cells[seeding.STEEL]["cv"] > 0


def test_a_share_exists_only_of_a_positive_limit(asker: Asker, values: Any):
    (target,) = [one for uid, name, one in QUERIES if uid == ENTERPRISE_UID and name.startswith("占限值的份额")]
    assert re.search(r'"limit" > 0', target["query"])
    found = {series.tags["rule"]: series.rows[-1]["share"] for series in answer(asker, target, values[ENTERPRISE_UID])}
    assert found["steel-limit"] == pytest.approx(STEEL_KGCE_PER_T / 94)


def test_the_open_alarms_are_counted_and_listed(asker: Asker, values: Any):
    (count,), (table,) = (
        [target for panel in BOARDS[CITY_UID]["panels"] if panel["id"] == id_ for target in panel["targets"]]
        for id_ in (15, 52)
    )
    (listed,) = (series.rows for series in answer(asker, table, values[CITY_UID]))
    assert answer(asker, count, values[CITY_UID])[0].rows[0]["open"] == len(listed) >= 2
    rules = {row["rule"]: row for row in listed if row["entity"] == seeding.STEEL}
    assert rules["steel-limit"]["tier"] == 3
    assert rules["steel-limit"]["margin"] == pytest.approx(94 - STEEL_KGCE_PER_T)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"{uid} {name}", target["query"]) for uid, name, target in QUERIES),
        *(
            (f"{uid} {one['name']}", one["query"])
            for uid, board in BOARDS.items()
            for one in board["templating"]["list"]
        ),
    ],
)
def test_a_query_names_only_what_the_series_contract_has(name: str, text: str):
    (measurement,) = set(re.findall(r'FROM "(\w+)"', text))
    made = set(re.findall(r'AS "([^"]+)"', text))
    names = set(re.findall(r'"([^"]+)"', text)) - made - {measurement}
    assert names <= {*TAGS[measurement], *FIELDS[measurement]}
