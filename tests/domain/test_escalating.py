"""Of an alarm that nobody takes in hand more and more people are told, and of one in hand nobody else."""

from typing import Any

from msgspec.structs import replace

from schemas.escalation import Escalating
from schemas.handling import Action, Handling, Silence
from schemas.instants import instant_ms
from schemas.messages import AlarmEvent
from schemas.windows import local_datetime
from streams.domain.attention import Attention
from streams.domain.escalating import event_of, taken_up, watch
from streams.domain.handling import apply
from streams.domain.registry import Snapshot
from streams.domain.routing import NOTHING_SAID, Routing, unsaid
from streams.domain.routing import Silence as Unsaid
from tests.domain.test_routing import document

MIN_MS, HOUR_MS = 60_000, 3_600_000


def at(text: str) -> int:
    return instant_ms(f"{text}:00+08:00")


RAISED = at("2025-09-30T16:00")
FIRING = AlarmEvent(
    v=1, id="a1", rule="peak", rule_version="1", entity="enterprise/steel", start="2025-09-30T15", period="episode",
    condition="firing", tier=None, severity="critical", value="97", limit="94", unit="kWh", since=RAISED, known=RAISED,
    reason="", coverage=1.0, seq=1, from_=None, cause="raised", actor="engine",
)  # fmt: skip
PLAIN = {"steps": [{"after": "2h", "recipients": ["head"]}, {"after": "4h", "recipients": ["mayor"]}]}
WORKING = {
    "hours": [{"from": "09:00", "to": "17:00"}],
    "steps": [
        {"after": "120min", "working": True, "recipients": ["head"]},
        {"after": "2d", "working": True, "recipients": ["mayor"]},
    ],
}


def routing(spec: dict[str, Any], *more: Any) -> Routing:
    people = ("duty", "head", "mayor", "han")
    mails = [document("recipient", one, {"channels": {"mail": {"address": f"{one}@city.example"}}}) for one in people]
    names = document(
        "recipient", "li", {"channels": {"mail": {"address": "li@city.example"}}}, name={"zh": "李雷", "en": "Li Lei"}
    )
    return Routing.of(
        Snapshot.build(
            1,
            [
                document("enterprise", "steel", {}), *mails, names,
                document("route", "r", {"severity": ["critical"], "recipients": ["duty"], "escalation": "grave"}),
                document("escalation", "grave", spec), *more,
            ],
        )
    )  # fmt: skip


def begun(found: Routing, *events: AlarmEvent, people: Attention | None = None) -> Escalating:
    one = None
    for event in events or (FIRING,):
        one = taken_up(one, event, found.escalations(event, event.known), people or Attention(), event.known)
    assert one is not None
    return one


def told(found: Routing, people: Attention, one: Escalating, until: str, after: int = RAISED) -> list[tuple[str, ...]]:
    """Return what is told when: (time, step, to ...), as whoever looks whenever something is due."""
    said: list[tuple[str, ...]] = []
    now = after
    while True:
        seen = watch(one, found, people, now)
        said += [(_text(now), step.step.removeprefix("1|escalation|grave|"), *step.to) for step in seen.steps]
        one = replace(one, steps=[*one.steps, *seen.steps])
        if seen.next_ms is None or seen.next_ms > at(until):
            return said
        now = seen.next_ms


def _text(ms: int) -> str:
    return f"{local_datetime(ms):%m-%dT%H:%M}"


def handled(*actions: Action) -> Attention:
    handling: Handling | None = None
    for action in actions:
        handling = apply(handling, FIRING, action)
    return Attention({"a1": handling} if handling else {})


def acknowledged(since: str, until: str | None = None) -> Action:
    return Action(f"x{since}", "acknowledged", at(since), "Li Lei", "k", 1, until=None if until is None else at(until))


def test_steps_are_told_one_after_the_other_while_nobody_acknowledges() -> None:
    found = routing(PLAIN)
    assert told(found, Attention(), begun(found), "2025-10-02T00:00") == [
        ("09-30T18:00", "1", "head"),
        ("09-30T20:00", "2", "mayor"),
    ]


