"""A screen is how an overview looks in the terminal: a table of entities, the alarms, and how the processes are.

It fits the terminal: columns that find no room are left out whole, and so are, in a low one, parks and counties, the
older alarms, and at last the enterprises that come last.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.windows import local_datetime
from services.simulator.overview import Line, Overview
from services.simulator.stack import Health

MISSING = "missing"
KG_PER_T = 1000
TENTHS_FROM = 20
_PICTURE_COLUMNS = 132
_FIGURES = (
    "hour\nkgce cv", "today\nkgce cv", "today\nkgce eq", "today\nmissing", "month\ntce cv", "month\ntce eq",
    "month\ntCO2", "intensity\nagainst its limit",
)  # fmt: skip
# Left out in this order where the terminal is narrow; what the intensity passes stands among the alarms, too.
_SPARED = (2, 5, 7, 4, 0)
# Left out together with the kinds before where the terminal is low.
_SPARED_KINDS = ((), ("park",), ("county",))
# The line that counts the alarms, and one alarm.
_ALARM_ROWS = 2
_INDENT = {"city": "", "county": "  ", "park": "  ", "enterprise": "    "}
_STYLE = {"ready": "green", "not ready": "yellow", "away": "yellow", "ended": "red"}


@dataclass(frozen=True, slots=True)
class Footer:
    """What stands below it: the clock [epoch ms], health, readings sent and refused, trouble, where to ask."""

    now_ms: int
    healths: Sequence[Health]
    sent: int
    refused: int
    trouble: str
    hint: str


def screen(overview: Overview | None, footer: Footer, rows: int | None = None) -> RenderableType:
    """Return the whole screen for a terminal of so many rows; without an overview, what is known of the processes."""
    title = f"Qingyu 晴雨   {local_datetime(footer.now_ms):%Y-%m-%d %H:%M} on the demo's clock"
    return Panel(_Content(overview, footer, None if rows is None else rows - 2), title=title, title_align="left")


@dataclass(frozen=True, slots=True)
class _Content:
    """What stands in the frame, made for the room that is there; the foot is never pushed out."""

    overview: Overview | None
    footer: Footer
    rows: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts from top to bottom."""
        foot: list[RenderableType] = [_processes(self.footer)]
        if self.footer.trouble:
            foot.append(Text(self.footer.trouble, style="yellow"))
        foot.append(Text(self.footer.hint, style="dim"))
        if self.overview is None:
            yield Group(Text("waiting for the first figures ..", style="dim"), *foot)
            return
        alarms = _alarms(self.overview)
        figures, taken = self._figures(self.overview.lines, foot, console, options)
        if self.rows is not None:
            alarms = alarms[: max(1, self.rows - taken)]
        yield Group(*figures, *alarms, *foot)

    def _figures(
        self, lines: Sequence[Line], foot: list[RenderableType], console: Console, options: ConsoleOptions
    ) -> tuple[list[RenderableType], int]:
        """Return the table of as many lines as find room beside the foot and an alarm, and the rows without alarms."""
        figures: list[RenderableType] = []
        taken = 0
        for spared in _SPARED_KINDS:
            lines = [line for line in lines if line.kind not in spared]
            figures = [_fitting(lines, console, options)]
            taken = len(console.render_lines(Group(*figures, *foot), options))
            if self.rows is None or taken + _ALARM_ROWS <= self.rows:
                return figures, taken
        # One row more goes to those that say how many are not shown.
        over = taken + _ALARM_ROWS + 1 - (self.rows or 0)
        shown = lines[: max(1, len(lines) - over)]
        more = Text(f"and {len(lines) - len(shown)} more: this terminal is too low", style="dim")
        return [_fitting(shown, console, options), more], taken - (len(lines) - len(shown)) + 1


