"""The pages of the field: each holds as it is told and in any other order, and none would hold with another digit."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.documents import Document
from schemas.scenarios import digits_of, parse_worth
from services.command.document_files import FileFault
from services.scenarios.files import Story, read_stories
from services.scenarios.live import scenes_of
from services.scenarios.playing import play, play_shuffled
from services.scenarios.telling import Chapter, Expectation, Teller
from streams.domain.registration import Accepted, register

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
STORIES, FAULTS = read_stories([FOLDER])


def chapters_of(story: Story) -> list[Chapter]:
    teller = Teller(story)
    assert teller.tell(), teller.faults
    return teller.chapters


def fault_of(path: Path, text: str) -> FileFault:
    """Return the one fault of a page with this text, beside the bases."""
    page = path / "page.yaml"
    page.write_text(text.replace("base.yaml", str(FOLDER / "base.yaml")), encoding="utf-8")
    stories, faults = read_stories([page])
    for story in stories:
        teller = Teller(story)
        teller.tell()
        faults += teller.faults
    (fault,) = faults
    return fault


pages = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.scenario.scenario)


def test_every_file_is_a_page_or_a_base() -> None:
    assert FAULTS == []
    assert len(STORIES) > 30


@pages
def test_the_page_holds_and_would_not_with_another_last_digit(story: Story) -> None:
    chapters = chapters_of(story)
    both = [
        replace(chapter, expectations=(*chapter.expectations, *map(altered, chapter.expectations)))
        for chapter in chapters
    ]
    wrong = [f"{story.page.line_of(each.path)} {each.metric}" for chapter in chapters for each in chapter.expectations]
    assert [f"{each.line} {each.metric}" for each in play(story, both).differences] == wrong


@pages
def test_the_page_holds_in_another_order_split_and_twice(story: Story) -> None:
    assert [str(each) for each in play_shuffled(story, chapters_of(story), 1).differences] == []


def test_all_pages_can_be_told_in_one_installation() -> None:
    registered: dict[str, Document] = {}
    for scene in scenes_of([(story, chapters_of(story)) for story in STORIES]):
        for documents in (scene.documents, scene.endings):
            found = register(registered, documents)
            assert isinstance(found, Accepted), (STORIES[scene.number].page.file, found)
            registered.update({str(each.key): each for each in found.documents})


def altered(expectation: Expectation) -> Expectation:
    if expectation.metric == "status":
        return expectation._replace(text="settled" if expectation.text != "settled" else "revised")
    worth = parse_worth(expectation.text)
    first, _, rest = expectation.text.partition(" ")
    if worth.value is None:
        return expectation._replace(text=f"0 {rest}")
    other = worth.value + Decimal(1).scaleb(-digits_of(worth.value))
    return expectation._replace(text=f"{other} {expectation.text[len(first) :]}")


@pages
def test_the_page_says_what_it_is_about_and_is_short(story: Story) -> None:
    assert story.scenario.title.zh
    assert story.scenario.title.en
    assert story.scenario.why
    assert story.scenario.scenario == Path(story.page.file).stem
    assert len(Path(story.page.file).read_text(encoding="utf-8").splitlines()) <= 50


def test_the_page_of_the_documentation_holds(tmp_path: Path) -> None:
    text, *_ = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8"), re.DOTALL)
    page = tmp_path / "my-page.yaml"
    page.write_text(text.replace("../tests/scenarios", str(FOLDER)), encoding="utf-8")
    (story,), faults = read_stories([page])
    assert faults == []
    assert play(story, chapters_of(story)).differences == ()


GOOD = """\
scenario: page
extends: base.yaml
registry:
  - {kind: meter, id: works.e01, spec: {type: register}}
