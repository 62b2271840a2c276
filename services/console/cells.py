"""A cell is a piece of a page that changes while one looks: its key, and its content as HTML.

A page is drawn from the very cells that later replace its own, so it never shows two kinds of truth.
"""

from schemas.messages import Condition
from schemas.windows import HOUR_MS, window
from services.console.details import findings, readings, revisions, silent, standings
from services.console.moment import PERIODS, Moment
from services.console.numerals import change, date_text, instant_text, number, time_text, unit_text, window_text
from services.console.rendering import piece
from services.console.subject import CARBON, ENERGY, EQUIVALENT
from services.console.tables import hour_rows, member_rows, meter_rows, meter_tiles
from services.console.weather import BY_SEVERITY, Weather, counts


def cells(moment: Moment) -> dict[str, str]:
    """Return all cells of a page by key."""
    found = {**_clock(moment), **_alarms(moment), **hour_rows(moment), **_trend(moment)}
    kind = moment.subject.kind
    if kind == "territory":
        found |= {**_hero(moment), **_tiles(moment), **member_rows(moment), **standings(moment), **silent(moment)}
    elif kind == "enterprise":
        found |= {**_hero(moment), **_tiles(moment), **meter_rows(moment), **standings(moment), **findings(moment)}
        found |= revisions(moment)
    else:
        found |= {**meter_tiles(moment), **readings(moment), **findings(moment)}
    return found


def _clock(moment: Moment) -> dict[str, str]:
    now_ms = moment.gathered.now_ms
    return {"date": date_text(now_ms), "clock": time_text(now_ms)}


def _hero(moment: Moment) -> dict[str, str]:
    subject, words = moment.subject, moment.words
    found = moment.weathers[subject.thing.key]
    others = counts(moment.weathers[one.thing.key] for one in subject.members)
    return {"hero": piece("hero", words, found, others if subject.kind == "territory" else [])}


def _tiles(moment: Moment) -> dict[str, str]:
    found: dict[str, str] = {}
    entity = moment.subject.thing.key
    for period in PERIODS:
        each = moment.window(period)
        running = each.end_ms > moment.gathered.now_ms
        found[f"tile/{period}"] = piece(
            "tile",
            moment.words,
            period,
            window_text(each),
            running,
            moment.amount(period, entity, ENERGY),
            moment.amount(period, entity, EQUIVALENT),
            moment.amount(period, entity, CARBON),
            moment.coverage(period, entity),
        )
    return found


def _trend(moment: Moment) -> dict[str, str]:
    found = moment.trend
    return {"trend": piece("trend", moment.words, found.ratio, change(found.ratio), found.compared)}


def _alarms(moment: Moment) -> dict[str, str]:
    words, gathered = moment.words, moment.gathered
    shown = [alarm_shown(moment, one) for one in gathered.alarms]
    count = f"{len(shown)}+" if gathered.more_alarms else str(len(shown))
    newest = moment.newest_alarm
    news = "" if newest is None else piece("news", words, alarm_shown(moment, newest), newest.known)
    return {"alarms": piece("alarms", words, shown), "alarms/count": count, "news": news}


def alarm_shown(moment: Moment, alarm: Condition) -> dict[str, object]:
    """Return an alarm as it is written: by names, numbers and times."""
    tier = None if alarm.tier is None else moment.words.known("tier", alarm.tier)
    period = moment.words("alarm.episode") if alarm.period == "episode" else window_text(window(alarm.start))
    return {
        "id": alarm.id,
        "rule": moment.rule_name(alarm.rule),
        "entity": moment.name_of(alarm.entity),
        "value": number(None if alarm.value is None else float(alarm.value)),
        "limit": number(None if alarm.limit is None else float(alarm.limit)),
        "unit": unit_text(alarm.unit),
        "tier": tier,
        "period": period,
        "since": instant_text(alarm.since),
        "severity": alarm.severity,
        "weather": BY_SEVERITY.get(alarm.severity, Weather.CLOUDY),
    }


def points(moment: Moment) -> dict[str, list[list[float | None]]]:
    """Return the points of the page's charts by chart: rows of an instant [epoch ms] and what is drawn there.

    `hours`: the value in the unit shown, and the missing share. `readings`: the value, and its quality (0: ok).
    """
    divisor = 1.0 if moment.subject.kind == "meter" else 1000.0
    found: dict[str, list[list[float | None]]] = {
        "hours": [
            [one.start_ms, None if one.value is None else one.value / divisor, one.missing]
            for one in moment.gathered.hours
        ]
    }
    if moment.subject.kind == "meter":
        found["readings"] = [
            [one.time_ms, None if one.void else one.value, float(one.quality)] for one in moment.gathered.readings
        ]
    return found


def spans(moment: Moment) -> dict[str, list[int]]:
    """Return from and to when [epoch ms] each chart reaches, and for `hours` where its day begins."""
    gathered = moment.gathered
    day_ms = gathered.day_ms
    found = {"hours": [day_ms - 24 * HOUR_MS, day_ms + 24 * HOUR_MS, day_ms]}
    if moment.subject.kind == "meter":
        first = gathered.readings[0].time_ms if gathered.readings else gathered.now_ms - 24 * HOUR_MS
        found["readings"] = [first, gathered.now_ms + HOUR_MS, day_ms]
    return found
