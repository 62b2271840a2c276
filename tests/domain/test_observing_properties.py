"""Properties of what rules observe: order, repetition, batches, ticks and lateness change no alarm that fires."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.test_observing_silence import rule
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, tick

HOUR_MS = 3_600_000
FIRST = instant("2018-03-01")
HOURS = 60  # two days and a half
OF_WORKS: dict[str, Any] = {"kind": "enterprise", "metric": "qty.electricity"}
MARCH = {"entity": "enterprise/works", "metric": "qty.electricity", "period": "2018-03", "quota": "3100", "unit": "kWh"}
TEXTS = (
    rule("silent", {"of": "silence"}, {"gt": "3"}, kind="meter"),
    rule("quiet", {"of": "silence"}, {"gt": "5"}, kind="source", clear={"lt": "3"}),
    rule("jump", {"of": "change", "against": "day_before"}, {"gt": "50"}, **OF_WORKS, period="hour"),
    rule("thin", {"of": "coverage"}, {"lt": "60"}, kind="enterprise", window="day", period="day"),
    rule("pace", {"of": "pace"}, {"gt": "100"}, **OF_WORKS, window="month", period="month"),
    rule("end", {"of": "projection"}, {"gt": "110"}, **OF_WORKS, window="month", period="month", clear={"lt": "90"}),
    rule("glass", {"of": "progress", "method": "gap"}, {"le": "2"}, **OF_WORKS, window="month", period="month"),
    rule("odd", {"of": "findings"}, {"gt": "0"}, kind="meter", window="day", period="day"),
    document("target", "march", **MARCH),
)
REGISTERED = documents(
    REGISTRY, meter("e01", step="1h"), meter("e02", step="1h"), meter("r01", "register", role="sub", parent="e01"),
    *TEXTS,
)  # fmt: skip

Row = tuple[str, int, str, int]


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Draw readings of three meters in some hours, and corrections of some of them."""
    found: list[Row] = []
    for name in ("e01", "e02", "r01"):
        gaps = draw(st.lists(st.integers(1, 9), min_size=3, max_size=12))
        at = 0
        for place, gap in enumerate(gaps):
            at += gap
            if at >= HOURS:
                break
            value = str(100 * place + 7) if name == "r01" else str(draw(st.sampled_from((1, 2, 40, 90, 150))))
            found.append((name, FIRST + at * HOUR_MS, value, 0))
            if draw(st.integers(0, 5)) == 0:
                found.append((name, FIRST + at * HOUR_MS, draw(st.sampled_from(("3", "60", "500"))), 1))
    return found


def fires(stream: Stream) -> list[tuple[Any, ...]]:
    """Return what fires, with all that is told of it."""
    return sorted(
        (each.rule, each.entity, each.start, each.tier, each.value, each.limit, each.since, each.reason, each.coverage)
        for each in stream.conditions.values()
        if each.condition == "firing"
    )


def played(parts: list[list[Row]], ticks: list[int]) -> Stream:
    """Play batches, each followed by a tick."""
    stream = Stream(REGISTERED)
    stream.step(tick(FIRST))
    for part, at in zip(parts, ticks, strict=True):
        if part:
            stream.readings(*part, received=FIRST + at * HOUR_MS)
        stream.step(tick(FIRST + at * HOUR_MS))
    return stream


@settings(
    max_examples=12,
    deadline=timedelta(seconds=60),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rows(), st.randoms(use_true_random=False))
def test_what_fires_is_the_same_in_whatever_order_readings_and_time_come(given_rows: list[Row], random: Any) -> None:
    at_once = played([given_rows], [HOURS + 4])
    shuffled = given_rows + given_rows[:3]
    random.shuffle(shuffled)
    cuts = sorted(random.sample(range(len(shuffled) + 1), 3))
    parts = [shuffled[low:high] for low, high in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    ticks = [*sorted(random.sample(range(1, HOURS), 3)), HOURS + 4]
    assert fires(played(parts, ticks)) == fires(at_once)