story:
  - at: 2026-03-02T12:00
    readings:
      e01: {08:00: 100, 09:00: 110}
    expect:
      works:
        T08: {qty.electricity: 10}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("type: register", "type: clock", 4, "unknown_type"),
        ("type: register", "type: register, colour: red", 4, "unknown_field"),
        ("works.e01, spec", "works.e01, valid_from: 2026-13-01, spec", 4, "bad_value"),
        ("kind: meter", "kind: [meter]", 4, "not_a_document"),
        ("id: works.e01", "name: e01", 4, "not_a_document"),
        ("at: 2026-03-02T12:00", "at: noon", 6, "bad_time"),
        ("at: 2026-03-02T12:00", "at: 08:00", 6, "bad_time"),
        ("at: 2026-03-02T12:00", "at: 2026-02-30", 6, "bad_time"),
        ("at: 2026-03-02T12:00\n    ", "", 6, "missing"),
        ("readings:", "reedings:", 7, "unknown_field"),
        ("e01: {08", "e09: {08", 8, "unknown_meter"),
        ("09:00: 110", "25:00: 110", 8, "bad_time"),
        ("09:00: 110", "09:00..10:00: 110", 8, "bad_time"),
        ("09:00: 110", "09:00..08:00/15min: 110", 8, "bad_time"),
        ("09:00: 110", "09:00..10:00/7min: 110", 8, "bad_time"),
        ("09:00: 110", "09:00..10:00/1h: [1, 2, 3]", 8, "bad_run"),
        ("09:00: 110", "09:00: much", 8, "bad_value"),
        ("09:00: 110", "09:00: 110 kWh gone", 8, "bad_value"),
        ("09:00: 110", "09:00: void estimated", 8, "bad_value"),
        ("09:00: 110", "09:00: true", 8, "bad_value"),
        ("09:00: 110", "08:00: 110", 8, "duplicate_field"),
        ("      works:\n", "      other:\n", 10, "unknown_entity"),
        ("      works:\n", "      park/none:\n", 10, "unknown_entity"),
        ("T08:", "T24:", 11, "bad_window"),
        ("T08:", "2026-Q5:", 11, "bad_window"),
        ("      works:\n        T08:", "      e01:\n        2026-03:", 11, "bad_window"),
        ("qty.electricity", "qty.coal", 11, "unknown_metric"),
        ("qty.electricity", "electricity", 11, "unknown_metric"),
        ("qty.electricity", "ind.none", 11, "unknown_metric"),
        ("electricity: 10", "electricity: 10 m3", 11, "unit_mismatch"),
        ("electricity: 10", "electricity: ten", 11, "bad_value"),
        ("electricity: 10", "electricity: 10 measured 75", 11, "bad_value"),
        ("electricity: 10", "status: open", 11, "bad_value"),
        ("extends: base.yaml", "extends: nowhere.yaml", 2, "bad_base"),
        ("scenario: page", "scenario: A page", 1, "bad_id"),
    ],
)  # fmt: skip
def test_a_wrong_page_is_refused_with_its_line(old: str, new: str, line: int, code: str, tmp_path: Path) -> None:
    assert old in GOOD
    fault = fault_of(tmp_path, GOOD.replace(old, new, 1))
    assert (fault.line, fault.code) == (line, code)
    assert fault.message


def test_a_page_that_expects_nothing_is_refused(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, GOOD[: GOOD.index("    expect")])
    assert (fault.line, fault.code) == (5, "nothing_expected")


def test_a_clock_that_goes_back_is_refused(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, GOOD + "  - at: 2026-03-01T12:00\n")
    assert fault.code == "not_sorted"
    assert "2026-03-01T12:00 stands after 2026-03-02T12:00" in fault.message


def test_a_registry_change_that_cannot_be_is_refused_with_its_line(tmp_path: Path) -> None:
    more = "  - at: 2026-03-03T12:00\n    registry:\n      - {kind: meter, id: works.e01, spec: {unit: m3}}\n"
    fault = fault_of(tmp_path, GOOD + more)
    assert (fault.line, fault.document) == (14, "meter/works.e01")


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("base.yaml", "b.yaml"), encoding="utf-8")
    (tmp_path / "b.yaml").write_text("scenario: b\nextends: a.yaml\n", encoding="utf-8")
    _, faults = read_stories([tmp_path])
    assert [each.code for each in faults] == ["bad_base"]
