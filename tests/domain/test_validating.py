"""Validation rules in the fold: what they find opens and closes with the readings, in whatever order these come."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import Finding, Reported
from tests.domain.test_fold_properties import standing
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, report, tick

DAY = "2018-03-01"
OVER = tick("2018-03-03T00:00")


def hours(id_: str, values: dict[int, str], day: str = DAY) -> list[tuple[Any, ...]]:
    """Return the hourly readings of a meter stamped at the end: by hour, from 1 on."""
    return [(id_, instant(day) + hour * 3_600_000, value) for hour, value in values.items()]


def opened(stream: Stream) -> dict[tuple[str, str], Finding]:
    return {(each.rule, each.meter.rpartition(".")[2]): each for each in stream.findings.values() if each.open}


def rule(id_: str, check: str, **spec: Any) -> str:
    return document("validation", id_, check=check, **spec)


def test_a_finding_tells_the_figures_and_a_registered_rule_takes_the_shipped_ones_place_where_it_selects() -> None:
    own = rule("calm", "spike", max_pct="50", select={"kind": "meter", "id": ["works.e01"]})
    off = rule("furnace", "spike", active=False, select={"kind": "meter", "id": ["works.e03"]})
    stream = Stream(documents(REGISTRY, own, off, *(meter(each, step="1h") for each in ("e01", "e02", "e03"))))
    for each in ("e01", "e02", "e03"):
        stream.readings(*hours(each, {1: "10", 2: "10", 3: "10", 4: "99"}), received=0)
    stream.step(OVER)
    found = opened(stream)
    assert found.keys() == {("validation.calm", "e01"), ("validation.spike", "e02")}
    assert found["validation.calm", "e01"].figures == {"max": "99", "third": "10", "above_pct": "890", "max_pct": "50"}
    assert found["validation.calm", "e01"].effect == "flag"
    assert found["validation.calm", "e01"].reason == "calm"


def test_a_reported_month_is_held_against_the_sum_of_its_days() -> None:
    stream = Stream(documents(REGISTRY, meter("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T08:00", "1"), received=0)
    stream.step(report("2018-03", "300"), *(report(f"2018-03-{day:02}", "10") for day in range(1, 32)))
    assert opened(stream) == {}  # 310 for 300
    stream.step(report("2018-03", "295", rev=1))
    (found,) = opened(stream).values()
    assert (found.rule, found.meter) == ("validation.day-month", "enterprise/works")
    assert found.figures["off_pct"] == "5.08"
    stream.step(report("2018-03-31", "9", rev=1))
    assert opened(stream) == {}


def test_two_months_that_differ_from_their_days_are_one_finding_until_both_are_right() -> None:
    stream = Stream(documents(REGISTRY, meter("e01", step="1h"), document("product", "coke", unit="t")))

    def told(product: str, period: str, value: str, rev: int = 0) -> Reported:
        return msgspec.structs.replace(report(period, value, rev=rev), metric=f"output.{product}")

    products = ("coke", "crude-steel")
    days = [told(each, f"2018-02-{day:02}", "10") for each in products for day in range(1, 29)]
    stream.step(*days, *(told(each, "2018-02", "500") for each in products))
    (found,) = opened(stream).values()
    assert (found.figures["metric"], found.figures["also"]) == ("output.coke", "output.crude-steel")
    again = stream.step(told("coke", "2018-02-01", "10", rev=1))
    assert [each for each in again.outputs if each.topic == "findings"] == []
    stream.step(told("coke", "2018-02", "280", rev=1))
    (found,) = opened(stream).values()
    assert found.figures["metric"] == "output.crude-steel"
    stream.step(told("crude-steel", "2018-02", "280", rev=1))
    assert opened(stream) == {}


def test_of_a_day_with_an_outage_only_the_rest_has_to_be_complete() -> None:
    on = rule("completeness", "completeness", active=True)
    outage = document("outage", "o", meter="works.e01", to=f"{DAY}T12:00:00", **{"from": f"{DAY}T00:00:00"})
    stream = Stream(documents(REGISTRY, on, outage, meter("e01", step="1h")))
    stream.readings(*hours("e01", dict.fromkeys(range(13, 25), "10")), received=0)
    stream.step(tick("2018-03-02T00:00"))
    assert opened(stream) == {}


def test_two_values_of_one_instant_are_a_finding_until_a_revision_decides() -> None:
    stream = Stream(documents(REGISTRY, meter("e01")))
    stream.readings(("e01", "2018-03-01T08:15", "5"), received=instant("2018-03-01T08:16"))
    stream.readings(("e01", "2018-03-01T08:15", "7"), received=instant("2018-03-01T08:17"))
    (found,) = opened(stream).values()
    assert found.rule == "validation.duplicates"
    assert found.figures == {"stands": "5", "kept_aside": "7"}
    stream.readings(("e01", "2018-03-01T08:15", "7", 1))
    assert opened(stream) == {}


def test_readings_beside_the_grid_are_one_finding_an_hour() -> None:
    on = rule("schedule", "schedule", active=True)
    stream = Stream(documents(REGISTRY, on, meter("e01"), meter("e02")))
    stream.readings(
        ("e01", "2018-03-01T08:17", "5"), ("e01", "2018-03-01T08:32", "5"), ("e02", "2018-03-01T08:16", "1")
    )
    (found,) = opened(stream).values()
    assert found.meter == "meter/works.e01"
    assert found.figures == {"readings": "2", "off_s": "120", "tolerance_s": "60"}


def test_a_registers_hours_are_held_against_its_transformer() -> None:
    stream = Stream(documents(REGISTRY, meter("r01", "register", capacity_kva="100")))
    stream.readings(
        ("r01", "2018-03-01T08:00", "0"), ("r01", "2018-03-01T09:00", "110"), ("r01", "2018-03-01T10:00", "220.01")
    )
    assert opened(stream) == {}  # the day is not over
    stream.step(OVER)
    (found,) = opened(stream).values()
    assert (found.rule, found.start) == ("validation.ceiling", instant("2018-03-01T09:00"))
    assert found.figures == {"value": "110.01", "max": "110"}


def test_an_excluded_reading_is_missing_and_a_register_goes_on_from_the_one_before() -> None:
    spec = {"check": "range", "effect": "exclude", "max": "500", "unit": "kWh"}
    stream = Stream(documents(REGISTRY, document("validation", "r", **spec), meter("e01"), meter("r01", "register")))
    stream.readings(("e01", "2018-03-01T08:15", "500.01"), ("e01", "2018-03-01T08:30", "5"))
    stream.readings(
        ("r01", "2018-03-01T08:00", "100"), ("r01", "2018-03-01T08:30", "700"), ("r01", "2018-03-01T09:00", "120")
    )
    assert stream.value("qty.electricity", "2018-03-01T08") == Decimal(25)
    assert stream.value("qty.electricity", "2018-03-01T08", "meter/works.r01") == Decimal(20)
    assert {key: each.effect for key, each in opened(stream).items()} == {
        ("validation.r", "e01"): "exclude", ("validation.r", "r01"): "exclude",
    }  # fmt: skip


def test_what_sub_meters_do_not_explain_is_known_where_all_of_them_are() -> None:
    below = {"role": "sub", "parent": "e01", "step": "1h"}
    stream = Stream(documents(
        REGISTRY, meter("e01", step="1h"), meter("s1", **below), meter("s2", **below),
        meter("s3", role="sub", parent="s1", step="1h"),
    ))  # fmt: skip
    stream.readings(*hours("e01", {1: "10", 2: "10"}), *hours("s1", {1: "6", 2: "6"}), *hours("s2", {1: "3"}))
    stream.readings(*hours("s3", {1: "4", 2: "4"}))
    assert stream.value("unexplained.electricity", f"{DAY}T00", "meter/works.e01") == 1
    assert stream.value("unexplained.electricity", f"{DAY}T01", "meter/works.e01") is None
    assert stream.value("unexplained.electricity", f"{DAY}T01", "meter/works.s1") == 2
    assert stream.value("unexplained.electricity", DAY, "meter/works.s1") == 4
    # Of the enterprise: 1 + 2 and, where e01 is not known, 2; what is known adds up.
    assert stream.value("unexplained.electricity", DAY) == 5
    assert stream.value("unexplained.electricity", "2018") == 5
    stream.step(OVER)
    stream.readings(*hours("s2", {2: "2"}), received="2018-03-09T00:00")
    assert stream.value("unexplained.electricity", DAY, "meter/works.e01") == 3
    assert stream.value("qty.electricity", DAY) == 20
    assert stream.revised("unexplained.electricity", f"{DAY}T01", "meter/works.e01") == [(None, Decimal(2))]
    assert stream.revised("unexplained.electricity", DAY, "meter/works.e01") == [(Decimal(1), Decimal(3))]
    causes = [each.cause for each in stream.revisions if each.entity == "meter/works.e01"]
    assert [[batch.batch for batch in cause.batches] for cause in causes] == [["b"], ["b"]]


@pytest.mark.parametrize("without", [False, True])
def test_under_another_registry_findings_of_rules_that_hold_no_more_are_closed(without: bool) -> None:
    on = rule("completeness", "completeness", active=True)
    stream = Stream(documents(REGISTRY, on, meter("e01", step="1h")))
    stream.readings(*hours("e01", {1: "10", 2: "10", 3: "10", 4: "99"}), received=0)
    stream.step(OVER)
    assert {name for name, _ in opened(stream)} == {"validation.completeness", "validation.spike"}
    off = rule("spike", "spike", active=False)
    if without:
        stream.restart(without_local_copy=True)
    stream.register(documents(REGISTRY, off, meter("e01", step="1h")), 2)
    assert opened(stream) == {}


def test_what_an_exclusion_let_stand_still_is_looked_at_again_without_it() -> None:
    low = rule("low", "range", effect="exclude", min="0", max="3", unit="kWh")
    stream = Stream(documents(REGISTRY, low, meter("e02", "register", step="1h")))
    for hour, value in ((hour, "5" if hour in (10, 11) else "0") for hour in range(40)):
        stream.readings(("e02", instant(DAY) + hour * 3_600_000, value), received=0)
    stream.step(OVER)
    assert stream.value("qty.electricity", "2018-03-02") == 0
    stream.register(documents(REGISTRY, meter("e02", "register", step="1h")), 2)
    # Zeros after the 5 that counts now are no readings.
    assert stream.value("qty.electricity", "2018-03-02") is None


METERS = (
    meter("e01", step="1h", capacity_kva="20"), meter("e02", "register"),
    meter("s1", step="1h", role="sub", parent="e01"), meter("s2", "register", role="sub", parent="e01"),
)  # fmt: skip
RULES = (
    rule("e01-range", "range", effect="exclude", min="1", max="25", unit="kWh",
         select={"kind": "meter", "id": ["works.e01"]}),
    rule("e02-range", "range", effect="exclude", max="28", unit="kWh", select={"kind": "meter", "id": ["works.e02"]}),
    rule("stuck", "stuck", values=2, active=True), rule("zeros", "zeros", values=2, active=True),
    rule("completeness", "completeness", active=True), rule("schedule", "schedule", active=True),
    rule("day-level", "day-level", days=2, least_days=1, high_pct="110", active=True),
    rule("spike", "spike", max_pct="9"),
    rule("sum", "interval-sum", meters=["works.s1"], against="works.s2"),
)  # fmt: skip
REGISTERED = documents(REGISTRY, *RULES, *METERS)
FIRST = instant(DAY)


@st.composite
def whole_days(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Return hourly values of all meters over two days and a half, some of them replaced, voided or rivals."""
    found: list[tuple[Any, ...]] = []
    total = {"e02": 0, "s2": 0}
    values = st.sampled_from((0, 1, 2, 2, 2, 3, 10, 26))
    for hour in range(1, 61):
        for name in ("e01", "e02", "s1", "s2"):
            value = draw(values)
            if name in total:
                total[name] += value if name == "s2" else value % 2
                value = total[name]
            found.append((name, FIRST + hour * 3_600_000, str(value)))
    for _ in range(draw(st.integers(0, 6))):
        name, at_ms, _ = found[draw(st.integers(0, 200))]
        value = draw(st.none() | values.map(str))
        found.append((name, at_ms + draw(st.sampled_from((0, 0, 0, 120_000))), value, draw(st.integers(0, 1))))
    return found


