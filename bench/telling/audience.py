"""The audience are the recipients of the proof, and which transitions each should be told, worked out independently.

No part of the routing is used here: a recipient is what the table says, and whom it concerns is decided anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.messages import AlarmEvent

ENTERPRISES = 40
DAY = "2018-01-01"
COUNTIES = ("east", "west")
RULE = "steel-limit"
SECRET = "hook"
ROBOT = "robot"
# Steps on the way and transitions of numbers that were computed again are told to nobody.
SILENT_CAUSES = ("pending", "recovering", "resumed", "settled")
ENDS = ("ok", "withdrawn")


@dataclass(frozen=True, slots=True)
class Listener:
    """A recipient: on a webhook or on the one robot; of a county or of all; of some severities or of all."""

    name: str
    robot: bool = False
    county: str | None = None
    severities: tuple[str, ...] | None = None


LISTENERS = (
    Listener("headquarters"),
    Listener("county-east", county="east"),
    Listener("grave-only", severities=("critical",)),
    # Its receiver fails now and then; see `receivers`.
    Listener("unsteady", county="west"),
    Listener("chat", robot=True, severities=("critical",)),
)
CHAT = next(one.name for one in LISTENERS if one.robot)


def county_of(enterprise: str) -> str:
    """Return the county of an enterprise."""
    return COUNTIES[int(enterprise.rpartition("-")[2]) % len(COUNTIES)]


def enterprises() -> list[str]:
    """Return the ids of all enterprises."""
    return [f"works-{number:02}" for number in range(ENTERPRISES)]


def documents(hooks: str) -> list[dict[str, Any]]:
    """Return the registry; `hooks` is the address of the webhooks."""
    found = [
        _document("city", "town"),
        *(_document("county", county, city="town") for county in COUNTIES),
        *(_document("enterprise", one, county=[{"from": DAY, "id": county_of(one)}]) for one in enterprises()),
        _document("product", "crude-steel", unit="t"),
        _document(
            "indicator", "intensity", type="intensity", numerator="energy.cv", denominator="output.crude-steel",
            unit="kgce/t",
        ),
        _document("limit", RULE, indicator="intensity", tiers=[{"id": "limit", "max": "94"}], source="the proof"),
    ]  # fmt: skip
    return found + telling(LISTENERS, hooks)


def telling(listeners: Iterable[Listener], hooks: str) -> list[dict[str, Any]]:
    """Return the documents of listeners and of the routes to them; `hooks` is the address of the webhooks."""
    found: list[dict[str, Any]] = []
    for one in listeners:
        hook = {"webhook": {"url": f"{hooks}/{one.name}", "secret": f"secret:{SECRET}"}}
        channels = {"dingtalk": {"robot": f"secret:{ROBOT}"}} if one.robot else hook
        route: dict[str, Any] = {"recipients": [one.name]}
        if one.county is not None:
            route["select"] = {"kind": "enterprise", "in": f"county/{one.county}"}
        if one.severities is not None:
            route["severity"] = list(one.severities)
        found += [_document("recipient", one.name, channels=channels), _document("route", one.name, **route)]
    return found


def _document(kind: str, id_: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": DAY, "spec": spec}


def should_be_told(events: Iterable[AlarmEvent], listeners: Sequence[Listener] = LISTENERS) -> Mapping[str, set[str]]:
    """Return, by listener, the keys of the transitions that it should be told; those of an alarm come in order."""
    told: dict[str, set[str]] = {one.name: set() for one in listeners}
    heard: set[tuple[str, str]] = set()
    for event in events:
        if event.mute or event.cause in SILENT_CAUSES:
            continue
        enterprise = event.entity.partition("/")[2]
        for one in listeners:
            if one.county is not None and county_of(enterprise) != one.county:
                continue
            if event.condition in ENDS:
                concerned = (one.name, event.id) in heard
            else:
                concerned = one.severities is None or event.severity in one.severities
            if concerned:
                heard.add((one.name, event.id))
                told[one.name].add(f"{event.id}|{event.seq}")
    return told
