"""What is estimated by like days follows from the facts alone, adds up exactly, and gives way to what is true."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.windows import DAY_MS, HOUR_MS
from streams.domain.share import Shape
from tests.folding import REGISTRY, Stream, batch, documents, instant, message, meter, tick

LIKE = [{"from": "2018-01-01", "by": "like_day"}]
FIRST_MS = instant("2018-03-01")  # a Thursday, and no holiday in the weeks after it
GAP = "2018-03-15"


def hourly(meter_id: str, days: int, *, skip: range | tuple[int, ...] = (), begin_ms: int = FIRST_MS) -> list[Any]:
    """Return rows of a register that counts 1 kWh in the first hour of a day up to 24 kWh in the last."""
    rows: list[Any] = [(meter_id, begin_ms, "0")]
    total = 0
    for hour in range(days * 24):
        total += hour % 24 + 1
        if hour + 1 not in skip:
            rows.append((meter_id, begin_ms + (hour + 1) * HOUR_MS, str(total)))
    return rows


def stream_of(*meters: str) -> Stream:
    return Stream(documents(REGISTRY, *meters))


def hours(stream: Stream, day: str = GAP, first: int = 8, last: int = 14) -> list[Decimal | None]:
    return [stream.value("qty.electricity", f"{day}T{hour:02}") for hour in range(first, last + 1)]


def gap(day: int, first: int, last: int) -> range:
    """Return which hours of `hourly` end within the hours from `first` until before `last` of a day."""
    return range(day * 24 + first + 1, day * 24 + last)


def test_a_gap_of_a_register_has_the_shape_of_its_like_days_and_its_own_total() -> None:
    stream = stream_of(meter("e01", "register", step="1h", sharing=LIKE))
    rows = hourly("e01", 21, skip=gap(14, 8, 14))
    # The total of the gap is twice that of the like days: 9 + 10 + .. + 14 = 69.
    rows = [(name, at, str(int(value) + (69 if at >= instant("2018-03-15T14:00") else 0))) for name, at, value in rows]
    stream.readings(*rows)
    assert hours(stream) == [18, 20, 22, 24, 26, 28, 15]
    assert stream.value("qty.electricity.estimated", GAP) == 138


def test_without_sharing_by_like_days_a_gap_is_straight() -> None:
    stream = stream_of(meter("e01", "register", step="1h"))
    stream.readings(*hourly("e01", 21, skip=gap(14, 8, 14)))
    assert hours(stream) == [Decimal("11.5")] * 6 + [15]


def test_sharing_is_dated() -> None:
    later = [{"from": "2018-01-01", "by": "straight"}, {"from": "2018-03-15", "by": "like_day"}]
    stream = stream_of(meter("e01", "register", step="1h", sharing=later))
    stream.readings(*hourly("e01", 21, skip=(*gap(13, 8, 14), *gap(14, 8, 14))))
    assert hours(stream, "2018-03-14") == [Decimal("11.5")] * 6 + [15]
    assert hours(stream) == [9, 10, 11, 12, 13, 14, 15]


def test_a_gap_without_a_like_day_is_straight_for_a_register_and_missing_for_an_interval() -> None:
    stream = stream_of(
        meter("e01", "register", step="1h", sharing=LIKE),
        meter("e02", step="1h", sharing=LIKE, role="sub", parent="e01"),
    )
    stream.readings(*hourly("e01", 6, skip=gap(5, 8, 14)))
    stream.readings(*(("e02", FIRST_MS + hour * HOUR_MS, "7") for hour in range(1, 144) if hour not in range(130, 135)))
    assert hours(stream, "2018-03-06") == [Decimal("11.5")] * 6 + [15]
    assert stream.value("qty.electricity", "2018-03-06T10", "meter/works.e02") is None


def test_days_off_and_the_weekends_worked_for_them_are_no_like_days() -> None:
    # Saturdays: 21 April is like any, 28 April was worked, 29 April to 1 May were off.
    stream = stream_of(meter("e01", step="1h", sharing=LIKE))
    begin = instant("2018-04-21")
    values = {"2018-04-21": "1", "2018-04-28": "9", "2018-04-24": "2", "2018-05-01": "9"}
    for day, value in values.items():
        stream.readings(*(("e01", instant(day) + hour * HOUR_MS, value) for hour in range(1, 25)))
    for day in ("2018-05-05", "2018-05-08"):
        stream.readings(*(("e01", instant(day) + hour * HOUR_MS, "5") for hour in (8, 12)))
    assert begin < instant("2018-05-05")
    assert hours(stream, "2018-05-05", 8, 10) == [1, 1, 1]
    assert hours(stream, "2018-05-08", 8, 10) == [2, 2, 2]


def test_the_three_nearest_of_eight_weeks_are_averaged() -> None:
    stream = stream_of(meter("e01", step="1h", sharing=LIKE))
    target = instant("2018-06-28")
    # 9 weeks before is too far; of 8, 3, 2 and 1 the nearest three count, and 18 June was off but no Thursday is.
    rows: list[Any] = [("e01", target + hour * HOUR_MS, "5") for hour in (8, 12)]
    for weeks, value in ((9, "1000"), (8, "100"), (3, "1"), (2, "2"), (1, "4")):
        begin = target - weeks * 7 * DAY_MS
        rows += [("e01", begin + hour * HOUR_MS, value) for hour in range(1, 25)]
    stream.readings(*rows)
    assert stream.value("qty.electricity", "2018-06-28T09") == Decimal("2.333333")
    # One of them is voided: the next nearest takes its place.
    stream.readings(("e01", target - 14 * DAY_MS + HOUR_MS, None, 1))
    assert stream.value("qty.electricity", "2018-06-28T09") == 35
    for weeks in (1, 3):
        stream.readings(("e01", target - weeks * 7 * DAY_MS + HOUR_MS, None, 1))
    assert stream.value("qty.electricity", "2018-06-28T09") == 100
    stream.readings(("e01", target - 56 * DAY_MS + HOUR_MS, "100", 1, "estimated"))
    assert stream.value("qty.electricity", "2018-06-28T09") is None


def test_a_straight_line_goes_before_like_days_and_true_data_before_both() -> None:
    stream = stream_of(meter("e01", step="15min", longest_gap="1h", sharing=LIKE))
    ends = [FIRST_MS + quarter * 900_000 for quarter in range(1, 15 * 96 + 1)]
    short = range(instant(f"{GAP}T06:00") + 1, instant(f"{GAP}T07:00") + 1)
    long = range(instant(f"{GAP}T08:00") + 1, instant(f"{GAP}T09:15") + 1)
    stream.readings(
        *(("e01", at, "1" if at < instant(GAP) else "5") for at in ends if at not in short and at not in long)
    )
    assert stream.value("qty.electricity", f"{GAP}T06") == 20
    assert hours(stream, GAP, 8, 9) == [4, 16]
    stream.readings(*(("e01", at, "6") for at in ends if at in long), received=GAP)
    assert hours(stream, GAP, 8, 9) == [24, 21]
    assert stream.value("qty.electricity.estimated", GAP) == 20


def test_an_interval_that_may_hold_the_whole_gap_leaves_it_missing() -> None:
    stream = stream_of(meter("e01", step="1h", sharing=LIKE))
    rows = [("e01", FIRST_MS + hour * HOUR_MS, "1") for hour in range(1, 15 * 24 + 1)]
    kept = [row for row in rows if row[1] not in range(instant(f"{GAP}T08:00") + 1, instant(f"{GAP}T12:00"))]
    stream.readings(*((*row[:2], "5" if row[1] == instant(f"{GAP}T12:00") else "1") for row in kept))
    assert hours(stream, GAP, 8, 11) == [None, None, None, 5]
    assert [each.rule for each in stream.findings.values() if each.open and "catch" in each.rule] == [
        "interval.catch_up"
    ]


def test_a_late_like_day_revises_the_weeks_after_it_and_names_its_batch() -> None:
    grace = """
