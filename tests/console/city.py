"""A city to look at: two counties, a park, three enterprises, one of them silent, with two days of hours."""

import hashlib
from collections.abc import Iterator
from typing import Any

from schemas.messages import VERSION, AlarmEvent, Condition, Finding
from schemas.series import READING, Point
from schemas.windows import DAY_MS, HOUR_MS, local_ms, window_at
from streams.domain.alarm import alarm_id
from tests.api_server import RunningApi
from tests.registry_writing import documents

NOW_MS = local_ms(2018, 3, 14, 15) + 25 * 60_000
TODAY_MS = local_ms(2018, 3, 14)
STEEL, SCHOOL, CEMENT = "enterprise/bz-steel", "enterprise/bz-school", "enterprise/nj-cement"
CITY, COUNTY, OTHER_COUNTY, PARK = "city/bazhong", "county/bazhou", "county/nanjiang", "park/bz-edz"
METER, QUIET_METER = "meter/bz-steel.e01", "meter/nj-cement.e01"
# The names are what a page would do harm with if it did not escape them.
SCHOOL_ZH = "学校 <b>&"

TEXT = f"""
{{kind: province, id: sichuan, name: {{zh: 四川, en: Sichuan}}, spec: {{}}}}
---
{{kind: city, id: bazhong, name: {{zh: 巴中, en: Bazhong}}, spec: {{province: sichuan}}}}
---
{{kind: county, id: bazhou, name: {{zh: 巴州区, en: Bazhou}}, spec: {{city: bazhong}}}}
---
{{kind: county, id: nanjiang, name: {{zh: 南江县, en: Nanjiang}}, spec: {{city: bazhong}}}}
---
{{kind: park, id: bz-edz, name: {{zh: 经开区, en: Development zone}}, spec: {{county: bazhou}}}}
---
{{kind: enterprise, id: bz-steel, name: {{zh: 钢厂, en: Steel}},
 spec: {{county: [{{from: 2018-01-01, id: bazhou}}], park: [{{from: 2018-01-01, id: bz-edz}}]}}}}
---
{{kind: enterprise, id: bz-school, name: {{zh: "{SCHOOL_ZH}", en: School}},
 spec: {{county: [{{from: 2018-01-01, id: bazhou}}]}}}}
---
{{kind: enterprise, id: nj-cement, name: {{zh: 水泥厂, en: Cement}},
 spec: {{county: [{{from: 2018-01-01, id: nanjiang}}]}}}}
---
{{kind: carrier, id: electricity, name: {{zh: 电力, en: Electricity}}, spec: {{unit: kWh, medium: electricity}}}}
---
{{kind: product, id: crude-steel, name: {{zh: 粗钢, en: Crude steel}}, spec: {{unit: t}}}}
---
{{kind: source, id: gw1, spec: {{enterprise: bz-steel}}}}
---
{{kind: meter, id: bz-steel.e01, name: {{zh: 总进线, en: Incomer}},
 spec: {{carrier: electricity, type: interval, unit: kWh, resolution: "0.01", step: 15min, role: input}}}}
---
{{kind: meter, id: bz-steel.e02, name: {{zh: 轧机, en: Mill}},
 spec: {{carrier: electricity, type: register, unit: kWh, resolution: "1", role: sub, parent: e01}}}}
---
{{kind: meter, id: bz-school.e01, name: {{zh: 总表, en: Main}},
 spec: {{carrier: electricity, type: interval, unit: kWh, resolution: "0.1", step: 1h, role: input}}}}
---
{{kind: meter, id: nj-cement.e01, name: {{zh: 总表, en: Main}},
 spec: {{carrier: electricity, type: register, unit: kWh, resolution: "0.1", role: input}}}}
---
{{kind: indicator, id: steel-intensity, name: {{zh: 吨钢综合能耗, en: Energy per tonne}},
 spec: {{type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}}}
---
{{kind: limit, id: steel-limit, name: {{zh: 吨钢能耗限额, en: Limit of energy per tonne}},
 spec: {{indicator: steel-intensity, source: test, select: {{kind: enterprise, id: [bz-steel]}},
        tiers: [{{id: advanced, max: "80"}}, {{id: access, max: "87"}}, {{id: limit, max: "94"}}]}}}}
---
{{kind: rule, id: hourly-peak, name: {{zh: 小时峰值, en: Hourly peak}},
 spec: {{metric: qty.electricity, window: hour, period: episode, select: {{kind: enterprise, id: [bz-steel]}},
        raise: {{gt: "400"}}, clear: {{lt: "350"}}, severity: warning}}}}
"""
TOKENS = {
    "steel-token": ("enterprise", "bz-steel"),
    "county-token": ("viewer", COUNTY),
    "city-token": ("viewer", CITY),
    "viewer-token": ("viewer", None),
    "collector-token": ("source", "gw1"),
    "leaver-token": ("enterprise", "bz-steel"),
}