def save_picture(overview: Overview | None, footer: Footer, file: Path) -> None:
    """Save the screen as an SVG that loads nothing from elsewhere and shows no token."""
    footer = replace(footer, hint=re.sub(r"#token=\S+", "#token=..", footer.hint))
    console = Console(record=True, width=_PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(screen(overview, footer))
    # Without rich's fonts, which a page would fetch from a server that is not ours.
    text = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo"), flags=re.DOTALL)
    file.write_text(text, encoding="utf-8")


def plain_lines(overview: Overview | None, footer: Footer) -> list[str]:
    """Return the same in a few plain lines, for where there is no terminal."""
    processes = " ".join(f"{one.name}={one.state.replace(' ', '-')}" for one in footer.healths)
    head = f"{local_datetime(footer.now_ms):%Y-%m-%dT%H:%M} sent={footer.sent} refused={footer.refused} {processes}"
    if overview is None:
        return [f"{head} no figures yet"]
    return [
        head,
        *(_plain_line(line) for line in overview.lines if line.kind in ("city", "enterprise")),
        f"  alarms firing: {overview.firing}",
        *(f"  {_alarm_text(one)}" for one in overview.alarms),
    ]


def _plain_line(line: Line) -> str:
    intensity = _intensity(line).plain
    return (
        f"  {line.entity}: hour {_number(line.hour_kgce, 1)} kgce, today {_kgce(line, 'day')} kgce, "
        f"month {_tonnes(line, 'energy.cv', 'month')} tce, {_tonnes(line, 'co2.total', 'month')} tCO2, "
        f"missing today {_missing(line)}" + (f", {intensity}" if intensity else "")
    )


def _fitting(lines: Sequence[Line], console: Console, options: ConsoleOptions) -> Table:
    """Return the table with as many columns as find room."""
    shown = list(range(len(_FIGURES)))
    table = _table(lines, shown)
    for spared in _SPARED:
        if Measurement.get(console, options.update(width=1000), table).maximum <= options.max_width:
            break
        shown.remove(spared)
        table = _table(lines, shown)
    return table


def _table(lines: Sequence[Line], shown: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("", no_wrap=True)
    for number in shown:
        justify = "left" if number == len(_FIGURES) - 1 else "right"
        table.add_column(_FIGURES[number], justify=justify, no_wrap=True)
    for line in lines:
        figures = (
            _number(line.hour_kgce, 1), _kgce(line, "day"), _kgce(line, "day", "energy.eq"), _missing(line),
            _tonnes(line, "energy.cv", "month"), _tonnes(line, "energy.eq", "month"),
            _tonnes(line, "co2.total", "month"), _intensity(line),
        )  # fmt: skip
        name = Text(_INDENT[line.kind] + line.name, style="bold" if line.kind == "city" else "")
        table.add_row(name, *(figures[number] for number in shown))
    return table


def _kgce(line: Line, window: str, metric: str = "energy.cv") -> str:
    return _number(line.value(metric, window), 1)


def _tonnes(line: Line, metric: str, window: str) -> str:
    value = line.value(metric, window)
    return _number(None if value is None else value / KG_PER_T, 1)


def _number(value: float | None, places: int) -> str:
    return MISSING if value is None else f"{value:,.{places}f}"


def _missing(line: Line) -> str:
    point = line.point("energy.cv", "day")
    share = None if point is None else point["missing"]
    return "?" if share is None else f"{share:.1%}"


def _intensity(line: Line) -> Text:
    if line.held is None:
        return Text("")
    value, tiers = float(line.held.point["value"]), line.held.tiers
    passed = [tier for tier in tiers if value > tier[1]]
    # Of what is 80 a tenth is enough to see, of what is 0.3 a hundredth.
    said = f"{line.held.point['start']}: {value:.{1 if value >= TENTHS_FROM else 2}f} {line.held.unit}"
    if not passed:
        return Text(f"{said}, within {tiers[0][0]} {tiers[0][1]:g}", style="green")
    tier, most = passed[-1]
    return Text(f"{said}, above {tier} {most:g}", style="red" if len(passed) == len(tiers) else "yellow")


def _alarms(overview: Overview) -> list[Text]:
    """Return a line that counts, and a line for each alarm; what is too long is cut rather than wrapped."""
    if not overview.alarms:
        return [Text("alarms: none so far", style="dim")]
    style = {"firing": "red", "established": "red", "ok": "green"}
    rows = [
        Text(_alarm_text(one), style=style.get(one["condition"], ""), no_wrap=True, overflow="ellipsis")
        for one in overview.alarms
    ]
    return [Text(f"alarms: {overview.firing} firing; the newest:", style="bold"), *rows]


def _alarm_text(alarm: dict[str, Any]) -> str:
    tier = f" {alarm['tier']}" if alarm["tier"] else ""
    return (
        f"{alarm['condition']:9} {alarm['rule']}{tier} {alarm['entity']} {alarm['start']}: "
        f"{_figure(alarm['value'])} {alarm['unit']} (limit {_figure(alarm['limit'])})"
    )


def _figure(text: str | None) -> str:
    return MISSING if text is None else f"{float(text):,.4g}" if len(text) > 8 else text


def _processes(footer: Footer) -> Text:
    text = Text()
    if all(one.state == "ready" and not one.restarts for one in footer.healths):
        text.append(f"{len(footer.healths)} processes ready  ", style=_STYLE["ready"])
    else:
        for one in footer.healths:
            restarted = f" ({one.restarts} restarts)" if one.restarts else ""
            text.append(f"{one.name} ").append(f"{one.state}{restarted}  ", style=_STYLE[one.state])
    return text.append(f"readings sent {footer.sent:,}, refused {footer.refused:,}", style="dim")
