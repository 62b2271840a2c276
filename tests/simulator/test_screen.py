"""The demo's screen in terminals of several sizes: whole names, whole figures, and the way out in sight."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from services.simulator.overview import ALARMS_SHOWN, ENDED_SHOWN, Held, Line, Overview, alarms_shown
from services.simulator.screen import Footer, plain_lines, save_picture, screen
from services.simulator.stack import Health

CITY = {
    "city/bazhong": "Bazhong (demo)",
    "county/bazhou": "Bazhou",
    "county/nanjiang": "Nanjiang",
    "park/bz-edz": "Demo development zone",
    "park/nj-materials": "Demo materials park",
}
ENTERPRISES = {f"enterprise/e{number}": f"Demo Enterprise {number:02}" for number in range(12)}
NAMES = CITY | ENTERPRISES
HINT = """board http://127.0.0.1:8000/login#token=0123456789abcdefghijkl
mails http://127.0.0.1:8025/  settings: . var/demo.env  Ctrl-C ends it"""
TIERS = (("advanced", 80.0), ("access", 87.0), ("limit", 94.0))


def _line(entity: str, name: str) -> Line:
    day = {"start": "2018-03-24", "value": 4677.1, "missing": 0.106}
    month = {"start": "2018-03", "value": 734_600.0, "missing": 0.1}
    points = {metric: {"day": day, "month": month} for metric in ("energy.cv", "energy.eq", "co2.total")}
    held = Held({"start": "2018-02", "value": 90.0}, "kgce/t", TIERS) if entity in ENTERPRISES else None
    return Line(entity, name, points, {"start": "2018-03-24T15", "value": 288.4}, held)


def _alarm(day: int) -> dict[str, object]:
    return {
        "condition": "ok", "rule": "hourly-peak", "tier": None, "entity": "enterprise/bz-steel",
        "start": f"2018-03-{day:02}T14", "value": "466.56", "unit": "kWh", "limit": "400",
    }  # fmt: skip


OVERVIEW = Overview(
    lines=tuple(_line(entity, name) for entity, name in NAMES.items()),
    alarms=tuple(_alarm(day) for day in range(23, 15, -1)),
    firing=0,
)
FOOTER = Footer(
    1_521_878_460_000,
    [Health(name, "ready", 0) for name in ("api", "gateway", "worker", "territory", "sink", "ticker", "notifier")],
    46_972, 0, "", HINT,
)  # fmt: skip


def _shown(columns: int, rows: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=columns, height=rows, force_terminal=True, color_system=None)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(screen(OVERVIEW, FOOTER, rows), refresh=True)
        return file.getvalue()


@pytest.mark.parametrize(("columns", "rows"), [(80, 28), (100, 30), (132, 40), (200, 50)])
def test_every_entity_is_named_and_every_figure_is_whole(columns: int, rows: int):
    shown = _shown(columns, rows)
    for name in NAMES.values():
        assert name in shown
    table = shown.partition("alarms:")[0]
    assert "734.6" in table
    assert "…" not in table


def test_an_ordinary_terminal_names_the_city_and_every_enterprise_and_an_alarm():
    shown = _shown(80, 24)
    for name in (CITY["city/bazhong"], *ENTERPRISES.values()):
        assert name in shown
    assert "hourly-peak" in shown


def test_a_low_terminal_says_how_many_enterprises_it_leaves_out():
    shown = _shown(80, 16)
    left_out = sum(name not in shown for name in ENTERPRISES.values())
    assert 0 < left_out < len(ENTERPRISES)
    assert f"and {left_out} more" in shown


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 24), (80, 16), (80, 12)])
def test_the_way_out_is_in_sight(columns: int, rows: int):
    assert "Ctrl-C" in _shown(columns, rows)


def test_a_wide_and_high_terminal_shows_everything():
    shown = _shown(200, 50)
    assert "2018-02: 90.0 kgce/t, above access 87" in shown
    assert shown.count("hourly-peak") == 8


def test_a_low_terminal_shows_the_newest_alarms():
    shown = _shown(80, 28)
    assert "2018-03-23T14" in shown
    assert "2018-03-16T14" not in shown


def test_a_process_that_is_away_is_named():
    away = Footer(FOOTER.now_ms, [*FOOTER.healths[1:], Health("worker", "away", 2)], 1, 0, "", HINT)
    assert "worker away (2 restarts)" in plain(away)
    assert "7 processes ready" in plain(FOOTER)


@pytest.mark.parametrize(("value", "said"), [(79.0, "within advanced 80"), (94.5, "above limit 94"), (81, "above adv")])
def test_an_intensity_stands_against_the_highest_tier_it_passed(value: float, said: str):
    line = _line("enterprise/e1", "One")
    held = Held({"start": "2018-02", "value": value}, "kgce/t", TIERS)
    (shown,) = [text for text in plain_lines(Overview((replace(line, held=held),), (), 0), FOOTER) if "e1" in text]
    assert said in shown


def test_a_saved_picture_shows_no_token_and_loads_nothing(tmp_path: Path):
    save_picture(OVERVIEW, FOOTER, tmp_path / "screen.svg")
    text = (tmp_path / "screen.svg").read_text()
    assert "0123456789" not in text
    assert "8025" in text
    assert "url(http" not in text


def plain(footer: Footer) -> str:
    file = io.StringIO()
    Console(file=file, width=200).print(screen(OVERVIEW, footer))
    return file.getvalue()


def test_however_many_alarms_are_firing_the_last_to_end_are_shown():
    firing = [{"id": f"f{at}", "severity": "critical", "condition": "firing", "known": at} for at in range(12)]
    ended = [{"id": f"e{at}", "severity": "info", "condition": "ok", "known": at} for at in range(12)]
    shown = [one["id"] for one in alarms_shown(firing, ended)]
    assert len(shown) == ALARMS_SHOWN
    assert shown[0] == "f11"
    assert shown[-ENDED_SHOWN:] == ["e11", "e10"]
    assert [one["id"] for one in alarms_shown(firing[:1], ended)] == ["f0", *(f"e{at}" for at in range(11, 4, -1))]
    assert len(alarms_shown(firing, [])) == ALARMS_SHOWN
