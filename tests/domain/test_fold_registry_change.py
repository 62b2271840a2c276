"""What a change of the registry touches is computed again, as if it had always stood so."""

from decimal import Decimal

import pytest

from schemas.messages import CalendarDocument, Finding
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, report, tick

ROWS = (
    ("e01", "2018-03-01T08:15", "10"), ("e01", "2018-03-01T08:30", "20"), ("e01", "2018-03-17T09:15", "40"),
    ("e02", "2018-03-01T08:15", "3"), ("e01", "2018-04-30T23:45", "5"),
)  # fmt: skip
INDICATOR = """
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
"""
LIMIT = """
{apiVersion: qingyu/v1, kind: limit, id: steel-limit, valid_from: 2018-01-01,
 spec: {indicator: steel-intensity, tiers: [{id: advanced, max: "5"}], source: demo}}
"""
RULE = """
{apiVersion: qingyu/v1, kind: rule, id: hourly-peak, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: enterprise, id: [works]},
        raise: {gt: "35"}, clear: {lt: "10"}, severity: warning}}
"""
BASE = (REGISTRY, INDICATOR, meter("e01"), meter("e02", role="sub", parent="e01"))
NEW_RELEASE = document(
    "release", "demo-2018",
    coefficients=[{"carrier": "electricity", "cv_kgce": "0.2", "eq_kgce": "0.4", "source": "demo"}],
    factors=[{"carrier": "electricity", "gas": "co2", "kg": "0.7", "scope": "power", "source": "demo"}],
)  # fmt: skip
CHANGES = {
    "a coefficient": (NEW_RELEASE,),
    "a multiplier": (meter("e01", multiplier=[{"from": "2018-01-01", "value": "40"}]),),
    "a multiplier from a day on": (
        meter("e01", multiplier=[{"from": "2018-01-01", "value": "1"}, {"from": "2018-03-10", "value": "2"}]),
    ),
    "a role": (meter("e02", role="output"),),
    "the stamp": (meter("e01", stamp="start"),),
    "a meter more": (meter("e00"),),
    "a meter before the others that has readings": (meter("e015"),),
    "the unit": (meter("e01", unit="MWh"),),
    "a limit": (LIMIT,),
    "a rule": (RULE,),
    "a validation rule": (document("validation", "whole", check="completeness", active=True),),
    "a validation rule that is switched off": (document("validation", "spike", check="spike", active=False),),
    "a validation rule that excludes": (
        document(
            "validation",
            "low",
            check="range",
            effect="exclude",
            max="8",
            unit="kWh",
            select={"kind": "meter", "id": ["works.e01"]},
        ),
    ),
    "the grace": (document("settings", "default", grace={"hour": "1h", "day": "2d", "month": "3d", "year": "4d"}),),
}


def fed(stream: Stream) -> Stream:
    for row in ROWS:
        stream.readings(row, received="2018-05-01T00:00")
    stream.readings(("e015", "2018-03-01T08:45", "7"), received="2018-05-01T00:00")
    stream.step(report("2018-03", "1", received=instant("2018-05-01")))
    return stream


def said(document: CalendarDocument) -> dict[str, list[int | None]]:
    """Return the metrics of which anything is said: one that is no longer computed is told to be unknown."""
    return {name: values for name, values in document.metrics.items() if set(values) != {None}}


def standing(stream: Stream) -> dict[str, Finding]:
    return {key: each for key, each in stream.findings.items() if each.open}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("restarted", [False, True])
def test_after_a_change_every_number_is_as_if_it_had_always_stood_so(change: str, restarted: bool) -> None:
    after = documents(*BASE, *CHANGES[change])
    changed = Stream(documents(*BASE))
    changed.step(tick("2018-02-27T00:00"))
    fed(changed).step(tick("2018-05-06T00:00"))
    if restarted:
        changed.restart(without_local_copy=True)
    changed.register(after, 2)
    always = Stream(after, version=2)
    always.step(tick("2018-02-27T00:00"))
    fed(always).step(tick("2018-05-06T00:00"))
    assert changed.totals.keys() == always.totals.keys()
    for key, wanted in always.totals.items():
        got = changed.totals[key]
        assert (said(got), got.own, got.status) == (said(wanted), wanted.own, wanted.status), key
    assert standing(changed) == standing(always)
    assert {each.start: (each.condition, each.value) for each in changed.conditions.values()} == {
        each.start: (each.condition, each.value) for each in always.conditions.values()
    }


def test_a_change_that_touches_other_enterprises_computes_nothing_again() -> None:
    stream = fed(Stream(documents(*BASE)))
    before = dict(stream.totals)
    stream.register(documents(*BASE, document("enterprise", "other")), 2)
    assert stream.totals == before


def test_a_limit_that_is_lifted_takes_its_alarm_with_it() -> None:
    stream = fed(Stream(documents(*BASE, LIMIT)))
    assert stream.firing() == ["2018-03"]
    stream.register(documents(*BASE, LIMIT.replace('max: "5"', 'max: "500"')), 2)
    assert stream.firing() == []


