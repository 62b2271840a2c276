"""A table of the board shows what stands below each other: districts, enterprises, meters, the hours of a day."""

from collections.abc import Sequence

from schemas.windows import DAY_MS
from services.console.coverage import coverage
from services.console.moment import PERIODS, Moment
from services.console.numerals import amount, column, number, unit_text, window_text
from services.console.rendering import piece
from services.console.subject import CARBON, ENERGY, EQUIVALENT, MeterFacts, Subject
from services.console.trend import HOURS, shape


def member_rows(moment: Moment) -> dict[str, str]:
    """Return the cells of districts and enterprises: weather, energy, emissions, coverage.

    Keys are `ENTITY/weather`, `ENTITY/hour` and so on; both tables write a column alike.
    """
    subject = moment.subject
    found: dict[str, str] = {}
    for entities in ([one.key for one in subject.districts], [one.thing.key for one in subject.members]):
        for period in PERIODS:
            main = column(moment.value(period, one, ENERGY) for one in entities)
            second = column(moment.value(period, one, EQUIVALENT) for one in entities)
            for entity, cv, eq in zip(entities, main, second, strict=True):
                found[f"{entity}/{period}"] = piece("two", cv, eq)
        day = column(moment.value("day", one, CARBON) for one in entities)
        year = column(moment.value("year", one, CARBON) for one in entities)
        for entity, today, this_year in zip(entities, day, year, strict=True):
            found[f"{entity}/carbon"] = piece("two", today, this_year)
            found[f"{entity}/weather"] = piece("weather", moment.words, moment.weathers[entity])
            found[f"{entity}/coverage"] = piece("share", moment.words, moment.coverage("day", entity))
            runs = shape(moment.gathered.slow.shapes.get(entity, ()), moment.gathered.now_ms - DAY_MS)
            found[f"{entity}/shape"] = piece("shape", [_path(run) for run in runs if len(run) > 1])
    return found


def _path(run: list[tuple[float, float]]) -> str:
    """Return a run of points in a box of 1 by 1 as the points of a line in one of 100 by 24, with a margin of 2."""
    return " ".join(f"{x * 100:.0f},{22 - y * 20:.0f}" for x, y in run)


def meter_rows(moment: Moment) -> dict[str, str]:
    """Return the cells of an enterprise's meters: this hour's and today's quantity, coverage, and whether silent."""
    found: dict[str, str] = {}
    for meter in moment.subject.meters:
        key = meter.thing.key
        for period in ("hour", "day"):
            found[f"{key}/{period}"] = number(_quantity(moment, meter, period))
        point = moment.point("day", key, meter.metric)
        found[f"{key}/coverage"] = piece("share", moment.words, coverage(point))
        found[f"{key}/state"] = piece("meter_state", moment.words, key in moment.gathered.slow.silent)
    return found


def meter_tiles(moment: Moment) -> dict[str, str]:
    """Return the tiles of a meter's page."""
    found: dict[str, str] = {}
    for meter in moment.subject.meters:
        for period in ("hour", "day"):
            point = moment.point(period, meter.thing.key, meter.metric)
            each = moment.window(period)
            found[f"tile/{period}"] = piece(
                "meter_tile",
                moment.words,
                period,
                window_text(each),
                each.end_ms > moment.gathered.now_ms,
                amount(_quantity(moment, meter, period), meter.unit),
                coverage(point),
            )
        silent = meter.thing.key in moment.gathered.slow.silent
        found["state"] = piece("meter_state", moment.words, silent)
    return found


def hour_rows(moment: Moment) -> dict[str, str]:
    """Return the cells of the table beside the day's curve: `h/07/today` and `h/07/yesterday`."""
    divisor = 1.0 if moment.subject.kind == "meter" else 1000.0
    found: dict[str, str] = {}
    for name, points in (("today", moment.trend.today), ("yesterday", moment.trend.yesterday)):
        values: Sequence[float | None] = [
            None if one is None or one.value is None else one.value / divisor for one in points
        ]
        for hour, text in zip(range(HOURS), column(values), strict=True):
            found[f"h/{hour:02}/{name}"] = text
    return found


def chart_unit(subject: Subject) -> str:
    """Return the unit of the day's curve."""
    if subject.kind == "meter":
        return unit_text(subject.meters[0].unit) if subject.meters else ""
    return "tce"


def _quantity(moment: Moment, meter: MeterFacts, period: str) -> float | None:
    point = moment.point(period, meter.thing.key, meter.metric)
    return None if point is None else point.value