@pytest.mark.timeout(400)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=whole_days(), data=st.data())
def test_neither_order_nor_lateness_changes_what_rules_find(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    whole = Stream(REGISTERED)
    whole.step(tick("2018-02-28T12:00"))
    whole.step(message(batch(rows, received=FIRST)))
    whole.step(tick("2018-03-04T00:00"))

    other = Stream(documents(REGISTRY, *METERS) if data.draw(st.booleans(), "rules come later") else REGISTERED)
    other.step(tick("2018-02-28T12:00"))
    mixed = data.draw(st.permutations(rows), "order")
    now = instant("2018-02-28T12:00")
    while mixed:
        size = data.draw(st.integers(1, len(mixed)), "batch")
        part, mixed = mixed[:size], mixed[size:]
        now = min(now + data.draw(st.integers(0, 40), "hours") * 3_600_000, instant("2018-03-04T00:00"))
        steps = [message(batch(part, received=FIRST)), tick(now)]
        other.step(*(steps if data.draw(st.booleans(), "readings first") else steps[::-1]))
        restart = data.draw(st.sampled_from((None, None, False, True)), "restart")
        if restart is not None:
            other.restart(without_local_copy=restart)
    other.step(tick("2018-03-04T00:00"))
    other.register(REGISTERED, 2)
    assert whole.rejected == other.rejected == []
    assert standing(other)["findings"] == standing(whole)["findings"]
    numbers = [{key: (each.metrics, each.own) for key, each in one.totals.items()} for one in (whole, other)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(("from_day", "missing"), [("2018-03-02", False), ("2018-03-01", True)])
def test_a_reading_stamped_at_midnight_is_held_against_the_rules_of_the_day_that_it_is_of(
    from_day: str, missing: bool
) -> None:
    spec = {"check": "range", "effect": "exclude", "max": "8", "unit": "kWh"}
    stream = Stream(documents(REGISTRY, document("validation", "low", from_day, **spec), meter("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T23:00", "5"), ("e01", "2018-03-02T00:00", "10"))
    assert stream.value("qty.electricity", "2018-03-01T23") == (None if missing else Decimal(10))
    assert opened(stream).keys() == ({("validation.low", "e01")} if missing else set())


def test_a_registers_hour_over_its_transformer_is_flagged_since_none_of_its_readings_is_taken_out() -> None:
    excluding = rule("kva", "ceiling", effect="exclude")
    stream = Stream(documents(REGISTRY, excluding, meter("r01", "register", capacity_kva="100")))
    stream.readings(("r01", "2018-03-01T08:00", "0"), ("r01", "2018-03-01T09:00", "200"), received=0)
    stream.step(OVER)
    assert stream.value("qty.electricity", "2018-03-01T08") == 200
    assert [(each.rule, each.effect) for each in stream.findings.values()] == [("validation.kva", "flag")]
