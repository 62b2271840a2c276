"""Values across windows follow from the facts: what comes late moves every window that rests on it, in any order."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import Reported
from schemas.windows import DAY_MS
from tests.domain.test_fold_properties import standing
from tests.folding import REGISTRY, Stream, document, documents, instant, meter, report, tick

INDICATORS = (
    document("settings", "default", grace={"hour": "2h", "day": "12h", "month": "1d", "year": "1d"}),
    document("reported", "value", unit="wan_yuan", price_base=[{"from": "2018-01-01", "year": 2015}]),
    document("indicator", "a-growth", type="growth", indicator="to-date", unit="%"),
    document("indicator", "growth", type="growth", total="qty.electricity", unit="%"),
    document("indicator", "steel-growth", type="growth", total="output.crude-steel", unit="%"),
    document("indicator", "to-date", type="cumulative", total="qty.electricity", unit="kWh"),
    document("indicator", "steel-to-date", type="cumulative", total="output.crude-steel", unit="t"),
    document("indicator", "mean", type="average", total="qty.electricity", over="day", unit="kWh"),
)
METER = meter("e01", step="1d")
REGISTERED = documents(REGISTRY, *INDICATORS, METER)
DAYS = ("2018-02-28", "2018-12-31", "2019-01-01", "2019-01-31", "2019-02-28", "2019-12-31", "2020-01-01", "2020-02-29")
# A leap over years makes no silent hours up, so that the examples stay small.
BEGIN, BEFORE_END, END = tick("2018-01-01"), tick("2020-02-26"), tick("2020-03-05")
NOW_MS = instant("2020-03-04")


def stream() -> Stream:
    found = Stream(REGISTERED)
    found.step(BEGIN)
    return found


def end_of(day: str) -> int:
    return instant(day) + DAY_MS


FACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reading"), st.sampled_from(DAYS), st.sampled_from((0, 24, 48, 240)), st.integers(0, 1)
        ),
        st.tuples(
            st.just("report"), st.sampled_from(("2018-02", "2019-01", "2019-02", "2019", "2018", "2020-02")),
            st.sampled_from((0, 10, 15)), st.integers(0, 1),
        ),
    ),
    max_size=9,
)  # fmt: skip


def put(stream: Stream, fact: tuple[str, str, int, int]) -> None:
    kind, name, amount, rev = fact
    if kind == "reading":
        stream.readings(("e01", end_of(name), str(amount), rev), received=NOW_MS + amount)
    else:
        stream.step(reported(name, amount, rev))


def reported(period: str, amount: int, rev: int = 0) -> Reported:
    return report(period, str(amount), received=NOW_MS + amount, rev=rev)


@pytest.mark.timeout(300)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=FACTS, data=st.data())
def test_what_first_comes_and_how_time_passes_between_changes_nothing(facts: list[Any], data: st.DataObject) -> None:
    whole = stream()
    whole.step(BEFORE_END)
    whole.step(END)
    for each in facts:
        put(whole, each)

    other = stream()
    other.step(BEFORE_END)
    now = instant("2020-02-26")
    for each in data.draw(st.permutations([*facts, *facts[:2]]), "order"):
        put(other, each)
        now += data.draw(st.sampled_from((0, 0, 1, 4)), "days") * DAY_MS
        other.step(tick(min(now, NOW_MS)))
        if data.draw(st.integers(0, 4), "restart") == 0:
            other.restart(without_local_copy=True)
    other.step(END)
    assert standing(other) == standing(whole)


@pytest.mark.parametrize("growing", ["growth", "a-growth", "to-date", "steel-to-date", "mean"])
def test_an_indicator_registered_later_has_the_values_it_would_have_had(growing: str) -> None:
    facts: list[Any] = [
        *(("reading", day, 24 * (place + 1), 0) for place, day in enumerate(DAYS)),
        *(("report", f"{year}-0{month}", 10, 0) for year in (2018, 2019) for month in (1, 2)),
    ]
    whole, later = stream(), Stream(documents(REGISTRY, *INDICATORS[:2], METER))
    later.step(BEGIN)
    for each in (whole, later):
        each.step(END)
        for fact in facts:
            put(each, fact)
    later.register(REGISTERED, 2)
    names = ("2018-02", "2019-01", "2019-02", "2019-Q1", "2019", "2020-02")
    values = [later.value(f"ind.{growing}", name) for name in names]
    assert values == [whole.value(f"ind.{growing}", name) for name in names]
    assert any(value is not None for value in values)


def test_a_month_that_only_has_reports_follows_a_new_indicator() -> None:
    found = Stream(documents(REGISTRY))
    found.step(tick("2019-03-01"), reported("2019-01", 10), reported("2018-01", 8))
    found.register(
        documents(REGISTRY, document("indicator", "g", type="growth", total="output.crude-steel", unit="%")), 2
    )
    assert found.value("ind.g", "2019-01") == Decimal(25)


def test_a_late_reading_of_last_year_moves_the_growth_of_this_year() -> None:
    found = stream()
    found.step(END)
    for year, amount in ((2018, 48), (2019, 24)):
        found.readings(("e01", end_of(f"{year}-02-28"), str(amount)), received=NOW_MS)
    assert found.value("ind.growth", "2019-02") == -50
    found.readings(("e01", end_of("2018-02-28"), "12", 1), received=NOW_MS)
    assert found.value("ind.growth", "2019-02") == 100
    assert found.value("ind.growth", "2019") == 100
    found.readings(("e01", end_of("2018-02-28"), None, 2), received=NOW_MS)
    assert found.value("ind.growth", "2019-02") is None


def test_there_is_no_growth_on_nothing_and_none_on_what_is_below_zero() -> None:
    registered = documents(REGISTRY, *INDICATORS, meter("e01", step="1d", role="output"))
    found = Stream(registered)
    found.step(BEGIN, END)
    for year, amount in ((2018, 48), (2019, 24)):
        found.readings(("e01", end_of(f"{year}-02-28"), str(amount)), received=NOW_MS)
    assert found.value("qty.electricity", "2018-02") == -48
    assert found.value("ind.growth", "2019-02") is None
    found.step(reported("2018-02", 0), reported("2019-02", 5))
    assert found.value("ind.steel-growth", "2019-02") is None


def test_a_month_that_is_not_over_does_not_compare_with_a_whole_one() -> None:
    found = stream()
    found.readings(("e01", end_of("2018-02-28"), "48"), received=NOW_MS)
    found.readings(("e01", end_of("2019-02-10"), "24"), received=NOW_MS)
    found.step(tick("2019-02-15"))
    assert found.value("ind.growth", "2019-02") is None
    found.step(tick("2019-03-01"))
    assert found.value("ind.growth", "2019-02") == -50


def test_what_is_under_control_grows_from_windows_of_which_no_part_is_tagged() -> None:
    indicators = (
        document("indicator", "g", type="growth", total="energy.cv.controlled", unit="%"),
        document("indicator", "c", type="cumulative", total="energy.cv.controlled", unit="kgce"),
    )
    green = document(
        "certificate", "c1", enterprise="works", number="1", carrier="electricity", period="2019-02", value="3",
        unit="kWh", source="demo",
    )  # fmt: skip
    found = Stream(documents(REGISTRY, METER, *indicators, green))
    found.step(tick("2018-01-01"))
    for day in ("2018-02-01", "2019-01-01", "2019-02-01"):
        found.readings(("e01", end_of(day), "240"))
    found.step(tick("2019-03-05"))
    # 240 kWh are 29.496 kgce, of which 3 kWh or 0.3687 kgce are green in the second February.
    assert found.value("ind.g", "2019-02") == Decimal("-1.25")
    assert found.value("ind.c", "2018-02") == Decimal("29.496")
    assert found.value("ind.c", "2019-02") == Decimal("58.6233")
