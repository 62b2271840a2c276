"""A small city for the api's queries: two enterprises in two counties, with a few points in the store."""

from decimal import Decimal
from typing import Any

import msgspec

from schemas.decimals import MICRO_SCALE, at_scale
from schemas.deliveries import DeliveryNote
from schemas.messages import VERSION, AlarmEvent, Condition, Rejected, Revision
from schemas.series import Point
from schemas.windows import window
from services.api.answers import ALARM, DELIVERED, EVENT, POINT, RECEIPT, REJECTED, REVISION
from streams.stores.series import Part, Place, Refused, Revised
from tests.api_server import RunningApi
from tests.registry_writing import STEEL, documents

# 2018-03-05T08:00:00+08:00; the last revision is of 2018-03-09T10:00:00+08:00.
FIRST_REVISED_MS = 1_520_208_000_000

TERRITORIES = """
{apiVersion: qingyu/v1, kind: province, id: sichuan, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: city, id: bazhong, valid_from: 2018-01-01, spec: {province: sichuan}}
---
{apiVersion: qingyu/v1, kind: county, id: bazhou, valid_from: 2018-01-01, spec: {city: bazhong}}
---
{apiVersion: qingyu/v1, kind: county, id: nanjiang, valid_from: 2018-01-01, spec: {city: bazhong}}
---
{apiVersion: qingyu/v1, kind: park, id: bz-edz, valid_from: 2018-01-01, spec: {county: bazhou}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: bz-steel, name: {zh: 示范钢厂, en: Demo Steel}, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: bazhou}]}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: other, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: nanjiang}]}}
---
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
---
{apiVersion: qingyu/v1, kind: limit, id: steel-limit, valid_from: 2018-01-01,
 spec: {indicator: steel-intensity, tiers: [{id: limit, max: "94"}], source: demo,
        select: {kind: enterprise, id: [bz-steel]}}}
---
{apiVersion: qingyu/v1, kind: recipient, id: duty-room, valid_from: 2018-01-01,
 spec: {channels: {mail: {address: duty@city.example}}}}
---
{apiVersion: qingyu/v1, kind: route, id: everything, valid_from: 2018-01-01, spec: {recipients: [duty-room]}}
"""


def city_documents() -> list[dict[str, Any]]:
    """Return the documents, each once: what both texts have counts as in the second."""
    found = {(raw["kind"], raw["id"]): dict(raw) for raw in (*documents(STEEL), *documents(TERRITORIES))}
    return list(found.values())


def point(entity: str, metric: str, name: str, value: float | None, *, status: str = "provisional") -> Point:
    """Return a window's point, three quarters of it measured."""
    found = window(name)
    shown = (0.0, 0.0) if value is None else (value, 1.0)
    standing = float(status != "provisional"), float(status == "revised")
    fields = (*shown, 0.75, 0.0, 0.25, *standing)
    return Point(found.kind, (entity, metric), found.start_ms, fields)


def fill(api: RunningApi) -> None:
    """Register the city and put a few points, an alarm of each enterprise, and a batch with a reject into the store."""
    assert api.put(city_documents()).status_code == 200
    steel = "enterprise/bz-steel"
    points = [
        point(steel, "qty.electricity", POINT["start"], POINT["value"]),
        point(steel, "qty.electricity", "2018-01-01T09", None),
        point(steel, "qty.electricity", "2018-01-01", 300.000001, status="settled"),
        point(steel, "qty.electricity", "2018-03-01", 9625.5, status="revised"),
        point(steel, "ind.steel-intensity", "2018-01", 88.25),
        point("meter/bz-steel.e01", "qty.electricity", "2018-01-01T08", 12.5),
        point("enterprise/other", "qty.electricity", "2018-01-01T08", 1.0),
        point("city/bazhong", "qty.electricity", "2018", 8.6e9),
    ]
    other: dict[str, Any] = {"entity": "enterprise/other", "id": "0" * 20, "start": "2018-01-02T08", "condition": "ok"}
    event: dict[str, Any] = {("from_" if name == "from" else name): value for name, value in EVENT.items()}
    reject = Rejected(**REJECTED)
    unknown = Rejected(VERSION, "not_json", "it is no JSON", REJECTED["at"] + 1, {})
    values = {name: at_scale(Decimal(REVISION[name]), MICRO_SCALE) for name in ("before", "after")}
    second = msgspec.convert({**REVISION, **values}, Revision)
    first = msgspec.structs.replace(second, before=None, after=second.before, known=FIRST_REVISED_MS)
    api.store.keep(
        points,
        [
            Condition(**ALARM),
            Condition(**(ALARM | other)),
            AlarmEvent(**event),
            Part(Place("readings", 0, 0), 0, RECEIPT["batch"], RECEIPT["source"], RECEIPT["received"], 3),
            Refused(Place("rejected", 0, 0), reject),
            Refused(Place("rejected", 0, 1), unknown),
            DeliveryNote(
                v=VERSION,
                at=DELIVERED["at"],
                members=[(ALARM["id"], 1)],
                outcome="delivered",
                reason="HTTP 200",
                recipient="duty-room",
                channel="webhook",
                key=DELIVERED["key"],
            ),
            DeliveryNote(
                v=VERSION,
                at=9,
                members=[(other["id"], 1), (ALARM["id"], 1)],
                outcome="delivered",
                reason="errcode 0",
                recipient="duty",
                channel="dingtalk",
                key="digest|d1",
            ),
            *(Revised(Place("revisions", 0, at), one) for at, one in enumerate((first, second))),
        ],
        [],
    )
