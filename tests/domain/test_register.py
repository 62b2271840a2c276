"""Registers: what lies between two readings, which are set aside, and that an hour sees what the whole sees."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.windows import HOUR_MS, window_at
from streams.domain.register import SpanKind, spans_of
from streams.domain.registry import Snapshot
from streams.domain.views import ExchangeView, MeterView
from tests.folding import REGISTRY, Stream, documents, instant, meter, tick

MINUTE_MS = 60_000
START_MS = instant("2018-03-01T08:00")
KWH = 1_000_000


def register(*exchanges: ExchangeView, **spec: Any) -> MeterView:
    """Return a register that counts 0.1 kWh."""
    snapshot = Snapshot.build(1, documents(REGISTRY, meter("e01", "register", resolution="0.1", **spec)))
    view = snapshot.meters["meter/works.e01"]
    return dataclasses.replace(view, exchanges=exchanges)


def found(view: MeterView, *values: str, minutes: int = 15) -> list[tuple[int, int, str, Decimal]]:
    """Return the spans of readings at a steady pace: places, kind and kWh."""
    counts = [int(Decimal(value) * 10) for value in values]
    instants = [START_MS + place * minutes * MINUTE_MS for place in range(len(counts))]
    return [
        (span.first, span.last, span.kind.value, Decimal(span.amount) / KWH)
        for span in spans_of(view, instants, counts)
    ]


def kinds(view: MeterView, *values: str, minutes: int = 15) -> list[str]:
    return [kind for _, _, kind, _ in found(view, *values, minutes=minutes)]


def energy(view: MeterView, *values: str, minutes: int = 15) -> Decimal:
    return sum((kwh for *_, kwh in found(view, *values, minutes=minutes)), Decimal(0))


ROLLING = {"modulus": "1000", "max_rate_per_h": "100"}


def test_a_rise_counts_times_the_multiplier() -> None:
    view = register(multiplier=[{"from": "2018-01-01", "value": "40"}])
    assert found(view, "10", "12.5") == [(0, 1, "normal", Decimal(100))]


def test_a_fall_that_the_capacity_explains_at_a_possible_rate_is_a_rollover() -> None:
    assert found(register(**ROLLING), "990", "5") == [(0, 1, "rollover", Decimal(15))]


@pytest.mark.parametrize(
    ("spec", "values", "minutes", "kind"),
    [
        (ROLLING, ("900", "5"), 15, "unexplained"),
        (ROLLING, ("990", "5"), 600, "ambiguous"),
        (ROLLING, ("5", "990"), 600, "possibly_turned"),
        (ROLLING, ("100", "127"), 15, "over_ceiling"),
        # 100 kW over a quarter of an hour and a minute, and a step of the register.
        (ROLLING, ("100", "126.7"), 15, "normal"),
        (ROLLING, ("100", "126.8"), 15, "over_ceiling"),
        ({"modulus": "1000"}, ("990", "5"), 15, "unexplained"),
        ({}, ("990", "5"), 15, "unexplained"),
        ({}, ("990", "989.9"), 15, "jitter"),
        ({}, ("990", "989.8"), 15, "unexplained"),
        ({"tolerance": "0.25"}, ("990", "989.8"), 15, "jitter"),
        ({}, ("990", "990"), 15, "normal"),
    ],
)
def test_a_span_is_what_capacity_rate_and_tolerance_make_of_it(
    spec: dict[str, str], values: tuple[str, ...], minutes: int, kind: str
) -> None:
    assert kinds(register(**spec), *values, minutes=minutes) == [kind]


def test_a_span_without_energy_starts_anew_from_its_end() -> None:
    assert found(register(), "1000", "5", "9") == [(0, 1, "unexplained", Decimal(0)), (1, 2, "normal", Decimal(4))]


def test_after_a_jitter_the_mark_holds() -> None:
    assert energy(register(), "100", "99.9", "100.2") == Decimal("0.2")
    assert energy(register(), "100", "99.9", "100", "100.2") == Decimal("0.2")


@pytest.mark.parametrize("glitch", ["0", "50", "9000"])
def test_one_absurd_reading_between_two_that_fit_each_other_is_set_aside(glitch: str) -> None:
    assert found(register(max_rate_per_h="100"), "100", glitch, "110") == [(0, 2, "normal", Decimal(10))]


def test_where_either_side_of_a_fall_could_go_the_earlier_stays() -> None:
    assert [span[:2] for span in found(register(), "100", "200", "150", "250")] == [(0, 1), (1, 3)]


def test_zeros_after_a_higher_reading_are_none_however_many_follow() -> None:
    assert found(register(), "100", "0", "0", "0", "0", "104") == [(0, 5, "normal", Decimal(4))]
    assert kinds(register(), "100", "0", "0", "0") == []


def test_a_zero_that_a_rollover_explains_is_a_reading() -> None:
    assert kinds(register(**ROLLING), "990", "0", "10") == ["rollover", "normal"]


def test_a_register_that_begins_at_zero_has_read_zero() -> None:
    assert kinds(register(), "0", "0", "1") == ["normal", "normal"]


def test_a_run_of_equal_readings_before_a_step_too_high_is_one_gap() -> None:
    view = register(max_rate_per_h="100")
    assert found(view, "90", "100", "100", "100", "100", "160", "161") == [
        (0, 1, "normal", Decimal(10)), (1, 5, "normal", Decimal(60)), (5, 6, "normal", Decimal(1)),
    ]  # fmt: skip
    assert kinds(view, "90", "100", "100", "300", "301") == ["normal", "normal", "over_ceiling", "normal"]


def exchange(minute: float, final: str | None, initial: str | None) -> ExchangeView:
    final_count, initial_count = (None if each is None else int(Decimal(each) * 10) for each in (final, initial))
    return ExchangeView(START_MS + int(minute * MINUTE_MS), final_count, initial_count)


@pytest.mark.parametrize(
    ("exchanges", "kind", "kwh"),
    [
        ([exchange(7, "104", "0")], "exchange", "9"),
        ([exchange(15, "104", "2")], "exchange", "7"),
        ([exchange(5, "104", "0"), exchange(10, "3", "1")], "exchange", "11"),
        ([exchange(7, None, "0")], "incomplete", "0"),
        ([exchange(7, "104", None)], "incomplete", "0"),
        ([exchange(7, "95", "0")], "unexplained", "0"),
        ([exchange(7, "104", "0.5"), exchange(0, "1", "2")], "exchange", "8.5"),
    ],
)
def test_an_exchange_counts_to_the_old_end_and_from_the_new_beginning(
    exchanges: list[ExchangeView], kind: str, kwh: str
) -> None:
    view = register(*sorted(exchanges, key=lambda each: each.at_ms))
    assert found(view, "100", "5") == [(0, 1, kind, Decimal(kwh))]


def test_a_multiplier_that_changes_within_a_span_leaves_it_incomplete() -> None:
    view = register(multiplier=[{"from": "2018-01-01", "value": "1"}, {"from": "2018-03-02", "value": "40"}])
    assert found(view, "1", "2", "3", minutes=20 * 60) == [
        (0, 1, "incomplete", Decimal(0)), (1, 2, "normal", Decimal(40)),
    ]  # fmt: skip
    assert kinds(view, "1", "2", "3", minutes=8 * 60) == ["normal", "normal"]


Told = tuple[int, int]
VALUES = st.lists(st.sampled_from((0, 0, 90, 100, 100, 100, 101, 102, 130, 400, 990, 5, 7)), min_size=2, max_size=24)
CORRECTED = st.sampled_from((None, 0, 5, 100, 130))
STEPS_MIN = st.lists(st.sampled_from((5, 15, 20, 60, 60, 90, 240)), min_size=24, max_size=24)
SPECS = st.sampled_from(({}, {"max_rate_per_h": "100"}, ROLLING, {"tolerance": "10"}))


def expected_hours(view: MeterView, told: Sequence[Told]) -> dict[int, int]:
    """Return the amount [1e-6 kWh] of each hour in which anything is known, from all readings at once."""
    instants = [at for at, _ in told]
    hours: defaultdict[int, int] = defaultdict(int)
    for span in spans_of(view, instants, [value * 10 for _, value in told]):
        begin, end = instants[span.first], instants[span.last]
        for hour in range(begin // HOUR_MS, (end - 1) // HOUR_MS + 1) if span.kind.has_energy else ():
            low, high = max(hour * HOUR_MS, begin), min((hour + 1) * HOUR_MS, end)
            parts = [span.amount * (edge - begin) // (end - begin) for edge in (low, high)]
            hours[hour * HOUR_MS] += parts[1] - parts[0]
    return dict(hours)


@pytest.mark.timeout(300)
@settings(max_examples=80, deadline=None)
@given(
    values=VALUES,
    steps_min=STEPS_MIN,
    spec=SPECS,
    corrections=st.lists(st.tuples(st.integers(0, 23), CORRECTED), max_size=4),
    data=st.data(),
)
def test_hours_computed_one_by_one_in_any_order_are_those_of_all_readings_at_once(
    values: list[int],
    steps_min: list[int],
    spec: dict[str, str],
    corrections: list[tuple[int, int | None]],
    data: st.DataObject,
) -> None:
    registered = documents(REGISTRY, meter("e01", "register", resolution="0.1", step="1h", **spec))
    at_ms, rows = START_MS, []
    for value, minutes in zip(values, steps_min, strict=False):
        rows.append(("e01", at_ms, str(value), 0))
        at_ms += minutes * MINUTE_MS
    kept: dict[int, int | None] = {row[1]: int(row[2]) for row in rows}
    for revision, (place, corrected) in enumerate(corrections, 1):
        instant_ms = rows[place % len(values)][1]
        rows.append(("e01", instant_ms, None if corrected is None else str(corrected), revision))
        kept[instant_ms] = corrected
    told = sorted((instant_ms, value) for instant_ms, value in kept.items() if value is not None)
    stream = Stream(registered)
    shuffled = data.draw(st.one_of(st.just(rows), st.permutations(rows)))
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        part, shuffled = shuffled[:size], shuffled[size:]
        stream.readings(*part)
    stream.step(tick(at_ms + HOUR_MS))

    view = Snapshot.build(1, registered).meters["meter/works.e01"]
    expected = {at: Decimal(amount) / KWH for at, amount in expected_hours(view, told).items()}
    for hour in range(START_MS // HOUR_MS, at_ms // HOUR_MS):
        name = window_at(hour * HOUR_MS, "hour").name
        assert stream.value("qty.electricity", name) == expected.get(hour * HOUR_MS), name
    spans = spans_of(view, [at for at, _ in told], [value * 10 for _, value in told])
    doubtful = {told[each.first][0] for each in spans if not each.kind.has_energy or each.kind is SpanKind.TURNED}
    # Others, such as a spike over a day, are no matter of one span.
    found = {each.start for each in stream.findings.values() if each.open and each.rule.startswith("register.")}
    assert found == doubtful