def test_working_time_stands_still_over_a_holiday() -> None:
    found = routing(WORKING)
    # An hour before National Day and Mid-Autumn Festival, 1 to 8 October, and the other after them.
    assert told(found, Attention(), begun(found), "2025-10-31T00:00") == [
        ("10-09T10:00", "1", "head"),
        ("10-10T16:00", "2", "mayor"),
    ]
    (step,) = watch(begun(found), found, Attention(), at("2025-10-09T10:00")).steps
    assert step.because == "escalated: step 1, nobody acknowledged within 120 working minutes"
    assert step.because_zh == "升级第 1 级：120 个工作分钟内无人确认"


def test_beyond_the_known_holidays_it_says_what_was_counted() -> None:
    found = routing(WORKING)
    late = replace(FIRING, known=at("2026-12-31T16:00"))
    (step,) = watch(begun(found, late), found, Attention(), at("2027-01-01T10:00")).steps
    assert step.because.endswith("(the holidays of 2027 are not known: Monday to Friday were counted)")


def test_an_acknowledgement_stops_it_and_when_it_ends_the_count_goes_on_where_it_stood() -> None:
    found = routing(PLAIN)
    for_ever = handled(acknowledged("2025-09-30T17:00"))
    assert told(found, for_ever, begun(found), "2025-12-31T00:00") == []
    for_a_while = handled(acknowledged("2025-09-30T17:00", "2025-10-01T09:00"))
    assert told(found, for_a_while, begun(found), "2025-12-31T00:00") == [
        ("10-01T10:00", "1", "head"),
        ("10-01T12:00", "2", "mayor"),
    ]


def test_a_silence_holds_it_up_and_what_was_told_stays_told() -> None:
    found = routing(PLAIN)
    quiet = Silence(
        1, "s", "maintenance", 1, 0, "Li", at("2025-09-30T19:00"), at("2025-09-30T21:00"), "x", "Li", "k", 0,
        entity="enterprise/steel",
    )  # fmt: skip
    assert told(found, Attention({}, {"s": quiet}), begun(found), "2025-12-31T00:00") == [
        ("09-30T18:00", "1", "head"),
        ("09-30T22:00", "2", "mayor"),
    ]


def test_an_assigned_owner_is_told_before_the_others() -> None:
    assigned = Action("x", "assigned", at("2025-09-30T16:30"), "Li", "k", 1, to="Li Lei")
    together = routing(PLAIN)
    assert told(together, handled(assigned), begun(together), "2025-09-30T19:00") == [
        ("09-30T18:00", "1", "li", "head")
    ]
    found = routing({**PLAIN, "owner_first": "30min"})
    assert told(found, handled(assigned), begun(found), "2025-09-30T20:30") == [
        ("09-30T18:00", "1|owner", "li"),
        ("09-30T18:30", "1", "head"),
        ("09-30T20:00", "2|owner", "li"),
        ("09-30T20:30", "2", "mayor"),
    ]
    nobody = replace(assigned, to="somebody else")
    assert told(found, handled(nobody), begun(found), "2025-09-30T19:00") == [("09-30T18:00", "1", "head")]


def test_the_end_of_an_alarm_ends_it_and_one_that_fires_again_counts_anew() -> None:
    found = routing(PLAIN)
    over = replace(FIRING, condition="ok", seq=2, known=at("2025-09-30T17:00"))
    assert watch(begun(found, FIRING, over), found, Attention(), at("2025-12-31T00:00")) == ((), None)
    again = replace(FIRING, seq=3, known=at("2025-10-05T08:00"))
    one = begun(found, FIRING, over, again)
    (step,) = watch(one, found, Attention(), at("2025-10-05T10:00")).steps
    assert (step.step, step.at) == ("3|escalation|grave|1", at("2025-10-05T10:00"))


