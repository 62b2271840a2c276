"""The pages say what the code says: settings, codes, links, the same commands in both languages."""

import re
from pathlib import Path
from typing import get_args

import pytest

from schemas.settings import Settings
from schemas.topics import TOPICS
from services.command.serving import Role
from streams.domain.counting import Code

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/**/*.md")])


def settings_table() -> str:
    """The table of operate.md, made from the settings themselves."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `QINGYU_{name.upper()}` | {default} | {meaning} |")
    return "\n".join(rows)


def test_the_operators_page_lists_every_setting_with_its_default():
    # When this fails, put what settings_table() returns into the page.
    assert settings_table() in (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def test_the_operators_page_names_every_process_and_topic():
    text = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    assert not [role.value for role in Role if f"| {role.value} |" not in text]
    assert not [topic.name for topic in TOPICS if f"`{topic.name}`" not in text]


def test_the_page_for_enterprises_explains_every_code():
    text = (ROOT / "docs" / "push.md").read_text(encoding="utf-8")
    assert not [code for code in get_args(Code) if f"`{code}`" not in text]


def test_both_readmes_give_the_same_commands():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert _commands(english) == _commands(chinese)
    assert len(_commands(english)) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def _commands(text: str) -> list[str]:
    blocks = re.findall(r"```(?:sh|json)\n(.*?)```", text, re.DOTALL)
    # Remarks are in the page's own language, the installing line is prose.
    return [re.sub(r" +#.*", "", block) for block in blocks] + re.findall(r"`(apt-get .*?)`", text)