---
{apiVersion: qingyu/v1, kind: settings, id: default, valid_from: 2018-01-01, spec: {grace: {hour: 2h, day: 1d}}}
"""
    stream = Stream(documents(REGISTRY, grace, meter("e01", "register", step="1h", sharing=LIKE), meter("e02")))
    rows = hourly("e01", 21, skip=gap(14, 8, 14))
    late = [row for row in rows if instant("2018-03-08T06:00") < row[1] < instant("2018-03-08T18:00")]
    early = [row for row in rows if row[1] > FIRST_MS + DAY_MS and row not in late]
    stream.step(message(batch(early, received=instant("2018-03-16"))))
    stream.step(tick("2018-05-01"))
    assert hours(stream) == [Decimal("11.5")] * 6 + [15]
    sent = [batch([("e02", "2018-04-01T00:15", "1")], received=instant("2018-05-01"), name="other"),
            batch(late, received=instant("2018-05-01"), name="late")]  # fmt: skip
    stream.step(message(*sent))
    assert hours(stream) == [9, 10, 11, 12, 13, 14, 15]
    assert stream.status(f"{GAP}T08") == "revised"
    told = [each for each in stream.revisions if each.start == f"{GAP}T08" and each.metric == "qty.electricity"]
    assert {(each.entity, each.before, each.after) for each in told} == {
        ("enterprise/works", 11_500_000, 9_000_000),
        ("meter/works.e01", 11_500_000, 9_000_000),
    }
    assert {one.batch for each in told for one in each.cause.batches} == {"late"}


def test_a_gap_that_spans_days_and_ends_in_an_hour_is_exact_in_sum() -> None:
    stream = stream_of(meter("e01", "register", step="1h", sharing=LIKE))
    rows = [row for row in hourly("e01", 16) if not instant("2018-03-14T20:00") < row[1] < instant("2018-03-16T03:00")]
    # It begins at 19:20 and ends at 03:40, with 1000.01 kWh over an odd number of days.
    rows = [(name, at, value) for name, at, value in rows if at <= instant("2018-03-14T19:00")]
    rows += [("e01", instant("2018-03-14T19:20"), "4200"), ("e01", instant("2018-03-16T03:40"), "5200.01")]
    stream.readings(*rows)
    parts = [stream.value("qty.electricity.estimated", f"2018-03-{day}") for day in (14, 15, 16)]
    assert sum(each for each in parts if each is not None) == Decimal("1000.01")
    one, other = (stream.value("qty.electricity", f"2018-03-15T{hour:02}") for hour in (0, 23))
    assert one is not None
    assert other is not None
    assert abs(other - 24 * one) < Decimal("0.00003")


@given(
    edges=st.lists(st.integers(0, 40 * HOUR_MS), min_size=2, max_size=8, unique=True).map(sorted),
    weights=st.lists(st.integers(0, 10**12), min_size=41, max_size=41),
    amount=st.integers(0, 10**18),
)
def test_shares_of_a_shape_add_up_to_the_whole(edges: list[int], weights: list[int], amount: int) -> None:
    first, last = edges[0], edges[-1]
    shape = Shape(first, last, weights[first // HOUR_MS : -(-last // HOUR_MS)], 0)
    if shape.weighs:
        parts = [shape.share(amount, low, high) for low, high in zip(edges, edges[1:], strict=False)]
        assert sum(parts) == amount
        assert min(parts) >= 0


# One like day before and up to two gaps after it, four readings a day, so that much can change in little time.
METERS = (
    meter("r1", "register", step="6h", sharing=LIKE),
    meter("r2", "register", step="6h", role="output", max_rate_per_h="60", modulus="10000",
          sharing=[{"from": "2018-01-01", "by": "like_day"}, {"from": "2018-04-20", "by": "straight"}]),
    meter("i1", step="6h", longest_gap="12h", sharing=LIKE),
    meter("i2", step="6h", stamp="start", sharing=LIKE, role="sub", parent="i1"),
)  # fmt: skip
SETTLE = """
---
{apiVersion: qingyu/v1, kind: settings, id: default, valid_from: 2018-01-01, spec: {grace: {hour: 2h, day: 12h}}}
"""
REGISTERED = documents(REGISTRY, SETTLE, *METERS)
OPEN_MS, SLOTS = instant("2018-04-13"), 9 * 4
LATE_MS = instant("2018-04-22")


@st.composite
def facts(draw: st.DrawFn) -> list[tuple[tuple[Any, ...], int]]:
    """Draw what came of some weeks: mostly all, with holes, marks, voids, corrections and late rows."""
    found: list[tuple[tuple[Any, ...], int]] = []
    for name in draw(st.sampled_from((("r1", "i1"), ("r2", "i2"), ("r1", "i2"), ("i1", "i2")))):
        register = name.startswith("r")
        holes = draw(st.lists(st.tuples(st.integers(0, SLOTS), st.integers(1, 8)), max_size=3))
        missing = {slot for first, length in holes for slot in range(first, first + length)}
        factor = draw(st.integers(1, 40))
        for slot in range(SLOTS):
            value = factor * slot if register else factor * (slot % 5)
            late = slot in missing
            if not late or draw(st.integers(0, 5)) == 0:
                found.append(((name, OPEN_MS + slot * 21_600_000, value), LATE_MS if late else OPEN_MS))
    for _ in range(draw(st.integers(0, 6))):
        name, slot = draw(st.sampled_from(("r1", "r2", "i1", "i2"))), draw(st.integers(0, SLOTS - 1))
        value = draw(st.none() | st.integers(0, 3000))
        quality = "ok" if value is None else draw(st.sampled_from(("ok", "estimated", "fault")))
        row = (name, OPEN_MS + slot * 21_600_000, value, draw(st.integers(0, 2)), quality)
        found.append((row, draw(st.sampled_from((OPEN_MS, LATE_MS)))))
    return found


def sent(part: list[tuple[tuple[Any, ...], int]]) -> bytes:
    stamps = sorted({at for _, at in part})
    return message(*(batch([row for row, at in part if at == stamp], received=stamp) for stamp in stamps))


def standing(stream: Stream) -> dict[str, Any]:
    said = {key: msgspec.structs.replace(each, touched=[], input=[], registry=0) for key, each in stream.totals.items()}
    return said | {key: each for key, each in stream.findings.items() if each.open}


@pytest.mark.timeout(400)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=facts(), data=st.data())
def test_order_repetition_batches_and_lateness_change_no_estimate(
    rows: list[tuple[tuple[Any, ...], int]], data: st.DataObject
) -> None:
    whole, other = Stream(REGISTERED), Stream(REGISTERED)
    whole.step(tick(OPEN_MS))
    whole.step(sent(rows))
    whole.step(tick(LATE_MS))
    other.step(tick(OPEN_MS))
    order = data.draw(st.randoms(use_true_random=False), "order")
    mixed = [*rows, *order.sample(rows, 5)]
    order.shuffle(mixed)
    if data.draw(st.booleans(), "late ones last"):
        mixed.sort(key=lambda each: each[1])
    cuts = sorted(data.draw(st.lists(st.integers(1, len(mixed)), max_size=3), "cuts"))
    for low, high in zip([0, *cuts], [*cuts, len(mixed)], strict=True):
        if low < high:
            other.step(sent(mixed[low:high]))
        if data.draw(st.integers(0, 2), "restart") == 0:
            other.restart(without_local_copy=True)
    other.step(tick(LATE_MS))
    assert whole.rejected == other.rejected == []
    assert standing(other) == standing(whole)
