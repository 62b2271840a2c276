"""Properties of conditions: whatever the way there, an alarm stands as is known of the windows, and not otherwise."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decimals import MICRO
from schemas.messages import AlarmEvent, Condition
from schemas.windows import HOUR_MS, Window, window, window_at
from streams.domain.alarm import OPEN, PASSED, WITHDRAWN, Bound, Step, Value, Watch
from streams.domain.flaw import Flaw
from streams.domain.views import PauseView
from streams.domain.watching import Watcher, evaluate
from tests.folding import instant

ENTITY = "enterprise/works"
FIRST_MS = instant("2018-03-01T16:00")
HOURS = 16  # over midnight
LAST = 40  # as far as time goes
GRACE_HOURS = 2
DAYS = tuple(window(name) for name in ("2018-03-01", "2018-03-02"))


def hour(number: int) -> Window:
    """Return an hour by how many lie between it and the first."""
    return window_at(FIRST_MS + number * HOUR_MS, "hour")


def number_of(at_ms: int) -> int:
    """Return how many hours lie between an instant and the first hour."""
    return (at_ms - FIRST_MS) // HOUR_MS


class Known:
    """What is known of one entity's hours, and the alarms that came of it."""

    entity = ENTITY

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        self.passed = 0  # hours
        self.conditions: dict[str, Condition] = {}
        self.events: list[AlarmEvent] = []

    def learn(self, values: dict[int, Value], passed: int) -> list[Window]:
        """Take in values, and how far the time has come; return the hours and days that this changed."""
        everything = [*DAYS, *(hour(number) for number in range(LAST))]
        open_before = {each for each in everything if not self.settled(each)}
        last_ms = self.last_ms()
        self.values.update(values)
        self.passed = passed
        changed = {hour(number) for number in values} | {each for each in open_before if self.settled(each)}
        changed |= {each for each in everything[2:] if last_ms < each.end_ms <= self.last_ms()}
        return sorted(changed | {window_at(each.start_ms, "day") for each in changed})

    def value(self, metric: str, window: Window) -> Value:
        nothing = Value(None, 0.0 if window.start_ms >= FIRST_MS else None)
        return self.values.get(number_of(window.start_ms), nothing)

    def settled(self, window: Window) -> bool:
        return window.end_ms + GRACE_HOURS * HOUR_MS <= FIRST_MS + self.passed * HOUR_MS

    def over(self, window: Window) -> bool:
        return window.end_ms <= FIRST_MS + self.passed * HOUR_MS

    def last_ms(self) -> int:
        return hour(max([*self.values, self.passed - 1])).end_ms

    def silent_ms(self, window: Window) -> int | None:
        return None

    def findings(self, window: Window) -> Sequence[Flaw]:
        return ()

    def stops(self) -> Sequence[PauseView]:
        return ()

    def condition(self, rule: str, start: str) -> Condition | None:
        return self.conditions.get(start)

    def starts(self, rule: str) -> list[str]:
        return sorted(self.conditions)

    def put(self, condition: Condition, event: AlarmEvent | None) -> None:
        self.conditions[condition.start] = condition
        if event is not None:
            self.events.append(event)

    def hold(self, watch: Watch, outside: Collection[int], changed: list[Window]) -> None:
        """Hold what changed against a watch that does not mean some hours."""

        def means(each: Window) -> bool:
            return number_of(each.start_ms) not in outside

        by_kind = {kind: [each for each in changed if each.kind == kind] for kind in ("hour", "day")}
        watcher = Watcher(watch, None, 0, 2**60)
        mine = [*watcher.touched(by_kind["hour"], means), *watcher.settling(by_kind)]
        if mine:
            evaluate(watch, ENTITY, mine, means, self, FIRST_MS + self.passed * HOUR_MS)


def bound(direction: Any, kwh: int) -> Bound:
    return Bound(direction, kwh * MICRO, str(kwh))


@st.composite
def watches(draw: st.DrawFn) -> Watch:
    """Draw a rule that is passed above 5 and above 9, or below 5 and below 3."""
    up = draw(st.sampled_from((True, True, True, False)))
    bounds = [bound("gt", 5), bound("gt", 9)] if up else [bound("lt", 5), bound("lt", 3)]
    steps = tuple(Step(tier, each, "warning") for tier, each in zip(("low", "high"), bounds, strict=True))
    period = draw(st.sampled_from(("episode", "episode", "episode", "day", "hour")))
    need = draw(st.integers(1, 3)) if period != "hour" else 1
    return Watch(
        "rule", "1", "qty.electricity", "hour", period, "kWh", steps[: draw(st.integers(1, 2))],
        draw(st.sampled_from((None, bound("lt", 4) if up else bound("gt", 6)))),
        need=need, among=draw(st.sampled_from((None, need + 1, need + 2))) if need > 1 else None,
        keep=draw(st.integers(1, 3)), no_data=draw(st.sampled_from(("keep", "no_data", "raise"))),
    )  # fmt: skip


VALUES = st.sampled_from(
    [
        *(Value(kwh * MICRO, 1.0) for kwh in (1, 1, 2, 4, 5, 7, 8, 12, 12)),
        *(Value(kwh * MICRO, 0.5) for kwh in (1, 4, 7, 12)),
        *(Value(None, 0.0), Value(None, None), Value(None, None, "broken", failed=True)),
    ]
)


class Came(NamedTuple):
    """What became known at once: values of some hours, and how many hours passed by then."""

    values: dict[int, Value]
    hours: int


