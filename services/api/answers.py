"""Answers are the bodies that the api gives, as its OpenAPI page shows them: their fields and one true example each."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.windows import WindowKind


def _example(**body: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


POINT = {
    "start": "2018-01-01T08",
    "value": 12.5,
    "status": "provisional",
    "measured": 0.75,
    "estimated": 0.0,
    "missing": 0.25,
}
DOCUMENT = {
    "apiVersion": "qingyu/v1",
    "kind": "enterprise",
    "id": "bz-steel",
    "name": {"zh": "示范钢厂", "en": "Demo Steel"},
    "valid_from": "2018-01-01",
    "spec": {"industry": [], "county": [{"from": "2018-01-01", "id": "bazhou"}], "park": [], "lists": []},
}
ENTITY = {
    "entity": "enterprise/bz-steel",
    "name": {"zh": "示范钢厂", "en": "Demo Steel"},
    "valid_from": "2018-01-01",
    "valid_to": None,
}
ALARM = {
    "v": 1,
    "id": "b8be3fa6c19ff68db305",
    "rule": "hourly-peak",
    "rule_version": "5f0c3e8d12ab",
    "entity": "enterprise/bz-steel",
    "start": "2018-01-01T08",
    "period": "episode",
    "condition": "firing",
    "tier": None,
    "severity": "warning",
    "value": "412.5",
    "limit": "400",
    "unit": "kWh",
    "since": 1514764800000,
    "known": 1514768460000,
    "reason": "qty.electricity 412.5 is above 400 kWh",
    "coverage": 1.0,
    "seq": 1,
    "fired": None,
    "shown": None,
    "late": False,
    "told": None,
}
EVENT = {**ALARM, "from": None, "cause": "raised", "actor": "engine", "mute": False}
STANDS = {
    "handling": "new",
    "owner": None,
    "handled_by": None,
    "until": None,
    "visibility": "shown",
    "because": None,
}
ACTION = {
    "at": 1514768500000,
    "kind": "action",
    "id": "0a1b2c",
    "what": "acknowledged",
    "by": "Li Lei",
    "key": "li-lei",
    "alarm_seq": 1,
    "until": None,
    "to": None,
    "text": "pump 3 is being looked at",
}
SILENCE = {
    "v": 1,
    "id": "5e1f0a3c9b",
    "kind": "maintenance",
    "seq": 1,
    "known": 1514768500000,
    "actor": "Li Lei",
    "start": 1514768500000,
    "end": 1514782900000,
    "reason": "the meter is changed",
    "by": "Li Lei",
    "key": "li-lei",
    "made": 1514768500000,
    "alarm": None,
    "entity": "enterprise/bz-steel",
    "rule": None,
    "ended_by": None,
    "state": "in_force",
}
DELIVERED = {
    "alarm": ALARM["id"],
    "seq": 1,
    "recipient": "duty-room",
    "channel": "webhook",
    "at": 1514768461000,
    "outcome": "delivered",
    "reason": "HTTP 200",
    "by": None,
    "key": "b8be3fa6c19ff68db305|1",
    "digest": None,
}
READING = {"ts": "2018-01-01T08:15:00.000+08:00", "value": 12.5, "rev": 0, "quality": "ok", "void": False}
REVISION = {
    "v": 1,
    "entity": "enterprise/bz-steel",
    "metric": "qty.electricity",
    "window": "day",
    "start": "2018-03-01",
    "before": "9600",
    "after": "9625.5",
    "known": 1520560800000,
    "cause": {
        "batches": [
            {
                "source": "gw1",
                "batch": "b-18",
                "received": 1520560800000,
                "correction": {"reason": "meter e01 was read wrongly", "by": "Li Lei"},
            }
        ]
    },
}
REJECTED = {
    "v": 1,
    "code": "unknown_meter",
    "message": "enterprise bz-steel has no meter e99",
    "at": 1514768460000,
    "where": {"batch": "b-17", "index": 3},
    "source": "gw1",
    "input": {"meter": "e99", "ts": "2018-01-01T08:15:00+08:00", "value": 1},
}
RECEIPT = {
    "batch": "b-17",
    "source": "gw1",
    "received": 1514768460000,
    "accepted": 3,
    "rejected": [{"index": 3, "code": "unknown_meter", "message": "enterprise bz-steel has no meter e99"}],
}


class PointAnswer(BaseModel):
    """One window: the value in the unit (decimal text with exact=true), null where nothing is known; shares of time."""

    model_config = _example(**POINT)
    start: str = Field(description="The window by name.")
    value: float | str | None
    status: Literal["provisional", "settled", "revised"]
    measured: float | None
    estimated: float | None
    missing: float | None


class SeriesAnswer(BaseModel):
    """A metric of an entity over time."""

    model_config = _example(
        entity="enterprise/bz-steel", metric="qty.electricity", unit="kWh", window="hour", points=[POINT]
    )
    entity: str
    metric: str
    unit: str
    window: WindowKind
    points: list[PointAnswer]


class LatestAnswer(BaseModel):
    """The newest point of each window."""

    model_config = _example(entity="enterprise/bz-steel", metric="qty.electricity", unit="kWh", points={"hour": POINT})
    entity: str
    metric: str
    unit: str
    points: dict[WindowKind, PointAnswer]


class EntityItem(BaseModel):
    """An entity with its names and days."""

    model_config = _example(**ENTITY)
    entity: str
    name: dict[str, str]
    valid_from: str
    valid_to: str | None


class EntitiesAnswer(BaseModel):
    """A page of entities."""

    model_config = _example(items=[ENTITY], next=None)
    items: list[EntityItem]
    next: str | None


class DocumentAnswer(BaseModel):
    """A document and the registry's version it was read at."""

    model_config = _example(version=1, document=DOCUMENT)
    version: int
    document: dict[str, Any]


