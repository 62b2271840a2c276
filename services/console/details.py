"""Details are what a page tells below its figures: standings, silent meters, findings, revisions, readings."""

from schemas.decimals import MICRO
from schemas.messages import QUALITIES, Cause, CausingBatch
from schemas.windows import window, window_at
from services.console.moment import Moment
from services.console.numerals import instant_text, number, percent, unit_text, window_text
from services.console.rendering import piece
from services.console.standing import Standing
from services.console.subject import Held
from services.console.weather import BY_SEVERITY, Weather

# The newest readings as a table, and so many silent meters by name.
READINGS_LISTED = 12
SILENT_LISTED = 12


def standings(moment: Moment) -> dict[str, str]:
    """Return the cell of the limits; on a territory's page those only of which a value is known."""
    every = moment.standings
    if moment.subject.kind == "territory":
        every = [one for one in every if one[1].value is not None]
    shown = [_standing(moment, held, standing) for held, standing in every]
    return {"standings": piece("standings", moment.words, shown, moment.subject.kind == "territory")}


def _standing(moment: Moment, held: Held, standing: Standing) -> dict[str, object]:
    words = moment.words
    ahead, margin, passed = standing.ahead, standing.margin, standing.passed
    marks: list[dict[str, object]] = []
    low = 0.0
    for tier in standing.tiers:
        at = standing.place(tier.max)
        marks.append(
            {
                "name": words.known("tier", tier.id),
                "text": number(tier.max),
                "from": round(low * 100, 2),
                "to": round(at * 100, 2),
                "passed": standing.value is not None and standing.value > tier.max,
            }
        )
        low = at
    value = standing.value
    return {
        "entity": moment.name(held.entity),
        "path": held.entity.path,
        "id": f"held-{held.entity.key}-{held.limit.key}".replace("/", "-"),
        "indicator": moment.name(held.indicator),
        "limit": moment.name(held.limit),
        "unit": unit_text(held.unit),
        "window": None if standing.window is None else window_text(standing.window),
        "value": None if value is None else number(value),
        "at": None if value is None else round(standing.place(value) * 100, 2),
        "marks": marks,
        "steps": [BY_SEVERITY.get(tier.severity, Weather.CLOUDY) for tier in standing.tiers],
        "weather": Weather.CLEAR if passed is None else BY_SEVERITY.get(passed.severity, Weather.CLOUDY),
        "passed": None if passed is None else words.known("tier", passed.id),
        "ahead": words.known("tier", ahead.id),
        "margin": None if margin is None else number(abs(margin)),
        "beyond": margin is not None and margin < 0,
        "last": words.known("tier", standing.tiers[-1].id),
        "share": None if standing.share is None else percent(standing.share),
    }


def silent(moment: Moment) -> dict[str, str]:
    """Return the cells of the silent meters."""
    slow = moment.gathered.slow
    owners = {one.thing.key.partition("/")[2]: moment.name(one.thing) for one in moment.subject.members}
    found = [
        {
            "id": "silent-" + one.thing.key.replace("/", "-"),
            "path": one.thing.path,
            "name": moment.name(one.thing),
            "owner": owners.get(one.thing.key.partition("/")[2].partition(".")[0], ""),
        }
        for one in moment.subject.meters
        if one.thing.key in slow.silent
    ]
    hour = window_text(window_at(slow.silent_ms, "hour"))
    more = max(len(found) - SILENT_LISTED, 0)
    total = len(moment.subject.meters)
    return {
        "silent": piece("silent", moment.words, found[:SILENT_LISTED], more, total, hour),
        "silent/count": str(len(found)),
    }


def findings(moment: Moment) -> dict[str, str]:
    """Return the cells of what was found wrong in the data and is not healed."""
    shown = [
        {
            "meter": moment.name_of(one.meter),
            "rule": moment.words.known("finding", one.rule),
            "from": instant_text(one.start),
            "to": instant_text(one.end),
        }
        for one in moment.gathered.slow.findings
    ]
    return {"findings": piece("findings", moment.words, shown), "findings/count": str(len(shown))}


def revisions(moment: Moment) -> dict[str, str]:
    """Return the cell of an enterprise's days that changed after they had settled."""
    shown = [
        {
            "known": instant_text(one.known),
            "day": window_text(window(one.start)),
            "before": None if one.before is None else number(one.before / MICRO),
            "after": None if one.after is None else number(one.after / MICRO),
            "who": _who(moment, one.cause),
            "why": next((each.correction.reason for each in one.cause.batches if each.correction), None),
        }
        for one in moment.gathered.slow.revisions
    ]
    return {"revisions": piece("revisions", moment.words, shown)}


def _who(moment: Moment, cause: Cause) -> str:
    """Return who stands behind a revision: people who corrected, else sources, reporters, the registry."""
    named = [_sender(each) for each in cause.batches]
    named += [each.reporter for each in cause.reported]
    if cause.registry is not None:
        named.append(moment.words("revision.registry", version=cause.registry))
    return " · ".join(dict.fromkeys(named))


def _sender(batch: CausingBatch) -> str:
    said = batch.correction
    if said is None:
        return batch.source
    return said.by if said.confirmed_by is None else f"{said.by} + {said.confirmed_by}"


def readings(moment: Moment) -> dict[str, str]:
    """Return the table of a meter's newest readings, the newest first."""
    decimals = moment.subject.meters[0].decimals if moment.subject.meters else None
    shown = [
        {
            "time": instant_text(one.time_ms),
            "value": number(one.value, decimals) if not one.void else None,
            "quality": QUALITIES[one.quality] if 0 <= one.quality < len(QUALITIES) else str(one.quality),
            "rev": one.rev,
        }
        for one in reversed(moment.gathered.readings[-READINGS_LISTED:])
    ]
    return {"readings": piece("readings", moment.words, shown)}