def test_a_closed_alarm_escalates_no_more_until_something_happens_to_it() -> None:
    found = routing(PLAIN)
    settled = replace(FIRING, condition="established", cause="settled", seq=2, known=at("2025-09-30T16:30"))
    closed = apply(None, settled, Action("c", "closed", at("2025-09-30T17:00"), "Li", "k", 2))
    people = Attention({"a1": closed})
    assert told(found, people, begun(found, FIRING, settled), "2025-12-31T00:00") == []
    worse = replace(settled, condition="firing", cause="tier", seq=3, known=at("2025-10-02T08:00"))
    one = taken_up(begun(found, FIRING, settled), worse, found.escalations(worse, worse.known), people, worse.known)
    assert one is not None
    (step,) = watch(one, found, people, at("2025-10-02T10:00")).steps
    assert step.step == "3|escalation|grave|1"


def test_what_no_route_leads_on_is_not_escalated_and_what_grows_graver_is_from_then_on() -> None:
    found = routing(PLAIN)
    mild = replace(FIRING, severity="warning")
    assert taken_up(None, mild, found.escalations(mild, RAISED), Attention(), RAISED) is None
    grave = replace(FIRING, seq=2, cause="tier", known=at("2025-09-30T18:00"))
    assert begun(found, grave).began[0].at == at("2025-09-30T18:00")


def test_a_step_names_who_is_on_call_at_the_time() -> None:
    roster = document("roster", "night", {"rotation": {"from": "2018-01-01", "days": 1, "recipients": ["li", "han"]}})
    found = routing({"steps": [{"after": "2h", "on_call": ["night"]}, {"after": "1d", "on_call": ["night"]}]}, roster)
    # 30 September 2025 is 2,829 days after 1 January 2018: an odd number, so it is the second one's turn.
    assert told(found, Attention(), begun(found), "2025-12-31T00:00") == [
        ("09-30T18:00", "1", "han"),
        ("10-01T16:00", "2", "li"),
    ]


def test_a_step_is_said_once_beside_the_alarms_own_events() -> None:
    found = routing(PLAIN)
    one = begun(found)
    (step,) = watch(one, found, Attention(), at("2025-09-30T18:00")).steps
    said = event_of(one.event, step)
    before = NOTHING_SAID.after(1, "firing", None)
    assert unsaid(said, before) is None
    after = before.after(said.seq, said.condition, said.step)
    assert unsaid(said, after) is Unsaid.ALREADY_SAID
    assert unsaid(replace(FIRING, seq=2), after) is None


def test_the_same_facts_read_again_change_nothing() -> None:
    found = routing(PLAIN)
    one = begun(found, FIRING)
    assert taken_up(one, FIRING, found.escalations(FIRING, RAISED), Attention(), RAISED) == one


def test_owners_of_a_rule_are_told_as_by_a_route_and_participants_are_not() -> None:
    rule = document(
        "rule",
        "peak",
        {
            "metric": "energy.cv", "window": "hour", "period": "episode", "select": {"kind": "enterprise"},
            "raise": {"gt": "400"}, "severity": "critical", "owners": ["li"], "participants": ["han"],
        },
    )  # fmt: skip
    found = routing(PLAIN, rule)
    assert [(one.recipient, one.routes) for one in found.decide(FIRING, RAISED).targets] == [
        ("duty", ("r",)),
        ("li", ("rule/peak",)),
    ]


def test_a_route_leads_to_who_is_on_call_and_an_end_to_all_who_may_have_been() -> None:
    roster = document("roster", "night", {"rotation": {"from": "2018-01-01", "days": 1, "recipients": ["li", "han"]}})
    route = document("route", "on-call", {"on_call": ["night"]})
    found = routing(PLAIN, roster, route)
    over = replace(FIRING, condition="ok", seq=2)
    assert [one.recipient for one in found.decide(FIRING, RAISED).targets] == ["duty", "han"]
    assert [one.recipient for one in found.decide(over, RAISED).targets] == ["duty", "han", "li"]