class DocumentsAnswer(BaseModel):
    """A page of documents and the registry's version it was read at."""

    model_config = _example(items=[DOCUMENT], next=None, version=1)
    items: list[dict[str, Any]]
    next: str | None
    version: int


class SetFault(BaseModel):
    """A fault of a set: document (`kind/id`), its place in the set, the path in it, a stable code, what to do."""

    document: str | None
    index: int | None
    path: str
    code: str
    message: str


class SetAnswer(BaseModel):
    """What a set did: the registry's version after it, and the documents it created, changed and ended.

    `warnings` stand there where something is right, but may not be what was meant.
    """

    model_config = _example(version=1, created=["enterprise/bz-steel"], changed=[], ended=[])
    version: int
    created: list[str]
    changed: list[str]
    ended: list[str]
    warnings: list[SetFault] = []


class AlarmsAnswer(BaseModel):
    """A page of alarms, the newest start first."""

    model_config = _example(items=[{**ALARM, **STANDS}], next=None)
    items: list[dict[str, Any]]
    next: str | None


class AlarmAnswer(BaseModel):
    """An alarm as it is now, where people are with it, and its transitions by `seq`."""

    model_config = {
        **_example(
            **ALARM,
            **STANDS,
            evidence=f"qingyu alarms evidence {ALARM['id']}",
            history=f"/v1/alarms/{ALARM['id']}/history",
            events=[EVENT],
            contributors=[],
        ),
        "extra": "allow",
    }
    id: str
    handling: Literal["new", "acknowledged", "assigned", "closed"]
    owner: str | None = Field(description="To whom it is assigned.")
    handled_by: str | None = Field(description="Who acknowledged or closed it.")
    until: int | None = Field(description="When the acknowledgement ends [epoch ms].")
    visibility: Literal["shown", "silenced", "inhibited", "maintenance"]
    because: str | None = Field(description="The silence, or the alarm that inhibits this one.")
    events: list[dict[str, Any]]
    contributors: list[dict[str, Any]] = Field(
        description="Of a territory's alarm: those of its enterprises on the same metric, of the same time."
    )


class HistoryAnswer(BaseModel):
    """Everything that happened to an alarm, by when it became known."""

    model_config = _example(items=[{"at": EVENT["known"], "kind": "event", **EVENT}, ACTION], next=None)
    items: list[dict[str, Any]]
    next: str | None


class SilenceAnswer(BaseModel):
    """A silence, with whether it is in force, coming or over."""

    model_config = {**_example(**SILENCE), "extra": "allow"}
    id: str
    kind: Literal["silence", "maintenance"]
    state: Literal["in_force", "coming", "over"]


class SilencesAnswer(BaseModel):
    """A page of silences, what ends last first."""

    model_config = _example(items=[SILENCE], next=None)
    items: list[dict[str, Any]]
    next: str | None


class DeliveriesAnswer(BaseModel):
    """What became of an alarm's events on their way to recipients."""

    model_config = _example(items=[DELIVERED])
    items: list[dict[str, Any]]


class DigestAnswer(BaseModel):
    """A page of the events that a digest tells."""

    model_config = _example(
        id="4c1f0b7d9e2a35c8d6f1",
        recipient="duty-room",
        channel="dingtalk",
        outcome="delivered",
        at=1514768461000,
        total=1,
        items=[{"alarm": ALARM["id"], "seq": 1, "event": EVENT}],
        next=None,
    )
    id: str
    recipient: str | None
    channel: str | None
    outcome: str | None
    at: int | None
    total: int
    items: list[dict[str, Any]]
    next: str | None


class ReadingsAnswer(BaseModel):
    """A page of a meter's readings, by time."""

    model_config = _example(items=[READING], next=None)
    items: list[dict[str, Any]]
    next: str | None


class RevisionsAnswer(BaseModel):
    """A page of changes of settled windows, the last known first."""

    model_config = _example(items=[REVISION], next=None)
    items: list[dict[str, Any]]
    next: str | None


class RejectedAnswer(BaseModel):
    """A page of inputs that could not be used, the newest first."""

    model_config = _example(items=[REJECTED], next=None)
    items: list[dict[str, Any]]
    next: str | None


class ReceiptAnswer(BaseModel):
    """What became of a batch when its source sent it last."""

    model_config = _example(**RECEIPT)
    batch: str
    source: str
    received: int
    accepted: int
    rejected: list[dict[str, Any]]
