"""The demo's screen in terminals of several sizes: whole names, whole figures, and the way out in sight."""

import io

import pytest
from rich.console import Console
from rich.live import Live

from services.simulator.board import Board, Line
from services.simulator.screen import Footer, screen
from services.simulator.stack import Health

NAMES = {
    "city/bazhong": "Bazhong (demo)",
    "county/nanjiang": "Nanjiang",
    "park/bz-edz": "Demo development zone",
    "enterprise/bz-steel": "Demo Steel",
    "enterprise/bz-heat": "Demo Heat Supply",
}
HINT = "http://127.0.0.1:8000/docs  http://127.0.0.1:8001/docs  addresses and token: . var/demo.env  Ctrl-C ends it"


def _line(entity: str, name: str) -> Line:
    day = {"start": "2018-03-24", "value": 4677.1, "missing": 0.106}
    month = {"start": "2018-03", "value": 734_600.0, "missing": 0.1}
    points = {metric: {"day": day, "month": month} for metric in ("energy.cv", "energy.eq", "co2.total")}
    points["ind.steel-intensity"] = {"month": {"start": "2018-02", "value": 90.0, "missing": 0.0}}
    return Line(entity, name, points, {"start": "2018-03-24T15", "value": 288.4})


def _alarm(day: int) -> dict[str, object]:
    return {
        "condition": "ok", "rule": "hourly-peak", "tier": None, "entity": "enterprise/bz-steel",
        "start": f"2018-03-{day:02}T14", "value": "466.56", "unit": "kWh", "limit": "400",
    }  # fmt: skip


BOARD = Board(
    lines=tuple(_line(entity, name) for entity, name in NAMES.items()),
    tiers=(("advanced", 80.0), ("access", 87.0), ("limit", 94.0)),
    alarms=tuple(_alarm(day) for day in range(23, 15, -1)),
    firing=0,
)
FOOTER = Footer(
    1_521_878_460_000,
    [Health(name, "ready", 0) for name in ("api", "gateway", "worker", "territory", "sink", "ticker")],
    46_972, 0, "", HINT,
)  # fmt: skip


def _shown(columns: int, rows: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=columns, height=rows, force_terminal=True, color_system=None)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(screen(BOARD, FOOTER, rows), refresh=True)
        return file.getvalue()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (132, 40), (200, 50)])
def test_every_entity_is_named_and_every_figure_is_whole(columns: int, rows: int):
    shown = _shown(columns, rows)
    for name in NAMES.values():
        assert name in shown
    table = shown.partition("alarms:")[0]
    assert "734.6" in table
    assert "…" not in table


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 24), (80, 16)])
def test_the_way_out_is_in_sight(columns: int, rows: int):
    assert "Ctrl-C" in _shown(columns, rows)


def test_a_wide_and_high_terminal_shows_everything():
    shown = _shown(200, 50)
    assert "2018-02: 90.0 kgce/t, above access 87" in shown
    assert shown.count("hourly-peak") == 8


def test_a_low_terminal_shows_the_newest_alarms():
    shown = _shown(80, 20)
    assert "2018-03-23T14" in shown
    assert "2018-03-16T14" not in shown
