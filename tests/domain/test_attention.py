"""What people did and silenced is asked of one alarm at one instant."""

from schemas.handling import Action, Silence
from schemas.messages import Condition
from streams.domain.attention import Attention
from streams.domain.handling import Seen, Stand, State, Visibility, apply

FIRING = Condition(
    1, "a1", "peak", "v1", "enterprise/bz-steel", "2018-01-01T08", "episode", "firing", None, "warning", "412.5", "400",
    "kWh", 0, 0, "above", 1.0, 1,
)  # fmt: skip
PLACES = ("enterprise/bz-steel", "county/bazhou")


def test_an_alarm_is_acknowledged_by_somebody_until_an_instant_and_its_owners_afterwards() -> None:
    handling = apply(None, FIRING, Action("x1", "assigned", 10, "Li Lei", "k1", 1, to="Han Meimei"))
    handling = apply(handling, FIRING, Action("x2", "acknowledged", 20, "Li Lei", "k1", 1, until=60))
    people = Attention({"a1": handling})
    assert people.stand(FIRING, 59) == Stand(State.ACKNOWLEDGED, "Han Meimei", "Li Lei", 60)
    assert people.stand(FIRING, 60) == Stand(State.ASSIGNED, "Han Meimei")


def test_what_is_silenced_names_the_silence_and_what_becomes_known_later_counts() -> None:
    silences: dict[str, Silence] = {}
    people = Attention({}, silences)
    assert people.seen(FIRING, PLACES, 100) == Seen(Visibility.SHOWN)
    silences["s1"] = Silence(
        1, "s1", "silence", 1, 0, "Li Lei", 100, 200, "at repair", "Li Lei", "k1", 0, entity="county/bazhou"
    )
    assert people.seen(FIRING, PLACES, 100) == Seen(Visibility.SILENCED, "s1")
    assert people.seen(FIRING, ("enterprise/bz-steel",), 100) == Seen(Visibility.SHOWN)
    assert people.seen(FIRING, PLACES, 200) == Seen(Visibility.SHOWN)
