"""Routes say who is told of an event, and why others are not."""

from typing import Any

import pytest

from schemas.documents import Document, parse_document
from schemas.messages import AlarmEvent
from streams.domain.registry import Snapshot
from streams.domain.routing import Routing, Said, Silence, unsaid

NOW_MS = 1_767_225_600_000
CITY: list[tuple[str, str, dict[str, Any]]] = [
    ("city", "bazhong", {}),
    ("county", "bazhou", {"city": "bazhong"}),
    ("enterprise", "steel", {"county": [{"from": "2018-01-01", "id": "bazhou"}]}),
    ("enterprise", "mill", {}),
    ("recipient", "duty", {"channels": {"mail": {"address": "duty@city.example"}}}),
    (
        "recipient",
        "both",
        {
            "channels": {
                "webhook": {"url": "https://city.example/", "secret": "secret:both"},
                "mail": {"address": "both@city.example"},
            }
        },
    ),
]


def document(kind: str, id_: str, spec: dict[str, Any], **more: Any) -> Document:
    raw = {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": "2018-01-01", "spec": spec, **more}
    found = parse_document(raw)
    assert not isinstance(found, list), found
    return found


def routing(*documents: Document) -> Routing:
    return Routing.of(Snapshot.build(1, [*(document(*one) for one in CITY), *documents]))


def route(id_: str = "r", valid_to: str | None = None, **spec: Any) -> Document:
    return document("route", id_, {"recipients": ["duty"], **spec}, valid_to=valid_to)


def event(
    entity: str = "enterprise/steel", condition: str = "firing", severity: str = "critical", seq: int = 1
) -> AlarmEvent:
    return AlarmEvent(
        v=1, id="a" * 20, rule="steel-limit", rule_version="1", entity=entity, start="2025-12", period="month",
        condition=condition, tier=None, severity=severity, value="97", limit="94", unit="kgce/t", since=NOW_MS,
        known=NOW_MS, reason="", coverage=1.0, seq=seq, from_=None, cause="raised", actor="engine",
    )  # fmt: skip


def reasons(found: Routing, said: AlarmEvent) -> list[Silence]:
    return [one.reason for one in found.decide(said, NOW_MS).not_sent]


def test_a_route_that_restricts_nothing_leads_everything_to_every_channel() -> None:
    found = routing(route(recipients=["both", "duty"]), route("s", recipients=["duty"])).decide(event(), NOW_MS)

    assert [(one.recipient, one.channel, one.routes) for one in found.targets] == [
        ("both", "webhook", ("r",)),
        ("both", "mail", ("r",)),
        ("duty", "mail", ("r", "s")),
    ]
    assert found.not_sent == ()


def test_without_a_route_nobody_is_told() -> None:
    assert routing().decide(event(), NOW_MS) == ((), ())


@pytest.mark.parametrize(
    ("select", "entity", "meant"),
    [
        ({"in": "county/bazhou"}, "enterprise/steel", True),
        ({"in": "city/bazhong"}, "enterprise/steel", True),
        ({"in": "city/bazhong"}, "city/bazhong", True),
        ({"in": "city/bazhong"}, "enterprise/mill", False),
        ({"in": "city/bazhong", "kind": "county"}, "county/bazhou", True),
        ({"in": "city/bazhong", "kind": "county"}, "enterprise/steel", False),
        ({"kind": "enterprise", "id": ["mill"]}, "enterprise/mill", True),
        ({"kind": "enterprise", "id": ["mill"]}, "enterprise/steel", False),
        ({"in": "enterprise/steel"}, "meter/steel.e01", True),
        ({"in": "county/bazhou"}, "nonsense", False),
    ],
)
def test_a_route_means_the_entities_that_it_selects(select: dict[str, Any], entity: str, meant: bool) -> None:
    found = routing(route(select=select)).decide(event(entity), NOW_MS)

    assert bool(found.targets) is meant
    assert [one.reason for one in found.not_sent] == ([] if meant else [Silence.OTHER_ENTITY])
    assert [one.reason for one in found.stored] == ([] if meant else [Silence.NO_ROUTE])


def test_each_thing_that_a_route_asks_for_is_a_reason_of_its_own() -> None:
    limit = document("indicator", "x", {"type": "total", "total": "energy.cv", "unit": "kgce"})
    assert reasons(routing(route(severity=["info"])), event()) == [Silence.OTHER_SEVERITY]
    assert reasons(routing(route(condition=["ok"])), event()) == [Silence.OTHER_CONDITION]
    assert reasons(routing(limit, route(rules=["other"], limits=["one"])), event()) == [Silence.OTHER_RULE]
    assert reasons(routing(route(limits=["steel-limit"])), event()) == []
    assert reasons(routing(route(valid_to="2019-01-01")), event()) == [Silence.ROUTE_NOT_IN_FORCE]
    ended = document("recipient", "ended", {"channels": {"mail": {"address": "e@x"}}}, valid_to="2019-01-01")
    assert reasons(routing(ended, route(recipients=["ended"])), event()) == [Silence.RECIPIENT_NOT_IN_FORCE]


def test_ten_routes_about_others_are_one_reason_to_store_and_one_about_this_is_named() -> None:
    others = [route(f"r{number}", select={"kind": "enterprise", "id": ["mill"]}) for number in range(10)]
    nobody = routing(*others).decide(event(), NOW_MS)
    assert (len(nobody.not_sent), [(one.route, one.reason) for one in nobody.stored]) == (10, [(None, "no_route")])
    told = routing(*others, route()).decide(event(), NOW_MS)
    assert (len(told.targets), told.stored) == (1, ())
    grave = routing(*others, route(severity=["info"])).decide(event(), NOW_MS)
    assert [(one.route, one.reason) for one in grave.stored] == [("r", "other_severity")]


def test_an_end_follows_the_route_of_its_alarm_whatever_its_own_severity() -> None:
    found = routing(route(severity=["critical"]))

    assert found.decide(event(condition="ok", severity="info"), NOW_MS).targets
    assert not found.decide(event(severity="info"), NOW_MS).targets


@pytest.mark.parametrize(
    ("before", "condition", "seq", "silence"),
    [
        (None, "firing", 1, None),
        (None, "ok", 2, Silence.NOTHING_TO_END),
        (Said(1, "firing"), "firing", 1, Silence.ALREADY_SAID),
        (Said(1, "firing"), "firing", 2, None),
        (Said(1, "firing"), "ok", 2, None),
        (Said(1, None), "ok", 2, Silence.NOTHING_TO_END),
        (Said(1, None), "firing", 2, None),
        (Said(2, "ok"), "withdrawn", 3, None),
        (Said(2, "ok"), "ok", 4, Silence.NOTHING_TO_END),
    ],
)
def test_nothing_is_said_twice_and_an_end_only_to_who_was_told(
    before: Said | None, condition: str, seq: int, silence: Silence | None
) -> None:
    assert unsaid(event(condition=condition, seq=seq), before) is silence
