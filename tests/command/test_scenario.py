"""`qingyu scenario run`: what holds, what differs and what is wrong, by exit status, text and JSON."""

import json
from pathlib import Path

from tests.command.conftest import Command

PAGES = Path(__file__).parents[1] / "scenarios"


def page_in(folder: Path, name: str, old: str = "", new: str = "") -> Path:
    """Return a copy of a page of the repository, changed in one place."""
    text = (PAGES / f"{name}.yaml").read_text(encoding="utf-8").replace("extends: ", f"extends: {PAGES}/")
    assert old in text
    page = folder / f"{name}.yaml"
    page.write_text(text.replace(old, new, 1), encoding="utf-8")
    return page


def test_pages_that_hold_exit_with_zero_and_a_summary(alone: Command) -> None:
    found = alone("scenario", "run", PAGES / "base.yaml", PAGES / "edge-split.yaml", PAGES / "void.yaml")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == "2 scenarios, 10 checks: all hold\n"


def test_a_digit_that_differs_is_told_with_its_line_and_both_numbers(alone: Command, tmp_path: Path) -> None:
    page = page_in(tmp_path, "edge-split", "qty.electricity: 7.5 ", "qty.electricity: 7.6 ")
    found = alone("scenario", "run", page)
    assert found.exit_code == 1
    difference, summary = found.stdout.splitlines()
    assert difference.startswith(
        f"{page}:15: 2026-03-02T12:00 enterprise/works 2026-03-02T08 qty.electricity: expected 7.6 kWh measured 75 %"
    )
    assert difference.endswith("found 7.5 kWh measured 75 % missing 25 %")
    assert summary == "1 of 1 scenarios differ, in 1 of 5 checks"


def test_in_json_each_difference_has_its_parts(alone: Command, tmp_path: Path) -> None:
    page = page_in(
        tmp_path, "edge-split", "2026-03-02: {qty.electricity: 10.01}", "2026-03-02: {qty.electricity: 10.02}"
    )
    found = alone("scenario", "run", page, PAGES / "void.yaml", "--json")
    assert found.exit_code == 1
    body = json.loads(found.stdout)
    assert (body["differ"], [one["holds"] for one in body["scenarios"]]) == (1, [False, True])
    assert body["scenarios"][0]["differences"] == [
        {
            "file": str(page), "line": 19, "at": "2026-03-02T12:00", "entity": "enterprise/works",
            "metric": "qty.electricity", "window": "2026-03-02", "expected": "10.02 kWh", "found": "10.01 kWh",
        }
    ]  # fmt: skip


def test_what_is_refused_without_being_expected_differs(alone: Command, tmp_path: Path) -> None:
    page = page_in(tmp_path, "wrong-clock-ahead", "    rejected: [future, future]\n")
    found = alone("scenario", "run", page)
    assert found.exit_code == 1
    assert "rejected: expected nothing, found future (the reading is of more than 5 minutes" in found.stdout


def test_a_wrong_file_is_refused_with_its_line_and_nothing_is_run(alone: Command, tmp_path: Path) -> None:
    page = page_in(tmp_path, "edge-split", "works.e01", "works.e02")
    found = alone("scenario", "run", page, PAGES / "void.yaml")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.splitlines() == [
        f"{page}:12: unknown_meter: story.0.readings.e01: no meter 'e01' is registered at this moment; there are "
        "meter/works.e02",
        "1 fault; nothing was run",
    ]


def test_a_folder_of_bases_alone_is_refused(alone: Command) -> None:
    found = alone("scenario", "run", PAGES / "base.yaml")
    assert found.exit_code == 2
    assert found.stderr == "error: no file tells a story: `story` is missing or empty in all of them\n"


def test_two_pages_of_one_name_are_refused(alone: Command, tmp_path: Path) -> None:
    found = alone("scenario", "run", PAGES / "void.yaml", page_in(tmp_path, "void"))
    assert found.exit_code == 2
    assert "duplicate" in found.stderr


def test_with_shuffle_the_same_pages_hold(alone: Command) -> None:
    found = alone("scenario", "run", PAGES / "out-of-order.yaml", "--shuffle", "5")
    assert found.exit_code == 0, found.stdout