def city_documents() -> list[dict[str, Any]]:
    """Return the documents of the city and the keys of its readers."""
    found = [{"apiVersion": "qingyu/v1", "valid_from": "2018-01-01", **raw} for raw in documents(TEXT)]
    for token, (role, subject) in TOKENS.items():
        spec = {"hash": hashlib.sha256(token.encode()).hexdigest(), "role": role}
        key = {"apiVersion": "qingyu/v1", "kind": "key", "id": f"key-{token}", "valid_from": "2018-01-01"}
        found.append(key | {"spec": spec | ({"subject": subject} if subject else {})})
    return found


def point(kind: Any, entity: str, metric: str, at_ms: int, value: float | None, missing: float = 0.0) -> Point:
    """Return the point of the window of a kind at an instant, the rest of its time measured."""
    shown = (0.0, 0.0) if value is None else (value, 1.0)
    fields = (*shown, 1 - missing, 0.0, missing, 0.0, 0.0)
    return Point(kind, (entity, metric), window_at(at_ms, kind).start_ms, fields)


def points() -> Iterator[Point]:
    """Yield two days of hours, and the day, month and year of the present."""
    sizes = {STEEL: 2000.0, SCHOOL: 300.0, PARK: 2000.0, COUNTY: 2300.0, CITY: 2300.0}
    for entity, size in sizes.items():
        for metric, factor in (("energy.cv", 1.0), ("energy.eq", 2.44), ("co2.total", 4.9)):
            for hour in range(-24, 16):
                at_ms = TODAY_MS + hour * HOUR_MS
                swing = 1 + 0.4 * (1 - abs((hour % 24) - 13) / 13)
                running = at_ms + HOUR_MS > NOW_MS
                share = 25 / 60 if running else 1.0
                yield point("hour", entity, metric, at_ms, size * swing * factor * share, 1 - share)
            for kind, hours in (("day", 15.4), ("month", 330.0), ("year", 1760.0)):
                yield point(kind, entity, metric, NOW_MS, size * 1.2 * hours * factor, 0.02)
    yield point("month", STEEL, "ind.steel-intensity", local_ms(2018, 2), 89.96)
    yield point("month", STEEL, "ind.steel-intensity", local_ms(2018, 1), 78.5)
    for meter in (METER, "meter/bz-steel.e02", "meter/bz-school.e01"):
        for hour in range(-24, 16):
            yield point("hour", meter, "qty.electricity", TODAY_MS + hour * HOUR_MS, 170.0 + hour)
        yield point("day", meter, "qty.electricity", NOW_MS, 2600.0)
    # The cement works were heard of last night.
    yield point("hour", QUIET_METER, "qty.electricity", TODAY_MS - 2 * HOUR_MS, None, 1.0)
    for quarter in range(-80, 61):
        if not -30 <= quarter < -20:
            fields = (42.5 + quarter % 7, 2.0 if quarter == 50 else 0.0, 0.0)
            yield Point(READING, (METER.partition("/")[2], "0"), TODAY_MS + quarter * HOUR_MS // 4, fields)


def alarm(rule: str = "steel-limit", start: str = "2018-02", **changed: Any) -> Condition:
    """Return an open alarm of the steel works."""
    shown: dict[str, Any] = {
        "v": VERSION,
        "id": alarm_id(rule, STEEL, start),
        "rule": rule,
        "rule_version": "1",
        "entity": STEEL,
        "start": start,
        "period": "month",
        "condition": "firing",
        "tier": "access",
        "severity": "warning",
        "value": "89.96",
        "limit": "87",
        "unit": "kgce/t",
        "since": local_ms(2018, 2),
        "known": local_ms(2018, 3, 2),
        "reason": "above",
        "coverage": 1.0,
        "seq": 1,
    }
    return Condition(**(shown | changed))


def peak() -> Condition:
    """Return a second alarm, that is raised while one looks."""
    return alarm(
        "hourly-peak", "2018-03-14T15", period="episode", tier=None, value="431.5", limit="400", unit="kWh",
        severity="critical", since=TODAY_MS + 15 * HOUR_MS, known=NOW_MS,
    )  # fmt: skip


def fill(api: RunningApi) -> None:
    """Register the city and put its points, an alarm with its event, and a finding into the store."""
    answer = api.put(city_documents())
    assert answer.status_code == 200, answer.text
    first = alarm()
    fields = {name: getattr(first, name) for name in first.__struct_fields__}
    event = AlarmEvent(**fields, from_=None, cause="raised", actor="engine")
    finding = Finding(
        VERSION,
        "bz-steel",
        "meter/bz-steel.e02",
        "register.unexplained",
        TODAY_MS - DAY_MS,
        TODAY_MS,
        "unexplained",
        True,
    )
    api.store.keep(list(points()), [first, event, finding], [])
