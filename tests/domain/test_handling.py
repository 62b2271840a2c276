"""Where people are with an alarm follows from its condition, from what they did, and from the time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.handling import Action, Handling, Silence
from schemas.messages import Condition
from streams.domain.handling import GOING_ON, Refusal, Seen, Stand, State, Visibility, apply, refusal, seen, stand

FIRING = Condition(
    1, "a1", "peak", "v1", "enterprise/bz-steel", "2018-01-01T08", "episode", "firing", None, "warning", "412.5", "400",
    "kWh", 0, 0, "above", 1.0, 1,
)  # fmt: skip
OVER = replace(FIRING, condition="ok", seq=2)
AGAIN = replace(FIRING, seq=3)
WITHDRAWN = replace(FIRING, condition="withdrawn", seq=3)
NIGHT = Silence(1, "s1", "silence", 1, 0, "Li Lei", 100, 200, "sensor is being changed", "Li Lei", "k1", 0)
PLACES = ("enterprise/bz-steel", "county/bazhou")


def did(what: str, at: int = 10, **more: object) -> Action:
    return Action(f"{what}-{at}", what, at, "Li Lei", "k1", more.pop("alarm_seq", 1), **more)  # type: ignore[arg-type]


def after(*actions: Action, condition: Condition = FIRING) -> Handling:
    handling = None
    for action in actions:
        handling = apply(handling, condition, action)
    assert handling is not None
    return handling


def test_an_alarm_that_nobody_touched_is_new() -> None:
    assert stand(None, FIRING, 50) == Stand(State.NEW)


def test_an_acknowledgement_holds_until_its_end_and_then_the_alarm_is_new_again() -> None:
    handling = after(did("acknowledged", until=60))
    assert stand(handling, FIRING, 59) == Stand(State.ACKNOWLEDGED, None, "Li Lei", 60)
    assert stand(handling, FIRING, 60) == Stand(State.NEW)


def test_one_that_was_assigned_is_its_owners_when_the_acknowledgement_has_ended() -> None:
    handling = after(did("assigned", to="Han Meimei"), did("acknowledged", 11, until=60))
    assert stand(handling, FIRING, 59).state is State.ACKNOWLEDGED
    assert stand(handling, FIRING, 60) == Stand(State.ASSIGNED, "Han Meimei")


def test_a_comment_changes_nothing_but_the_list_of_actions() -> None:
    handling = after(did("commented", text="pump 3 runs dry"))
    assert stand(handling, FIRING, 50) == Stand(State.NEW)
    assert [each.text for each in handling.actions] == ["pump 3 runs dry"]


@pytest.mark.parametrize("condition", sorted(GOING_ON))
def test_what_still_goes_on_cannot_be_closed(condition: str) -> None:
    assert refusal(None, replace(FIRING, condition=condition), did("closed")) is Refusal.GOING_ON


@pytest.mark.parametrize("condition", ["ok", "established", "withdrawn", "no data", "error"])
def test_what_does_not_go_on_can_be_closed_once(condition: str) -> None:
    over = replace(OVER, condition=condition)
    assert refusal(None, over, did("closed", alarm_seq=2)) is None
    handling = after(did("closed", alarm_seq=2), condition=over)
    assert stand(handling, over, 50) == Stand(State.CLOSED, None, "Li Lei")
    assert refusal(handling, over, did("closed", 11, alarm_seq=2)) is Refusal.CLOSED
    assert refusal(handling, over, did("acknowledged", 11, alarm_seq=2)) is Refusal.CLOSED
    assert refusal(handling, over, did("commented", 11, alarm_seq=2)) is None


def test_a_closed_alarm_that_fires_again_is_new_and_owes_nothing_to_what_was_done_before() -> None:
    handling = after(did("assigned", to="Han Meimei"), did("closed", 11, alarm_seq=2), condition=OVER)
    assert stand(handling, AGAIN, 50) == Stand(State.NEW)
    handling = apply(handling, AGAIN, did("commented", 51, alarm_seq=3))
    assert stand(handling, AGAIN, 52) == Stand(State.NEW)
    assert len(handling.actions) == 3


def test_a_closed_alarm_that_is_withdrawn_stays_closed() -> None:
    handling = after(did("closed", alarm_seq=2), condition=OVER)
    assert stand(handling, WITHDRAWN, 50).state is State.CLOSED


def test_a_withdrawn_alarm_cannot_be_acknowledged() -> None:
    assert refusal(None, WITHDRAWN, did("acknowledged", alarm_seq=3)) is Refusal.OVER


def test_the_same_acknowledgement_twice_is_refused_and_a_longer_one_is_taken() -> None:
    handling = after(did("acknowledged", until=60))
    assert refusal(handling, FIRING, did("acknowledged", 11, until=60)) is Refusal.ACKNOWLEDGED
    assert refusal(handling, FIRING, did("acknowledged", 11, until=90)) is None
    assert refusal(handling, FIRING, did("acknowledged", 61, until=60)) is None


@pytest.mark.parametrize(
    "about", [{"alarm": "a1"}, {"rule": "peak"}, {"entity": "county/bazhou"}, {"entity": PLACES[0]}]
)
def test_a_silence_holds_from_its_start_until_before_its_end(about: dict[str, str]) -> None:
    night = replace(NIGHT, **about)
    shown = [seen(FIRING, PLACES, [night], at_ms).visibility for at_ms in (99, 100, 199, 200)]
    assert shown == [Visibility.SHOWN, Visibility.SILENCED, Visibility.SILENCED, Visibility.SHOWN]


@pytest.mark.parametrize(
    "about", [{"alarm": "a2"}, {"rule": "trough"}, {"entity": "county/x"}, {"entity": PLACES[0], "rule": "trough"}]
)
def test_a_silence_is_about_nothing_else(about: dict[str, str]) -> None:
    assert seen(FIRING, PLACES, [replace(NIGHT, **about)], 150) == Seen(Visibility.SHOWN)


def test_maintenance_is_named_before_inhibition_and_inhibition_before_silence() -> None:
    night, work = replace(NIGHT, rule="peak"), replace(NIGHT, id="m1", kind="maintenance", rule="peak")
    assert seen(FIRING, PLACES, [night, work], 150, "a9") == Seen(Visibility.MAINTENANCE, "m1")
    assert seen(FIRING, PLACES, [night], 150, "a9") == Seen(Visibility.INHIBITED, "a9")
    assert seen(FIRING, PLACES, [night], 150) == Seen(Visibility.SILENCED, "s1")


CONDITIONS = st.sampled_from(["ok", "pending", "firing", "recovering", "established", "no data", "withdrawn"])
STEPS = st.lists(
    st.one_of(
        CONDITIONS,
        st.tuples(
            st.sampled_from(["acknowledged", "assigned", "commented", "closed"]),
            st.one_of(st.none(), st.integers(1, 30)),
        ),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_the_record_tells_all_of_it_and_the_state_follows(steps: list[object]) -> None:
    condition, handling = FIRING, None
    taken: list[Action] = []
    records: list[Handling] = []
    for at_ms, step in enumerate(steps, 1):
        if isinstance(step, str):
            if step != condition.condition:
                condition = replace(condition, condition=step, seq=condition.seq + 1)
            continue
        what, for_ms = step  # type: ignore[misc]
        until = at_ms + for_ms if what == "acknowledged" and for_ms else None
        action = did(what, at_ms, alarm_seq=condition.seq, until=until, to="Han Meimei" if what == "assigned" else None)
        before = stand(handling, condition, at_ms)
        if refusal(handling, condition, action) is not None:
            continue
        handling = apply(handling, condition, action)
        taken.append(action)
        records.append(handling)
        # Sent again it counts once.
        assert apply(handling, condition, action) is handling
        now = stand(handling, condition, at_ms)
        expected = {"acknowledged": State.ACKNOWLEDGED, "closed": State.CLOSED, "commented": before.state}.get(what)
        assert now.state is expected or (what == "assigned" and now.state in (State.ASSIGNED, State.ACKNOWLEDGED))
        # Nothing is closed that goes on, and no acknowledgement outlives its end.
        assert now.state is not State.CLOSED or condition.condition not in GOING_ON
        if now.until is not None:
            assert stand(handling, condition, now.until).state is not State.ACKNOWLEDGED
    assert handling is None or handling.actions == taken
    assert all(later.seq == earlier.seq + 1 for earlier, later in pairwise(records))