STEPS = st.lists(
    st.builds(
        Came, st.dictionaries(st.integers(0, HOURS - 1), VALUES, max_size=4), st.sampled_from((0, 0, 0, 1, 2, 5))
    ),
    max_size=14,
)
OUTSIDE = st.sets(st.integers(0, HOURS - 1), max_size=3)


def came_of(watch: Watch, outside: Collection[int], steps: list[Came]) -> Known:
    """Return what is known after some steps, each of them held against a watch."""
    known, passed = Known(), 0
    for values, hours in steps:
        passed = min(LAST, passed + hours)
        known.hold(watch, outside, known.learn(values, passed))
    return known


def stands(known: Known) -> dict[str, Any]:
    """Return how all alarms stand, but for what tells how they came to it."""
    return {
        start: (
            each.condition, each.value, each.tier, each.severity, each.limit, each.since, each.fired, each.shown,
            each.coverage, each.reason,
        )
        for start, each in known.conditions.items()
        if each.condition in OPEN
    }  # fmt: skip


def over(known: Known) -> dict[str, Any]:
    """Return the episodes that are over: which window fired, what was shown of them, and until when they lasted."""
    return {
        start: (each.fired, each.shown, each.since, each.value)
        for start, each in known.conditions.items()
        if each.condition not in OPEN and each.shown is not None
    }


@settings(max_examples=200)
@given(watch=watches(), outside=OUTSIDE, steps=STEPS)
def test_conditions_follow_from_what_is_known_whatever_the_way_there(
    watch: Watch, outside: set[int], steps: list[Came]
) -> None:
    gradual = came_of(watch, outside, steps)
    every = {number: value for values, _ in steps for number, value in values.items()}
    once = came_of(watch, outside, [Came(every, sum(hours for _, hours in steps))])
    assert stands(gradual) == stands(once)
    assert over(gradual) == over(once)


def letters(watch: Watch, known: Known, outside: Collection[int]) -> str:
    """Return what each hour says.

    x: does not count, o: open, n: no data, e: error, c: cleared, b: between, 1 and 2: passed so many steps.
    """
    found = ""
    for number in range(number_of(known.last_ms())):
        kwh, coverage, _, failed = known.value("", hour(number))
        upward, whole, settled = watch.steps[0].bound.upward, coverage in (None, 1.0), known.settled(hour(number))
        if number in outside:
            letter = "x"
        elif kwh is None:
            letter = "e" if failed else "o" if not settled else "b" if coverage is None else "n"
        else:
            sign = 1 if upward else -1
            beyond = sum(sign * kwh > sign * step.bound.micro for step in watch.steps)
            clears = sign * kwh < sign * watch.clear.micro if watch.clear is not None else not beyond
            if beyond and (whole or upward or (settled and watch.period == "hour")):
                letter = str(beyond)
            else:
                letter = "c" if whole and clears else "b" if whole or settled else "o"
        found += "1" if letter == "n" and watch.no_data == "raise" else letter
    return found


def raises(watch: Watch, said: str, tier: int = 1) -> bool:
    """Tell whether the raise condition holds with the last of some hours, as the document of a rule words it."""
    counted = said.rpartition("x")[2].replace("o", "")[-(watch.among or watch.need) :]
    return said[-1:].isdigit() and sum(each.isdigit() and int(each) >= tier for each in counted) >= watch.need


def check_episodes(watch: Watch, known: Known, said: str) -> None:
    """Check that each that fires has its raise condition, is not over, and that no raise condition is without one."""
    spans: list[tuple[int, int]] = []
    ends: list[int] = []
    for each in known.conditions.values():
        begin = number_of(window(each.start).start_ms)
        if each.shown is not None and each.condition not in OPEN:
            ends.append(number_of(each.since))
        if each.condition in PASSED:
            assert each.fired is not None
            fired = number_of(each.fired)
            assert [at for at in range(begin, fired + 1) if raises(watch, said[begin : at + 1])] == [fired]
            since = said[fired + 1 :].replace("o", "")
            assert "x" not in since
            assert "c" * watch.keep not in since
            assert each.condition == ("recovering" if since.endswith("c") else "firing")
            assert each.tier == watch.steps[int([letter for letter in said[begin:] if letter.isdigit()][-1]) - 1].tier
        if each.fired is not None and each.condition != WITHDRAWN:
            spans.append((begin, LAST if each.condition in OPEN else number_of(each.since)))
    for at in range(len(said)):
        after = max((end for end in ends if end <= at), default=0)
        assert not raises(watch, said[after : at + 1]) or any(begin <= at < end for begin, end in spans)


@settings(max_examples=300)
@given(watch=watches(), outside=OUTSIDE, steps=STEPS)
def test_no_alarm_fires_without_its_raise_condition_and_no_raise_condition_is_without_its_alarm(
    watch: Watch, outside: set[int], steps: list[Came]
) -> None:
    known = came_of(watch, outside, steps)
    said = letters(watch, known, outside)
    if watch.period == "episode":
        check_episodes(watch, known, said)
        return
    fires = {start: each.tier for start, each in known.conditions.items() if each.condition in PASSED}
    wanted: dict[str, str | None] = {}
    for part in DAYS if watch.period == "day" else [hour(number) for number in range(len(said))]:
        first, last = max(0, number_of(part.start_ms)), min(len(said), number_of(part.end_ms))
        for tier, step in enumerate(watch.steps, 1):
            if any(raises(watch, said[first : at + 1], tier) for at in range(first, last)):
                wanted[part.name] = step.tier
    assert fires == wanted
