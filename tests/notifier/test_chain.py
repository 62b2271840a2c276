"""What holds an alarm's events back, what lets them go, and that nobody misses the end of what he was told."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents.quiet import QuietHours
from schemas.windows import local_datetime
from streams.domain.quieting import quiet_until
from tests.notifier.telling import BEGIN_MS, ENTERPRISE, HOUR_MS, METER, MINUTE_MS, ROUTES, SOURCE, House, about

SLEEPER = ROUTES.replace("[duty]", "[duty, sleeper]")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def said(house: House) -> list[tuple[str, str, str]]:
    house.deliver()
    return [(recipient, id_, condition) for recipient, id_, _, condition in house.sent]


def test_a_silent_source_inhibits_its_meters_also_where_it_is_told_after_them() -> None:
    house, meter, source = House(), about(METER), about(SOURCE)
    house.say(meter, source)
    house.pass_by(10_000)
    assert said(house) == [("duty", source.id, "firing")]
    assert house.why(meter) == [("inhibited", source.id)]


def test_a_meter_whose_source_is_heard_is_told_after_a_short_wait() -> None:
    house, meter = House(), about(METER)
    house.say(meter)
    assert said(house) == []
    house.pass_by(10_000)
    assert said(house) == [("duty", meter.id, "firing")]
    assert house.chain.held == 0


def test_the_widest_cause_is_named_and_a_source_is_inhibited_by_its_enterprise() -> None:
    house, enterprise = House(), about(ENTERPRISE)
    house.say(about(METER), about(SOURCE), enterprise)
    house.pass_by(10_000)
    assert said(house) == [("duty", enterprise.id, "firing")]
    assert house.why(about(METER)) == house.why(about(SOURCE)) == [("inhibited", enterprise.id)]


@pytest.mark.parametrize("killed", [False, True])
def test_what_still_fires_when_its_cause_ends_is_told_then_and_what_has_ended_is_not(killed: bool) -> None:
    house, meter, source = House(), about(METER), about(SOURCE)
    other = about(METER, start="2026-01-01T06")
    house.say(source, meter, other)
    house.pass_by(10_000)
    house.deliver()
    if killed:
        house.start()
    house.say(about(SOURCE, 2, "ok"), about(METER, 2, "ok", start="2026-01-01T06"))
    house.pass_by(10_000)
    house.pass_by(10_000)
    assert said(house) == [("duty", source.id, "firing"), ("duty", source.id, "ok"), ("duty", meter.id, "firing")]
    assert ("nothing_to_end", None) in house.why(about(METER, 2, "ok", start="2026-01-01T06"))
    assert house.done == len(house.events)


def test_what_was_told_before_its_cause_began_is_told_to_have_ended() -> None:
    house, meter = House(), about(METER)
    house.say(meter)
    house.pass_by(10_000)
    house.deliver()
    house.say(about(SOURCE), about(METER, 2, "ok"))
    assert [one for one in said(house) if one[1] == meter.id] == [
        ("duty", meter.id, "firing"),
        ("duty", meter.id, "ok"),
    ]


@pytest.mark.parametrize("kind", ["silence", "maintenance"])
def test_a_silenced_alarm_is_told_when_the_silence_ends_and_it_still_fires(kind: str) -> None:
    house, one = House(), about(ENTERPRISE)
    house.silence("s1", kind=kind, entity="county/bazhou")  # pyright: ignore[reportArgumentType]
    house.say(one, about(ENTERPRISE, 2, "firing", cause="tier", tier="worse"))
    house.pass_by(30 * MINUTE_MS)
    assert said(house) == []
    assert house.why(one) == [("silenced" if kind == "silence" else "maintenance", "s1")]
    house.start()
    house.pass_by(HOUR_MS)
    assert said(house) == [("duty", one.id, "firing")]
    assert house.sent[0][2] == 2


def test_a_silence_ended_early_lets_go_at_once_and_steps_on_the_way_do_not_hide_what_began() -> None:
    house, one = House(), about(ENTERPRISE)
    house.silence("s1", rule="silent-enterprise")
    house.say(one, about(ENTERPRISE, 2, "firing", cause="settled"))
    assert said(house) == []
    house.unsilence("s1")
    assert said(house) == [("duty", one.id, "firing")]


def test_an_alarm_that_ended_while_it_was_silenced_is_not_told_at_all() -> None:
    house = House()
    house.silence("s1", alarm=about(ENTERPRISE).id)
    house.say(about(ENTERPRISE), about(ENTERPRISE, 2, "ok"))
    house.pass_by(2 * HOUR_MS)
    assert said(house) == []
    assert house.why(about(ENTERPRISE, 2, "ok")) == [("nothing_to_end", None)]
    assert house.chain.held == 0


def test_a_withdrawal_is_told_through_a_silence_to_who_was_told() -> None:
    house, one = House(), about(ENTERPRISE)
    house.say(one)
    house.deliver()
    house.silence("s1", alarm=one.id)
    house.route("{apiVersion: qingyu/v1, kind: route, id: all, valid_from: 2018-01-01, spec: {recipients: [sleeper]}}")
    house.say(about(ENTERPRISE, 2, "withdrawn"))
    assert said(house) == [("duty", one.id, "firing"), ("duty", one.id, "withdrawn")]


def test_a_withdrawal_reaches_who_is_just_being_told_though_no_route_leads_there_any_more() -> None:
    house, one = House(), about(ENTERPRISE)
    house.say(one)
    house.route("{apiVersion: qingyu/v1, kind: route, id: all, valid_from: 2018-01-01, spec: {recipients: [sleeper]}}")
    house.say(about(ENTERPRISE, 2, "withdrawn"))
    assert said(house) == [("duty", one.id, "firing"), ("duty", one.id, "withdrawn")]


def test_quiet_hours_hold_back_from_one_recipient_until_they_end_and_except_the_grave() -> None:
    house, one, grave = House(SLEEPER), about(ENTERPRISE), about(ENTERPRISE, start="2026-01-01T06", severity="critical")
    house.say(one, grave)
    assert sorted(said(house)) == sorted(
        [("duty", one.id, "firing"), ("duty", grave.id, "firing"), ("sleeper", grave.id, "firing")]
    )
    assert house.why(one) == [("quiet_hours", None)]
    house.say(about(ENTERPRISE, 2, "firing", cause="tier"))
    house.pass_by(HOUR_MS)
    assert said(house)[-1] == ("sleeper", one.id, "firing")
    assert [seq for recipient, id_, seq, _ in house.sent if (recipient, id_) == ("sleeper", one.id)] == [2]


@pytest.mark.parametrize(
    ("hours", "waits_min"),
    [
        ([{"from": "22:00", "to": "09:00"}], 60),
        ([{"from": "08:00", "to": "08:30"}], 30),
        ([{"from": "08:30", "to": "09:00"}], None),
        ([{"from": "07:00", "to": "08:00"}], None),
        ([{"from": "07:00", "to": "08:30"}, {"from": "08:30", "to": "09:00"}], 60),
        ([{"from": "22:00", "to": "09:00", "weekdays": ["wed"]}], 60),
        ([{"from": "22:00", "to": "09:00", "weekdays": ["thu"]}], None),
        ([{"from": "08:00", "to": "08:00", "weekdays": ["thu"]}], 1440),
        # New Year's day, until Sunday, which is worked.
        ([{"from": "00:00", "to": "00:00", "days": "off"}], 16 * 60 + 2 * 1440),
        ([{"from": "00:00", "to": "00:00", "days": "working"}], None),
        ([{"from": "22:00", "to": "09:00", "except": ["warning"]}], None),
    ],
)
def test_quiet_hours_end_by_the_local_clock(hours: list[dict[str, object]], waits_min: int | None) -> None:
    assert (WEEK[local_datetime(BEGIN_MS).weekday()], local_datetime(BEGIN_MS).hour) == ("thu", 8)
    found = quiet_until([QuietHours.model_validate_json(json.dumps(one)) for one in hours], about(ENTERPRISE), BEGIN_MS)
    assert found == (None if waits_min is None else BEGIN_MS + waits_min * MINUTE_MS)


STEPS = st.lists(
    st.sampled_from(
        ["raise", "tier", "ok", "withdraw", "cause", "cause ends", "silence", "speak", "wait", "hour", "deliver",
         "kill", "away"]
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


def story(steps: list[str], asleep: bool, ending: str | None) -> tuple[House, str]:
    """Let steps happen to an alarm; return what came of it, when all that hides it is over, and its condition."""
    house = House(SLEEPER if asleep else ROUTES)
    seq, source, condition = 0, 0, "ok"
    for step in [*steps, *([ending] if ending else [])]:
        if step in ("raise", "tier", "ok", "withdraw"):
            if (step in ("tier", "ok") and condition != "firing") or (step == "raise" and condition == "firing"):
                continue
            seq += 1
            condition = {"ok": "ok", "withdraw": "withdrawn"}.get(step, "firing")
            house.say(about(METER, seq, condition, cause="raised" if step == "raise" else step))
        elif step.startswith("cause"):
            source += 1
            house.say(about(SOURCE, source, "firing" if step == "cause" else "ok"))
        elif step == "silence":
            house.silence("s1", alarm=about(METER).id)
        elif step == "speak" and house.silences:
            house.unsilence("s1")
        elif step in ("wait", "hour"):
            house.pass_by(10_000 if step == "wait" else HOUR_MS)
        elif step == "deliver":
            house.deliver()
        elif step == "kill":
            house.start()
        elif step == "away" and ending:
            house.route(ROUTES.replace("[duty]", "[sleeper]") if asleep else ROUTES)
    house.say(about(SOURCE, source + 1, "ok"))
    for _ in range(4):
        house.deliver()
        house.pass_by(2 * HOUR_MS)
    assert house.chain.held == 0
    assert house.done == len(house.events)
    return house, condition


def heard(house: House, recipient: str) -> list[str]:
    return [one for to, id_, _, one in house.sent if (to, id_) == (recipient, about(METER).id)]


@settings(max_examples=40, deadline=None)
@given(STEPS, st.booleans())
def test_a_withdrawn_alarm_is_told_to_exactly_those_who_were_told_of_it(steps: list[str], asleep: bool) -> None:
    house, _ = story(steps, asleep, "withdraw")
    for recipient in ("duty", "sleeper"):
        told = heard(house, recipient)
        assert not told or (told[0], told[-1]) == ("firing", "withdrawn"), (recipient, told)
        assert ("withdrawn", "withdrawn") not in zip(told, told[1:], strict=False)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.booleans())
def test_in_the_end_everybody_knows_how_an_alarm_stands(steps: list[str], asleep: bool) -> None:
    house, condition = story(steps, asleep, None)
    for recipient in ("duty", "sleeper") if asleep else ("duty",):
        told = heard(house, recipient)
        assert told[-1:] == [condition] or (not told and condition != "firing"), (recipient, told)