def test_an_alarm_of_a_rule_that_ended_does_not_fire_for_ever() -> None:
    stream = fed(Stream(documents(*BASE, RULE)))
    assert stream.firing() == ["2018-03-17T09"]
    ended = RULE.replace("valid_from: 2018-01-01", "valid_from: 2018-01-01, valid_to: 2018-01-02")
    stream.register(documents(*BASE, ended), 2)
    assert stream.firing() == []


def test_the_finding_closes_when_the_registry_explains_the_span() -> None:
    twice = [{"from": "2018-01-01", "value": "1"}, {"from": "2018-03-02", "value": "40"}]
    stream = Stream(documents(REGISTRY, meter("e01", "register", multiplier=twice)))
    stream.readings(("e01", "2018-03-01T23:30", "1"), ("e01", "2018-03-02T00:30", "3"))
    assert [each.open for each in stream.findings.values()] == [True]
    stream.register(documents(REGISTRY, meter("e01", "register")), 2)
    assert stream.value("qty.electricity", "2018-03") == 2
    assert [each.open for each in stream.findings.values()] == [False]


def test_readings_of_a_meter_that_is_not_registered_yet_wait_for_it() -> None:
    stream = Stream(documents(REGISTRY, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "10"), ("e09", "2018-03-01T08:15", "7"))
    assert stream.value("qty.electricity", "2018-03-01T08") == 10
    stream.register(documents(REGISTRY, meter("e01"), meter("e09")), 2)
    assert stream.value("qty.electricity", "2018-03-01T08") == 17


def test_an_enterprise_changed_twice_in_a_row_stands_under_the_last_registry() -> None:
    stream = fed(Stream(documents(*BASE)))
    stream.register(documents(*BASE, NEW_RELEASE), 2, finish=False)
    stream.register(documents(*BASE, NEW_RELEASE, meter("e02", role="output")), 3)
    assert stream.value("qty.electricity", "2018-03") == Decimal(67)
    assert stream.value("energy.cv", "2018-03") == Decimal("13.4")


def test_a_restart_in_the_midst_of_computing_again_goes_on_to_the_end() -> None:
    stream = fed(Stream(documents(*BASE)))
    stream.register(documents(*BASE, NEW_RELEASE), 2, finish=False)
    stream.restart(without_local_copy=False)
    stream.work_off()
    assert stream.value("energy.cv", "2018-03") == Decimal("14")
    assert stream.value("energy.cv", "2018-04") == Decimal("1")


def test_a_change_taken_back_before_all_was_computed_again_leaves_nothing_behind() -> None:
    plain, turned = (
        documents(REGISTRY, meter("e01", step="1h")),
        documents(REGISTRY, meter("e01", step="1h", role="output")),
    )
    stream = Stream(plain)
    stream.readings(*(("e01", instant("2018-03-01") + day * 86_400_000 + 3_600_000, "1") for day in range(20)))
    stream.step(tick("2018-03-25"))
    stream.register(turned, 2, finish=False)
    stream.step()
    assert stream.value("qty.electricity", "2018-03-01") == -1
    stream.register(plain, 3)
    assert stream.value("qty.electricity", "2018-03") == 20


AHEAD = {
    # Stamped at its end, the slot of midnight is of the day before, of which nothing else was ever sent.
    "a stamp of which a day before knows": (
        meter("e01", stamp="start"), meter("e01"), [("e01", "2018-03-05T00:00", "10")],
    ),
    "a stamp of which a day after knows": (
        meter("e01", step="1h"), meter("e01", step="1h", stamp="start"), [("e01", "2018-03-05T23:30", "10")],
    ),
    "a gap within a day that has not passed": (
        meter("e01", step="1h"), meter("e01", step="1h", longest_gap="6h"),
        [("e01", "2018-03-05T09:00", "10"), ("e01", "2018-03-05T13:00", "14")],
    ),
    "a gap over a day that has not passed": (
        meter("e01", step="1h"), meter("e01", step="1h", longest_gap="48h"),
        [("e01", "2018-03-05T22:00", "10"), ("e01", "2018-03-07T03:00", "14")],
    ),
    "a register's span that has not passed": (
        meter("e01", "register", max_rate_per_h="1"), meter("e01", "register", max_rate_per_h="100"),
        [("e01", "2018-03-05T08:30", "10"), ("e01", "2018-03-05T13:30", "110")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", AHEAD)
@pytest.mark.parametrize("later", [(), ("2018-03-09T00:00",)])
def test_a_change_finds_what_readings_reach_where_neither_they_nor_the_time_have_been(
    change: str, later: tuple[str, ...]
) -> None:
    first, second, rows = AHEAD[change]
    changed, always = Stream(documents(REGISTRY, first)), Stream(documents(REGISTRY, second), version=2)
    for stream in (changed, always):
        stream.step(tick("2018-03-05T08:00"))
        stream.readings(*rows, received="2018-03-05T08:00")
    changed.register(documents(REGISTRY, second), 2)
    for stream in (changed, always):
        for each in later:
            stream.step(tick(each))
    for key, wanted in always.totals.items():
        got = changed.totals[key]
        assert (said(got), got.own, got.status) == (said(wanted), wanted.own, wanted.status), key
    assert any(said(each).get("qty.electricity") for each in always.totals.values())
    assert standing(changed) == standing(always)
