"""A change of a settled window is recorded: from what to what, why, and since when it is known."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import Cause, CausingBatch, CausingReport, Correction, Revision
from streams.domain.revising import EVERYTHING
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, report, tick

GRACE = """
{apiVersion: qingyu/v1, kind: settings, id: default, valid_from: 2018-01-01,
 spec: {grace: {hour: 2h, day: 1d, month: 10d, year: 120d}}}
"""
QUARTERS = ("2018-03-01T08:15", "2018-03-01T08:30", "2018-03-01T08:45", "2018-03-01T09:00")
WINDOWS = ("2018-03-01T08", "2018-03-01", "2018-03", "2018-Q1", "2018")
LATE = "2019-06-01T12:00"
MISREAD = Correction("the meter was read wrongly", "Li Lei")


@pytest.fixture
def stream() -> Stream:
    return Stream(documents(REGISTRY, GRACE, meter("e01"), meter("s01", role="sub", parent="e01")))


def sent(stream: Stream, at: str = "2018-03-01T09:01") -> None:
    stream.readings(*(("e01", each, "1") for each in QUARTERS), received=at)


def test_a_change_before_settlement_is_no_revision(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2018-03-01T10:59"))
    stream.readings(("e01", QUARTERS[0], "5", 1), received="2018-03-01T10:59")
    assert stream.value("qty.electricity", "2018-03-01T08") == 8
    assert stream.revisions == []


def test_only_the_windows_that_had_settled_are_revised(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2018-03-20"))
    stream.readings(("e01", QUARTERS[0], "5", 1), received="2018-03-20T12:00")
    for name in WINDOWS:
        moved = [(Decimal(4), Decimal(8))] if len(name) > 7 else []
        assert stream.revised("qty.electricity", name) == moved


def test_every_level_and_metric_that_moved_is_told_with_its_cause(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    stream.step(message(batch([("e01", QUARTERS[0], "5", 1)], received=instant(LATE), name="b-2", correction=MISREAD)))
    for name in WINDOWS:
        assert stream.revised("qty.electricity", name) == [(4, 8)]
        assert stream.revised("energy.cv", name) == [(Decimal("0.4916"), Decimal("0.9832"))]
        assert stream.revised("time.measured.electricity", name) == []
    for name in WINDOWS[:2]:
        assert stream.revised("qty.electricity", name, "meter/works.e01") == [(4, 8)]
    because = Cause([CausingBatch("works-gw1", "b-2", instant(LATE), MISREAD)])
    assert {(each.known, repr(each.cause)) for each in stream.revisions} == {(instant(LATE), repr(because))}
    assert {each.window for each in stream.revisions} == {"hour", "day", "month", "quarter", "year"}


def test_a_window_of_which_nothing_had_come_is_told_in_one_record(stream: Stream) -> None:
    stream.step(tick("2018-03-01"))
    stream.step(tick("2018-03-20"))
    sent(stream, at="2018-03-20T12:00")
    assert stream.revised("*", "2018-03-01T08") == stream.revised("*", "2018-03-01") == [(None, None)]
    stream.readings(*(("e01", each, None, 1) for each in QUARTERS), received="2018-03-21")
    assert stream.revised("qty.electricity", "2018-03-01") == [(4, None)]
    assert stream.revised("time.measured.electricity", "2018-03-01T08") == [(3600, 0)]


def test_a_meter_whose_enterprise_was_heard_of_is_revised_from_none(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    stream.readings(("s01", QUARTERS[0], "3"), received=LATE)
    assert stream.revised("qty.electricity", "2018-03-01T08", "meter/works.s01") == [(None, 3)]
    assert stream.revised("time.measured.electricity", "2018-03-01", "meter/works.s01") == [(0, 900)]
    assert {each.entity for each in stream.revisions} == {"meter/works.s01"}


def test_a_past_that_nothing_was_known_of_at_all_is_one_record_a_window(stream: Stream) -> None:
    stream.step(tick("2019-06-01"))
    sent(stream, at=LATE)
    told = [(each.metric, each.start, each.before, each.after, each.known) for each in stream.revisions]
    assert told == [("*", name, None, None, instant(LATE)) for name in (*WINDOWS[:3], "2018", "2018-Q1")]
    assert {one.batch for each in stream.revisions for one in each.cause.batches} == {"b"}


def test_the_same_reading_again_revises_nothing(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    sent(stream, at=LATE)
    assert stream.revisions == []


def test_what_a_window_settled_as_does_not_hang_on_what_a_step_takes_together() -> None:
    messages = [
        message(batch([("e01", each, "1") for each in QUARTERS], received=instant("2018-03-01T09:01"))),
        tick("2018-03-01T09:30"),
        tick("2019-06-01"),
        message(batch([("e01", QUARTERS[0], "5", 1)], received=instant(LATE), name="b-2")),
    ]
    apart, together = (Stream(documents(REGISTRY, GRACE, meter("e01"))) for _ in range(2))
    for each in messages:
        apart.step(each)
    together.step(*messages)
    assert [*map(repr, apart.revisions)] == [*map(repr, together.revisions)]
    assert together.revised("qty.electricity", "2018") == [(4, 8)]


def test_each_correction_stands_for_itself_among_other_late_batches(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    late = [
        batch([("e01", "2018-03-01T09:15", "7")], received=instant(LATE), name="late-1"),
        batch([("e01", QUARTERS[0], "5", 1)], received=instant(LATE), name="mended", correction=MISREAD),
        batch([("e01", "2018-03-01T09:30", "7")], received=instant(LATE), name="late-2"),
    ]
    stream.step(message(*late))
    told = {
        each.after: [one.batch for one in each.cause.batches]
        for each in stream.revisions
        if (each.metric, each.start, each.entity) == ("qty.electricity", "2018-03-01", "enterprise/works")
    }
    assert told == {11_000_000: ["late-1"], 15_000_000: ["mended"], 22_000_000: ["late-2"]}


def test_a_cause_names_the_batches_that_changed_the_window_and_no_others(stream: Stream) -> None:
    stream.step(tick("2018-03-01"))
    sent(stream)
    stream.step(tick("2018-03-05"))
    hour = instant("2018-03-05") - 900_000
    others = [batch([("s01", hour, "1")], received=instant("2018-03-05T00:01"), name="fresh")]
    stream.step(message(*others, batch([("e01", QUARTERS[1], "3", 1)], received=instant("2018-03-05T00:02"), name="x")))
    assert {one.batch for each in stream.revisions for one in each.cause.batches} == {"x"}
    assert stream.revised("qty.electricity", "2018-03-01T08", "meter/works.e01") == [(4, 6)]


def test_an_import_that_claims_an_early_arrival_became_known_when_it_came(stream: Stream) -> None:
    stream.step(tick("2018-03-01"))
    stream.step(tick("2018-03-20"))
    sent(stream)
    assert stream.status("2018-03-01T08") == "settled"
    assert stream.revised("*", "2018-03-01T08") == [(None, None)]
    assert {each.known for each in stream.revisions} == {instant("2018-03-20")}


def test_the_end_of_a_gap_that_comes_in_time_revises_the_settled_hours_before() -> None:
    stream = Stream(documents(REGISTRY, GRACE, meter("e01", "register"), meter("e02")))
    stream.step(tick("2018-03-01"))
    stream.readings(("e01", "2018-03-01T08:00", "0"), received="2018-03-01T08:01")
    stream.readings(("e02", "2018-03-02T12:15", "3"), received="2018-03-02T12:16")
    stream.step(tick("2018-03-05"))
    end = batch([("e01", "2018-03-05T08:00", "96")], received=instant("2018-03-05T08:01"), name="end")
    again = batch([("e02", "2018-03-02T12:15", "3")], received=instant("2018-03-02T12:16"), name="again")
    stream.step(message(again, end))
    assert stream.revised("qty.electricity", "2018-03-02T12") == [(3, 4)]
    assert stream.revised("qty.electricity", "2018-03-02") == [(3, 27)]
    assert stream.revised("*", "2018-03-03") == [(None, None)]
    assert stream.revised("qty.electricity", "2018-03-02T12", "meter/works.e01") == [(None, 1)]
    assert {one.batch for each in stream.revisions for one in each.cause.batches} == {"end"}


def test_a_reported_value_revises_outputs_and_what_is_divided_by_them() -> None:
    indicator = document(
        "indicator", "steel-intensity",
        type="intensity", numerator="energy.cv", denominator="output.crude-steel", unit="kgce/t",
    )  # fmt: skip
    stream = Stream(documents(REGISTRY, GRACE, indicator, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "1000"))
    stream.step(report("2018-03", "2", received=instant("2018-04-02")))
    stream.step(tick("2018-05-01"))
    stream.step(report("2018-03", "4", received=instant("2018-05-02"), rev=1))
    assert stream.revised("output.crude-steel", "2018-03") == [(2, 4)]
    assert stream.revised("ind.steel-intensity", "2018-03") == [(Decimal("61.45"), Decimal("30.725"))]
    told = CausingReport("output.crude-steel", "2018-03", 1, "works-gw1", instant("2018-05-02"))
    assert {repr(each.cause) for each in stream.revisions} == {repr(Cause(reported=[told]))}
    assert {each.known for each in stream.revisions} == {instant("2018-05-02")}


def test_a_change_of_the_registry_is_the_cause_of_what_it_moves(stream: Stream) -> None:
    sent(stream)
    stream.step(tick("2019-06-01"))
    factor = document(
        "release", "demo-2018",
        coefficients=[{"carrier": "electricity", "cv_kgce": "0.2", "eq_kgce": "0.3", "source": "demo"}],
        factors=[{"carrier": "electricity", "gas": "co2", "kg": "0.6", "scope": "power", "source": "demo"}],
    )  # fmt: skip
    stream.register(documents(REGISTRY, GRACE, meter("e01"), meter("s01", role="sub", parent="e01"), factor), 2)
    for name in WINDOWS:
        assert stream.revised("energy.cv", name) == [(Decimal("0.4916"), Decimal("0.8"))]
    assert stream.revised("energy.eq", "2018") == []
    assert {each.cause.registry for each in stream.revisions} == {2}


def test_a_lost_local_copy_changes_no_revision(stream: Stream) -> None:
    other = Stream(documents(REGISTRY, GRACE, meter("e01"), meter("s01", role="sub", parent="e01")))
    for each in (stream, other):
        sent(each)
        each.step(tick("2019-06-01"))
    other.restart(without_local_copy=True)
    for each in (stream, other):
        each.readings(("e01", QUARTERS[0], "5", 1), ("s01", QUARTERS[0], "3"), received=LATE)
    assert sorted(map(repr, stream.revisions)) == sorted(map(repr, other.revisions))
    assert other.revised("qty.electricity", "2018-03-01", "meter/works.s01") == [(None, 3)]


NAMES = ("e01", "e02", "s01")
SHORT = GRACE.replace("10d", "12h").replace("120d", "1d").replace("day: 1d", "day: 6h")
REGISTERED = documents(REGISTRY, SHORT, meter("e01"), meter("e02", "register"), meter("s01", role="sub", parent="e01"))
FIRST_MS, LAST_MS = instant("2018-03-31T20:00"), instant("2018-04-01T04:00")


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 3)) == 0:
        return tick(FIRST_MS + draw(st.integers(0, 60)) * 3_600_000)
    rows: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(1, 4))):
        at_ms = FIRST_MS + draw(st.integers(0, (LAST_MS - FIRST_MS) // 900_000)) * 900_000
        value = draw(st.none() | st.integers(0, 30).map(Decimal))
        rows.append((draw(st.sampled_from(NAMES)), at_ms, value, draw(st.integers(0, 2)), "ok"))
    correction = draw(st.sampled_from((None, None, MISREAD)))
    received = draw(st.sampled_from((FIRST_MS, LAST_MS, instant("2018-04-03"))))
    return message(batch(rows, received=received, correction=correction))


class Told(NamedTuple):
    """What revisions say of windows, whatever the steps were they were found in."""

    moved: dict[tuple[str, str, str], tuple[Any, Any]]  # of each number (entity, metric, window): the first, the last
    unheard: set[str]  # windows of which nothing had been known at first
    anew: set[str]  # windows of which something had, then nothing any more, and then something again


def told(revisions: Sequence[Revision]) -> Told:
    """Return what revisions say; check that each follows the one before.

    A window of which nothing had been known is told as such, without its numbers and those of meters.
    """
    found: dict[tuple[str, str, str], tuple[Any, Any]] = {}
    unheard, anew, seen = set[str](), set[str](), set[str]()
    for each in revisions:
        key = each.entity, each.metric, each.start
        assert (each.before != each.after) == (each.metric != EVERYTHING)
        if each.metric == EVERYTHING:
            (unheard if each.start not in seen or each.start in unheard else anew).add(each.start)
            found = {one: ends for one, ends in found.items() if one[2] != each.start}
        else:
            assert key not in found or found[key][1] == each.before
            found[key] = found.get(key, (each.before, None))[0], each.after
        seen.add(each.start)
    moved = {key: (before, after) for key, (before, after) in found.items() if before != after}
    return Told({key: ends for key, ends in moved.items() if key[2] not in unheard | anew}, unheard, anew)


@pytest.mark.timeout(400)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=st.lists(messages(), max_size=12), data=st.data())
def test_where_a_log_is_cut_into_steps_changes_neither_the_first_before_nor_the_last_after(
    log: list[bytes], data: st.DataObject
) -> None:
    one, other = Stream(REGISTERED), Stream(REGISTERED)
    for each in log:
        one.step(each)
    rest = list(log)
    while rest:
        size = data.draw(st.integers(1, len(rest)), "step")
        other.step(*rest[:size])
        rest = rest[size:]
        if data.draw(st.integers(0, 3), "restart") == 0:
            other.restart(without_local_copy=True)
    apart, cut = told(one.revisions), told(other.revisions)
    # Where readings came and were taken away again, one that makes a single step of both has nothing to tell.
    anew = apart.anew | cut.anew
    gone = {name for name in apart.unheard | cut.unheard if not one.known_of(name)}
    assert apart.unheard - gone - anew == cut.unheard - gone - anew
    moved, other_moved = (
        {key: ends for key, ends in each.moved.items() if key[2] not in anew | gone} for each in (apart, cut)
    )
    assert moved == other_moved
    for (entity, metric, name), (_, after) in moved.items():
        assert one.value(metric, name, entity) == (None if after is None else Decimal(after).scaleb(-6))
